//! The channel and its association with a small meter on a memory line. Time is tokio's, paused: waits cost nothing and are
//! exact.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{sync::Arc, time::Duration};

use collectors::{
    Channel, ClockReading, Covered, Dialer, Event, Failure, MemoryDialer, Reason, RegisterRequest,
    RegisterValue, Task, Work,
};
use common::*;
use dlms::{
    DataAccessResult,
    axdr::{BitString, Data},
    client::SystemTitle,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep},
};

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

/// Meters lock themselves after three to five wrong passwords or keys.
#[tokio::test(start_paused = true)]
async fn what_is_due_all_at_once_does_not_try_a_wrong_secret_until_the_meter_locks_itself() {
    for (level, expected) in [(Level::Lls, Reason::WrongPassword), (Level::Gmac, Reason::WrongKey)] {
        let meter = Meter::new(level).share();
        meter.lock().unwrap().password = "other".into();
        meter.lock().unwrap().key = 0xEE;
        let (first, second) = (Arc::new(station(level)), Arc::new(station(level)));
        let works = |jobs: std::ops::RangeInclusive<i64>, station: &Arc<_>| -> Vec<_> {
            jobs.map(|job| work(job, station, Task::ReadClock)).collect()
        };
        let reports = collect(&meter, works(1..=5, &first)).await;
        assert!((1..=5).all(|job| reason(&reports, job) == expected));
        assert_eq!(meter.lock().unwrap().seen.aarqs, 2);
        let reports =
            collect(&meter, works(1..=5, &first).into_iter().chain(works(6..=9, &second)).collect()).await;
        assert!((1..=9).all(|job| reason(&reports, job) == expected));
        assert_eq!(meter.lock().unwrap().seen.aarqs, 2 + 3, "what comes later may come with other secrets");
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

/// What a meter says it expects is not proven.
#[tokio::test(start_paused = true)]
async fn a_counter_that_is_too_far_ahead_is_not_followed_and_nothing_more_is_tried() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().last_client_counter = Some(300_000_000);
    let station = Arc::new(station(Level::Gmac));
    let reports = collect(&meter, (1..=5).map(|job| work(job, &station, Task::ReadClock)).collect()).await;
    for job in 1..=5 {
        let failure = ended(&reports, job).unwrap_err();
        assert_eq!((failure.reason, failure.expected_counter), (Reason::CounterUnusable, None));
        assert!(failure.detail.contains("300000001") && failure.detail.contains("inventory"), "{failure}");
    }
    assert_eq!(meter.lock().unwrap().seen.connections, 1);
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
async fn a_channel_that_only_lingers_gives_way_to_others_and_one_that_works_does_not() {
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(station(Level::None));
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(Arc::clone(&meter), lines));
    let (reports, mut outcome) = mpsc::channel(16);
    let (works, receiver) = mpsc::channel(4);
    let crowd = Arc::new(Notify::new());
    let channel = Channel::with(limits(), reports, Dialer::Memory(dialer), Arc::new(FixedClock))
        .giving_way_to(Arc::clone(&crowd))
        .run(receiver);
    let began = Instant::now();
    let user = async {
        works.send(work(1, &station, Task::ReadClock)).await.unwrap();
        while meter.lock().unwrap().seen.aarqs == 0 {
            tokio::task::yield_now().await;
        }
        crowd.notify_waiters();
        while !matches!(outcome.recv().await.unwrap().event, Event::Ended(Ok(_))) {}
        sleep(limits().linger / 2).await;
        assert_eq!(meter.lock().unwrap().seen.releases, 0, "it was at work when it was told");
        crowd.notify_waiters();
    };
    tokio::join!(channel, user);
    player.abort();
    assert!(began.elapsed() < limits().linger);
    assert_eq!(meter.lock().unwrap().seen.releases, 1);
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
        system_title: Some(SystemTitle::new(*b"MMM\0\0\0\0\x07")),
    };
    assert_eq!(events[0], identity);
    let clock = Event::Clock(ClockReading {
        shown: at("2026-06-02T12:00:00Z"),
        resolution: Duration::from_secs(1),
        offset_min: Some(120),
        status: 0x80,
        read_at: at("2026-06-02T12:00:07Z"),
        delay: Duration::ZERO,
    });
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
    let note = ended(&reports, 1).unwrap().note.expect("it is told");
    assert!(
        note.starts_with("1 of 2 registers did not come. 1.0.1.8.0.255: The meter refused access"),
        "{note}"
    );
}

/// What came of reading both registers of a meter that does so wrong.
async fn both_registers(mischief: Mischief) -> (Vec<RegisterValue>, Result<Covered, Failure>) {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief = mischief;
    let station = Arc::new(station(Level::None));
    let register = |obis| RegisterRequest { obis, class_id: 3, attribute: 2 };
    let task = Task::ReadRegisters(vec![register(ENERGY), register(VOLTAGE)]);
    let reports = collect(&meter, vec![work(1, &station, task)]).await;
    let values = reports.iter().find_map(|report| match &report.event {
        Event::Registers(values) => Some(values.clone()),
        _ => None,
    });
    (values.unwrap_or_default(), ended(&reports, 1))
}

/// C-10: refusals of every kind.
#[tokio::test(start_paused = true)]
async fn whatever_a_register_is_refused_with_the_others_are_stored() {
    for refusal in [
        DataAccessResult::HardwareFault,
        DataAccessResult::TemporaryFailure,
        DataAccessResult::TypeUnmatched,
        DataAccessResult::OtherReason,
        DataAccessResult::ObjectUnavailable,
    ] {
        for attribute in [2, 3] {
            let refusals = vec![(ENERGY, attribute, refusal)];
            let (values, end) = both_registers(Mischief { refusals, ..Mischief::default() }).await;
            let [voltage] = &values[..] else { panic!("{refusal:?}: {values:?}") };
            assert_eq!((voltage.obis, voltage.value, voltage.scaler), (VOLTAGE, 2301, -1));
            let note = end.unwrap().note.unwrap();
            assert!(note.contains("1 of 2") && note.contains(&refusal.to_string()), "{note}");
            assert_eq!(note.contains("powers of ten"), attribute == 3, "{note}");
        }
    }
}

/// C-10: values of other types than numbers.
#[tokio::test(start_paused = true)]
async fn whatever_a_register_holds_the_others_are_stored() {
    let bits = BitString::new(8, vec![0x80]).unwrap();
    for (odd, hint) in [
        (Data::NullData, "has no value there"),
        (Data::BitString(bits), "no number"),
        (Data::VisibleString(b"---".to_vec()), "no number"),
        (Data::Float32([0x7F, 0xC0, 0, 0]), "no number"),
        (Data::Long64Unsigned(u64::MAX), "no number"),
    ] {
        let odd_values = vec![(ENERGY, 2, odd)];
        let (values, end) = both_registers(Mischief { odd_values, ..Mischief::default() }).await;
        assert_eq!(values.iter().map(|value| value.obis).collect::<Vec<_>>(), [VOLTAGE]);
        let note = end.unwrap().note.unwrap();
        assert!(note.contains(hint) && note.contains(&ENERGY.to_string()), "{note}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_register_with_a_fraction_is_the_exact_decimal() {
    let float = Data::Float32([0x42, 0xF6, 0xCC, 0xCD]);
    let odd_values = vec![(ENERGY, 2, float.clone()), (VOLTAGE, 2, float), (ENERGY, 3, Data::NullData)];
    let (values, end) = both_registers(Mischief { odd_values, ..Mischief::default() }).await;
    let found: Vec<_> = values.iter().map(|value| (value.value, value.scaler, value.unit.symbol())).collect();
    assert_eq!(found, [(1234, -1, ""), (1234, -2, "V")], "123.4, and 123.4 tenths of a volt");
    assert_eq!(end.unwrap().note, None);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_brought_no_register_failed() {
    let denied = vec![(ENERGY, 2), (VOLTAGE, 2)];
    let (values, end) = both_registers(Mischief { denied, ..Mischief::default() }).await;
    assert_eq!(values, []);
    let failure = end.unwrap_err();
    assert_eq!(failure.reason, Reason::MeterRefused);
    assert!(
        failure.detail.starts_with("2 of 2 registers did not come. 1.0.1.8.0.255, 1.0.32.7.0.255: "),
        "{failure}"
    );
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
