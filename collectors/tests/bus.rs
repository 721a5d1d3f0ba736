//! A bus of many stations, with the time that octets take on its wires: turns, dead stations, echoes, collisions, what is urgent.
//!
//! The stations and the wires are those of the simulator; the clock is tokio's, paused, so that times are those of the wires to the
//! millisecond, and the same in every run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Event, Instruments, Limits, MemoryDialer, ProfileRange, Reason, Report,
    Seed, Station, SystemClock, Task, Work,
};
use common::{at, ended};
use jiff::tz::TimeZone;
use models::Model;
use simulator::{Affected, Bus, BusConfig, Clock, Fault, FaultRule, FleetConfig, Framing, Security, Wire};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    sync::mpsc,
    time::Instant,
};

const FIRST_DEVICE: u64 = 17;

fn model() -> Arc<Model> {
    Arc::clone(&models::builtin().unwrap()["generic-dlms"])
}

/// A bus of so many meters, of which some are dead.
#[derive(Clone)]
struct Site {
    count: u32,
    dead: Vec<u32>,
    twins: BTreeSet<u32>,
    wires: BusConfig,
    frames: (u16, u8),
}

impl Site {
    fn of(count: u32) -> Self {
        Self {
            count,
            dead: Vec::new(),
            twins: BTreeSet::new(),
            wires: BusConfig::default(),
            frames: (128, 1),
        }
    }

    fn bus(&self) -> Bus {
        let (max_info, window) = self.frames;
        let faults = match self.dead.is_empty() {
            true => Vec::new(),
            false => vec![FaultRule { fault: Fault::Silent, meters: Affected::Numbers(self.dead.clone()) }],
        };
        let fleet = FleetConfig {
            count: self.count,
            framing: Framing::Hdlc { meters_per_line: self.count, max_info, window },
            security: Security::None,
            clock: Clock::starting_at(at("2026-03-31T12:00:00Z")),
            history_days: 3,
            faults,
            ..FleetConfig::new(model())
        };
        Bus::of_fleet(fleet, self.wires, &self.twins).unwrap().0
    }

    /// Lives on every line that is opened, one after the other.
    async fn live(self, mut lines: mpsc::Receiver<DuplexStream>) {
        while let Some(mut line) = lines.recv().await {
            let _ = self.bus().run(&mut line).await;
        }
    }
}

fn station(number: u32, options: &str) -> Arc<Station> {
    let model = model();
    Arc::new(Station {
        meter: i32::try_from(number).unwrap(),
        address: format!("serial:///dev/bus?baud=9600{options}").parse().unwrap(),
        device_address: Some(FIRST_DEVICE + u64::from(number)),
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap: model.association.client_sap_none,
        credentials: Credentials::none(),
        model,
        serial: None,
        zone: TimeZone::UTC,
    })
}

fn work(job: i64, station: &Arc<Station>, task: Task, priority: i16) -> Work {
    Work {
        job,
        station: Arc::clone(station),
        counters: None,
        seed: Seed::new([u8::try_from(job % 256).unwrap(); 32]),
        task,
        priority,
        span: tracing::Span::none(),
    }
}

fn day() -> Task {
    let obis = model().profile("energy").unwrap().obis;
    let (from, to) = (at("2026-03-30T00:15:00Z"), at("2026-03-31T00:00:00Z"));
    Task::ReadProfile(ProfileRange { obis, from, to, layout: None, last: None })
}

/// A head-end whose line leads to a bus.
struct Head {
    dialer: MemoryDialer,
    instruments: Arc<Instruments>,
}

impl Head {
    fn before(live: impl FnOnce(mpsc::Receiver<DuplexStream>) -> tokio::task::JoinHandle<()>) -> Self {
        let (dialer, lines) = MemoryDialer::new();
        live(lines);
        Self { dialer, instruments: Arc::default() }
    }

    fn at(site: &Site) -> Self {
        Self::before(|lines| tokio::spawn(site.clone().live(lines)))
    }

    /// Lets a channel do the works; the reports with the time at which they came, and how long it took until the last work ended.
    async fn collect(&self, works: Vec<Work>) -> (Vec<Report>, Duration) {
        let (sender, receiver) = mpsc::channel(works.len());
        for work in works {
            sender.try_send(work).unwrap();
        }
        drop(sender);
        let (reports, mut outcome) = mpsc::channel(4);
        let limits = Limits { queue: 1000, ..Limits::default() };
        let dialer = Dialer::Memory(self.dialer.clone());
        let channel = Channel::with(limits, reports, dialer, Arc::new(SystemClock));
        let begun = Instant::now();
        let gather = async {
            let (mut all, mut last) = (Vec::new(), begun);
            while let Some(report) = outcome.recv().await {
                if matches!(report.event, Event::Ended(_)) {
                    last = Instant::now();
                }
                all.push(report);
            }
            (all, last - begun)
        };
        tokio::join!(channel.seen_through(Arc::clone(&self.instruments)).run(receiver), gather).1
    }

    /// Reads the clock of every meter of a site once; how long that took, and the reason of each that failed.
    async fn sweep(&self, count: u32) -> (Duration, BTreeMap<i32, Reason>) {
        let works =
            (0..count).map(|number| work(i64::from(number) + 1, &station(number, ""), Task::ReadClock, 0));
        let (reports, took) = self.collect(works.collect()).await;
        let failed = reports.iter().filter_map(|report| match &report.event {
            Event::Ended(Err(failure)) => Some((report.meter, failure.reason)),
            _ => None,
        });
        (took, failed.collect())
    }
}

/// HB-02, C-01: a dead station cannot eat the bus.
#[tokio::test(start_paused = true)]
async fn hb_02_ten_dead_stations_of_256_cost_less_than_a_third_of_a_sweep() {
    const COUNT: u32 = 256;
    let dead: Vec<u32> = (0..10).map(|at| at * 25 + 3).collect();
    let alive = Head::at(&Site::of(COUNT));
    let with_dead = Head::at(&Site { dead: dead.clone(), ..Site::of(COUNT) });
    let expected: BTreeMap<i32, Reason> =
        dead.iter().map(|number| (i32::try_from(*number).unwrap(), Reason::Timeout)).collect();
    for round in 1..=2 {
        let (without, none) = alive.sweep(COUNT).await;
        let (with, failed) = with_dead.sweep(COUNT).await;
        assert_eq!((none, &failed), (BTreeMap::new(), &expected));
        let is_first = round == 1;
        assert!(is_first || with * 10 <= without * 13, "round {round}: {with:?}, {without:?}");
        tokio::time::sleep(Duration::from_secs(900)).await;
    }
}

/// A meter that was dead is read again as soon as it is its time, and what is ordered does not wait for that.
#[tokio::test(start_paused = true)]
async fn a_station_that_is_back_is_found_by_a_probe() {
    let head = Head::at(&Site::of(3));
    let absent = Arc::new(Station { device_address: Some(200), ..(*station(2, "")).clone() });
    let read = |station: &Arc<Station>| vec![work(1, station, Task::ReadClock, 0)];
    head.collect(read(&station(0, ""))).await;
    assert!(ended(&head.collect(read(&absent)).await.0, 1).is_err());
    let (known, took) = head.collect(read(&station(2, ""))).await;
    assert_eq!(ended(&known, 1).unwrap_err().reason, Reason::Timeout);
    assert_eq!(took, Duration::ZERO, "it is left alone");
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert!(ended(&head.collect(read(&station(2, ""))).await.0, 1).is_ok());
}

/// C-04: what is sent comes back, and is no noise.
#[tokio::test(start_paused = true)]
async fn c_04_an_adapter_that_hears_itself() {
    let wires = BusConfig { echo: true, ..BusConfig::default() };
    let head = Head::at(&Site { wires, ..Site::of(2) });
    let works = (0..2).map(|number| work(i64::from(number) + 1, &station(number, "&echo=yes"), day(), 0));
    let (reports, _) = head.collect(works.collect()).await;
    for job in 1..=2 {
        assert!(ended(&reports, job).is_ok(), "{:?}", ended(&reports, job));
    }
    let bad: u64 = head.instruments.bad_frames().map(|(_, count)| count).sum();
    assert_eq!((bad, head.instruments.noise_octets(), head.instruments.collisions()), (0, 0, 0));
}

/// An adapter that hears itself, on a bus where somebody else sends whenever we do, so many times.
async fn interfere(site: Site, mut lines: mpsc::Receiver<DuplexStream>, times: u32) {
    let mut line = lines.recv().await.unwrap();
    let (mut wires, mut far) = tokio::io::duplex(4096);
    let bus = site.bus();
    tokio::spawn(async move { bus.run(&mut far).await });
    let (mut chunk, mut answer) = ([0; 512], [0; 512]);
    let mut left = times;
    loop {
        tokio::select! {
            sent = line.read(&mut chunk) => {
                let octets = &mut chunk[..sent.unwrap_or_default()];
                if octets.is_empty() { return }
                if left > 0 {
                    left -= 1;
                    octets.iter_mut().for_each(|octet| *octet &= 0x5A);
                } else {
                    wires.write_all(octets).await.unwrap();
                }
                line.write_all(octets).await.unwrap();
            }
            came = wires.read(&mut answer) => line.write_all(&answer[..came.unwrap()]).await.unwrap(),
        }
    }
}

/// C-04: what comes back as something else is sent again, after a gap that chance makes.
#[tokio::test(start_paused = true)]
async fn c_04_a_collision_is_seen_and_what_was_sent_is_sent_again() {
    for (times, is_read) in [(3, true), (1000, false)] {
        let head = Head::before(|lines| tokio::spawn(interfere(Site::of(1), lines, times)));
        let (reports, _) = head.collect(vec![work(1, &station(0, "&echo=yes"), Task::ReadClock, 0)]).await;
        let end = ended(&reports, 1);
        assert_eq!(end.is_ok(), is_read, "{end:?}");
        if let Err(failure) = end {
            assert_eq!(failure.reason, Reason::Timeout);
            assert!(failure.detail.contains("came back as something else"), "{}", failure.detail);
        } else {
            assert_eq!(head.instruments.collisions(), u64::from(times));
        }
    }
}

/// An address that says `echo=yes` where nothing but the answer comes back.
#[tokio::test(start_paused = true)]
async fn an_echo_that_does_not_come_is_named() {
    let head = Head::at(&Site::of(1));
    let (reports, _) = head.collect(vec![work(1, &station(0, "&echo=yes"), Task::ReadClock, 0)]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert!(failure.detail.contains("echo=yes"), "{}", failure.detail);
}

/// C-04: two stations with one address answer at the same time: that is named, and the third one is read.
#[tokio::test(start_paused = true)]
async fn c_04_two_stations_with_one_address() {
    let head = Head::at(&Site { twins: [0].into(), ..Site::of(3) });
    let works = [0, 2].map(|number| work(i64::from(number) + 1, &station(number, ""), Task::ReadClock, 0));
    let (reports, _) = head.collect(works.into()).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.detail.contains("two meters on it have one address"), "{}", failure.detail);
    assert!(ended(&reports, 3).is_ok());
}

/// A line on which the head-end speaks at 9600 bits per second.
struct At9600(DuplexStream);

impl Wire for At9600 {
    fn speed(&self) -> Option<u32> {
        Some(9600)
    }
}

impl AsyncRead for At9600 {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, octets)
    }
}

impl AsyncWrite for At9600 {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A station that listens at another speed understands nothing; the speed is among what the failure names.
#[tokio::test(start_paused = true)]
async fn hb_20_a_wrong_speed_is_named() {
    for (speed, is_read) in [(2400, false), (9600, true)] {
        let site = Site { wires: BusConfig { speed, ..BusConfig::default() }, ..Site::of(1) };
        let head = Head::before(|mut lines| {
            tokio::spawn(async move {
                while let Some(line) = lines.recv().await {
                    let _ = site.bus().run(&mut At9600(line)).await;
                }
            })
        });
        let (reports, _) = head.collect(vec![work(1, &station(0, ""), Task::ReadClock, 0)]).await;
        let end = ended(&reports, 1);
        assert_eq!(end.is_ok(), is_read, "{speed}: {end:?}");
        if let Err(failure) = end {
            assert_eq!(failure.reason, Reason::Timeout);
            assert!(failure.detail.contains("check device address, speed and wiring"), "{}", failure.detail);
        }
    }
}

/// Goal 4b: what is urgent waits for the frame that is on the line, not for the whole read; and the read is whole in the end.
#[tokio::test(start_paused = true)]
async fn what_is_urgent_waits_for_one_frame_of_a_read() {
    for (info, window) in [(128, 1), (128, 7), (2030, 1), (2030, 7)] {
        let site = Site { frames: (info, window), ..Site::of(2) };
        let head = Head::at(&site);
        // What the urgent one takes on a line where nobody else is, and how long the read takes.
        let alone = head.collect(vec![work(1, &station(1, ""), Task::ReadClock, 0)]).await.1;
        let (whole, read_alone) = head.collect(vec![work(1, &station(0, ""), day(), 0)]).await;
        let (sender, receiver) = mpsc::channel(4);
        let (reports, mut outcome) = mpsc::channel(64);
        let dialer = Dialer::Memory(head.dialer.clone());
        let channel = Channel::with(Limits::default(), reports, dialer, Arc::new(SystemClock));
        let channel = channel.seen_through(Arc::clone(&head.instruments));
        tokio::spawn(channel.run(receiver));
        sender.send(work(1, &station(0, ""), day(), 0)).await.unwrap();
        tokio::time::sleep(read_alone * 6 / 10).await;
        let ordered = Instant::now();
        sender.send(work(2, &station(1, ""), Task::ReadClock, 50)).await.unwrap();
        drop(sender);
        let (mut all, mut waited) = (Vec::new(), Duration::MAX);
        while let Some(report) = outcome.recv().await {
            if (report.job, matches!(report.event, Event::Ended(_))) == (2, true) {
                waited = ordered.elapsed();
            }
            all.push(report);
        }
        assert!(ended(&all, 2).is_ok());
        assert_eq!(common::captured(&all).len(), common::captured(&whole).len());
        // What the station sends before it gives the turn back, the turn-around, and what the head-end may take.
        let frames = if info == 128 { u64::from(window) } else { 1 };
        let frame = Duration::from_millis(frames * u64::from(info + 13) * 10 * 1000 / 9600 + 20);
        let added = waited.saturating_sub(alone);
        assert!(added <= frame + Duration::from_millis(50), "{info}/{window}: {added:?}");
    }
}

/// Stations take turns: who has much to do lets the others in.
#[tokio::test(start_paused = true)]
async fn a_station_with_much_to_do_does_not_keep_the_others_waiting() {
    let head = Head::at(&Site::of(3));
    let busy = (1..=40).map(|job| work(job, &station(0, ""), day(), 0));
    let others =
        (1..=2).map(|number| work(i64::from(number) + 100, &station(number, ""), Task::ReadClock, 0));
    let (reports, _) = head.collect(busy.chain(others).collect()).await;
    let ends: Vec<i64> = reports
        .iter()
        .filter(|report| matches!(report.event, Event::Ended(Ok(_))))
        .map(|report| report.job)
        .collect();
    assert_eq!(ends.len(), 42);
    let at = |job| ends.iter().position(|end| *end == job).unwrap();
    assert!(at(101) < 20 && at(102) < 20, "{ends:?}");
    assert!(at(1) + 1 == at(2), "what is due for one goes over one association: {ends:?}");
}
