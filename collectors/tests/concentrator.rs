//! Meters behind a concentrator: by a wrapper port each, by the gateway protocol, and by forwarded frames.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use collectors::{Dialer, MemoryDialer, ProfileRange, Reason, Report, Station, Task, Via, Work};
use common::{Level, Meter, at, captured, ended, expected, limits, reason, whole_day, work};
use dlms::{
    gateway::{Direction, Prefix},
    hdlc::{self, LinkId, Settings},
    server::Session,
    wrapper::{self, Splitter},
};
use gdw376::{
    Frame, USER_DATA_MAX,
    forward::{Characters, Forwarded, Order, Parity},
};
use jiff::tz::TimeZone;
use simulator::{Backend, Clock, ConcentratorConfig, Concentrators, FleetConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    time::sleep,
};

/// The concentrator's serial number, which is the name of a terminal, too.
const SERIAL: &str = "07550007";
/// The time that a node takes for an answer: longer than an answer may take that comes from no node.
const SLOWNESS: Duration = Duration::from_secs(20);

fn via(reach: &str) -> Arc<Via> {
    let text = format!(
        "name = \"dc\"\nmanufacturer = \"any\"\ndescription = \"-\"\nclock = \"0.0.1.0.0.255\"\n\
         invocation_counter = \"0.0.43.1.0.255\"\n[association]\n[identity]\nserial = \"0.0.96.1.0.255\"\n\
         logical_device_name = \"0.0.42.0.0.255\"\nfirmware = \"1.0.0.2.0.255\"\n[concentrator]\nreach = {reach}\n"
    );
    let model = Arc::new(models::parse("dc.toml", &text).unwrap());
    Arc::new(Via { meter: 1, address: "memory:1".parse().unwrap(), model })
}

/// The meter of node `number`, which has this as its device address, too.
fn station(level: Level, number: u16, via: &Arc<Via>) -> Arc<Station> {
    let is_forwarded =
        matches!(via.model.concentrator.as_ref().unwrap().reach, models::Reach::Forward { .. });
    Arc::new(Station {
        meter: i32::from(number),
        address: format!("concentrator://{SERIAL}/{number}").parse().unwrap(),
        device_address: is_forwarded.then_some(u64::from(number)),
        via: Some(Arc::clone(via)),
        ..common::station(level)
    })
}

/// A concentrator with the meters of nodes behind it.
#[derive(Clone)]
struct Concentrator {
    nodes: BTreeMap<u16, Arc<Mutex<Meter>>>,
    /// The node of each request, in the order in which they came.
    asked: Arc<Mutex<Vec<u16>>>,
    /// Nodes that do not answer any more.
    lost: Vec<u16>,
}

impl Concentrator {
    fn new(level: Level, nodes: impl IntoIterator<Item = u16>) -> Self {
        let nodes = nodes.into_iter().map(|node| (node, Meter::new(level).share())).collect();
        Self { nodes, asked: Arc::default(), lost: Vec::new() }
    }

    fn answer(&self, node: u16, session: &mut Session, apdu: &mut [u8]) -> Vec<u8> {
        self.asked.lock().unwrap().push(node);
        let mut answer = Vec::new();
        session.handle(apdu, &mut *self.nodes[&node].lock().unwrap(), &mut answer);
        answer
    }

    fn session(&self, node: u16) -> Option<Session> {
        let meter = self.nodes.get(&node).filter(|_| !self.lost.contains(&node))?;
        Some(meter.lock().unwrap().session())
    }

    /// Whether the next octets come before this request was answered.
    async fn is_hurried(line: &mut DuplexStream) -> bool {
        let mut early = [0; 1];
        tokio::select! {
            read = line.read(&mut early) => matches!(read, Ok(1..)),
            () = sleep(SLOWNESS) => false,
        }
    }

    /// Each node has the wrapper port 16 and its number, or its name in front of each APDU.
    async fn wrapper(self, mut lines: mpsc::Receiver<DuplexStream>) {
        let mut sessions: BTreeMap<u16, Session> = BTreeMap::new();
        while let Some(mut line) = lines.recv().await {
            let (mut splitter, mut chunk) = (Splitter::new(u16::MAX), [0; 512]);
            while let Ok(got @ 1..) = line.read(&mut chunk).await {
                splitter.push(&chunk[..got]);
                while let Some((header, octets)) = splitter.next_frame().unwrap() {
                    let mut prefix = Vec::new();
                    let node = if Prefix::is_in_front_of(octets) {
                        let read = Prefix::read(octets).unwrap();
                        assert_eq!((read.direction, read.network), (Direction::ToDevice, 3));
                        assert_eq!(header.destination, 1, "the logical device of the meter");
                        Prefix { direction: Direction::FromDevice, ..read }.encode(&mut prefix).unwrap();
                        str::from_utf8(read.address).unwrap().parse().unwrap()
                    } else {
                        header.destination - 16
                    };
                    let apdu = &mut octets[prefix.len()..];
                    if apdu[0] == 0x60 {
                        sessions.extend(self.session(node).map(|session| (node, session)));
                    }
                    let Some(session) = sessions.get_mut(&node).filter(|_| !self.lost.contains(&node)) else {
                        continue;
                    };
                    prefix.extend(self.answer(node, session, apdu));
                    let mut frame = Vec::new();
                    wrapper::frame(header.destination, header.source, &prefix, &mut frame).unwrap();
                    assert!(!Self::is_hurried(&mut line).await, "two transactions at the same time");
                    if line.write_all(&frame).await.is_err() {
                        break;
                    }
                }
            }
        }
    }

    /// A terminal of Q/GDW 376.1 before nodes that speak HDLC.
    async fn terminal(self, mut lines: mpsc::Receiver<DuplexStream>) {
        let limits =
            Settings { max_info_transmit: 128, max_info_receive: 128, window_transmit: 1, window_receive: 1 };
        let address = |node: &u16| hdlc::Address::server(1, Some(*node)).unwrap();
        let audible = self.nodes.keys().filter(|node| !self.lost.contains(node)).map(address).collect();
        let mut server = hdlc::Server::new(audible, limits);
        let mut sessions: BTreeMap<LinkId, Session> = BTreeMap::new();
        while let Some(mut line) = lines.recv().await {
            let (mut splitter, mut chunk) = (gdw376::Splitter::new(USER_DATA_MAX), [0; 512]);
            while let Ok(got @ 1..) = line.read(&mut chunk).await {
                splitter.push(&chunk[..got]);
                let mut answers = Vec::new();
                while let Some(frame) = splitter.next_frame() {
                    answers.push(self.forward(&frame, &mut server, &mut sessions));
                }
                for answer in answers {
                    assert!(!Self::is_hurried(&mut line).await, "two transactions at the same time");
                    let _ = line.write_all(&answer).await;
                }
            }
        }
    }

    fn forward(
        &self,
        frame: &Frame<'_>,
        server: &mut hdlc::Server,
        sessions: &mut BTreeMap<LinkId, Session>,
    ) -> Vec<u8> {
        let order = Order::read(frame).unwrap();
        assert_eq!(frame.address.to_string(), SERIAL);
        assert_eq!((order.port, order.authentication), (2, None));
        assert_eq!(order.characters, Characters::eight(9600, Parity::None).unwrap());
        server.push(order.frame);
        let mut out = Vec::new();
        loop {
            match server.poll(&mut out).unwrap() {
                hdlc::Arrival::Nothing => break,
                hdlc::Arrival::Opened(id) => {
                    let node = id.station.physical().unwrap();
                    sessions.extend(self.session(node).map(|session| (id, session)));
                }
                hdlc::Arrival::Apdu(id, apdu) => {
                    let session = sessions.get_mut(&id).unwrap();
                    let answer = self.answer(id.station.physical().unwrap(), session, apdu);
                    server.answer(id, Some(&answer), &mut out).unwrap();
                }
                _ => {}
            }
        }
        let mut answer = Vec::new();
        let forwarded = Forwarded { port: order.port, frame: &out };
        forwarded.encode(frame.address, frame.sequence.number(), &mut answer).unwrap();
        answer
    }
}

async fn collect<F>(works: Vec<Work>, play: impl FnOnce(mpsc::Receiver<DuplexStream>) -> F) -> Vec<Report>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (dialer, lines) = MemoryDialer::new();
    let player = tokio::spawn(play(lines));
    let reports = common::run(Dialer::Memory(dialer), limits(), works).await;
    // It ends with the lines, and by itself only when it saw something that should not be.
    player.await.unwrap();
    reports
}

fn of(reports: &[Report], job: i64) -> Vec<Report> {
    reports.iter().filter(|report| report.job == job).cloned().collect()
}

fn reads(level: Level, via: &Arc<Via>, nodes: &[u16]) -> Vec<Work> {
    let read = |node| work(i64::from(node), &station(level, node, via), Task::ReadProfile(whole_day()));
    nodes.iter().copied().map(read).collect()
}

fn assert_read(reports: &[Report], concentrator: &Concentrator, nodes: &[u16]) {
    for node in nodes {
        let job = i64::from(*node);
        assert!(ended(reports, job).is_ok(), "{node}: {:?}", ended(reports, job));
        assert_eq!(captured(&of(reports, job)), expected(&concentrator.nodes[node]));
    }
}

/// MT-01: each node has a wrapper port of its own; one transaction at a time goes through the concentrator.
#[tokio::test(start_paused = true)]
async fn mt_01_nodes_are_read_by_their_wrapper_ports() {
    for level in [Level::Lls, Level::Gmac] {
        let (via, concentrator) =
            (via("{ by = \"wrapper\", base = 16 }"), Concentrator::new(level, [1, 2, 300]));
        let works = reads(level, &via, &[1, 2, 300]);
        let reports = collect(works, |lines| concentrator.clone().wrapper(lines)).await;
        assert_read(&reports, &concentrator, &[1, 2, 300]);
    }
}

/// MT-01: the gateway protocol, E6H and E7H.
#[tokio::test(start_paused = true)]
async fn mt_01_nodes_are_read_through_a_gateway() {
    for level in [Level::Lls, Level::Gmac] {
        let (via, concentrator) =
            (via("{ by = \"gateway\", network = 3 }"), Concentrator::new(level, [7, 8]));
        let reports = collect(reads(level, &via, &[7, 8]), |lines| concentrator.clone().wrapper(lines)).await;
        assert_read(&reports, &concentrator, &[7, 8]);
    }
}

/// Frames of HDLC in transparent forwarding of Q/GDW 376.1.
#[tokio::test(start_paused = true)]
async fn nodes_are_read_by_frames_that_a_terminal_forwards() {
    let via = via("{ by = \"forward\", port = 2, baud = 9600, parity = \"none\" }");
    let concentrator = Concentrator::new(Level::Lls, [17, 18]);
    let works = reads(Level::Lls, &via, &[17, 18]);
    let reports = collect(works, |lines| concentrator.clone().terminal(lines)).await;
    assert_read(&reports, &concentrator, &[17, 18]);
}

/// Frames of DL/T 645 in transparent forwarding of Q/GDW 376.1: registers, and a profile whose answers have several parts.
#[tokio::test(start_paused = true)]
async fn nodes_that_speak_another_language_are_read_by_frames_that_a_terminal_forwards() {
    let model = Arc::clone(&models::builtin().unwrap()["generic-dlt645"]);
    let clock = Clock::starting_at(at("2026-06-02T12:00:07Z"));
    let fleet = FleetConfig { count: 3, clock, ..FleetConfig::new(Arc::clone(&model)) };
    let config = ConcentratorConfig { backend: Backend::Forward, nodes: 3, ..ConcentratorConfig::default() };
    let concentrators = Arc::new(Concentrators::offline(fleet, config).unwrap());
    let via = via("{ by = \"forward\", port = 2, baud = 2400 }");
    let station = |meter: &simulator::Meter| {
        Arc::new(Station {
            meter: i32::try_from(meter.number()).unwrap(),
            address: format!("concentrator://{SERIAL}/{}", meter.serial()).parse().unwrap(),
            device_address: meter.line_address(),
            via: Some(Arc::clone(&via)),
            model: Arc::clone(&model),
            serial: Some(meter.serial()),
            zone: TimeZone::UTC,
            ..common::station(Level::None)
        })
    };
    let range = |profile: &str| {
        let (from, to) = (at("2026-05-31T12:00:00Z"), at("2026-06-02T12:00:00Z"));
        ProfileRange { obis: model.profile(profile).unwrap().obis, from, to, layout: None, last: None }
    };
    let profiles = ["load", "daily"];
    let works = concentrators.meters().iter().flat_map(|meter| {
        let job = i64::from(meter.number()) * 10;
        let read = |(of, profile)| work(job + of, &station(meter), Task::ReadProfile(range(profile)));
        (1..).zip(profiles).map(read).collect::<Vec<_>>()
    });
    let works = works.collect();
    let site = Arc::clone(&concentrators);
    let reports = collect(works, |mut lines| async move {
        while let Some(line) = lines.recv().await {
            site.serve(0, line).await;
        }
    })
    .await;
    for meter in concentrators.meters() {
        for (of, profile) in (1..).zip(profiles) {
            let job = i64::from(meter.number()) * 10 + of;
            assert!(ended(&reports, job).is_ok(), "{job}: {:?}", ended(&reports, job));
            let range = range(profile);
            let held: Vec<_> = meter.expected(profile, range.from, range.to).unwrap();
            let held = held.into_iter().map(|row| (row.at, row.values.into_iter().map(Some).collect()));
            assert_eq!(captured(&self::of(&reports, job)), held.collect::<Vec<_>>(), "{profile}");
        }
    }
}

/// A lost node costs its own work and no other.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_lost_fails_and_the_others_are_read() {
    for reach in ["{ by = \"wrapper\", base = 16 }", "{ by = \"gateway\", network = 3 }"] {
        let via = via(reach);
        let mut concentrator = Concentrator::new(Level::Lls, [1, 2]);
        concentrator.lost = vec![1];
        let works = reads(Level::Lls, &via, &[1, 2]);
        let reports = collect(works, |lines| concentrator.clone().wrapper(lines)).await;
        assert_eq!(reason(&reports, 1), Reason::Timeout, "{reach}");
        assert_read(&reports, &concentrator, &[2]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_names_no_node_is_refused_by_name() {
    let (wrapper, forward) =
        (via("{ by = \"wrapper\", base = 65000 }"), via("{ by = \"forward\", port = 1 }"));
    let node = |address: &str, via: &Arc<Via>| {
        let address = address.parse().unwrap();
        Arc::new(Station { address, ..(*station(Level::Lls, 1, via)).clone() })
    };
    let mut direct = (*station(Level::Lls, 1, &wrapper)).clone();
    direct.via = None;
    let works = vec![
        work(1, &node("concentrator://DC/meter", &wrapper), Task::ReadClock),
        work(2, &node("concentrator://DC/600", &wrapper), Task::ReadClock),
        work(3, &node("concentrator://DC/1", &forward), Task::ReadClock),
    ];
    let concentrator = Concentrator::new(Level::Lls, []);
    let reports = collect(works, |lines| concentrator.wrapper(lines)).await;
    for (job, hint) in
        [(1, "the node is no number"), (2, "the node is no number"), (3, "eight hexadecimal digits")]
    {
        let failure = ended(&reports, job).unwrap_err();
        assert_eq!(failure.reason, Reason::NoRoute);
        assert!(failure.detail.contains(hint), "{}", failure.detail);
    }
}
