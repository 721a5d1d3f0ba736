//! Concentrators: their nodes are reached by each back-end, one at a time and as slowly as the power line is; nodes come and go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::time::Duration;

use common::{Failure, Reader, config, security};
use dlms::DateTime;
use dlms::axdr::Data;
use dlms::hdlc::{Address, Client, Event, Settings};
use gdw376::forward::{Characters, Forwarded, Order, Parity};
use gdw376::{Address as Terminal, Frame, Splitter, USER_DATA_MAX};
use jiff::{SignedDuration, Timestamp};
use simulator::{
    Backend, ConcentratorConfig, Concentrators, FIRST_DEVICE, FleetConfig, NodeEventKind, NodeState,
    Security, inventory_of_concentrators,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

const NODES: u32 = 20;

fn fleet() -> FleetConfig {
    FleetConfig { count: NODES, security: Security::Gmac, ..config("generic-dlms") }
}

/// Concentrators whose power line costs no time.
fn fast(backend: Backend) -> ConcentratorConfig {
    ConcentratorConfig { backend, nodes: 10, accelerate: 1_000_000, ..ConcentratorConfig::default() }
}

/// The serial number that a meter gives.
async fn serial(reader: &mut Reader) -> Result<Data, Failure> {
    reader.value(1, "0.0.96.1.0.255", 2).await
}

fn octets(text: &str) -> Data {
    Data::OctetString(text.as_bytes().to_vec())
}

#[tokio::test]
async fn mt_01_each_node_has_a_wrapper_port() {
    let concentrators = Concentrators::start(fleet(), fast(Backend::Wrapper { base: 16 })).await.unwrap();
    for number in [0, 9, 10, 19] {
        let meter = &concentrators.meters()[number];
        let (sap, security) = security(meter, 1);
        let port = 16 + u16::try_from(number % 10).unwrap();
        let address = concentrators.addresses()[number / 10];
        let mut reader =
            Reader::open_behind(address, (sap, port), Default::default(), security).await.unwrap();
        assert_eq!(serial(&mut reader).await.unwrap(), octets(&meter.serial()));
    }
    concentrators.shutdown().await;
}

#[tokio::test]
async fn mt_01_a_node_is_named_in_front_of_each_apdu() {
    let concentrators = Concentrators::start(fleet(), fast(Backend::Gateway { network: 3 })).await.unwrap();
    let meter = &concentrators.meters()[12];
    let (sap, security) = security(meter, 1);
    let named = |tag| [&[tag, 3, 8], meter.serial().as_bytes()].concat();
    let prefixes = (named(0xE6), named(0xE7));
    let address = concentrators.addresses()[1];
    let mut reader = Reader::open_behind(address, (sap, 1), prefixes, security).await.unwrap();
    assert_eq!(serial(&mut reader).await.unwrap(), octets(&meter.serial()));
    concentrators.shutdown().await;
}

#[tokio::test]
async fn mt_24_a_concentrator_is_a_device_with_a_clock_and_lists() {
    let concentrators = Concentrators::start(fleet(), fast(Backend::Wrapper { base: 16 })).await.unwrap();
    let own = |number: usize| concentrators.addresses()[number];
    let mut reader = Reader::open_as(own(1), 16, dlms::client::Security::none()).await.unwrap();
    assert_eq!(serial(&mut reader).await.unwrap(), octets("C0000010"));

    let Data::Array(devices) = reader.value(17, "0.0.41.0.0.255", 2).await.unwrap() else { panic!("a list") };
    assert_eq!(devices.len(), 11);
    let third = Data::Structure(vec![Data::LongUnsigned(18), octets("30000012")]);
    assert_eq!(devices[3], third);
    let Data::Array(linked) = reader.value(56, "0.0.26.6.0.255", 2).await.unwrap() else { panic!("a list") };
    assert_eq!(linked.len(), 10);

    let moved = DateTime::from_unix(1_800_000_000, Some(0), 0);
    reader.set(8, "0.0.1.0.0.255", 2, &Data::OctetString(moved.octets().to_vec())).await.unwrap();
    let shown = reader.value(8, "0.0.1.0.0.255", 2).await.unwrap();
    let shown = DateTime::of(&shown, "time").unwrap().unix_seconds().unwrap();
    assert!((1_800_000_000..1_800_000_060).contains(&shown), "{shown}");

    let Data::Array(log) = reader.value(7, "0.0.99.98.0.255", 2).await.unwrap() else { panic!("a log") };
    assert_eq!(log.len(), 21, "each node was discovered and registered, and the clock was set");
    concentrators.shutdown().await;
}

#[tokio::test]
async fn mt_02_the_inventory_names_concentrators_and_nodes() {
    let concentrators = Concentrators::start(fleet(), fast(Backend::Forward)).await.unwrap();
    let inventory = inventory_of_concentrators(&concentrators);
    let lines: Vec<_> = inventory.lines().collect();
    assert_eq!(lines.len(), 1 + 2 + 20);
    let own = format!("C0000010,dlms-concentrator,{},1,16,Europe/Berlin,none,", concentrators.addresses()[1]);
    assert!(lines[2].starts_with(&own), "{}", lines[2]);
    assert!(lines[14].contains(",concentrator://C0000010/30000011,"), "{}", lines[14]);
    assert!(lines[14].ends_with(",18"), "{}", lines[14]);
    concentrators.shutdown().await;
}

#[test]
fn mt_02_nodes_are_discovered_get_lost_and_come_back() {
    let fleet = fleet();
    let clock = fleet.clock.clone();
    let hour = Duration::from_secs(3600);
    let config = ConcentratorConfig {
        lost_ppm: 200_000,
        outage: hour,
        joining: hour,
        ..fast(Backend::Wrapper { base: 16 })
    };
    let concentrators = Concentrators::offline(fleet, config).unwrap();
    let discovered_at_first = concentrators.states(0).len();
    assert!(discovered_at_first < 10, "{discovered_at_first}");
    clock.advance(40 * 3600);
    let states = concentrators.states(0);
    assert_eq!(states.len(), 10);
    let log = concentrators.log(0, Timestamp::MIN, Timestamp::MAX);
    for (number, state) in (0..).zip(&states) {
        let last = log.iter().rfind(|event| event.node == number).unwrap();
        assert_eq!(last.kind == NodeEventKind::Registered, state.linked, "{state:?}");
        assert!(state.level <= 3 && (1..=3).contains(&state.phase));
        if !state.linked {
            assert_eq!(state.last_seen, last.at);
        }
    }
    assert!(log.iter().any(|event| event.kind == NodeEventKind::Deregistered));
    assert!(log.is_sorted_by_key(|event| event.at));
}

/// An association request without security.
const AARQ: &[u8] = &[
    0x60, 0x1D, 0xA1, 0x09, 0x06, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, 0x01, 0x01, 0xBE, 0x10, 0x04, 0x0E,
    0x01, 0x00, 0x00, 0x00, 0x06, 0x5F, 0x1F, 0x04, 0x00, 0x00, 0x1E, 0x5D, 0xFF, 0xFF,
];

fn connection(concentrators: &Concentrators) -> DuplexStream {
    let (ours, theirs) = duplex(8192);
    tokio::spawn(concentrators.serve(0, theirs));
    ours
}

async fn ask(line: &mut DuplexStream, port: u16, apdu: &[u8]) -> Option<Vec<u8>> {
    let header = [1, 16, port, u16::try_from(apdu.len()).unwrap()];
    let frame: Vec<u8> = header.iter().flat_map(|field: &u16| field.to_be_bytes()).collect();
    line.write_all(&[&frame, apdu].concat()).await.unwrap();
    let mut header = [0; 8];
    timeout(Duration::from_secs(30), line.read_exact(&mut header)).await.ok()?.unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes([header[6], header[7]]))];
    line.read_exact(&mut answer).await.unwrap();
    Some(answer)
}

#[tokio::test(start_paused = true)]
async fn mt_01_one_transaction_at_a_time_takes_the_time_of_the_power_line() {
    let config = ConcentratorConfig { nodes: NODES, ..ConcentratorConfig::default() };
    let concentrators =
        Concentrators::offline(FleetConfig { security: Security::None, ..fleet() }, config).unwrap();
    let begun = Instant::now();
    let mut expected = Duration::ZERO;
    let mut answers = Vec::new();
    let mut lines: Vec<_> = (0..2).map(|_| connection(&concentrators)).collect();
    let (first, second) = lines.split_at_mut(1);
    let (first, second) = tokio::join!(ask(&mut first[0], 16, AARQ), ask(&mut second[0], 17, AARQ));
    answers.extend([first.unwrap(), second.unwrap()]);
    for (state, answer) in concentrators.states(0).iter().zip(&answers) {
        let octets = u32::try_from(AARQ.len() + answer.len()).unwrap();
        expected += Duration::from_secs(1) * octets * 8 * 2 * (u32::from(state.level) + 1) / 1200;
    }
    let took = begun.elapsed();
    assert!(took >= expected && took < expected + Duration::from_millis(10), "{took:?}, {expected:?}");
    let busy = concentrators.busy(0);
    assert!(busy > expected - Duration::from_millis(1) && busy <= expected, "{busy:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_lost_or_vanishes_says_nothing() {
    let fleet = FleetConfig { security: Security::None, ..fleet() };
    let clock = fleet.clock.clone();
    let config = ConcentratorConfig {
        nodes: NODES,
        lost_ppm: 500_000,
        outage: Duration::from_secs(24 * 3600),
        ..ConcentratorConfig::default()
    };
    let concentrators = Concentrators::offline(fleet, config).unwrap();
    clock.advance(5 * 24 * 3600);
    let mut line = connection(&concentrators);
    let states = concentrators.states(0);
    assert!(states.iter().any(|state| state.linked) && states.iter().any(|state| !state.linked));
    for (port, state) in (16..).zip(&states) {
        // What was asked for a lost node has been given up before the next one is asked.
        let answer = ask(&mut line, port, AARQ).await;
        assert_eq!(answer.is_some(), state.linked, "{state:?}");
    }

    // One that is there when it is asked, and not any more when its answer is due some seconds later.
    let far = |state: &&NodeState| state.linked && state.level >= 2;
    let number = states.iter().position(|state| far(&state)).unwrap();
    let lost = loop {
        clock.advance(1);
        let state = &concentrators.states(0)[number];
        if !state.linked {
            break state.last_seen;
        }
    };
    let back = lost.duration_since(clock.now()) - SignedDuration::from_millis(1500);
    clock.advance(back.as_secs());
    assert!(concentrators.states(0)[number].linked);
    assert_eq!(ask(&mut line, 16 + u16::try_from(number).unwrap(), AARQ).await, None);
}

#[tokio::test(start_paused = true)]
async fn mt_01_a_frame_is_forwarded_to_the_node_that_is_meant() {
    let fleet = FleetConfig { security: Security::None, ..fleet() };
    let config = ConcentratorConfig { nodes: NODES, ..fast(Backend::Forward) };
    let concentrators = Concentrators::offline(fleet, config).unwrap();
    let mut line = connection(&concentrators);
    let terminal = Terminal::parse("C0000000").unwrap();
    let station = Address::server(1, Some(FIRST_DEVICE + 5)).unwrap();
    let mut client = Client::new(Address::client(16).unwrap(), station, Settings::default());
    let (mut frame, mut request) = (Vec::new(), Vec::new());
    client.connect(&mut frame).unwrap();
    let order = Order {
        port: 1,
        characters: Characters::eight(2400, Parity::Even).unwrap(),
        answer_within: Duration::from_secs(60),
        octet_within: Duration::from_millis(500),
        frame: &frame,
        authentication: None,
    };
    order.encode(terminal, 7, &mut request).unwrap();
    line.write_all(&request).await.unwrap();
    let mut splitter = Splitter::new(USER_DATA_MAX);
    let mut chunk = [0; 512];
    let count = line.read(&mut chunk).await.unwrap();
    splitter.push(&chunk[..count]);
    let answer: Frame<'_> = splitter.next_frame().unwrap();
    assert_eq!(answer.sequence.number(), 7);
    client.push(Forwarded::read(&answer).unwrap().frame);
    assert!(matches!(client.poll(&mut Vec::new()), Ok(Event::Connected(_))));
}
