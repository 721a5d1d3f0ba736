//! The line between channel and meter, which does what the seed says.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use dlms::wrapper::{self, Splitter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{meter::Meter, rng::Rng};

/// What the line can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Drop,
    Late,
    Cut,
    Twice,
    DamagedAnswer,
    DamagedRequest,
    SlowAccept,
}

/// How often which fault happens, in a thousand answers.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) faults: Vec<Fault>,
    pub(crate) permille: i64,
    pub(crate) delay_ms: i64,
}

/// What was seen from the middle of the line.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) faults: Vec<(Instant, Fault)>,
    pub(crate) delays: Duration,
    pub(crate) connections: u32,
    pub(crate) requests: u32,
    pub(crate) open: u32,
    pub(crate) counters: Vec<u32>,
    /// Promises that the reader broke.
    pub(crate) broken: Vec<String>,
}

pub(crate) struct World {
    pub(crate) meter: Meter,
    pub(crate) weather: Weather,
    pub(crate) rng: Rng,
    pub(crate) seen: Seen,
}

impl World {
    fn fault(&mut self) -> Option<Fault> {
        if self.weather.faults.is_empty() || !self.rng.permille(self.weather.permille) {
            return None;
        }
        let fault = self.rng.pick(&self.weather.faults);
        self.seen.faults.push((Instant::now(), fault));
        Some(fault)
    }

    fn delay(&mut self) -> Duration {
        let delay = Duration::from_millis(u64::try_from(self.rng.between(0, self.weather.delay_ms)).unwrap());
        self.seen.delays += delay;
        delay
    }

    fn note_counter(&mut self, apdu: &[u8]) {
        let Some(counter) = counter_of(apdu) else { return };
        if self.seen.counters.last().is_some_and(|last| *last >= counter) {
            let last = self.seen.counters.last();
            self.seen.broken.push(format!("invocation counter {counter} came after {last:?}"));
        }
        self.seen.counters.push(counter);
    }
}

/// The invocation counter of a ciphered APDU, or of the ciphered end of a plain one.
fn counter_of(apdu: &[u8]) -> Option<u32> {
    let counter = |at: usize| Some(u32::from_be_bytes(apdu.get(at..at + 4)?.try_into().ok()?));
    if matches!(apdu.first()?, 0xC8 | 0xC9 | 0xCB) && apdu.len() < 128 {
        return counter(3);
    }
    let is_inside = |at: &usize| {
        apdu[*at] == 0x21 && usize::from(apdu[at + 1]) == apdu.len() - at - 2 && apdu[at + 2] == 0x30
    };
    let inside = (0..apdu.len().saturating_sub(8)).find(is_inside)?;
    counter(inside + 3)
}

/// Plays line and meter for every connection.
pub(crate) async fn play(world: Arc<Mutex<World>>, mut lines: mpsc::Receiver<DuplexStream>) {
    let mut open = JoinSet::new();
    loop {
        let pause = slow_accept(&world);
        sleep(pause).await;
        let Some(line) = lines.recv().await else { break };
        world.lock().unwrap().seen.connections += 1;
        open.spawn(serve(Arc::clone(&world), line));
        while open.try_join_next().is_some() {}
    }
}

fn slow_accept(world: &Mutex<World>) -> Duration {
    let mut world = world.lock().unwrap();
    let world = &mut *world;
    if !world.weather.faults.contains(&Fault::SlowAccept) || !world.rng.permille(world.weather.permille) {
        return Duration::ZERO;
    }
    world.seen.faults.push((Instant::now(), Fault::SlowAccept));
    Duration::from_secs(u64::try_from(world.rng.between(5, 60)).unwrap())
}

async fn serve(world: Arc<Mutex<World>>, line: DuplexStream) {
    let (from_client, to_client) = split(line);
    let (requests, queue) = mpsc::unbounded_channel();
    tokio::select! {
        biased;
        () = listen(Arc::clone(&world), from_client, requests) => {}
        () = answer(world, to_client, queue) => {}
    }
}

/// Counts this connection as one that talks, from its first request to its end.
struct Talking(Arc<Mutex<World>>);

impl Talking {
    fn new(world: &Arc<Mutex<World>>) -> Self {
        let mut locked = world.lock().unwrap();
        locked.seen.open += 1;
        if locked.seen.open > 1 {
            locked.seen.broken.push("two connections talk at once".into());
        }
        Self(Arc::clone(world))
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        self.0.lock().unwrap().seen.open -= 1;
    }
}

/// Takes requests until the client closes, which is noticed at once, however slow the meter is.
async fn listen(
    world: Arc<Mutex<World>>,
    mut from: ReadHalf<DuplexStream>,
    requests: mpsc::UnboundedSender<Vec<u8>>,
) {
    let (mut splitter, mut chunk, mut talking) = (Splitter::new(u16::MAX), [0; 512], None);
    while let Ok(got @ 1..) = from.read(&mut chunk).await {
        splitter.push(&chunk[..got]);
        while let Some((_, apdu)) = splitter.next_frame().unwrap() {
            talking.get_or_insert_with(|| Talking::new(&world));
            let mut world = world.lock().unwrap();
            world.seen.requests += 1;
            world.note_counter(apdu);
            requests.send(apdu.to_vec()).unwrap();
        }
    }
}

async fn answer(
    world: Arc<Mutex<World>>,
    mut to: WriteHalf<DuplexStream>,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let mut session = world.lock().unwrap().meter.session();
    while let Some(mut request) = queue.recv().await {
        let (fault, frame, wait) = {
            let mut world = world.lock().unwrap();
            let fault = world.fault();
            if fault == Some(Fault::DamagedRequest) {
                damage(&mut world.rng, &mut request);
            }
            let mut answer = Vec::new();
            session.handle(&mut request, &mut world.meter, &mut answer);
            world.meter.last_client_counter =
                session.last_client_counter().or(world.meter.last_client_counter);
            let mut frame = Vec::new();
            wrapper::frame(1, 16, &answer, &mut frame).unwrap();
            let whole = frame.len();
            match fault {
                Some(Fault::Drop | Fault::SlowAccept) => continue,
                Some(Fault::Cut) => {
                    let kept = world.rng.index(whole + 1);
                    frame.truncate(kept);
                }
                Some(Fault::Twice) => frame.extend_from_within(..),
                Some(Fault::DamagedAnswer) => damage(&mut world.rng, &mut frame),
                _ => {}
            }
            let wait = if fault == Some(Fault::Late) { world.rng.between(15_001, 40_000) } else { 0 };
            (fault, frame, Duration::from_millis(u64::try_from(wait).unwrap()))
        };
        sleep(wait).await;
        if send(&world, &mut to, &frame).await.is_none() || fault == Some(Fault::Cut) {
            let _ = to.shutdown().await;
            return;
        }
    }
}

/// Sends in segments that have nothing to do with the frames.
async fn send(world: &Mutex<World>, to: &mut WriteHalf<DuplexStream>, mut octets: &[u8]) -> Option<()> {
    while !octets.is_empty() {
        let (pause, length) = {
            let mut world = world.lock().unwrap();
            let whole = world.rng.permille(600);
            let length = if whole { octets.len() } else { 1 + world.rng.index(octets.len()) };
            (world.delay(), length)
        };
        sleep(pause).await;
        to.write_all(&octets[..length]).await.ok()?;
        octets = &octets[length..];
    }
    Some(())
}

fn damage(rng: &mut Rng, octets: &mut [u8]) {
    let at = rng.index(octets.len());
    octets[at] ^= 1 << rng.index(8);
}
