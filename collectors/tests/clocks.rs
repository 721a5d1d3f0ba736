//! The clocks of meters: looked at beside what is read, and put right by order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::sync::{Arc, Mutex};

use collectors::{
    Channel, Clock, ClockReading, Covered, Dialer, Event, Failure, MemoryDialer, Outcome, Reason, Report,
    Station, SyncClock, Task, Terms, Work,
};
use common::{CLOCK, Fate, Level, Meter, at, ended, limits, play, station, warm_range, work};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

/// The time of the head-end: it stands still, as the meter's does.
const NOW: &str = "2026-06-02T12:05:07Z";
const SHIFT: i8 = 6;
const SET: i8 = 2;

struct Standing {
    fault: Option<String>,
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        at(NOW)
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}

async fn ask(meter: &Arc<Mutex<Meter>>, fault: Option<&str>, works: Vec<Work>) -> Vec<Report> {
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(meter), lines));
    let (reports, mut outcome) = mpsc::channel(256);
    let (sender, receiver) = mpsc::channel(works.len());
    works.into_iter().for_each(|work| sender.try_send(work).unwrap());
    drop(sender);
    let clock = Standing { fault: fault.map(str::to_owned) };
    Channel::with(limits(), reports, Dialer::Memory(dialer), Arc::new(clock))
        .minding_clocks()
        .run(receiver)
        .await;
    player.abort();
    let mut all = Vec::new();
    while let Ok(report) = outcome.try_recv() {
        all.push(report);
    }
    all
}

/// A meter whose clock is so far ahead, in seconds.
fn ahead(seconds: i64) -> Arc<Mutex<Meter>> {
    let mut meter = Meter::new(Level::Gmac);
    meter.clock.0 = at(NOW) + SignedDuration::from_secs(seconds);
    meter.share()
}

fn order(across_boundaries: bool) -> SyncClock {
    let terms = Terms { deadline: at("2026-06-02T13:00:00Z"), in_doubt: false };
    SyncClock { tolerance: SignedDuration::from_secs(2), across_boundaries, terms }
}

async fn sync(meter: &Arc<Mutex<Meter>>, station: Station, across: bool) -> Result<Covered, Failure> {
    let works = vec![work(1, &Arc::new(station), Task::SyncClock(order(across)))];
    ended(&ask(meter, None, works).await, 1)
}

fn off_by(meter: &Mutex<Meter>) -> i64 {
    meter.lock().unwrap().clock.0.duration_since(at(NOW)).as_secs()
}

fn orders(meter: &Mutex<Meter>) -> Vec<i8> {
    let meter = meter.lock().unwrap();
    meter.seen.orders.iter().filter(|(obis, _)| *obis == CLOCK).map(|(_, number)| *number).collect()
}

fn clocks(reports: &[Report]) -> Vec<ClockReading> {
    let clock = |report: &Report| match report.event {
        Event::Clock(clock) => Some(clock),
        _ => None,
    };
    reports.iter().filter_map(clock).collect()
}

#[tokio::test(start_paused = true)]
async fn a_clock_is_looked_at_once_for_each_association_that_reads() {
    let meter = ahead(12);
    let (known, station) = (warm_range(Level::Gmac).await, Arc::new(station(Level::Gmac)));
    let read = |job| work(job, &station, Task::ReadProfile(known.clone()));
    let reports = ask(&meter, None, vec![read(1), read(2), read(3)]).await;
    let clocks = clocks(&reports);
    assert_eq!(clocks.len(), 1, "{reports:?}");
    assert_eq!(clocks[0].drift(), SignedDuration::from_millis(12_500));
    assert_eq!(clocks[0].uncertainty(), SignedDuration::from_millis(500));
    let exchanges = |job| ended(&reports, job).unwrap().exchanges;
    assert_eq!(exchanges(2), exchanges(3), "nothing but the blocks of the profile");
    let asked = meter.lock().unwrap().seen.gets.iter().filter(|(obis, _)| *obis == CLOCK).count();
    assert_eq!(asked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_never_fails_for_the_clock() {
    let meter = ahead(0);
    meter.lock().unwrap().mischief.denied.push((CLOCK, 2));
    let (known, station) = (warm_range(Level::Gmac).await, Arc::new(station(Level::Gmac)));
    let works = vec![
        work(1, &station, Task::ReadProfile(known.clone())),
        work(2, &station, Task::ReadProfile(known)),
    ];
    let reports = ask(&meter, None, works).await;
    assert!(ended(&reports, 1).is_ok() && ended(&reports, 2).is_ok(), "{reports:?}");
    assert_eq!(clocks(&reports), []);
    assert_eq!(meter.lock().unwrap().seen.aarqs, 1, "and keeps its association");
}

#[tokio::test(start_paused = true)]
async fn a_small_difference_is_shifted_and_a_large_one_set() {
    for (seconds, expected) in [(-100, SHIFT), (250, SHIFT), (-250, SHIFT)] {
        let meter = ahead(seconds);
        let end = sync(&meter, station(Level::Gmac), false).await.unwrap();
        assert_eq!(end.outcome, Some(Outcome::ClockRight));
        assert!(off_by(&meter).abs() <= 1, "{seconds}");
        assert_eq!(orders(&meter), [expected], "{seconds}");
    }
    let meter = ahead(40 * 86_400 + 120);
    let end = sync(&meter, station(Level::Gmac), true).await.unwrap();
    assert_eq!(end.outcome, Some(Outcome::ClockRight));
    assert_eq!((off_by(&meter).abs() <= 1, orders(&meter)), (true, vec![SET]));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_right_is_left_alone() {
    let meter = ahead(-2);
    let end = sync(&meter, station(Level::Gmac), false).await.unwrap();
    assert_eq!(end.outcome, Some(Outcome::ClockRight));
    assert_eq!((off_by(&meter), orders(&meter)), (-2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_calls_itself_invalid_is_set_although_it_is_right() {
    let meter = ahead(0);
    meter.lock().unwrap().clock.1 = 0x81;
    let end = sync(&meter, station(Level::Gmac), false).await.unwrap();
    assert_eq!((end.outcome, orders(&meter)), (Some(Outcome::ClockRight), vec![SET]));
}

#[tokio::test(start_paused = true)]
async fn nothing_jumps_over_the_end_of_an_interval_unless_that_was_ordered() {
    // Five minutes past: eleven minutes back and ten ahead lie in other quarters of an hour.
    for (seconds, reason) in [
        (-400, Reason::BoundaryNear),
        (595, Reason::BoundaryNear),
        (901, Reason::BoundaryCrossed),
        (-5000, Reason::BoundaryCrossed),
    ] {
        let meter = ahead(seconds);
        let failure = sync(&meter, station(Level::Gmac), false).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{seconds}: {failure}");
        assert_eq!((off_by(&meter), orders(&meter)), (seconds, vec![]));
        assert!(!failure.in_doubt);
    }
    let meter = ahead(-400);
    assert!(sync(&meter, station(Level::Gmac), true).await.is_ok());
    assert_eq!(orders(&meter), [SHIFT]);
}

#[tokio::test(start_paused = true)]
async fn a_meter_without_the_method_is_set() {
    let meter = ahead(100);
    meter.lock().unwrap().mischief.denied.push((CLOCK, SHIFT));
    sync(&meter, station(Level::Gmac), false).await.unwrap();
    assert_eq!((off_by(&meter).abs() <= 1, orders(&meter)), (true, vec![SHIFT, SET]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_resolved_by_reading_and_a_lost_order_is_sent_again() {
    for fate in [Fate::AnswerLost, Fate::OrderLost] {
        let meter = ahead(100);
        meter.lock().unwrap().mischief.orders.insert(1, fate);
        let end = sync(&meter, station(Level::Gmac), false).await.unwrap();
        assert_eq!(end.outcome, Some(Outcome::ClockRight));
        assert_eq!((off_by(&meter).abs() <= 1, orders(&meter)), (true, vec![SHIFT]), "{fate:?}: moved once");
    }
    let meter = ahead(100);
    meter.lock().unwrap().mischief.orders.insert(1, Fate::SilentAfter);
    let failure = sync(&meter, station(Level::Gmac), false).await.unwrap_err();
    assert!(failure.in_doubt, "{failure}");
}

#[tokio::test(start_paused = true)]
async fn no_meter_is_set_by_a_clock_that_is_not_trusted_nor_one_whose_model_does_not_say_how() {
    let meter = ahead(100);
    let works = vec![work(1, &Arc::new(station(Level::Gmac)), Task::SyncClock(order(false)))];
    let fault = "the clock of this machine is 7 s ahead of the database's.";
    let failure = ended(&ask(&meter, Some(fault), works).await, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::ClockUntrusted);
    assert!(failure.detail.contains(fault), "{failure}");

    let mut plain = station(Level::Gmac);
    Arc::get_mut(&mut plain.model).unwrap().clock_sync = None;
    let failure = sync(&meter, plain, false).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Unsupported);
    assert_eq!((off_by(&meter), orders(&meter)), (100, vec![]));
}
