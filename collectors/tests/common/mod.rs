//! The head-end's side of a test; the other side is `meter.rs`.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

mod buffer;
mod bus;
mod meter;

use std::sync::{Arc, Mutex};

use collectors::{
    Captures, Channel, Clock, Covered, Credentials, Dialer, Event, Failure, Layout, Limits, MemoryDialer,
    Oddity, ProfileRange, Reason, Report, Seed, Station, Task, Work,
};
use dlms::client::{Counters, GlobalKeys, Key, Password, SystemTitle};
use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::mpsc;

pub(crate) use bus::*;
pub(crate) use meter::*;

pub(crate) const TITLE: SystemTitle = SystemTitle::new(*b"HES\0\0\0\0\x01");

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The wall clock of the tests.
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        at("2026-06-02T12:00:07Z")
    }
}

/// Short limits; the tests run with tokio's clock paused.
pub(crate) fn limits() -> Limits {
    Limits::default()
}

pub(crate) fn credentials(level: Level) -> Credentials {
    match level {
        Level::None => Credentials::none(),
        Level::Lls => Credentials::lls(Password::new(PASSWORD.as_bytes())),
        Level::Gmac => {
            Credentials::gmac(TITLE, GlobalKeys::of_suite_0(Key::new([0xE1; 16]), Key::new([0xA1; 16])))
        }
    }
}

pub(crate) fn station(level: Level) -> Station {
    let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
    model.association.max_pdu = PDU;
    Station {
        meter: 7,
        address: "memory:1".parse().unwrap(),
        device_address: None,
        subunit: None,
        via: None,
        server_sap: 1,
        client_sap: 16,
        credentials: credentials(level),
        model: Arc::new(model),
        serial: Some(SERIAL.into()),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    }
}

pub(crate) fn work(job: i64, station: &Arc<Station>, task: Task) -> Work {
    let first = u32::try_from(job).unwrap() * 1000;
    Work {
        job,
        station: Arc::clone(station),
        counters: Some(Counters::new(first, first + 1000)),
        seed: Seed::new([42; 32]),
        task,
        priority: 0,
        span: tracing::Span::none(),
    }
}

/// The whole day that the meter has.
pub(crate) fn whole_day() -> ProfileRange {
    ProfileRange {
        obis: PROFILE,
        from: at("2026-06-01T00:15:00Z"),
        to: at("2026-06-02T00:00:00Z"),
        layout: None,
        last: None,
    }
}

/// Lets a channel do the works with the meter; returns the reports. All works are queued before the channel starts.
pub(crate) async fn collect(meter: &Arc<Mutex<Meter>>, works: Vec<Work>) -> Vec<Report> {
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(meter), lines));
    let reports = run(Dialer::Memory(dialer), limits(), works).await;
    player.abort();
    reports
}

pub(crate) async fn run(dialer: Dialer, limits: Limits, works: Vec<Work>) -> Vec<Report> {
    let (reports, mut outcome) = mpsc::channel(4);
    let (sender, receiver) = mpsc::channel(works.len().max(1));
    for work in works {
        sender.try_send(work).unwrap();
    }
    drop(sender);
    let channel = Channel::with(limits, reports, dialer, Arc::new(FixedClock));
    let mut all = Vec::new();
    let gather = async {
        while let Some(report) = outcome.recv().await {
            all.push(report);
        }
    };
    tokio::join!(channel.run(receiver), gather);
    all
}

/// Time and values of all captures reported, in order.
pub(crate) fn captured(reports: &[Report]) -> Vec<(Timestamp, Vec<Option<i64>>)> {
    let captures = reports.iter().filter_map(|report| match &report.event {
        Event::Captures(captures) => Some(captures),
        _ => None,
    });
    captures.flat_map(rows).collect()
}

fn rows(captures: &Captures) -> impl Iterator<Item = (Timestamp, Vec<Option<i64>>)> {
    let values = captures.values.chunks(captures.width).map(<[_]>::to_vec);
    captures.at.iter().copied().zip(values)
}

pub(crate) fn expected(meter: &Mutex<Meter>) -> Vec<(Timestamp, Vec<Option<i64>>)> {
    let rows = meter.lock().unwrap().rows.clone();
    rows.into_iter().map(|at| (at, expected_values(at).map(Some).to_vec())).collect()
}

pub(crate) fn ended(reports: &[Report], job: i64) -> Result<Covered, Failure> {
    let mut ends =
        reports.iter().filter(|report| report.job == job).filter_map(|report| match &report.event {
            Event::Ended(outcome) => Some(outcome.clone()),
            _ => None,
        });
    let end = ends.next().expect("the work ended");
    assert_eq!(ends.next(), None, "the work ended once");
    end
}

pub(crate) fn reason(reports: &[Report], job: i64) -> Reason {
    ended(reports, job).expect_err("the work failed").reason
}

pub(crate) fn layout(reports: &[Report]) -> Arc<Layout> {
    let mut layouts = reports.iter().filter_map(|report| match &report.event {
        Event::Layout(layout) => Some(Arc::clone(layout)),
        _ => None,
    });
    layouts.next_back().expect("a layout was reported")
}

/// A read of the whole day with the layout that the meter has.
pub(crate) async fn warm_range(level: Level) -> ProfileRange {
    let meter = Meter::new(level).share();
    let station = Arc::new(station(level));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    ProfileRange { layout: Some(layout(&reports)), ..whole_day() }
}

/// What was reported as odd.
pub(crate) fn odd(reports: &[Report]) -> Vec<Oddity> {
    let odd = reports.iter().filter_map(|report| match &report.event {
        Event::Odd(oddity) => Some(oddity.clone()),
        _ => None,
    });
    odd.collect()
}
