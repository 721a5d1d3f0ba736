//! The channel against a small meter on a memory line. Time is tokio's, paused: waits cost nothing and are exact.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{sync::Arc, time::Duration};

use collectors::{
    Channel, Covered, Dialer, Event, Failure, Layout, MAX_VALUES, MemoryDialer, ProfileRange, Reason,
    RegisterRequest, Report, Task, Work,
};
use common::*;
use dlms::profile::{CaptureObject, Column};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

fn ended(reports: &[Report], job: i64) -> Result<Covered, Failure> {
    let mut ends =
        reports.iter().filter(|report| report.job == job).filter_map(|report| match &report.event {
            Event::Ended(outcome) => Some(outcome.clone()),
            _ => None,
        });
    let end = ends.next().expect("the work ended");
    assert_eq!(ends.next(), None, "the work ended once");
    end
}

fn reason(reports: &[Report], job: i64) -> Reason {
    ended(reports, job).expect_err("the work failed").reason
}

fn layout(reports: &[Report]) -> Arc<Layout> {
    let mut layouts = reports.iter().filter_map(|report| match &report.event {
        Event::Layout(layout) => Some(Arc::clone(layout)),
        _ => None,
    });
    layouts.next_back().expect("a layout was reported")
}

/// A read of the whole day with the layout that the meter has.
async fn warm_range(level: Level) -> ProfileRange {
    let meter = Meter::new(level).share();
    let station = Arc::new(station(level));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    ProfileRange { layout: Some(layout(&reports)), ..whole_day() }
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_read_with_each_security() {
    for level in [Level::None, Level::Lls, Level::Gmac] {
        let meter = Meter::new(level).share();
        let station = Arc::new(station(level));
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
        assert_eq!(captured(&reports), expected(&meter), "{level:?}");
        let covered = ended(&reports, 1).unwrap();
        assert_eq!(covered.range, Some((whole_day().from, whole_day().to)));
        assert!(covered.bytes_on_wire > 96 * 20, "{covered:?}");
        let layout = layout(&reports);
        assert_eq!((layout.obis, layout.period_s), (PROFILE, 900));
        let columns: Vec<_> = layout.columns.iter().map(|c| (c.column, c.scaler, c.unit.0)).collect();
        assert_eq!(columns, [(Column::Clock, 0, 255), (Column::Value, 0, 30), (Column::Value, -1, 35)]);
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!((seen.connections, seen.aarqs, seen.releases), (1, 1, 1), "{level:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_read_costs_one_exchange_per_block() {
    for (level, blocks) in [(Level::None, 13), (Level::Gmac, 15)] {
        let range = warm_range(level).await;
        let meter = Meter::new(level).share();
        let station = Arc::new(station(level));
        let warm = |job| work(job, &station, Task::ReadProfile(range.clone()));
        let reports = collect(&meter, vec![warm(1), warm(2)]).await;
        let (cold, warm) = (ended(&reports, 1).unwrap(), ended(&reports, 2).unwrap());
        assert_eq!(warm.exchanges, blocks, "{level:?}");
        // The first read also opens the association (GMAC: two exchanges) and verifies the serial number.
        let opening = if level == Level::Gmac { 2 } else { 1 };
        assert_eq!(cold.exchanges, blocks + opening + 1, "{level:?}");
        let per_block = reports.iter().filter(|report| report.job == 2).count() - 1;
        assert!(
            per_block > 10 && per_block <= blocks as usize,
            "captures leave with their block: {per_block}"
        );
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!(seen.gets.iter().filter(|get| **get == (PROFILE, 3)).count(), 0, "the layout was known");
        assert_eq!(captured(&reports).len(), 2 * 96);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_read_goes_on_from_the_last_capture() {
    for level in [Level::None, Level::Gmac] {
        let range = warm_range(level).await;
        let meter = Meter::new(level).share();
        meter.lock().unwrap().mischief.cut_after = [(1, 6), (2, 6), (3, 5)].into();
        let station = Arc::new(station(level));
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
        assert_eq!(captured(&reports), expected(&meter), "{level:?}: nothing twice, nothing missing");
        assert!(ended(&reports, 1).is_ok());
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!((seen.connections, seen.ranges.len()), (4, 4), "{level:?}");
        let starts: Vec<_> = seen.ranges.iter().map(|range| range.0.unwrap()).collect();
        assert!(starts.is_sorted_by(|a, b| a < b), "each attempt asks for less: {starts:?}");
        assert_eq!(starts[1] % QUARTER, 1, "it goes on just behind the last capture");
    }
}

#[tokio::test(start_paused = true)]
async fn without_progress_the_work_fails_after_the_retries() {
    let range = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    // The association and the serial number arrive, the first block never does.
    meter.lock().unwrap().mischief.cut_after = (1..100).map(|connection| (connection, 2)).collect();
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
    assert_eq!(reason(&reports, 1), Reason::LineCut);
    assert_eq!(meter.lock().unwrap().seen.connections, 1 + limits().line_retries);
}

#[tokio::test(start_paused = true)]
async fn a_silent_meter_times_out_and_says_so() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.silent_after = Some(0);
    let station = Arc::new(station(Level::Gmac));
    let began = Instant::now();
    let reports = collect(&meter, vec![work(1, &station, Task::ReadClock)]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.detail.contains("keys"), "{}", failure.detail);
    let waits = limits().response_timeout * 3 + limits().retry_pause * 3;
    assert_eq!(began.elapsed().as_secs(), waits.as_secs());
}

#[tokio::test(start_paused = true)]
async fn late_answers_and_frames_for_others_are_ignored() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.chatty = true;
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    assert_eq!(meter.lock().unwrap().seen.connections, 1);
}

#[tokio::test(start_paused = true)]
async fn rows_outside_the_range_are_dropped() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.ignores_range = true;
    let station = Arc::new(station(Level::None));
    let range =
        ProfileRange { from: at("2026-06-01T10:00:00Z"), to: at("2026-06-01T11:00:00Z"), ..whole_day() };
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
    let times: Vec<_> = captured(&reports).into_iter().map(|(at, _)| at.to_string()).collect();
    assert_eq!(times.len(), 5, "{times:?}");
    assert_eq!((times[0].as_str(), times[4].as_str()), ("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn long_ranges_are_asked_for_in_parts_of_what_the_meter_can_answer() {
    let meter = Meter::new(Level::None).share();
    let mut small = station(Level::None);
    let mut model = (*small.model).clone();
    model.quirks.max_rows_per_read = 40;
    small.model = Arc::new(model);
    let station = Arc::new(small);
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    let ranges = meter.lock().unwrap().seen.ranges.clone();
    assert_eq!(ranges.len(), 3);
    assert!(ranges.iter().all(|(from, to)| to.unwrap() - from.unwrap() <= 39 * QUARTER), "{ranges:?}");
}

#[tokio::test(start_paused = true)]
async fn times_without_deviation_are_local_and_limits_can_be_sent_without_one() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.without_deviation = true;
    let mut local = station(Level::None);
    let mut model = (*local.model).clone();
    model.quirks.range_deviation = models::RangeDeviation::Unspecified;
    local.model = Arc::new(model);
    let range =
        ProfileRange { from: at("2026-05-31T22:15:00Z"), to: at("2026-06-01T22:00:00Z"), ..whole_day() };
    let reports = collect(&meter, vec![work(1, &Arc::new(local), Task::ReadProfile(range))]).await;
    let times: Vec<_> = captured(&reports).into_iter().map(|(at, _)| at).collect();
    // The meter's 00:15 is 22:15 UTC of the day before: Berlin has summer time.
    assert_eq!((times.len(), times[0]), (96, range_start(&meter)));
    assert_eq!(meter.lock().unwrap().seen.ranges, [(None, None)]);
}

fn range_start(meter: &std::sync::Mutex<Meter>) -> jiff::Timestamp {
    meter.lock().unwrap().rows[0] - jiff::SignedDuration::from_hours(2)
}

#[tokio::test(start_paused = true)]
async fn another_layout_is_reported_and_the_next_attempt_uses_it() {
    let old = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().captures.truncate(2);
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(old))]).await;
    assert_eq!(reason(&reports, 1), Reason::LayoutChanged);
    let new = layout(&reports);
    assert_eq!(new.values().count(), 1);
    assert!(captured(&reports).is_empty());
    let again = ProfileRange { layout: Some(new), ..whole_day() };
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(again))]).await;
    assert_eq!(captured(&reports).len(), 96);
}

#[tokio::test(start_paused = true)]
async fn rows_that_contradict_the_meters_own_layout_break_the_rules() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.short_rows = true;
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::MeterBrokeRules);
    let layouts = reports.iter().filter(|report| matches!(report.event, Event::Layout(_))).count();
    assert_eq!(layouts, 1, "the same layout is not reported twice");
}

#[tokio::test(start_paused = true)]
async fn layouts_that_cannot_be_stored_are_refused_by_name() {
    let meter = Meter::new(Level::None).share();
    let value = meter.lock().unwrap().captures[1];
    meter.lock().unwrap().captures.extend([value; MAX_VALUES]);
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::Unsupported);
    meter.lock().unwrap().captures = vec![CaptureObject { class_id: 3, ..value }];
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn refused_selective_access_is_final_and_keeps_the_association() {
    let range = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.denied = vec![(PROFILE, 2)];
    let station = Arc::new(station(Level::None));
    let works = vec![work(1, &station, Task::ReadProfile(range)), work(2, &station, Task::ReadClock)];
    let reports = collect(&meter, works).await;
    assert_eq!(reason(&reports, 1), Reason::MeterRefused);
    assert!(ended(&reports, 2).is_ok());
    let seen = meter.lock().unwrap().seen.clone();
    assert_eq!((seen.connections, seen.aarqs), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_scaler_that_is_not_shown_counts_as_none() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.denied = vec![(VOLTAGE, 3)];
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    let last = layout(&reports).columns[2].clone();
    assert_eq!((last.scaler, last.unit.0), (0, 255));
    assert_eq!(captured(&reports).len(), 96);
}

#[tokio::test(start_paused = true)]
async fn the_wrong_meter_is_named_and_nothing_is_read_from_it() {
    let meter = Meter::new(Level::Lls).share();
    meter.lock().unwrap().serial = "99999999".into();
    let station = Arc::new(station(Level::Lls));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::WrongMeter);
    assert!(failure.detail.contains("99999999") && failure.detail.contains(SERIAL), "{}", failure.detail);
    assert!(meter.lock().unwrap().seen.ranges.is_empty());
}

#[tokio::test(start_paused = true)]
async fn wrong_secrets_are_told_apart() {
    let meter = Meter::new(Level::Lls).share();
    meter.lock().unwrap().password = "other".into();
    let reports = collect(&meter, vec![work(1, &Arc::new(station(Level::Lls)), Task::Identify)]).await;
    assert_eq!(reason(&reports, 1), Reason::WrongPassword);
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().key = 0xEE;
    let reports = collect(&meter, vec![work(1, &Arc::new(station(Level::Gmac)), Task::Identify)]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::WrongKey);
    assert_eq!(meter.lock().unwrap().seen.connections, 1, "a wrong key is not tried again");
    for secret in [PASSWORD, "225", "E1E1", "161"] {
        assert!(!format!("{failure:?}").contains(secret), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_is_too_low_is_reported_with_the_one_expected() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().last_client_counter = Some(5000);
    let station = Arc::new(station(Level::Gmac));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadClock)]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!((failure.reason, failure.expected_counter), (Reason::CounterRejected, Some(5001)));
}

#[tokio::test(start_paused = true)]
async fn counters_are_used_in_order_and_their_end_is_named() {
    let meter = Meter::new(Level::Gmac).share();
    let station = Arc::new(station(Level::Gmac));
    let urgent = Work { priority: 5, ..work(2, &station, Task::ReadClock) };
    let mut bare = work(3, &station, Task::ReadClock);
    bare.counters = None;
    let reports = collect(&meter, vec![work(1, &station, Task::ReadClock), urgent, bare]).await;
    let order: Vec<_> = reports.iter().map(|report| report.job).collect();
    assert_eq!(order, [2, 2, 1, 1, 3, 3]);
    assert!((1..=3).all(|job| ended(&reports, job).is_ok()), "the lower range of job 1 was used first");
    assert!(meter.lock().unwrap().last_client_counter.unwrap() < 2000);

    let mut bare = work(4, &station, Task::ReadClock);
    bare.counters = None;
    assert_eq!(reason(&collect(&meter, vec![bare]).await, 4), Reason::CountersSpent);
}

#[tokio::test(start_paused = true)]
async fn a_range_that_runs_out_in_the_middle_is_followed_by_the_next() {
    let range = warm_range(Level::Gmac).await;
    let meter = Meter::new(Level::Gmac).share();
    let station = Arc::new(station(Level::Gmac));
    let mut first = work(1, &station, Task::ReadProfile(range));
    first.counters = Some(dlms::client::Counters::new(100, 112));
    let second = Work { priority: -1, ..work(2, &station, Task::ReadClock) };
    let reports = collect(&meter, vec![first, second]).await;
    assert!(ended(&reports, 1).is_ok() && ended(&reports, 2).is_ok());
    assert_eq!(captured(&reports), expected(&meter));
    assert_eq!(meter.lock().unwrap().seen.aarqs, 2);
}

#[tokio::test(start_paused = true)]
async fn no_route_and_refusal_are_told_apart_and_not_repeated() {
    let station = Arc::new(station(Level::None));
    let (dialer, lines) = MemoryDialer::new();
    drop(lines);
    let reports = run(Dialer::Memory(dialer), limits(), vec![work(1, &station, Task::ReadClock)]).await;
    assert_eq!(reason(&reports, 1), Reason::Refused);
    let (dialer, _unread) = MemoryDialer::new();
    // The first line waits to be taken and nobody does; from then on no line can be opened.
    run(Dialer::Memory(dialer.clone()), limits(), vec![work(9, &station, Task::ReadClock)]).await;
    let works = vec![work(1, &station, Task::ReadClock), work(2, &station, Task::ReadClock)];
    let began = Instant::now();
    let reports = run(Dialer::Memory(dialer), limits(), works).await;
    assert_eq!(reason(&reports, 2), Reason::NoRoute);
    assert_eq!(began.elapsed(), limits().connect_timeout, "the second work is not dialed for again");
}

#[tokio::test(start_paused = true)]
async fn urgent_work_goes_first_and_equals_by_age() {
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(station(Level::None));
    let works = [(1, 0), (2, 10), (3, 0), (4, -3), (5, 10)]
        .map(|(job, priority)| Work { priority, ..work(job, &station, Task::ReadClock) });
    let reports = collect(&meter, works.into()).await;
    let order: Vec<_> = reports
        .iter()
        .filter(|report| matches!(report.event, Event::Ended(_)))
        .map(|report| report.job)
        .collect();
    assert_eq!(order, [2, 5, 1, 3, 4]);
    assert_eq!(meter.lock().unwrap().seen.aarqs, 1, "all work of a meter rides one association");
}

#[tokio::test(start_paused = true)]
async fn the_association_lingers_for_more_work_and_then_the_channel_ends() {
    let meter = Meter::new(Level::Gmac).share();
    let station = Arc::new(station(Level::Gmac));
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(&meter), lines));
    let (reports, mut outcome) = mpsc::channel(16);
    let (works, receiver) = mpsc::channel(4);
    let channel =
        Channel::with(limits(), reports, Dialer::Memory(dialer), Arc::new(FixedClock)).run(receiver);
    let user = async {
        for job in [1, 2] {
            works.send(work(job, &station, Task::ReadClock)).await.unwrap();
            while !matches!(outcome.recv().await.unwrap().event, Event::Ended(Ok(_))) {}
            sleep(limits().linger / 2).await;
            let seen = meter.lock().unwrap().seen.clone();
            assert_eq!((seen.aarqs, seen.releases), (1, 0), "after job {job}");
        }
        sleep(limits().linger).await;
        assert!(
            works.send(work(3, &station, Task::ReadClock)).await.is_err(),
            "the work comes back to its sender"
        );
    };
    tokio::join!(channel, user);
    player.abort();
    let seen = meter.lock().unwrap().seen.clone();
    assert_eq!((seen.aarqs, seen.releases), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn work_that_arrives_while_the_channel_takes_leave_is_still_done() {
    let meter = Meter::new(Level::None).share();
    // Association, serial number and clock are answered, the release is not: the channel waits for it.
    meter.lock().unwrap().mischief.silent_after = Some(3);
    let station = Arc::new(station(Level::None));
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(&meter), lines));
    let (reports, mut outcome) = mpsc::channel(16);
    let (works, receiver) = mpsc::channel(4);
    let channel =
        Channel::with(limits(), reports, Dialer::Memory(dialer), Arc::new(FixedClock)).run(receiver);
    let user = async {
        works.send(work(1, &station, Task::ReadClock)).await.unwrap();
        sleep(limits().linger + Duration::from_secs(1)).await;
        assert_eq!(meter.lock().unwrap().seen.releases, 1, "the channel is taking leave");
        works.send(work(2, &station, Task::ReadClock)).await.unwrap();
        let mut reports = Vec::new();
        while let Some(report) = outcome.recv().await {
            reports.push(report);
        }
        assert!(ended(&reports, 1).is_ok() && ended(&reports, 2).is_ok());
    };
    tokio::join!(channel, user);
    player.abort();
}

#[tokio::test(start_paused = true)]
async fn another_client_address_gets_an_association_of_its_own() {
    let meter = Meter::new(Level::None).share();
    let one = Arc::new(station(Level::None));
    let other = Arc::new(collectors::Station { client_sap: 32, ..station(Level::None) });
    let works = vec![
        work(1, &one, Task::ReadClock),
        work(2, &other, Task::ReadClock),
        work(3, &other, Task::ReadClock),
    ];
    let reports = collect(&meter, works).await;
    assert!((1..=3).all(|job| ended(&reports, job).is_ok()));
    let seen = meter.lock().unwrap().seen.clone();
    assert_eq!((seen.connections, seen.aarqs, seen.releases), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn identity_clock_and_registers_are_what_the_meter_says() {
    let meter = Meter::new(Level::Gmac).share();
    let station = Arc::new(station(Level::Gmac));
    let register = |obis| RegisterRequest { obis, class_id: 3, attribute: 2 };
    let works = vec![
        work(1, &station, Task::Identify),
        work(2, &station, Task::ReadClock),
        work(3, &station, Task::ReadRegisters(vec![register(ENERGY), register(VOLTAGE)])),
    ];
    let reports = collect(&meter, works).await;
    let events: Vec<_> = reports.iter().map(|report| report.event.clone()).collect();
    let identity = Event::Identity {
        serial: SERIAL.into(),
        logical_device_name: Some("TINY30000001".into()),
        firmware: Some("1.0".into()),
    };
    assert_eq!(events[0], identity);
    let clock = Event::Clock {
        meter: at("2026-06-02T12:00:00Z"),
        offset_min: Some(120),
        status: 0x80,
        read_at: at("2026-06-02T12:00:07Z"),
        delay_ms: 0,
    };
    assert_eq!(events[2], clock);
    let Event::Registers(values) = &events[4] else { panic!("{:?}", events[4]) };
    let values: Vec<_> =
        values.iter().map(|value| (value.obis, value.value, value.scaler, value.unit.0)).collect();
    assert_eq!(values, [(ENERGY, 4711, 0, 30), (VOLTAGE, 2301, -1, 35)]);
    assert_eq!(ended(&reports, 2).unwrap().exchanges, 1);
}

#[tokio::test(start_paused = true)]
async fn registers_that_are_refused_do_not_hide_the_others() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.denied = vec![(ENERGY, 2)];
    let station = Arc::new(station(Level::None));
    let register = |obis| RegisterRequest { obis, class_id: 3, attribute: 2 };
    let task = Task::ReadRegisters(vec![register(ENERGY), register(VOLTAGE)]);
    let reports = collect(&meter, vec![work(1, &station, task)]).await;
    assert!(
        matches!(&reports[0].event, Event::Registers(values) if values.len() == 1 && values[0].obis == VOLTAGE)
    );
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::MeterRefused);
    assert!(failure.detail.contains(&ENERGY.to_string()), "{}", failure.detail);
}

#[tokio::test(start_paused = true)]
async fn a_channel_whose_reports_nobody_takes_ends() {
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(station(Level::None));
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(&meter), lines));
    let (reports, outcome) = mpsc::channel(1);
    drop(outcome);
    let (works, receiver) = mpsc::channel(4);
    works.send(work(1, &station, Task::ReadClock)).await.unwrap();
    let channel = Channel::with(limits(), reports, Dialer::Memory(dialer), Arc::new(FixedClock));
    tokio::time::timeout(Duration::from_secs(60), channel.run(receiver)).await.expect("the channel ends");
    player.abort();
    assert_eq!(meter.lock().unwrap().seen.releases, 1, "the meter is left in good order");
}
