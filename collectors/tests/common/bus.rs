//! An HDLC line with several meters at the other end of a memory line.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use dlms::{
    hdlc::{Address, Arrival, LinkId, Server, Settings, Splitter},
    server::Session,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    time::{Duration, Instant, sleep},
};

use super::Meter;

/// The device address of the first meter.
pub(crate) const FIRST_DEVICE: u16 = 17;

/// What the line does wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wire {
    /// What is sent comes back.
    pub(crate) echoes: bool,
    /// Frames in a thousand that are damaged, in both directions.
    pub(crate) damages: u64,
    /// Octets come without end.
    pub(crate) is_noisy: bool,
    /// The first meter falls silent after so many answers.
    pub(crate) silent_after: Option<u32>,
}

/// What was seen on the line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// Damaged frames towards the head-end.
    pub(crate) damaged: u64,
    /// Links that were set up.
    pub(crate) links: u32,
    /// Longest time without an octet from the head-end while it held a line open.
    pub(crate) quiet: Duration,
    pub(crate) lines: u32,
}

pub(crate) struct Bus {
    pub(crate) meters: Vec<Arc<Mutex<Meter>>>,
    pub(crate) wire: Wire,
    pub(crate) limits: Settings,
    pub(crate) seed: u64,
    pub(crate) seen: Arc<Mutex<Traffic>>,
    /// Answers of the first meter.
    answers: u32,
}

impl Bus {
    pub(crate) fn new(meters: Vec<Arc<Mutex<Meter>>>) -> Self {
        let limits =
            Settings { max_info_transmit: 64, max_info_receive: 64, window_transmit: 3, window_receive: 3 };
        Self { meters, wire: Wire::default(), limits, seed: 1, seen: Arc::default(), answers: 0 }
    }

    /// Plays on every line that is opened, one after the other.
    pub(crate) async fn play(mut self, mut lines: mpsc::Receiver<DuplexStream>) {
        while let Some(line) = lines.recv().await {
            self.seen.lock().unwrap().lines += 1;
            self.serve(line).await;
        }
    }

    async fn serve(&mut self, mut line: DuplexStream) {
        let address = |place| Address::server(1, Some(FIRST_DEVICE + u16::try_from(place).unwrap())).unwrap();
        let stations: Vec<_> = (0..self.meters.len()).map(address).collect();
        let mut server = Server::new(stations.clone(), self.limits);
        let mut sessions: BTreeMap<LinkId, Session> = BTreeMap::new();
        let (mut chunk, mut out, mut heard) = ([0; 512], Vec::new(), Instant::now());
        loop {
            let got = tokio::select! {
                read = line.read(&mut chunk) => match read { Ok(got @ 1..) => got, _ => return },
                () = sleep(Duration::from_millis(100)), if self.wire.is_noisy => {
                    if line.write_all(&[0x7E, 0xA0, 0x55, 0x00, 0xFF, 0x7E, 0x13]).await.is_err() { return }
                    continue;
                }
            };
            self.heard(&mut heard);
            if self.wire.echoes && line.write_all(&chunk[..got]).await.is_err() {
                return;
            }
            server.push(&self.mangled(&chunk[..got]).0);
            loop {
                out.clear();
                let arrival = server.poll(&mut out).unwrap();
                let is_last = arrival == Arrival::Nothing;
                let place = |id: LinkId| stations.iter().position(|station| *station == id.station).unwrap();
                match arrival {
                    Arrival::Opened(id) => {
                        self.seen.lock().unwrap().links += 1;
                        sessions.insert(id, self.meters[place(id)].lock().unwrap().session());
                    }
                    Arrival::Apdu(id, apdu) => {
                        let mut answer = Vec::new();
                        let meter = &self.meters[place(id)];
                        sessions.get_mut(&id).unwrap().handle(apdu, &mut *meter.lock().unwrap(), &mut answer);
                        self.answers += u32::from(place(id) == 0);
                        server.answer(id, Some(&answer), &mut out).unwrap();
                    }
                    _ => {}
                }
                let (octets, damaged) = self.mangled(&out);
                self.seen.lock().unwrap().damaged += damaged;
                if line.write_all(&octets).await.is_err() {
                    return;
                }
                if is_last {
                    break;
                }
            }
        }
    }

    fn heard(&self, heard: &mut Instant) {
        let mut seen = self.seen.lock().unwrap();
        seen.quiet = seen.quiet.max(heard.elapsed());
        *heard = Instant::now();
    }

    /// The frames as the line delivers them, and how many it damaged.
    fn mangled(&mut self, octets: &[u8]) -> (Vec<u8>, u64) {
        if self.wire.damages == 0 && self.wire.silent_after.is_none() {
            // Frames that come in parts stay whole.
            return (octets.to_vec(), 0);
        }
        let is_first_dead = self.wire.silent_after.is_some_and(|limit| self.answers > limit);
        let mut splitter = Splitter::new();
        splitter.push(octets);
        let (mut all, mut damaged) = (Vec::new(), 0);
        while let Some(frame) = splitter.next_frame() {
            if is_first_dead && frame.source.physical() == Some(FIRST_DEVICE) {
                continue;
            }
            let start = all.len();
            frame.encode(&mut all).unwrap();
            if self.chance() % 1000 < self.wire.damages {
                let place = start + usize::try_from(self.chance()).unwrap() % (all.len() - start);
                all[place] ^= 1 << (self.chance() % 8);
                damaged += 1;
            }
        }
        (all, damaged)
    }

    /// Numbers that look like chance (xorshift).
    fn chance(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed >> 11
    }
}
