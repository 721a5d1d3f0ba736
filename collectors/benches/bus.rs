//! How much of the time of an RS485 bus is used while meters on it are read: the time that the octets and the meters need against the time that it took.
//!
//! First one bus, at the frames and windows that a meter takes and the time that it thinks, by tokio's paused clock: those figures are the same on every
//! machine. Then many buses in real time, with what the processor did for them, the simulated meters included.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints what it measured, and stops when something is wrong"
)]

use std::{
    collections::BTreeSet,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Event, Instruments, Limits, MemoryDialer, ProfileRange, Report, Seed,
    Station, SystemClock, Task, Work,
};
use jiff::tz::TimeZone;
use models::Model;
use simulator::{Bus, BusConfig, Clock, FleetConfig, Framing, Security, Wire};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc,
    time::{Instant, sleep},
};

const SPEED: u32 = 9600;
/// How long the head-end has to leave the line quiet before it sends: three and a half characters of ten bits.
const QUIET: Duration = Duration::from_nanos(35 * 1_000_000_000 / SPEED as u64);
/// Octets of a frame and frames in a row that a meter takes, and milliseconds that it thinks: `../shared/performance.md`, 3.
const FRAMES: [(u16, u8); 4] = [(128, 1), (128, 7), (512, 1), (2030, 1)];
const THINKS_MS: [u64; 3] = [20, 100, 300];
/// Buses and seconds of the second part, when nothing else is said.
const BUSES: u64 = 1000;
const SECONDS: u64 = 20;

fn main() {
    let paused =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    println!(
        "{:>5} {:>6} {:>8} {:>9} {:>9} {:>12} {:>12}",
        "info", "window", "thinks", "s a day", "reads/h", "of theory", "own gap"
    );
    for (info, window) in FRAMES {
        for thinks in THINKS_MS {
            paused.block_on(one((info, window), Duration::from_millis(thinks)));
        }
    }
    let number =
        |name: &str, usual| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (buses, seconds) = (number("BUS_COUNT", BUSES), number("BUS_SECONDS", SECONDS));
    let real = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    real.block_on(many(buses, Duration::from_secs(seconds)));
}

/// What went over the wires of a bus.
#[derive(Debug, Default)]
struct Seen {
    octets: u32,
    turns: u32,
    /// From the last octet of an answer to the first of the next request.
    gaps: Vec<Duration>,
    answered: Option<Instant>,
}

impl Seen {
    /// The time that octets and meters needed, and the quiet before each request.
    fn needed(&self, thinks: Duration) -> Duration {
        Duration::from_secs(10) * self.octets / SPEED + (thinks + QUIET) * self.turns
    }
}

/// The bus's end of a line.
struct Counted {
    line: DuplexStream,
    seen: Arc<Mutex<Seen>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.line).poll_read(context, buffer);
        let came = buffer.filled().len() - before;
        if came > 0 {
            let mut seen = self.seen.lock().unwrap();
            seen.octets += u32::try_from(came).unwrap();
            if let Some(answered) = seen.answered.take() {
                seen.gaps.push(answered.elapsed());
                seen.turns += 1;
            }
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.line).poll_write(context, octets);
        if let Poll::Ready(Ok(count)) = &written {
            let mut seen = self.seen.lock().unwrap();
            seen.octets += u32::try_from(*count).unwrap();
            seen.answered = Some(Instant::now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(context)
    }
}

impl Wire for Counted {}

fn model() -> Arc<Model> {
    let mut model = Model::clone(&models::builtin().unwrap()["generic-dlms"]);
    // A day in one answer, so that frames and windows are what counts.
    model.association.max_pdu = 8192;
    Arc::new(model)
}

/// A bus with a meter that has three days of history, and the line to it.
fn site(
    model: &Arc<Model>,
    (max_info, window): (u16, u8),
    thinks: Duration,
) -> (MemoryDialer, Arc<Mutex<Seen>>) {
    let fleet = FleetConfig {
        framing: Framing::Hdlc { meters_per_line: 1, max_info, window },
        security: Security::None,
        clock: Clock::starting_at("2026-03-31T12:00:00Z".parse().unwrap()),
        history_days: 3,
        ..FleetConfig::new(Arc::clone(model))
    };
    let wires = BusConfig { speed: SPEED, turnaround: thinks, ..BusConfig::default() };
    let (dialer, mut lines) = MemoryDialer::new();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            let (bus, _) = Bus::of_fleet(fleet.clone(), wires, &BTreeSet::new()).unwrap();
            let _ = bus.run(&mut Counted { line, seen: Arc::clone(&counted) }).await;
        }
    });
    (dialer, seen)
}

/// Days to read, one after the other, and where the reports come out.
fn channel(
    model: &Arc<Model>,
    dialer: MemoryDialer,
    (bus, days): (u64, i64),
) -> (impl Future<Output = ()> + use<>, mpsc::Receiver<Report>) {
    let station = Arc::new(Station {
        meter: 1,
        address: format!("serial:///dev/bus{bus}?baud={SPEED}").parse().unwrap(),
        device_address: Some(17),
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap: model.association.client_sap_none,
        credentials: Credentials::none(),
        model: Arc::clone(model),
        serial: None,
        zone: TimeZone::UTC,
    });
    let profile = model.profile("energy").unwrap().obis;
    let (works, receiver) = mpsc::channel(64);
    for job in 1..=days {
        let range = ProfileRange {
            obis: profile,
            from: "2026-03-30T00:15:00Z".parse().unwrap(),
            to: "2026-03-31T00:00:00Z".parse().unwrap(),
            layout: None,
            last: None,
        };
        let work = Work {
            job,
            station: Arc::clone(&station),
            counters: None,
            seed: Seed::new([7; 32]),
            task: Task::ReadProfile(range),
            priority: 0,
            span: tracing::Span::none(),
        };
        works.try_send(work).unwrap();
    }
    let (reports, outcome) = mpsc::channel(64);
    let channel = Channel::with(Limits::default(), reports, Dialer::Memory(dialer), Arc::new(SystemClock))
        .seen_through(Arc::new(Instruments::default()));
    (channel.run(receiver), outcome)
}

/// Reads days over one bus, by a clock that stands still while nobody waits.
async fn one((info, window): (u16, u8), thinks: Duration) {
    const DAYS: u32 = 5;
    let model = model();
    let (dialer, seen) = site(&model, (info, window), thinks);
    let (run, mut outcome) = channel(&model, dialer, (0, DAYS.into()));
    let (begun, channel) = (Instant::now(), tokio::spawn(run));
    let mut left = DAYS;
    while left > 0 {
        if let Event::Ended(end) = outcome.recv().await.unwrap().event {
            end.expect("every day is read");
            left -= 1;
        }
    }
    let took = begun.elapsed();
    channel.abort();
    let mut seen = seen.lock().unwrap();
    let day_ms = (took / DAYS).as_millis();
    println!(
        "{info:>5} {window:>6} {:>5} ms {:>6}.{:02} s {:>7} {:>12} {:>9} ms",
        thinks.as_millis(),
        day_ms / 1000,
        day_ms % 1000 / 10,
        3_600_000 / day_ms,
        percent(seen.needed(thinks), took),
        thousandths(percentile(&mut seen.gaps, 99)),
    );
}

/// Reads days over many buses at once, in real time.
async fn many(buses: u64, lasts: Duration) {
    let (model, thinks) = (model(), Duration::from_millis(20));
    let sites: Vec<_> = (0..buses)
        .map(|bus| {
            let (dialer, seen) = site(&model, (2030, 1), thinks);
            let (run, mut outcome) = channel(&model, dialer, (bus, 60));
            tokio::spawn(run);
            tokio::spawn(async move {
                let mut days = 0;
                while let Some(report) = outcome.recv().await {
                    days += u32::from(matches!(report.event, Event::Ended(Ok(_))));
                }
                days
            });
            seen
        })
        .collect();
    // Every one of them has read what its columns are by then.
    sleep(Duration::from_secs(5)).await;
    let needed = || sites.iter().map(|seen| seen.lock().unwrap().needed(thinks)).sum::<Duration>();
    sites.iter().for_each(|seen| seen.lock().unwrap().gaps.clear());
    let (begun, before, cpu) = (Instant::now(), needed(), cpu_ms());
    sleep(lasts).await;
    let (took, used, cpu) = (begun.elapsed(), needed() - before, cpu_ms() - cpu);
    let mut gaps: Vec<Duration> =
        sites.iter().flat_map(|seen| std::mem::take(&mut seen.lock().unwrap().gaps)).collect();
    println!(
        "{buses} buses at {SPEED} bit/s, 2030 / 1, 20 ms, for {} s: {} of theory, own gap {} ms at the median and {} ms at 99 %, processor {}",
        lasts.as_secs(),
        percent(used / u32::try_from(buses).unwrap(), took),
        thousandths(percentile(&mut gaps, 50)),
        thousandths(percentile(&mut gaps, 99)),
        percent(Duration::from_millis(cpu), took),
    );
}

/// What the head-end took of a turn, beyond the quiet that it owes the line.
fn percentile(gaps: &mut [Duration], share: usize) -> Duration {
    gaps.sort_unstable();
    gaps.get(gaps.len() * share / 100).copied().unwrap_or_default().saturating_sub(QUIET)
}

fn percent(part: Duration, whole: Duration) -> String {
    let permille = part.as_micros() * 1000 / whole.as_micros();
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Milliseconds with two digits.
fn thousandths(time: Duration) -> String {
    format!("{}.{:02}", time.as_millis(), time.as_micros() % 1000 / 10)
}

/// Processor time of this process so far (`proc_pid_stat(5)`: fields 14 and 15, in hundredths of a second).
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}
