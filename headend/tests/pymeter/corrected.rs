//! Meters that were registered wrongly are corrected, and read.

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::{CorrectMetersRequest, FailureReason};

use crate::head::{Head, failure, gmac, lls};
use crate::meter::Meter;

const FROM: &str = "2026-03-30T06:15:00Z";
const TO: &str = "2026-03-30T12:00:00Z";

async fn correct(head: &Head, header: &str, row: &str) {
    let chunk = format!("{header}\n{row}\n").into_bytes();
    let file = tokio_stream::iter([CorrectMetersRequest { chunk }]);
    let answer = InventoryServiceClient::new(head.channel.clone()).correct_meters(file).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!((answer.corrected, answer.problems), (1, Vec::new()));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_wrong_password_and_a_wrong_address_are_put_right() {
    let head = Head::start().await;
    let meter = Meter::start(&[]);
    let (serial, address) = (meter.text("serial"), meter.address().to_string());
    head.create(&serial, "127.0.0.1:1", "UTC", Some(lls("87654321"))).await;
    correct(&head, "serial,address", &format!("{serial},{address}")).await;
    let (reason, _) = failure(&head.read_profile(&serial, FROM, TO).await.unwrap_err());
    assert_eq!(reason, FailureReason::WrongPassword, "{}", head.log());
    correct(&head, "serial,password", &format!("{serial},{}", meter.text("password"))).await;
    head.read_profile(&serial, FROM, TO).await.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
    assert_eq!(head.stored(8), meter.expected(FROM, TO));
    assert!(!head.log().contains("87654321"));
}

/// Nobody orders anything: what needed a person is tried again as soon as it is mended.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn the_planner_reads_a_corrected_meter_at_once() {
    let head = Head::start().await;
    let meter = Meter::start(&["--days", "1", "--now", &jiff::Timestamp::now().to_string()]);
    let serial = meter.text("serial");
    head.create(&serial, &meter.address().to_string(), "UTC", Some(lls("87654321"))).await;
    let head = head.planning().await;
    wait(&head, "SELECT count(*) > 0 FROM meter_trouble WHERE needs_person").await;
    wait(&head, "SELECT count(*) = 0 FROM job WHERE finished_at IS NULL").await;
    correct(&head, "serial,password", &format!("{serial},{}", meter.text("password"))).await;
    wait(&head, "SELECT count(*) > 0 FROM profile_row").await;
    assert_eq!(head.sql("SELECT count(*) FROM meter_trouble WHERE scope = ''"), "0");
}

/// The head-end does not believe a meter that its counter is so far ahead; whoever knows it may say so.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_meter_whose_counter_is_far_ahead_is_taken_over() {
    let head = Head::start().await;
    let meter = Meter::start(&["--invocation-counter", "300000000"]);
    let serial = meter.text("serial");
    let keys = gmac(&meter.text("encryption_key"), &meter.text("authentication_key"));
    head.create(&serial, &meter.address().to_string(), "UTC", Some(keys)).await;
    head.read_profile(&serial, FROM, TO).await.unwrap_err();
    correct(&head, "serial,invocation_counter", &format!("{serial},300000001")).await;
    head.read_profile(&serial, FROM, TO).await.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
    assert_eq!(head.stored(8), meter.expected(FROM, TO));
}

async fn wait(head: &Head, question: &str) {
    let limit = std::time::Duration::from_secs(90);
    let asked = async {
        while head.sql(question) != "t" {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(limit, asked).await.is_err() {
        panic!("{question}\n{}", head.log());
    }
}
