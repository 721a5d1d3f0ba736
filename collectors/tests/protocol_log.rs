//! The protocol log: knobs turned while a channel runs show and hide its lines, and no secret is ever among them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use collectors::{Channel, Dialer, Event, Instruments, Knobs, Layers, MemoryDialer, Report, Task, Work};
use common::*;
use tokio::sync::mpsc;
use tracing::subscriber::DefaultGuard;

const EVERYTHING: Layers = Layers { application: true, frame: true, bytes: true };

/// What is logged at level trace, below which nothing can hide.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// How many lines of a layer there are.
    fn count(&self, layer: &str) -> usize {
        self.text().lines().filter(|line| line.contains(&format!("layer=\"{layer}\""))).count()
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A channel that runs, and what it is seen through.
struct Running {
    works: mpsc::Sender<Work>,
    reports: mpsc::Receiver<Report>,
    instruments: Arc<Instruments>,
    jobs: i64,
    level: Level,
}

impl Running {
    fn start(level: Level) -> Self {
        let (dialer, lines) = MemoryDialer::new();
        tokio::spawn(play(Meter::new(level).share(), lines));
        let (sender, reports) = mpsc::channel(64);
        let (works, receiver) = mpsc::channel(4);
        let instruments = Arc::new(Instruments::default());
        let channel = Channel::with(limits(), sender, Dialer::Memory(dialer), Arc::new(FixedClock));
        tokio::spawn(channel.seen_through(Arc::clone(&instruments)).run(receiver));
        Self { works, reports, instruments, jobs: 0, level }
    }

    /// Lets the channel do a task to its end.
    async fn task(&mut self, task: Task) {
        self.jobs += 1;
        self.works.send(work(self.jobs, &Arc::new(station(self.level)), task)).await.unwrap();
        while !matches!(self.reports.recv().await.unwrap().event, Event::Ended(Ok(_))) {}
    }

    fn turn(&self, meter: i32, layers: Layers) {
        self.instruments.protocol_log().turn(Knobs { meters: [(meter, layers)].into(), ..Knobs::default() });
    }
}

#[tokio::test(start_paused = true)]
async fn knobs_turned_while_a_channel_runs_show_and_hide_its_lines() {
    let (log, _guard) = Log::start();
    let mut running = Running::start(Level::Lls);
    let counts = |log: &Log| ["application", "frame", "bytes"].map(|layer| log.count(layer));
    running.task(Task::ReadClock).await;
    assert_eq!(counts(&log), [0, 0, 0]);

    // The association stays open: one request, one answer.
    for (layers, expected) in [
        (Layers { application: true, ..Layers::default() }, [1, 0, 0]),
        (Layers { frame: true, ..Layers::default() }, [0, 2, 0]),
        (Layers { bytes: true, ..Layers::default() }, [0, 0, 2]),
        (EVERYTHING, [1, 2, 2]),
        (Layers::default(), [0, 0, 0]),
    ] {
        log.clear();
        running.turn(7, layers);
        running.task(Task::ReadClock).await;
        assert_eq!(counts(&log), expected, "{layers:?}\n{}", log.text());
    }

    log.clear();
    running.turn(8, EVERYTHING);
    running.task(Task::ReadClock).await;
    assert_eq!(counts(&log), [0, 0, 0], "another meter is meant");
    let lines = [("memory:1".to_owned(), EVERYTHING)].into();
    running.instruments.protocol_log().turn(Knobs { lines, ..Knobs::default() });
    running.task(Task::ReadClock).await;
    assert_eq!(counts(&log), [1, 2, 2], "the line is meant");
    let text = log.text();
    assert!(text.contains("subject=get 8 0.0.1.0.0.255 2"), "{text}");
    assert!(
        text.contains("apdu=get-request 8 0.0.1.0.0.255 2") && text.contains("apdu=get-response"),
        "{text}"
    );
    assert!(text.contains("000100100001000DC001"), "the octets of the request: {text}");
}

#[tokio::test(start_paused = true)]
async fn no_password_and_no_key_appears_at_any_knob() {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02X}")).collect::<String>();
    for level in [Level::Lls, Level::Gmac] {
        let (log, _guard) = Log::start();
        let mut running = Running::start(level);
        running.turn(7, EVERYTHING);
        running.task(Task::Identify).await;
        running.task(Task::ReadProfile(whole_day())).await;
        let text = log.text();
        assert!(text.contains("apdu=aarq") && log.count("bytes") > 10, "{text}");
        for secret in [PASSWORD.to_owned(), hex(PASSWORD.as_bytes()), "E1".repeat(16), "A1".repeat(16)] {
            assert!(!text.contains(&secret), "{level:?}: {secret} in\n{text}");
        }
        match level {
            // The password has eight octets.
            Level::Lls => assert!(text.contains(&format!("AC0A8008{}", "**".repeat(8))), "{text}"),
            _ => {
                assert!(text.contains("apdu=glo-get-request control 30 counter 1003"), "{text}");
                assert!(!text.contains(&hex(SERIAL.as_bytes())), "what is ciphered stays ciphered:\n{text}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hdlc_is_shown_frame_by_frame_and_no_password_also_when_the_line_brings_it_back() {
    let (log, _guard) = Log::start();
    let mut bus = Bus::new(vec![Meter::new(Level::Lls).share()]);
    bus.wire.echoes = true;
    let (dialer, lines) = MemoryDialer::new();
    tokio::spawn(bus.play(lines));
    let (works, receiver) = mpsc::channel(4);
    let (sender, mut reports) = mpsc::channel(64);
    let instruments = Arc::new(Instruments::default());
    instruments.protocol_log().turn(Knobs { meters: [(7, EVERYTHING)].into(), ..Knobs::default() });
    let channel = Channel::with(limits(), sender, Dialer::Memory(dialer), Arc::new(FixedClock));
    tokio::spawn(channel.seen_through(instruments).run(receiver));
    let station = collectors::Station {
        address: "hdlc://gateway:1".parse().unwrap(),
        device_address: Some(u64::from(FIRST_DEVICE)),
        subunit: None,
        via: None,
        ..station(Level::Lls)
    };
    works.send(work(1, &Arc::new(station), Task::ReadProfile(whole_day()))).await.unwrap();
    while !matches!(reports.recv().await.unwrap().event, Event::Ended(Ok(_))) {}
    let text = log.text();
    for part in [
        "direction=\"sent\" source=16 destination=1/17 octets=35 hdlc=SNRM P",
        "direction=\"received\" source=1/17 destination=16 octets=",
        "hdlc=UA P",
        "hdlc=I s0 r0 P",
        "apdu=aarq",
        "apdu=get-response",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let hex: String = PASSWORD.bytes().map(|octet| format!("{octet:02X}")).collect();
    // Pieces of it, because it may be cut by a segment.
    for secret in [PASSWORD, &hex[..8], &hex[8..]] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}
