//! Meters that open the connection themselves: read over it by the same channel, from a lobby, against the simulator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Event, Limits, Lobby, Reason, Report, Seed, Station, SystemClock, Task,
    Word, Work,
};
use common::{ended, reason};
use dlms::client::{Counters, GlobalKeys, Key, SystemTitle};
use simulator::{Fleet, FleetConfig, Framing, Security};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

const ID: &str = "202006001314";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn fleet(security: Security, framing: Framing) -> Fleet {
    let model = Arc::clone(&models::builtin().unwrap()["sed302"]);
    Fleet::start(FleetConfig { count: 2, security, framing, ..FleetConfig::new(model) }).await.unwrap()
}

fn station(fleet: &Fleet, number: usize, address: &str) -> Arc<Station> {
    let meter = &fleet.meters()[number];
    let model = Arc::clone(&models::builtin().unwrap()["sed302"]);
    let secrets = meter.secrets();
    let ciphered = meter.security() == simulator::SecurityLevel::Gmac;
    let (client_sap, credentials) = if ciphered {
        let keys =
            GlobalKeys::of_suite_0(Key::new(secrets.encryption_key), Key::new(secrets.authentication_key));
        (model.association.client_sap_hls, Credentials::gmac(SystemTitle::new(*b"HEAD\0\0\0\x01"), keys))
    } else {
        (model.association.client_sap_none, Credentials::none())
    };
    Arc::new(Station {
        meter: i32::try_from(number).unwrap(),
        address: address.parse().unwrap(),
        device_address: address.contains("hdlc").then(|| 17 + number as u64),
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap,
        credentials,
        serial: Some(meter.serial()),
        model,
        zone: jiff::tz::TimeZone::UTC,
    })
}

fn work(job: i64, station: &Arc<Station>) -> Work {
    let first = u32::try_from(job).unwrap() * 1000;
    Work {
        job,
        station: Arc::clone(station),
        counters: Some(Counters::new(first, first + 1000)),
        seed: Seed::new([42; 32]),
        task: Task::ReadClock,
        priority: 0,
        span: tracing::Span::none(),
    }
}

/// A connection to a simulated meter that stands in the lobby as if the meter had opened it, until the meter closes it.
fn call(lobby: &Lobby, from: IpAddr, meter: SocketAddr) -> JoinHandle<()> {
    let call = lobby.enter(ID, from);
    tokio::spawn(async move {
        let mut socket = TcpStream::connect(meter).await.unwrap();
        let mut octets = [0; 4096];
        loop {
            let mut lent = match call.word().await {
                Word::Lend(lent) => lent,
                Word::CountsAgain => continue,
                Word::Leave(_) => return,
            };
            loop {
                tokio::select! {
                    request = lent.requests.recv() => match request {
                        Some(request) => socket.write_all(&request).await.unwrap(),
                        None => break,
                    },
                    read = socket.read(&mut octets) => match read {
                        Ok(0) | Err(_) => return,
                        Ok(length) => lent.answers.send(octets[..length].to_vec()).await.unwrap_or(()),
                    },
                }
            }
        }
    })
}

/// What one channel reports of these works.
async fn collect(lobby: &Lobby, works: Vec<Work>) -> Vec<Report> {
    let limits = Limits {
        connect_timeout: Duration::from_millis(500),
        response_timeout: Duration::from_millis(400),
        linger: Duration::ZERO,
        retry_pause: Duration::from_millis(5),
        ..Limits::default()
    };
    let (reports, mut outcome) = mpsc::channel(64);
    let (sender, receiver) = mpsc::channel(works.len());
    for work in works {
        sender.try_send(work).unwrap();
    }
    drop(sender);
    let dialer = Dialer::System(lobby.clone());
    Channel::with(limits, reports, dialer, Arc::new(SystemClock)).run(receiver).await;
    let mut all = Vec::new();
    while let Some(report) = outcome.recv().await {
        all.push(report);
    }
    all
}

fn has_clock(reports: &[Report], job: i64) -> bool {
    reports.iter().any(|report| report.job == job && matches!(report.event, Event::Clock(_)))
}

#[tokio::test]
async fn sen_37_a_meter_that_called_is_read_and_the_next_channel_finds_its_association_open() {
    for security in [Security::None, Security::Gmac] {
        let fleet = fleet(security, Framing::Wrapper).await;
        let lobby = Lobby::default();
        let station = station(&fleet, 0, &format!("inbound://{ID}"));
        // Nobody there: no way.
        let absent = collect(&lobby, vec![work(1, &station)]).await;
        assert_eq!(reason(&absent, 1), Reason::NoRoute);
        let call = call(&lobby, HERE, fleet.addresses()[0]);
        let first = collect(&lobby, vec![work(2, &station)]).await;
        assert!(has_clock(&first, 2));
        let second = collect(&lobby, vec![work(3, &station)]).await;
        assert!(has_clock(&second, 3));
        let exchanges = |reports: &[Report], job| ended(reports, job).unwrap().exchanges;
        // Opening it takes one exchange, and with proofs two; the serial number is known from before.
        let saved = if security == Security::None { 2 } else { 3 };
        assert_eq!(exchanges(&first, 2) - exchanges(&second, 3), saved);
        call.abort();
        fleet.shutdown().await;
    }
}

#[tokio::test]
async fn an_association_that_the_meter_has_dropped_meanwhile_is_opened_again_on_the_same_connection() {
    let fleet = fleet(Security::Gmac, Framing::Wrapper).await;
    let lobby = Lobby::default();
    let station = station(&fleet, 0, &format!("inbound://{ID}"));
    let first = call(&lobby, HERE, fleet.addresses()[0]);
    assert!(has_clock(&collect(&lobby, vec![work(1, &station)]).await, 1));
    // The modem has called anew; the meter behind it knows of no association.
    let second = call(&lobby, HERE, fleet.addresses()[0]);
    assert!(has_clock(&collect(&lobby, vec![work(2, &station)]).await, 2));
    first.abort();
    second.abort();
    fleet.shutdown().await;
}

#[tokio::test]
async fn several_meters_behind_one_modem_that_called_are_read_one_after_the_other() {
    let framing = Framing::Hdlc { meters_per_line: 2, max_info: 128, window: 1 };
    let fleet = fleet(Security::Gmac, framing).await;
    let lobby = Lobby::default();
    let stations = [0, 1].map(|number| station(&fleet, number, &format!("inbound://{ID}?framing=hdlc")));
    let call = call(&lobby, HERE, fleet.addresses()[0]);
    for round in 0..2 {
        let (first, second) = (round * 2 + 1, round * 2 + 2);
        let reports = collect(&lobby, vec![work(first, &stations[0]), work(second, &stations[1])]).await;
        assert!(has_clock(&reports, first) && has_clock(&reports, second));
    }
    call.abort();
    fleet.shutdown().await;
}

#[tokio::test]
async fn sen_37_who_only_says_the_name_of_a_ciphered_meter_does_not_get_its_place() {
    let fleet = fleet(Security::Gmac, Framing::Wrapper).await;
    let lobby = Lobby::default();
    let station = station(&fleet, 0, &format!("inbound://{ID}"));
    let honest = call(&lobby, HERE, fleet.addresses()[0]);
    assert!(has_clock(&collect(&lobby, vec![work(1, &station)]).await, 1));
    // Another meter, with other keys, says the same name.
    let spoof = call(&lobby, [10, 0, 0, 9].into(), fleet.addresses()[1]);
    assert!(has_clock(&collect(&lobby, vec![work(2, &station)]).await, 2));
    // The meter is gone, and whoever is left has to prove itself, and cannot.
    honest.abort();
    assert!(honest.await.unwrap_err().is_cancelled());
    let refused = collect(&lobby, vec![work(3, &station)]).await;
    assert_eq!(reason(&refused, 3), Reason::WrongKey);
    spoof.abort();
    fleet.shutdown().await;
}
