//! The clock of a meter that this project did not write: how far it is off, put right by a shift and by setting it, whatever it says of its deviation.

use ami_proto::v1::clocks_service_client::ClocksServiceClient;
use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::{
    ClockOrder, ClockReading, Command, CommandOutcome, FailureReason, IdentityTarget, ListClocksRequest,
    OrderTerms, SyncClocksRequest, ZoneFault,
};
use jiff::{SignedDuration, Timestamp};

use crate::head::Head;
use crate::meter::Meter;

const QUARTER: i64 = 900;

/// A moment at which no quarter of an hour ends soon, and a zone in which it is day.
async fn good_moment() -> &'static str {
    let in_quarter = Timestamp::now().as_second().rem_euclid(QUARTER);
    let wait = if (90..810).contains(&in_quarter) { 0 } else { (QUARTER + 90 - in_quarter) % QUARTER };
    tokio::time::sleep(std::time::Duration::from_secs(wait.unsigned_abs())).await;
    let hour = Timestamp::now().as_second().rem_euclid(86_400) / 3600;
    if (4..20).contains(&hour) { "Europe/Berlin" } else { "America/Los_Angeles" }
}

async fn sync(head: &Head, serial: &str, across_boundaries: bool) -> Command {
    let key = format!("clock-{across_boundaries}");
    let terms = OrderTerms { idempotency_key: key, reason: "test".into(), ..OrderTerms::default() };
    let request = SyncClocksRequest {
        meter_serials: vec![serial.to_owned()],
        terms: Some(terms),
        order: Some(ClockOrder { tolerance: None, across_boundaries }),
    };
    let mut client = ClocksServiceClient::new(head.channel.clone());
    let commands = client.sync_clocks(request).await.unwrap().into_inner().commands;
    head.end_of(commands[0].id).await
}

async fn seen(head: &Head) -> ClockReading {
    let request = ListClocksRequest::default();
    let mut client = ClocksServiceClient::new(head.channel.clone());
    client.list_clocks(request).await.unwrap().into_inner().clocks.remove(0)
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_clock_is_put_right_whatever_it_says_of_its_deviation() {
    let zone = good_moment().await;
    for extra in [&[][..], &["--unspecified-deviation"]] {
        for (ahead_s, across) in [(-40, false), (35, false), (3 * 86_400, true)] {
            let now = Timestamp::now() + SignedDuration::from_secs(ahead_s);
            let now = Timestamp::from_second(now.as_second()).unwrap().to_string();
            let meter = Meter::start(&[&["--timezone", zone, "--now", &now], extra].concat());
            let head = Head::start().await;
            head.register(&meter, "gmac", zone).await;
            let serial = meter.text("serial");
            if across {
                let refused = sync(&head, &serial, false).await;
                assert_eq!(refused.failure(), FailureReason::BoundaryCrossed, "{refused:?}");
                let off = seen(&head).await.drift_ms - ahead_s * 1000;
                // A busy machine takes its time to start the meter.
                assert!(off.abs() < 60_000, "{off}");
            }
            let command = sync(&head, &serial, across).await;
            assert_eq!(command.outcome(), CommandOutcome::ClockRight, "{command:?}\n{}", head.log());
            let after = seen(&head).await;
            assert!(after.drift_ms.abs() <= after.uncertainty_ms + 1000, "{extra:?} {ahead_s}: {after:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_clock_that_is_set_up_for_another_place_is_told() {
    // It always says that it changes in March and October.
    for (zone, place, fault) in [
        ("Europe/Berlin", "Europe/Berlin", ZoneFault::Unspecified),
        ("Europe/Berlin", "Asia/Dhaka", ZoneFault::Offset),
        ("Asia/Dhaka", "Asia/Dhaka", ZoneFault::SummerAdded),
        ("America/New_York", "America/New_York", ZoneFault::Change),
    ] {
        let meter = Meter::start(&["--timezone", zone, "--now", &Timestamp::now().to_string()]);
        let head = Head::start().await;
        head.register(&meter, "lls", place).await;
        head.read(&meter.text("serial"), Target::Identity(IdentityTarget {})).await.unwrap();
        assert_eq!(seen(&head).await.zone_fault(), fault, "{zone} at {place}");
    }
}
