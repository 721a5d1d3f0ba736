//! The wrapper over UDP, to simulated meters on real sockets: what is lost is asked for again, what comes twice or late is taken once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Faults, Instruments, Limits, Lobby, ProfileRange, Reason, Report, Seed,
    Station, Switch, SwitchTo, SystemClock, Task, Terms, Work,
};
use common::{at, captured, ended, reason};
use dlms::client::{Counters, GlobalKeys, Key, SystemTitle};
use jiff::{Timestamp, tz::TimeZone};
use simulator::{Clock, Fleet, FleetConfig, Framing, Security, SecurityLevel};
use tokio::sync::mpsc;

async fn fleet(security: Security) -> Fleet {
    let config = FleetConfig {
        security,
        framing: Framing::Datagrams,
        clock: Clock::starting_at(at("2026-03-31T12:00:00Z")),
        history_days: 2,
        ..FleetConfig::new(models::builtin().unwrap()["sed302"].clone())
    };
    Fleet::start(config).await.unwrap()
}

fn station(fleet: &Fleet) -> Arc<Station> {
    let meter = &fleet.meters()[0];
    let model = models::builtin().unwrap()["sed302"].clone();
    let secrets = meter.secrets();
    let (client_sap, credentials) = match meter.security() {
        SecurityLevel::Gmac => {
            let keys = GlobalKeys::of_suite_0(
                Key::new(secrets.encryption_key),
                Key::new(secrets.authentication_key),
            );
            (model.association.client_sap_hls, Credentials::gmac(SystemTitle::new(*b"HEAD\0\0\0\x01"), keys))
        }
        _ => (model.association.client_sap_none, Credentials::none()),
    };
    Arc::new(Station {
        address: format!("udp://{}", fleet.addresses()[0]).parse().unwrap(),
        server_sap: model.association.server_sap,
        client_sap,
        credentials,
        serial: Some(meter.serial()),
        model,
        zone: TimeZone::UTC,
        ..common::station(common::Level::None)
    })
}

fn limits() -> Limits {
    Limits {
        response_timeout: Duration::from_millis(200),
        linger: Duration::ZERO,
        retry_pause: Duration::from_millis(5),
        line_retries: 4,
        ..Limits::default()
    }
}

fn day() -> (Timestamp, Timestamp) {
    (at("2026-03-30T00:15:00Z"), at("2026-03-31T00:00:00Z"))
}

fn read_day(station: &Station) -> Task {
    let (from, to) = day();
    let obis = station.model.profile("energy").unwrap().obis;
    Task::ReadProfile(ProfileRange { obis, from, to, layout: None, last: None })
}

async fn collect(
    dialer: Dialer,
    station: &Arc<Station>,
    task: Task,
    counters: u32,
) -> (Vec<Report>, Arc<Instruments>) {
    let (sender, receiver) = mpsc::channel(1);
    let work = Work {
        counters: Some(Counters::new(counters, counters + 10_000)),
        seed: Seed::new([42; 32]),
        ..common::work(1, station, task)
    };
    sender.try_send(work).unwrap();
    drop(sender);
    let (reports, mut outcome) = mpsc::channel(4);
    let instruments = Arc::new(Instruments::default());
    let channel = Channel::with(limits(), reports, dialer, Arc::new(SystemClock));
    let mut all = Vec::new();
    let gather = async {
        while let Some(report) = outcome.recv().await {
            all.push(report);
        }
    };
    tokio::join!(channel.seen_through(Arc::clone(&instruments)).run(receiver), gather);
    (all, instruments)
}

/// Time and values that the meter holds of the day.
fn held(fleet: &Fleet) -> Vec<(Timestamp, Vec<Option<i64>>)> {
    let (from, to) = day();
    let rows = fleet.expected(0, "energy", from, to).unwrap();
    rows.into_iter().map(|row| (row.at, row.values.into_iter().map(Some).collect())).collect()
}

#[tokio::test]
async fn a_day_is_read_over_udp() {
    for security in [Security::None, Security::Gmac] {
        let fleet = fleet(security).await;
        let (reports, instruments) =
            collect(Dialer::System(Lobby::default()), &station(&fleet), read_day(&station(&fleet)), 1000)
                .await;
        assert!(ended(&reports, 1).is_ok(), "{:?}", ended(&reports, 1));
        assert_eq!(captured(&reports), held(&fleet));
        assert!(instruments.octets_received() > instruments.octets_sent());
        fleet.shutdown().await;
    }
}

/// UDP, whose datagrams get lost, come twice, overtake each other and are damaged.
#[tokio::test]
async fn x_13_udp_with_every_fault() {
    let none = Faults { delay_max: Duration::from_millis(150), ..Faults::default() };
    let all = [
        ("loss", Faults { loss_ppm: 100_000, ..none }),
        ("duplication", Faults { duplication_ppm: 300_000, ..none }),
        ("delay", Faults { delay_ppm: 200_000, ..none }),
        ("half_open", Faults { half_open_ppm: 30_000, ..none }),
        ("corruption", Faults { corruption_ppm: 50_000, ..none }),
    ];
    for security in [Security::None, Security::Gmac] {
        for (name, faults) in all {
            if security == Security::None && name == "corruption" {
                // The check sum of UDP is all that tells it.
                continue;
            }
            let mut struck = 0;
            for seed in 1..=2 {
                let fleet = fleet(security).await;
                let dialer = Dialer::System(Lobby::default()).failing(Faults { seed, ..faults });
                let (reports, instruments) =
                    collect(dialer, &station(&fleet), read_day(&station(&fleet)), 1000).await;
                let (captures, all) = (captured(&reports), held(&fleet));
                let place = format!("{security:?} with {name}, seed {seed}");
                assert_eq!(captures, all[..captures.len()], "{place}");
                let end = ended(&reports, 1);
                assert!(end.is_err() || captures.len() == all.len(), "{place}");
                struck += instruments
                    .faults()
                    .filter(|(fault, _)| *fault == name)
                    .map(|(_, count)| count)
                    .sum::<u64>();
                fleet.shutdown().await;
            }
            assert!(struck > 0, "{security:?} with {name}: nothing went wrong");
        }
    }
}

/// A read of the clock of nobody at this address.
async fn read_clock(address: String) -> Vec<Report> {
    let station = Station { address: address.parse().unwrap(), ..common::station(common::Level::None) };
    collect(Dialer::System(Lobby::default()), &Arc::new(station), Task::ReadClock, 1000).await.0
}

#[tokio::test]
async fn nobody_there_is_told_from_somebody_silent_who_is_asked_again() {
    let listener = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("udp://{}", listener.local_addr().unwrap());
    assert_eq!(reason(&read_clock(address.clone()).await, 1), Reason::Timeout);
    listener.set_nonblocking(true).unwrap();
    let mut datagram = [0; 256];
    let asked: Vec<_> =
        std::iter::from_fn(|| listener.recv(&mut datagram).ok().map(|got| datagram[..got].to_vec()))
            .collect();
    // The first association and four that follow it, each with a request and three repetitions.
    assert_eq!(asked.len(), 5 * 4);
    assert!(asked.iter().all(|request| *request == asked[0]), "nothing but the request to associate");
    drop(listener);
    assert_eq!(reason(&read_clock(address).await, 1), Reason::Refused);
}

/// C-40: what is ordered is never repeated by the line, however much is lost: it is resolved by reading.
#[tokio::test]
async fn c_40_an_order_over_a_network_that_loses_and_doubles_moves_the_relay_once() {
    let mut switched = 0;
    for seed in 1..=3 {
        let fleet = fleet(Security::None).await;
        let faults = Faults { seed, loss_ppm: 100_000, duplication_ppm: 100_000, ..Faults::default() };
        let terms = Terms { deadline: Timestamp::MAX, in_doubt: false };
        let task = Task::Switch(Switch { to: SwitchTo::Disconnected, force: false, terms });
        let (reports, _) =
            collect(Dialer::System(Lobby::default()).failing(faults), &station(&fleet), task, 1000).await;
        let (end, moves) = (ended(&reports, 1), fleet.counts().relay_moves);
        match end {
            Ok(_) => assert_eq!(moves, 1, "seed {seed}"),
            Err(failure) => assert!(moves == 0 || failure.in_doubt, "seed {seed}: {failure:?}"),
        }
        switched += moves;
        fleet.shutdown().await;
    }
    assert!(switched > 0, "nothing was tried");
}
