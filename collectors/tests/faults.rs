//! every kind of line with every fault. Whatever a line does, nothing that is reported is wrong, and the work ends by name.
//!
//! What counts as failure: a capture that the meter does not have, or out of order; a work that ends twice, not at all, or says that it is complete and is
//! not; a fault that never strikes. What does not: a work that fails, by whatever name.
//!
//! Not covered: damage, loss and doubling of what is not ciphered, over the wrapper. Nothing in the protocol could tell it; TCP and UDP do, and HDLC and the
//! languages of serial lines have check sums of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;
#[path = "faults/serial.rs"]
mod serial;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Event, Faults, Instruments, Limits, Lobby, MemoryDialer, ProfileRange,
    RegisterRequest, Report, Station, Task, Word, Work,
};
use common::{
    Bus, FIRST_DEVICE, FixedClock, Level, Meter, at, captured, ended, expected, limits, play, whole_day, work,
};
use jiff::{SignedDuration, tz::TimeZone};
use models::Model;
use simulator::{BusConfig, Clock, FleetConfig, Framing};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, sleep, timeout},
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

/// What a meter calls itself when it opens the connection.
const ID: &str = "202006001314";

/// A meter that calls, again when it is told to leave or its line ends; `lines` leads to it.
async fn call(lobby: Lobby, lines: mpsc::Sender<DuplexStream>) {
    loop {
        let call = lobby.enter(ID, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let (mut line, theirs) = duplex(64 * 1024);
        if lines.send(theirs).await.is_err() {
            return;
        }
        let mut octets = [0; 512];
        'called: loop {
            let mut lent = match call.word().await {
                Word::Lend(lent) => lent,
                Word::CountsAgain => continue,
                Word::Leave(_) => break,
            };
            loop {
                tokio::select! {
                    request = lent.requests.recv() => match request {
                        Some(request) => line.write_all(&request).await.unwrap(),
                        None => break,
                    },
                    read = line.read(&mut octets) => match read {
                        Ok(got @ 1..) => lent.answers.send(octets[..got].to_vec()).await.unwrap_or(()),
                        _ => break 'called,
                    },
                }
            }
        }
        drop((call, line));
        sleep(Duration::from_secs(1)).await;
    }
}

/// connections that meters open.
#[tokio::test(start_paused = true)]
async fn x_13_inbound_with_every_fault() {
    for (framing, level) in [("wrapper", Level::Gmac), ("hdlc", Level::None)] {
        let open = |meter| {
            let (lobby, (to_meter, lines)) = (Lobby::default(), mpsc::channel(1));
            match framing {
                "hdlc" => tokio::spawn(Bus::new(vec![meter]).play(lines)),
                _ => tokio::spawn(play(meter, lines)),
            };
            tokio::spawn(call(lobby.clone(), to_meter));
            Dialer::System(lobby)
        };
        let station = Arc::new(Station {
            address: format!("inbound://{ID}?framing={framing}").parse().unwrap(),
            device_address: (framing == "hdlc").then_some(FIRST_DEVICE.into()),
            ..common::station(level)
        });
        for (name, faults) in all_faults() {
            let completed = read_days((level, &station), (name, faults), open).await;
            let is_harmless = ["split", "merge"].contains(&name);
            assert!(
                if is_harmless { completed == SEEDS } else { completed > 0 },
                "{framing} {name}: {completed}"
            );
        }
    }
}

/// A meter that speaks another language than DLMS on a bus that is there anew whenever the line is opened.
struct Foreign {
    station: Arc<Station>,
    meter: Arc<simulator::Meter>,
    dialer: Dialer,
}

impl Foreign {
    fn new(model: &Arc<Model>) -> Self {
        let fleet = FleetConfig {
            framing: Framing::Plain { devices_per_line: 1 },
            count: u32::from(model.subunits) + 1,
            clock: Clock::starting_at(at("2026-03-31T12:00:00Z")),
            ..FleetConfig::new(Arc::clone(model))
        };
        let (bus, meters) =
            simulator::Bus::of_fleet(fleet.clone(), BusConfig::default(), &BTreeSet::new()).unwrap();
        let (dialer, mut lines) = MemoryDialer::new();
        tokio::spawn(async move {
            let mut next = Some(bus);
            while let Some(mut line) = lines.recv().await {
                let again = || {
                    simulator::Bus::of_fleet(fleet.clone(), BusConfig::default(), &BTreeSet::new()).unwrap().0
                };
                let _ = next.take().unwrap_or_else(again).run(&mut line).await;
            }
        });
        let (device, meter) = (&meters[0], meters.last().unwrap());
        let station = Arc::new(Station {
            meter: 7,
            address: "serial://gateway:1?baud=9600&parity=even".parse().unwrap(),
            device_address: meter.line_address().or(device.line_address()),
            subunit: meter.subunit(),
            via: None,
            server_sap: 1,
            client_sap: 16,
            credentials: Credentials::none(),
            model: Arc::clone(model),
            serial: Some(meter.serial()),
            zone: TimeZone::UTC,
        });
        Self { station, meter: Arc::clone(meter), dialer: Dialer::Memory(dialer) }
    }

    /// Does a task on a line that fails; how often a fault struck, and what was reported.
    async fn ask(&self, task: Task, (name, faults): (&str, Faults)) -> (Vec<Report>, u64) {
        let works = work(1, &self.station, task);
        let collected = timeout(HUNG, collect(self.dialer.clone(), faults, limits(), works)).await;
        let place = format!("{} with {name}, seed {}", self.station.model.name, faults.seed);
        let (reports, instruments) = collected.unwrap_or_else(|_| panic!("{place}: hung"));
        if let Err(failure) = ended(&reports, 1) {
            assert!(!failure.detail.is_empty(), "{place}: {failure:?}");
        }
        (reports, struck(&instruments, name))
    }
}

/// Reads the energies of a meter that speaks another language than DLMS again and again, each time with other chance; how often they were read.
async fn read_energies(model: &Arc<Model>, (name, faults): (&str, Faults)) -> u64 {
    let (mut completed, mut faults_seen) = (0, 0);
    // They grow, so that each value lies between what was held before and after.
    let energies = model.registers.iter().filter(|register| register.obis.octets()[3] == 8);
    let asked: Vec<_> = energies
        .map(|register| RegisterRequest { obis: register.obis, class_id: register.class_id, attribute: 2 })
        .collect();
    for seed in 1..=SEEDS {
        let foreign = Foreign::new(model);
        let held =
            || -> Vec<_> { asked.iter().map(|asked| foreign.meter.register(asked.obis).unwrap()).collect() };
        let before = held();
        let task = Task::ReadRegisters(asked.clone());
        let (reports, seen) = foreign.ask(task, (name, Faults { seed, ..faults })).await;
        let after = held();
        let values = reports.iter().filter_map(|report| match &report.event {
            Event::Registers(values) => Some(values),
            _ => None,
        });
        for (number, value) in values.flatten().enumerate() {
            let between = before[number] <= value.value && value.value <= after[number];
            assert!(
                between,
                "{} with {name}, seed {seed}: {value:?} is not from {} to {}",
                model.name, before[number], after[number]
            );
        }
        completed += u64::from(ended(&reports, 1).is_ok());
        faults_seen += seen;
    }
    assert!(faults_seen > 0, "{} with {name}: nothing went wrong", model.name);
    completed
}

/// the languages of serial lines.
#[tokio::test(start_paused = true)]
async fn x_13_languages_with_every_fault() {
    for name in ["huabang-triple", "multi-user-dlt645", "generic-dlt645-1997", "multi-user-modbus", "joy311"]
    {
        let model = &models::builtin().unwrap()[name];
        for (fault, faults) in all_faults() {
            let completed = read_energies(model, (fault, faults)).await;
            let is_harmless = ["split", "merge"].contains(&fault);
            assert!(
                if is_harmless { completed == SEEDS } else { completed > 0 },
                "{name} {fault}: {completed}"
            );
        }
    }
}

/// load records and snapshots of DL/T 645. What a read says that it covered is there, and right.
#[tokio::test(start_paused = true)]
async fn x_13_profiles_of_dlt645_with_every_fault() {
    let model = &models::builtin().unwrap()["generic-dlt645"];
    for (fault, faults) in all_faults() {
        for (profile, hours) in [("load", 24), ("daily", 24 * 12)] {
            let (mut completed, mut faults_seen) = (0, 0);
            for seed in 1..=SEEDS {
                let foreign = Foreign::new(model);
                let to = at("2026-03-31T12:00:00Z");
                let from = to - SignedDuration::from_hours(hours);
                let obis = model.profile(profile).unwrap().obis;
                let task = Task::ReadProfile(ProfileRange { obis, from, to, layout: None, last: None });
                let (reports, seen) = foreign.ask(task, (fault, Faults { seed, ..faults })).await;
                let held = foreign.meter.expected(profile, from, to).unwrap().into_iter();
                let held: Vec<_> =
                    held.map(|row| (row.at, row.values.into_iter().map(Some).collect())).collect();
                let captures = captured(&reports);
                let place = format!("{profile} with {fault}, seed {seed}");
                assert_eq!(captures, held[..captures.len()], "{place}: a value is wrong");
                if ended(&reports, 1).is_ok() {
                    assert_eq!(captures.len(), held.len(), "{place}: what is missing was not told");
                    completed += 1;
                }
                faults_seen += seen;
            }
            assert!(faults_seen > 0, "{profile} with {fault}: nothing went wrong");
            let is_harmless = ["split", "merge"].contains(&fault);
            assert!(
                if is_harmless { completed == SEEDS } else { completed > 0 },
                "{profile} {fault}: {completed}"
            );
        }
    }
}
