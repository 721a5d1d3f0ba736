//! Meters on an HDLC line: one after the other, past dead ones, on lines that damage, echo and babble.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use collectors::{
    Channel, Dialer, Event, Instruments, Limits, MemoryDialer, Reason, Report, Station, Task, Work,
};
use common::{
    Bus, FIRST_DEVICE, FixedClock, Level, Meter, Traffic, Wire, captured, ended, expected, limits, reason,
    whole_day, work,
};
use tokio::sync::mpsc;

/// The station at a place of the bus.
fn station(level: Level, place: u16) -> Arc<Station> {
    Arc::new(Station {
        meter: i32::from(place),
        address: "serial:///dev/bus?baud=9600".parse().unwrap(),
        device_address: Some(u64::from(FIRST_DEVICE + place)),
        subunit: None,
        via: None,
        ..common::station(level)
    })
}

fn meters(level: Level, count: usize) -> Vec<Arc<Mutex<Meter>>> {
    (0..count).map(|_| Meter::new(level).share()).collect()
}

/// Lets a channel do the works on the bus.
async fn collect(bus: Bus, limits: Limits, works: Vec<Work>) -> (Vec<Report>, Arc<Instruments>) {
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(bus.play(lines));
    let instruments = Arc::new(Instruments::default());
    let (reports, mut outcome) = mpsc::channel(4);
    let (sender, receiver) = mpsc::channel(works.len().max(1));
    for work in works {
        sender.try_send(work).unwrap();
    }
    drop(sender);
    let channel = Channel::with(limits, reports, Dialer::Memory(dialer), Arc::new(FixedClock));
    let mut all = Vec::new();
    let gather = async {
        while let Some(report) = outcome.recv().await {
            all.push(report);
        }
    };
    tokio::join!(channel.seen_through(Arc::clone(&instruments)).run(receiver), gather);
    player.abort();
    (all, instruments)
}

fn of(reports: &[Report], job: i64) -> Vec<Report> {
    reports.iter().filter(|report| report.job == job).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn the_meters_of_a_bus_are_read_one_after_the_other() {
    for level in [Level::None, Level::Lls, Level::Gmac] {
        let meters = meters(level, 3);
        let works = (0..3)
            .map(|place| work(i64::from(place) + 1, &station(level, place), Task::ReadProfile(whole_day())));
        let (reports, instruments) = collect(Bus::new(meters.clone()), limits(), works.collect()).await;
        for (job, meter) in (1..).zip(&meters) {
            assert!(ended(&reports, job).is_ok(), "{level:?}: {:?}", ended(&reports, job));
            assert_eq!(captured(&of(&reports, job)), expected(meter));
        }
        assert_eq!(instruments.bad_frames().map(|(_, count)| count).sum::<u64>(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_station_costs_one_try_and_stops_nobody() {
    let meters = meters(Level::Lls, 2);
    let nobody = station(Level::Lls, 9);
    let alive = station(Level::Lls, 1);
    let dead = (1..=5).map(|job| work(job, &nobody, Task::ReadClock));
    let works = dead.chain([work(6, &alive, Task::ReadProfile(whole_day()))]).collect();
    let bus = Bus::new(meters.clone());
    let seen = Arc::clone(&bus.seen);
    let began = tokio::time::Instant::now();
    let (reports, _) = collect(bus, limits(), works).await;
    for job in 1..=5 {
        let failure = ended(&reports, job).unwrap_err();
        assert_eq!(failure.reason, Reason::Timeout);
        assert!(failure.detail.contains("Device 26 at serial:///dev/bus"), "{}", failure.detail);
    }
    assert_eq!(captured(&of(&reports, 6)), expected(&meters[1]));
    let Traffic { lines, links, .. } = *seen.lock().unwrap();
    assert_eq!((lines, links), (1, 1), "the dead one was tried once, and the port was kept for the other");
    assert!(began.elapsed() < 2 * limits().response_timeout, "{:?}", began.elapsed());
}

/// C-01: a meter that stops in the middle of an answer.
#[tokio::test(start_paused = true)]
async fn c_01_a_meter_that_stops_in_the_middle_is_given_up_and_the_other_is_read() {
    let meters = meters(Level::Lls, 2);
    let mut bus = Bus::new(meters.clone());
    bus.wire = Wire { silent_after: Some(10), ..Wire::default() };
    let works = (0..2)
        .map(|place| work(i64::from(place) + 1, &station(Level::Lls, place), Task::ReadProfile(whole_day())));
    let (reports, _) = collect(bus, limits(), works.collect()).await;
    let captures = captured(&of(&reports, 1));
    assert_eq!(reason(&reports, 1), Reason::Timeout);
    assert!((1..96).contains(&captures.len()), "{}", captures.len());
    assert_eq!(captures, expected(&meters[0])[..captures.len()]);
    assert_eq!(captured(&of(&reports, 2)), expected(&meters[1]));
}

/// C-02: what is damaged is counted and asked for again; no value is wrong, however bad the line.
#[tokio::test(start_paused = true)]
async fn c_02_damaged_frames_are_counted_and_change_nothing() {
    for (damages, heals) in [(10, true), (100, true), (500, false)] {
        let mut completed = 0;
        for seed in 1..=10 {
            let meters = meters(Level::Gmac, 1);
            let mut bus = Bus::new(meters.clone());
            (bus.wire, bus.seed) = (Wire { damages, ..Wire::default() }, 0x9E37_79B9_7F4A_7C15 + seed);
            let seen = Arc::clone(&bus.seen);
            let works = vec![work(1, &station(Level::Gmac, 0), Task::ReadProfile(whole_day()))];
            let (reports, instruments) = collect(bus, limits(), works).await;
            let (captures, all) = (captured(&reports), expected(&meters[0]));
            assert_eq!(captures, all[..captures.len()], "{damages} in 1000, seed {seed}");
            completed += usize::from(ended(&reports, 1).is_ok() && captures.len() == all.len());
            let bad: u64 = instruments.bad_frames().map(|(_, count)| count).sum();
            assert_eq!(bad + instruments.noise_octets() > 0, seen.lock().unwrap().damaged > 0);
        }
        assert_eq!(completed == 10, heals, "{damages} in 1000: {completed} of 10");
    }
}

/// C-04: an adapter that brings back what is sent.
#[tokio::test(start_paused = true)]
async fn c_04_an_echo_is_not_taken_for_an_answer() {
    let meters = meters(Level::Lls, 2);
    let mut bus = Bus::new(meters.clone());
    bus.wire = Wire { echoes: true, ..Wire::default() };
    let works = (0..2)
        .map(|place| work(i64::from(place) + 1, &station(Level::Lls, place), Task::ReadProfile(whole_day())));
    let (reports, _) = collect(bus, limits(), works.collect()).await;
    for (job, meter) in (1..).zip(&meters) {
        assert_eq!(captured(&of(&reports, job)), expected(meter));
    }
}

/// C-05: a line that babbles for ever.
#[tokio::test(start_paused = true)]
async fn c_05_endless_noise_ends_in_time_and_is_told() {
    let mut bus = Bus::new(Vec::new());
    bus.wire = Wire { is_noisy: true, ..Wire::default() };
    let began = tokio::time::Instant::now();
    let works = vec![work(1, &station(Level::None, 0), Task::ReadClock)];
    let (reports, instruments) = collect(bus, limits(), works).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.detail.contains("octets of noise came"), "{}", failure.detail);
    assert!(instruments.noise_octets() > 100);
    assert!(began.elapsed() < 2 * limits().response_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_kept_is_kept_alive() {
    let bus = Bus::new(meters(Level::Lls, 1));
    let seen = Arc::clone(&bus.seen);
    let (dialer, lines) = MemoryDialer::new();
    tokio::spawn(bus.play(lines));
    let (reports, mut outcome) = mpsc::channel(64);
    let (works, receiver) = mpsc::channel(4);
    let limits = Limits { linger: Duration::from_secs(600), ..limits() };
    let channel = Channel::with(limits, reports, Dialer::Memory(dialer), Arc::new(FixedClock));
    tokio::spawn(channel.run(receiver));
    for job in 1..=2 {
        works.send(work(job, &station(Level::Lls, 0), Task::ReadClock)).await.unwrap();
        while !matches!(outcome.recv().await.unwrap().event, Event::Ended(Ok(_))) {}
        tokio::time::sleep(Duration::from_secs(500)).await;
    }
    let Traffic { links, quiet, .. } = *seen.lock().unwrap();
    assert_eq!(links, 1);
    assert!(quiet < Duration::from_secs(60), "nothing was said for {quiet:?}");
}
