//! Each way to fail has its own name, in the API and in the list of jobs, and is never "no data".

use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::{ClockTarget, Credentials, FailureReason, IdentityTarget, JobState, SecurityPolicy};

use crate::head::{Head, failure, gmac, lls};
use crate::meter::Meter;

const FROM: &str = "2026-03-30T06:15:00Z";
const TO: &str = "2026-03-30T12:00:00Z";

/// Asks for the profile and asserts why it fails, in the answer and in the list of jobs.
async fn fails(head: &Head, serial: &str, reason: FailureReason) -> String {
    let status = head.read_profile(serial, FROM, TO).await.unwrap_err();
    let (got, detail) = failure(&status);
    assert_eq!(got, reason, "{detail}\n{}", head.log());
    let job = head.jobs().await.remove(0);
    assert_eq!((job.state(), job.reason()), (JobState::Failed, reason), "{job:?}");
    assert!(!detail.is_empty() && job.detail == detail, "{job:?}");
    assert_eq!(head.stored(8), Vec::<String>::new());
    detail
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_wrong_password() {
    let meter = Meter::start(&[]);
    let head = Head::start().await;
    let level = lls(b"87654321".to_vec());
    head.create(&meter.text("serial"), &meter.address().to_string(), "UTC", Some(level)).await;
    let detail = fails(&head, &meter.text("serial"), FailureReason::WrongPassword).await;
    assert!(!detail.contains("87654321") && !head.log().contains("87654321"));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn wrong_keys() {
    let meter = Meter::start(&[]);
    let (encryption, authentication) = (meter.text("encryption_key"), meter.text("authentication_key"));
    let other = "ffeeddccbbaa99887766554433221100";
    for (encryption, authentication) in [(other, authentication.as_str()), (encryption.as_str(), other)] {
        let head = Head::start().await;
        let level = Some(gmac(encryption, authentication));
        head.create(&meter.text("serial"), &meter.address().to_string(), "UTC", level).await;
        fails(&head, &meter.text("serial"), FailureReason::WrongKey).await;
        assert!(!head.log().to_lowercase().contains(other));
    }
}

/// C-17: the meter has seen higher counters: the job says so, the counter is raised, and the next attempt succeeds.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_stale_invocation_counter() {
    let meter = Meter::start(&["--invocation-counter", "70000"]);
    let head = Head::start().await;
    head.register(&meter, "gmac", "UTC").await;
    let job = head.read_profile(&meter.text("serial"), FROM, TO).await.unwrap();
    assert_eq!((job.state(), job.attempts), (JobState::Done, 2), "{job:?}\n{}", head.log());
    assert_eq!(head.stored(8), meter.expected(FROM, TO));
    assert_eq!(job.reason(), FailureReason::CounterRejected, "why the first attempt failed");
}

/// What a meter says of its counter is not proven: one that is far ahead is for a person, and no counter is spent on it.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn an_invocation_counter_that_is_too_far_ahead() {
    let meter = Meter::start(&["--invocation-counter", "300000000"]);
    let head = Head::start().await;
    head.register(&meter, "gmac", "UTC").await;
    let detail = fails(&head, &meter.text("serial"), FailureReason::CounterUnusable).await;
    assert!(detail.contains(" 30000000") && detail.contains("inventory"), "{detail}");
    assert_eq!(head.jobs().await[0].attempts, 1);
    assert_eq!(head.sql("SELECT scope, cause, needs_person FROM meter_trouble"), "|counter|t");
    assert_eq!(head.sql("SELECT next < 10000 FROM meter_counter"), "t");
}

/// The meter has no association for that client: it is told once, as what it is, and not as profiles that are absent.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn an_association_that_is_refused() {
    let meter = Meter::start(&["--auth", "public,management"]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    let detail = fails(&head, &meter.text("serial"), FailureReason::AssociationRefused).await;
    assert!(detail.contains("client address") && detail.contains("security lls"), "{detail}");
    assert_eq!(head.sql("SELECT scope, cause, needs_person FROM meter_trouble"), "|authentication|t");
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_policy_that_is_weaker_than_the_meter_demands() {
    let meter = Meter::start(&["--policy", "both"]);
    let head = Head::start().await;
    let level = gmac(&meter.text("encryption_key"), &meter.text("authentication_key"));
    let level = Credentials { policy: SecurityPolicy::Authenticated.into(), ..level };
    head.create(&meter.text("serial"), &meter.address().to_string(), "UTC", Some(level)).await;
    let detail = fails(&head, &meter.text("serial"), FailureReason::WrongKey).await;
    assert!(detail.contains("security gmac, policy authenticated"), "{detail}");
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn an_address_where_nobody_listens() {
    let meter = Meter::start(&[]);
    let (serial, address) = (meter.text("serial"), meter.address().to_string());
    meter.stop();
    let head = Head::start().await;
    head.create(&serial, &address, "UTC", None).await;
    let request = head.read(&serial, Target::Clock(ClockTarget {}));
    // It is tried again later: the job tells why meanwhile.
    let job = async {
        loop {
            match head.jobs().await.first() {
                Some(job) if job.reason() != FailureReason::Unspecified => return job.clone(),
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    };
    let job = tokio::select! {
        job = tokio::time::timeout(std::time::Duration::from_secs(60), job) => job.unwrap(),
        answer = request => panic!("{answer:?}"),
    };
    assert_eq!((job.state(), job.reason()), (JobState::Due, FailureReason::Refused), "{job:?}");
    assert!(job.detail.contains(&address), "{job:?}");
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_meter_with_another_serial_number() {
    let meter = Meter::start(&[]);
    let head = Head::start().await;
    let level = lls(meter.text("password").into_bytes());
    head.create("99999999", &meter.address().to_string(), "UTC", Some(level)).await;
    let detail = fails(&head, "99999999", FailureReason::WrongMeter).await;
    assert!(detail.contains(&meter.text("serial")), "{detail}");
}

/// C-10: the columns are others than those that were read before.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_layout_that_changed() {
    let meter = Meter::start(&[]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    let serial = meter.text("serial");
    head.read_profile(&serial, FROM, "2026-03-30T09:00:00Z").await.unwrap();
    let port = meter.address().port();
    meter.stop();
    let meter = Meter::at_port(port, &["--channels", "6"]);
    let job = head.read_profile(&serial, "2026-03-30T09:15:00Z", TO).await.unwrap();
    assert_eq!((job.state(), job.attempts), (JobState::Done, 2), "{job:?}\n{}", head.log());
    assert_eq!(job.reason(), FailureReason::LayoutChanged, "why the first attempt failed");
    let after = head.stored(6).split_off(12);
    assert_eq!(after, meter.expected("2026-03-30T09:15:00Z", TO));
    assert_eq!(head.sql("SELECT count(DISTINCT layout_id) FROM profile_row"), "2");
}

/// Where each read brings one row, none shows how far it is from the next.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_period_that_became_longer() {
    let meter = Meter::start(&["--interval", "60"]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    let serial = meter.text("serial");
    head.read_profile(&serial, "2026-03-30T08:30:00Z", "2026-03-30T09:00:00Z").await.unwrap();
    let port = meter.address().port();
    meter.stop();
    let _meter = Meter::at_port(port, &["--interval", "300"]);
    let job = head.read_profile(&serial, "2026-03-30T09:00:01Z", "2026-03-30T09:05:00Z").await.unwrap();
    assert_eq!((job.state(), job.attempts), (JobState::Done, 2), "{job:?}\n{}", head.log());
    assert_eq!(job.reason(), FailureReason::LayoutChanged, "why the first attempt failed");
    let rows = "SELECT l.period_s, count(*) FROM profile_row r JOIN profile_layout l ON l.id = r.layout_id GROUP BY l.period_s ORDER BY 1";
    assert_eq!(head.sql(rows), "60|31\n300|1");
    assert_eq!(head.sql("SELECT count(*) FROM profile_loss"), "0");
}

/// Without security this meter shows who it is and what time it is, and nothing else.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn without_security_the_profile_is_refused() {
    let meter = Meter::start(&[]);
    let head = Head::start().await;
    head.register(&meter, "none", "UTC").await;
    let serial = meter.text("serial");
    head.read(&serial, Target::Clock(ClockTarget {})).await.unwrap();
    head.read(&serial, Target::Identity(IdentityTarget {})).await.unwrap();
    assert_eq!(head.sql("SELECT logical_device_name FROM meter"), format!("PYM{serial}"));
    fails(&head, &serial, FailureReason::MeterRefused).await;
}
