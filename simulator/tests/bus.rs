//! RS485 buses: everybody hears everything, one speaks at a time, and what is wrong on the line looks as it does on real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::config;
use dlms::hdlc::{Address, Client, Event, Settings};
use simulator::{
    Affected, Bus, BusConfig, Buses, Fault, FaultRule, FleetConfig, Framing, Security, Station,
    inventory_of_buses,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

/// Longer than any answer of a bus takes.
const PATIENCE: Duration = Duration::from_secs(2);

fn fleet(count: u32) -> FleetConfig {
    let framing = Framing::Hdlc { meters_per_line: count, max_info: 128, window: 1 };
    FleetConfig { count, framing, security: Security::None, ..config("generic-dlms") }
}

/// A bus on a memory line, and the master's end of it.
fn bus(fleet: FleetConfig, config: BusConfig, twins: &[u32]) -> (DuplexStream, JoinHandle<()>) {
    let (bus, _) = Bus::of_fleet(fleet, config, &twins.iter().copied().collect()).unwrap();
    run(bus)
}

fn run(bus: Bus) -> (DuplexStream, JoinHandle<()>) {
    let (ours, mut theirs) = duplex(4096);
    (ours, tokio::spawn(async move { bus.run(&mut theirs).await.unwrap() }))
}

fn link(device: u16) -> Client {
    let client = Address::client(16).unwrap();
    Client::new(client, Address::server(1, Some(device)).unwrap(), Settings::default())
}

/// Asks a station for a link: the octets sent, those that came within the time, and whether the link stands.
async fn connect(
    line: &mut (impl AsyncRead + AsyncWrite + Unpin),
    client: &mut Client,
) -> (Vec<u8>, Vec<u8>, bool) {
    let mut request = Vec::new();
    client.connect(&mut request).unwrap();
    line.write_all(&request).await.unwrap();
    let (mut came, mut chunk) = (Vec::new(), [0; 256]);
    let deadline = Instant::now() + PATIENCE;
    let mut out = Vec::new();
    while let Ok(count) = tokio::time::timeout_at(deadline, line.read(&mut chunk)).await {
        let octets = &chunk[..count.unwrap()];
        came.extend_from_slice(octets);
        client.push(octets);
        if matches!(client.poll(&mut out), Ok(Event::Connected(_))) {
            break;
        }
    }
    (request, came, client.is_connected())
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_the_time_of_the_line() {
    let turnaround = Duration::from_millis(100);
    for speed in [1200, 9600] {
        let (mut line, _bus) = bus(fleet(3), BusConfig { speed, turnaround, ..BusConfig::default() }, &[]);
        let begun = Instant::now();
        let (request, answer, connected) = connect(&mut line, &mut link(18)).await;
        assert!(connected);
        let bits = u32::try_from((request.len() + answer.len()) * 10).unwrap();
        let expected = turnaround + Duration::from_secs(1) * bits / speed;
        let took = begun.elapsed();
        assert!(took >= expected && took < expected + Duration::from_millis(5), "{took:?}, {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_station_says_nothing_and_the_others_do() {
    let dead = FaultRule { fault: Fault::Silent, meters: Affected::Numbers(vec![1]) };
    let (mut line, _bus) = bus(FleetConfig { faults: vec![dead], ..fleet(3) }, BusConfig::default(), &[]);
    for (device, answers) in [(17, true), (18, false), (19, true)] {
        let (_, came, connected) = connect(&mut line, &mut link(device)).await;
        assert_eq!((connected, came.is_empty()), (answers, !answers), "{device}");
    }
}

#[tokio::test(start_paused = true)]
async fn c_04_two_stations_with_one_address_are_heard_as_noise() {
    let (mut line, _bus) = bus(fleet(3), BusConfig::default(), &[0]);
    let mut client = link(17);
    let (_, came, connected) = connect(&mut line, &mut client).await;
    assert!(!came.is_empty() && !connected);
    let bad = client.trouble().bad;
    assert!(bad.header + bad.frame + bad.flag + bad.noise_octets > 0, "{bad:?}");
    assert!(connect(&mut line, &mut link(19)).await.2, "who is alone is understood");
    assert_eq!(connect(&mut line, &mut link(18)).await.1, b"", "nobody has this address");
}

#[tokio::test(start_paused = true)]
async fn c_04_an_adapter_with_echo_gives_back_what_was_sent() {
    let (mut line, _bus) = bus(fleet(1), BusConfig { echo: true, ..BusConfig::default() }, &[]);
    let (request, came, connected) = connect(&mut line, &mut link(17)).await;
    assert!(connected && came.len() > request.len());
    assert_eq!(came[..request.len()], request);
}

#[tokio::test(start_paused = true)]
async fn who_speaks_while_a_station_speaks_destroys_its_answer() {
    let slow = BusConfig { speed: 300, ..BusConfig::default() };
    let (mut line, _bus) = bus(fleet(1), slow, &[]);
    let mut client = link(17);
    let mut request = Vec::new();
    client.connect(&mut request).unwrap();
    line.write_all(&request).await.unwrap();
    let mut octet = [0];
    line.read_exact(&mut octet).await.unwrap();
    line.write_all(&request).await.unwrap();
    let mut rest = Vec::new();
    while let Ok(read) = timeout(PATIENCE, line.read_u8()).await {
        rest.push(read.unwrap());
    }
    client.push(&octet);
    client.push(&rest);
    assert_eq!(client.poll(&mut Vec::new()), Ok(Event::Wait));
}

/// A meter of another language: it says back what it hears, twice.
struct Parrot;

impl Station for Parrot {
    fn hear(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Duration {
        out.extend_from_slice(&octets.repeat(2));
        Duration::from_secs(1)
    }

    fn speed(&self) -> u32 {
        1200
    }
}

#[tokio::test(start_paused = true)]
async fn a_station_of_any_language_speaks_at_its_own_speed() {
    let mut bus = Bus::new(BusConfig { turnaround: Duration::ZERO, ..BusConfig::default() });
    bus.add(Box::new(Parrot));
    let (mut line, _bus) = run(bus);
    let begun = Instant::now();
    line.write_all(b"abc").await.unwrap();
    let mut said = [0; 6];
    line.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"abcabc");
    // Three octets at 9600, a second of thought, six octets at 1200.
    let expected = Duration::from_micros(3_125 + 1_000_000 + 50_000);
    assert!(begun.elapsed() >= expected && begun.elapsed() < expected + Duration::from_millis(3));
}

fn open(device: &str, speed: u32) -> SerialStream {
    tokio_serial::new(device, speed).open_native_async().unwrap()
}

#[tokio::test]
async fn a_bus_is_a_serial_device_that_understands_its_own_speed_only() {
    let buses = Buses::start(fleet(2), BusConfig::default(), &BTreeSet::new()).unwrap();
    let device = buses.devices()[1].clone();
    let inventory = inventory_of_buses(&buses);
    let line = inventory.lines().nth(2).unwrap();
    assert!(line.contains(&format!(",serial://{device}?baud=9600,")) && line.ends_with(",18"), "{line}");

    for (speed, understood) in [(4800, false), (9600, true)] {
        let mut line = open(&device, speed);
        assert_eq!(connect(&mut line, &mut link(18)).await.2, understood, "{speed}");
    }

    let folder = std::env::temp_dir().join(format!("simulator-bus-{}", std::process::id()));
    buses.link(&folder).unwrap();
    buses.link(&folder).unwrap();
    assert_eq!(std::fs::read_link(folder.join("bus0")).unwrap().to_str(), Some(device.as_str()));
    std::fs::remove_dir_all(folder).unwrap();
    buses.shutdown().await;
}
