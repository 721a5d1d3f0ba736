//! Orders on a memory line: what the meter shows afterwards is the outcome, an answer that got lost is resolved by reading, and what is
//! urgent steps in between two blocks. The meter counts the orders that reached it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{sync::Arc, sync::Mutex, time::Duration};

use collectors::{
    Channel, Dialer, Event, MemoryDialer, Outcome, Reason, Report, Switch, SwitchTo, Task, Terms,
};
use common::*;
use dlms::client::Counters;
use tokio::sync::mpsc;

const LATER: &str = "2026-06-02T12:15:00Z";

fn terms() -> Terms {
    Terms { deadline: at(LATER), in_doubt: false }
}

fn switch(to: SwitchTo) -> Task {
    Task::Switch(Switch { to, force: false, terms: terms() })
}

fn findings(reports: &[Report]) -> Vec<String> {
    let found = reports.iter().filter_map(|report| match &report.event {
        Event::Found(finding) => Some(format!("{}: {}", finding.what, finding.value)),
        _ => None,
    });
    found.collect()
}

/// Lets a channel carry out an order as job 1.
async fn order(meter: &Arc<Mutex<Meter>>, task: Task) -> Vec<Report> {
    let mut station = station(Level::Gmac);
    Arc::make_mut(&mut station.model).switch.as_mut().unwrap().tamper_lock =
        Some("1.0.94.98.69.255".parse().unwrap());
    let mut work = work(1, &Arc::new(station), task);
    // Every order brings counters that were never used.
    let next = meter.lock().unwrap().last_client_counter.map_or(1, |last| last + 1);
    work.counters = Some(Counters::new(next, next + 1000));
    collect(meter, vec![work]).await
}

fn carried_out(meter: &Mutex<Meter>) -> usize {
    meter.lock().unwrap().seen.orders.len()
}

#[tokio::test(start_paused = true)]
async fn every_control_mode_is_understood() {
    let armed = Ok(Outcome::ReadyForReconnection);
    let closed = Ok(Outcome::Connected);
    let expected = [Err(Reason::Unsupported), armed, closed, armed, closed, armed, armed];
    for (mode, expected) in (0..).zip(expected) {
        let meter = Meter::new(Level::Gmac).share();
        meter.lock().unwrap().switch = LoadSwitch { output: false, control: 0, mode, lock: 0 };
        let reports = order(&meter, switch(SwitchTo::Connected)).await;
        let outcome = ended(&reports, 1).map(|covered| covered.outcome.unwrap());
        assert_eq!(outcome.map_err(|failure| failure.reason), expected, "mode {mode}");
        let again = order(&meter, switch(SwitchTo::Connected)).await;
        assert_eq!(findings(&again).len(), 1, "what is as ordered is left alone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_resolved_by_reading_and_the_order_is_not_repeated() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.orders.insert(1, Fate::AnswerLost);
    let reports = order(&meter, switch(SwitchTo::Disconnected)).await;
    assert_eq!(ended(&reports, 1).unwrap().outcome, Some(Outcome::Disconnected));
    assert_eq!(carried_out(&meter), 1);
    let found = findings(&reports);
    assert_eq!(found[0], "state before: connected, output on, control mode 4");
    assert!(found[1].starts_with("order: no answer: "), "{found:?}");
    assert_eq!(found[2], "state after: disconnected, output off");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_certainly_did_not_arrive_is_sent_again_and_not_for_ever() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.orders.insert(1, Fate::OrderLost);
    let reports = order(&meter, switch(SwitchTo::Disconnected)).await;
    assert_eq!(ended(&reports, 1).unwrap().outcome, Some(Outcome::Disconnected));
    assert_eq!(carried_out(&meter), 1);

    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.orders.extend((1..9).map(|order| (order, Fate::OrderLost)));
    let failure = ended(&order(&meter, switch(SwitchTo::Disconnected)).await, 1).unwrap_err();
    assert_eq!((failure.reason, failure.in_doubt), (Reason::NotEffective, false), "{}", failure.detail);
    assert_eq!((carried_out(&meter), meter.lock().unwrap().seen.sent), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_back_stays_in_doubt_until_it_is_read() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.orders.insert(1, Fate::SilentAfter);
    let failure = ended(&order(&meter, switch(SwitchTo::Disconnected)).await, 1).unwrap_err();
    assert_eq!((failure.reason, failure.in_doubt), (Reason::Timeout, true), "{}", failure.detail);

    // The next attempt knows of the doubt. As long as nothing can be read, it stays.
    let doubtful = || {
        let terms = Terms { in_doubt: true, ..terms() };
        Task::Switch(Switch { to: SwitchTo::Disconnected, force: false, terms })
    };
    let failure = ended(&order(&meter, doubtful()).await, 1).unwrap_err();
    assert_eq!((failure.reason, failure.in_doubt), (Reason::Timeout, true), "{}", failure.detail);
    meter.lock().unwrap().mischief.silent_after = None;
    let reports = order(&meter, doubtful()).await;
    assert_eq!(ended(&reports, 1).unwrap().outcome, Some(Outcome::Disconnected));
    assert_eq!(carried_out(&meter), 1, "it was never repeated");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_does_not_follow_is_no_success() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.welded = true;
    let failure = ended(&order(&meter, switch(SwitchTo::Disconnected)).await, 1).unwrap_err();
    assert_eq!((failure.reason, failure.in_doubt), (Reason::NotEffective, false));
    assert!(failure.detail.contains("shows connected, output on"), "{}", failure.detail);
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_says_no_more_than_it_has_to_is_understood() {
    for (denied, sent) in [(false, Ok(Outcome::Disconnected)), (true, Err(Reason::MeterRefused))] {
        let meter = Meter::new(Level::None).share();
        {
            let mischief = &mut meter.lock().unwrap().mischief;
            mischief.terse = true;
            if denied {
                mischief.denied.push(("0.0.96.3.10.255".parse().unwrap(), 1));
            }
        }
        let station = Arc::new(station(Level::None));
        let reports = collect(&meter, vec![work(1, &station, switch(SwitchTo::Disconnected))]).await;
        let outcome = ended(&reports, 1).map(|covered| covered.outcome.unwrap());
        assert_eq!(outcome.map_err(|failure| failure.reason), sent);
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!((seen.orders.len(), seen.aarqs), (1, 1), "once, and nothing was in doubt");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let meter = Meter::new(Level::Gmac).share();
    let terms = Terms { deadline: at("2026-06-02T12:00:06Z"), in_doubt: false };
    let task = Task::Switch(Switch { to: SwitchTo::Disconnected, force: false, terms });
    let failure = ended(&order(&meter, task).await, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::DeadlinePassed);
    assert_eq!(carried_out(&meter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_tamper_lock_is_released_once() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().switch = LoadSwitch { output: false, control: 0, mode: 4, lock: 3 };
    let reports = order(&meter, Task::ReleaseTamperLock(terms())).await;
    assert_eq!(ended(&reports, 1).unwrap().outcome, Some(Outcome::LockReleased));
    assert_eq!(
        findings(&reports),
        [
            "state before: lock 3, switch disconnected, output off",
            "order: accepted",
            "state after: lock 0, switch connected, output on"
        ]
    );
    assert_eq!(carried_out(&meter), 1);
    let reports = order(&meter, Task::ReleaseTamperLock(terms())).await;
    assert_eq!(ended(&reports, 1).unwrap().outcome, Some(Outcome::LockReleased));
    assert_eq!(carried_out(&meter), 1, "a lock that is not there is left alone");
}

/// The order is sent while the profile is being read: its answer lies between two blocks, and the profile is complete all the same.
#[tokio::test(start_paused = true)]
async fn an_urgent_order_steps_in_between_two_blocks() {
    let meter = Meter::new(Level::Gmac).share();
    let station = Arc::new(station(Level::Gmac));
    let range = warm_range(Level::Gmac).await;
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(&meter), lines));
    let (reports, mut outcome) = mpsc::channel(1);
    let (works, receiver) = mpsc::channel(4);
    works.send(work(1, &station, Task::ReadProfile(range))).await.unwrap();
    let channel = Channel::with(limits(), reports, Dialer::Memory(dialer), Arc::new(FixedClock));
    let mut all = Vec::new();
    let follow = async {
        let mut works = Some(works);
        while let Some(report) = outcome.recv().await {
            if matches!(report.event, Event::Captures(_))
                && let Some(works) = works.take()
            {
                let mut urgent = work(2, &station, switch(SwitchTo::Disconnected));
                urgent.priority = 50;
                works.send(urgent).await.unwrap();
            }
            all.push(report);
        }
    };
    tokio::time::timeout(Duration::from_secs(600), async { tokio::join!(channel.run(receiver), follow) })
        .await
        .unwrap();
    player.abort();
    let end =
        |job| all.iter().position(|report| report.job == job && matches!(report.event, Event::Ended(_)));
    assert!(end(2) < end(1), "the order did not wait for the read");
    assert_eq!(ended(&all, 2).unwrap().outcome, Some(Outcome::Disconnected));
    assert!(ended(&all, 1).is_ok());
    assert_eq!(captured(&all), expected(&meter), "no row twice and none missing");
    assert_eq!(meter.lock().unwrap().seen.aarqs, 1, "it rode on the same association");
}
