//! every kind of line with every fault. Whatever a line does, nothing that is reported is wrong, and the work ends by name.
//!
//! What counts as failure: a capture that the meter does not have, or out of order; a work that ends twice, not at all, or says that it is complete and is
//! not; a fault that never strikes. What does not: a work that fails, by whatever name.
//!
//! Not covered: damage, loss and doubling of what is not ciphered, over the wrapper. Nothing in the protocol could tell it; TCP and UDP do, and HDLC has
//! a check sum of its own.

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

use collectors::{Channel, Dialer, Faults, Instruments, Limits, MemoryDialer, Report, Station, Task, Work};
use common::{
    Bus, FIRST_DEVICE, FixedClock, Level, Meter, captured, ended, expected, limits, play, whole_day, work,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

/// Virtual time after which a work counts as hung.
const HUNG: Duration = Duration::from_secs(86_400);
/// How often each fault of a kind of line is tried, with another seed each time.
const SEEDS: u64 = 12;

/// The faults, each alone, so often that a read does not come through untouched; the last are all of them at once.
fn all_faults() -> Vec<(&'static str, Faults)> {
    let none = Faults { delay_max: Duration::from_secs(20), ..Faults::default() };
    let all = Faults {
        loss_ppm: 10_000,
        duplication_ppm: 20_000,
        corruption_ppm: 10_000,
        delay_ppm: 50_000,
        half_open_ppm: 5_000,
        split_ppm: 100_000,
        merge_ppm: 100_000,
        ..none
    };
    vec![
        ("loss", Faults { loss_ppm: 50_000, ..none }),
        ("duplication", Faults { duplication_ppm: 100_000, ..none }),
        ("corruption", Faults { corruption_ppm: 50_000, ..none }),
        ("delay", Faults { delay_ppm: 150_000, ..none }),
        ("half_open", Faults { half_open_ppm: 20_000, ..none }),
        ("split", Faults { split_ppm: 500_000, ..none }),
        ("merge", Faults { merge_ppm: 200_000, ..none }),
        ("all", all),
    ]
}

/// Lets a channel do a work on lines that fail.
async fn collect(
    dialer: Dialer,
    faults: Faults,
    limits: Limits,
    work: Work,
) -> (Vec<Report>, Arc<Instruments>) {
    let instruments = Arc::new(Instruments::default());
    let (reports, mut outcome) = mpsc::channel(4);
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(work).unwrap();
    drop(sender);
    let channel = Channel::with(limits, reports, dialer.failing(faults), Arc::new(FixedClock));
    let mut all = Vec::new();
    let gather = async {
        while let Some(report) = outcome.recv().await {
            all.push(report);
        }
    };
    tokio::join!(channel.seen_through(Arc::clone(&instruments)).run(receiver), gather);
    (all, instruments)
}

/// Faults that struck, those of a name or all.
fn struck(instruments: &Instruments, name: &str) -> u64 {
    instruments.faults().filter(|(fault, _)| name == "all" || *fault == name).map(|(_, count)| count).sum()
}

/// Reads a day from the meter again and again, each time with other chance; how often it was read to its end.
async fn read_days(
    (level, station): (Level, &Arc<Station>),
    (name, faults): (&str, Faults),
    open: impl Fn(Arc<Mutex<Meter>>) -> Dialer,
) -> u64 {
    let (mut completed, mut faults_seen) = (0, 0);
    for seed in 1..=SEEDS {
        let meter = Meter::new(level).share();
        let works = work(1, station, Task::ReadProfile(whole_day()));
        let (faults, began) = (Faults { seed, ..faults }, Instant::now());
        let collected = timeout(HUNG, collect(open(Arc::clone(&meter)), faults, limits(), works)).await;
        let place = format!("{} with {name}, seed {seed}", station.address);
        let (reports, instruments) = collected.unwrap_or_else(|_| panic!("{place}: hung"));
        let (captures, all) = (captured(&reports), expected(&meter));
        assert_eq!(captures, all[..captures.len()], "{place}: a value is wrong");
        match ended(&reports, 1) {
            Ok(_) => assert_eq!(captures.len(), all.len(), "{place}: what is missing was not told"),
            Err(failure) => assert!(!failure.detail.is_empty(), "{place}: {failure:?}"),
        }
        assert!(began.elapsed() < HUNG);
        completed += u64::from(ended(&reports, 1).is_ok());
        faults_seen += struck(&instruments, name);
    }
    assert!(faults_seen > 0, "{} with {name}: nothing went wrong", station.address);
    completed
}

/// the wrapper over a stream.
#[tokio::test(start_paused = true)]
async fn x_13_the_wrapper_with_every_fault() {
    let open = |meter| {
        let (dialer, lines) = MemoryDialer::new();
        tokio::spawn(play(meter, lines));
        Dialer::Memory(dialer)
    };
    for level in [Level::None, Level::Gmac] {
        let station = Arc::new(common::station(level));
        for (name, faults) in all_faults() {
            if level == Level::None && ["loss", "duplication", "corruption"].contains(&name) {
                // They do not strike what could not tell them.
                continue;
            }
            let completed = read_days((level, &station), (name, faults), open).await;
            let is_harmless = ["split", "merge"].contains(&name);
            assert!(
                if is_harmless { completed == SEEDS } else { completed > 0 },
                "{level:?} {name}: {completed}"
            );
        }
    }
}

/// HDLC.
#[tokio::test(start_paused = true)]
async fn x_13_hdlc_with_every_fault() {
    let open = |meter| {
        let (dialer, lines) = MemoryDialer::new();
        tokio::spawn(Bus::new(vec![meter]).play(lines));
        Dialer::Memory(dialer)
    };
    for (address, level) in [("serial:///dev/bus?baud=9600", Level::None), ("hdlc://gateway:1", Level::Gmac)]
    {
        let station = Arc::new(Station {
            address: address.parse().unwrap(),
            device_address: Some(FIRST_DEVICE.into()),
            ..common::station(level)
        });
        for (name, faults) in all_faults() {
            let completed = read_days((level, &station), (name, faults), open).await;
            let is_harmless = ["split", "merge", "duplication"].contains(&name);
            assert!(
                if is_harmless { completed == SEEDS } else { completed > 0 },
                "{level:?} {name}: {completed}"
            );
        }
    }
}
