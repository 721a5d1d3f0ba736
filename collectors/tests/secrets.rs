//! Meters that do not let the head-end in: what is told, and how often they are tried before they lock themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::sync::{Arc, Mutex};

use collectors::{Credentials, Failure, Reason, Station, Task};
use common::*;
use dlms::client::{Hls, Password};

/// The client that the meter lets in without security.
const PUBLIC: u16 = 16;
/// A secret for a proof.
const SECRET: &str = "a secret of both";

/// As whom the meter is asked by whoever knows a secret.
fn known(level: Level) -> Arc<Station> {
    Arc::new(Station { client_sap: 1, ..station(level) })
}

/// A meter that says nothing to whom it does not know.
fn silent(level: Level) -> Meter {
    let mut meter = Meter::new(level);
    (meter.mischief.conceals, meter.mischief.public) = (true, Some(PUBLIC));
    meter
}

/// What comes of five works that are due at once, and how many associations were asked for, those without security too.
async fn five(meter: &Arc<Mutex<Meter>>, level: Level) -> (Vec<Option<Failure>>, u32) {
    let station = known(level);
    let works = (1..=5).map(|job| work(job, &station, Task::ReadClock)).collect();
    let reports = collect(meter, works).await;
    let ends = (1..=5).map(|job| ended(&reports, job).err()).collect();
    (ends, meter.lock().unwrap().seen.aarqs)
}

/// Asserts that all five failed for this reason, and were told so.
fn all_failed(ends: &[Option<Failure>], reason: Reason, words: &[&str]) {
    for failure in ends {
        let failure = failure.as_ref().expect("it is not let in");
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(words.iter().all(|word| failure.detail.contains(word)), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_that_a_meter_is_silent_to_is_tried_twice_and_told() {
    let mut meter = silent(Level::Gmac);
    meter.key = 0xE2;
    let (ends, aarqs) = five(&meter.share(), Level::Gmac).await;
    all_failed(&ends, Reason::WrongKey, &["answers in the clear", "keys", "security gmac"]);
    assert_eq!(aarqs, 2 + 1, "the last one without security");
}

/// A meter that says nothing in the clear either: it is not there, and is tried as any other.
#[tokio::test(start_paused = true)]
async fn a_meter_that_does_not_answer_in_the_clear_either_is_a_line() {
    let mut meter = silent(Level::Gmac);
    meter.mischief.silent_after = Some(0);
    let (ends, _) = five(&meter.share(), Level::Gmac).await;
    all_failed(&ends, Reason::Timeout, &["no complete answer"]);
}

/// A counter that is too low is no wrong key: the meter tells the one that it has seen.
#[tokio::test(start_paused = true)]
async fn a_counter_that_a_meter_is_silent_to_is_raised() {
    let mut meter = silent(Level::Gmac);
    meter.last_client_counter = Some(100_000);
    let (ends, _) = five(&meter.share(), Level::Gmac).await;
    let first = ends[0].as_ref().unwrap();
    assert_eq!((first.reason, first.expected_counter), (Reason::CounterRejected, Some(100_001)), "{first}");
}

/// The meter has accepted what was sent, as its counter tells: what was lost is its answer.
#[tokio::test(start_paused = true)]
async fn answers_that_get_lost_are_no_wrong_key() {
    let mut meter = silent(Level::Gmac);
    // The third connection is the one without security.
    meter.mischief.silent_in = [(1, 0), (2, 0)].into();
    let meter = meter.share();
    let (ends, aarqs) = five(&meter, Level::Gmac).await;
    assert!(ends.iter().all(Option::is_none), "{ends:?}");
    assert_eq!(aarqs, 4);
}

/// Keys that have opened an association are right, however silent the meter is later.
#[tokio::test(start_paused = true)]
async fn keys_that_were_right_are_not_doubted() {
    let mut meter = silent(Level::Gmac);
    // Association, proof, serial number, clock; then the line breaks for a while.
    meter.mischief.cut_after = [(1, 4)].into();
    meter.mischief.deaf_in = [2, 3].into();
    let (ends, _) = five(&meter.share(), Level::Gmac).await;
    let reasons: Vec<_> = ends.iter().map(|end| end.as_ref().map(|failure| failure.reason)).collect();
    assert_eq!(reasons, [None, Some(Reason::Timeout), None, None, None]);
}

/// A meter that tells no counter in the clear, or nothing at all, may be at the end of a bad line.
#[tokio::test(start_paused = true)]
async fn without_a_counter_silence_is_no_wrong_key() {
    let mut meter = silent(Level::Gmac);
    meter.key = 0xE2;
    meter.mischief.denied = vec![("0.0.43.1.0.255".parse().unwrap(), 2)];
    let (ends, _) = five(&meter.share(), Level::Gmac).await;
    all_failed(&ends, Reason::Timeout, &["client address and keys"]);
}

/// What stands in front of the proof was answered: nothing else need be asked.
#[tokio::test(start_paused = true)]
async fn a_wrong_secret_that_a_meter_is_silent_to_is_tried_twice_and_told() {
    let mut meter = silent(Level::Gmac);
    meter.secret = Some("another secret..".into());
    let meter = meter.share();
    let level = collectors::Level::Hls(Hls::Sha256 { secret: Password::new(SECRET) });
    let credentials = Credentials { level, client_title: Some(TITLE), ..Credentials::none() };
    let station = Arc::new(Station { client_sap: 1, credentials, ..station(Level::None) });
    let works = |jobs: [i64; 5]| jobs.map(|job| work(job, &station, Task::ReadClock)).into();
    let reports = collect(&meter, works([1, 2, 3, 4, 5])).await;
    let ends: Vec<_> = (1..=5).map(|job| ended(&reports, job).err()).collect();
    all_failed(&ends, Reason::WrongPassword, &["answers in the clear", "the password", "security sha256"]);
    assert_eq!(meter.lock().unwrap().seen.aarqs, 2);

    meter.lock().unwrap().secret = Some(SECRET.into());
    let reports = collect(&meter, works([6, 7, 8, 9, 10])).await;
    assert!((6..=10).all(|job| ended(&reports, job).is_ok()), "{reports:?}");
}
