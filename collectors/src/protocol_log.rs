//! The knobs of the protocol log and of line captures: which part of the conversation with whom is written to the log, and what is kept of it for a file,
//! changed while channels run.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;

use crate::{
    MeterId, Station,
    line::{Captured, Sink},
};

/// Number of a line capture.
pub type CaptureId = i64;

/// Parts of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layers {
    /// Each request and what came of it: service, object, octets, result. Never a value.
    pub application: bool,
    /// Each frame: direction, ports, length, kind of APDU, counter.
    pub frame: bool,
    /// The octets on the line in hexadecimal digits, with `**` for what may be secret and is not ciphered.
    pub bytes: bool,
}

impl Layers {
    /// What either wants.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            application: self.application || other.application,
            frame: self.frame || other.frame,
            bytes: self.bytes || other.bytes,
        }
    }
}

/// What is to be logged of whom. Whoever is not named is not logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knobs {
    /// By meter.
    pub meters: BTreeMap<MeterId, Layers>,
    /// By address, whichever meter is behind it.
    pub lines: BTreeMap<String, Layers>,
    /// Captures of what is said with a meter.
    pub captured_meters: BTreeMap<MeterId, CaptureId>,
    /// Captures of what is said at an address.
    pub captured_lines: BTreeMap<String, CaptureId>,
}

/// The knobs as all channels of a process see them. A channel that talks looks at them before each exchange, for the price of one
/// comparison while they stay as they are.
#[derive(Debug, Default)]
pub struct ProtocolLog {
    /// Counts the changes.
    epoch: AtomicU64,
    knobs: RwLock<Knobs>,
    pub(crate) sink: Sink,
}

impl ProtocolLog {
    /// Turns the knobs; holds from the next frame on.
    pub fn turn(&self, knobs: Knobs) {
        let mut known = self.knobs.write().unwrap_or_else(PoisonError::into_inner);
        if *known != knobs {
            *known = knobs;
            self.epoch.fetch_add(1, Ordering::Release);
        }
    }

    /// Lets what is captured go there, from the first call on; what finds no room is lost and counted.
    pub fn capture_to(&self, to: mpsc::Sender<Captured>) {
        self.sink.go_to(to);
    }

    /// What was captured and found no room.
    pub fn captures_lost(&self) -> u64 {
        self.sink.lost()
    }

    fn captures_of(&self, meter: MeterId, address: &str) -> Vec<CaptureId> {
        let knobs = self.knobs.read().unwrap_or_else(PoisonError::into_inner);
        let found = [knobs.captured_meters.get(&meter), knobs.captured_lines.get(address)];
        found.into_iter().flatten().copied().collect()
    }

    fn of(&self, meter: MeterId, address: &str) -> Layers {
        let knobs = self.knobs.read().unwrap_or_else(PoisonError::into_inner);
        let meter = knobs.meters.get(&meter).copied().unwrap_or_default();
        meter.or(knobs.lines.get(address).copied().unwrap_or_default())
    }
}

/// What one line remembers of the knobs.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) meter: MeterId,
    pub(crate) address: String,
    /// `None` before the first look.
    epoch: Option<u64>,
    layers: Layers,
    captures: Vec<CaptureId>,
}

impl View {
    pub(crate) fn of(station: &Station) -> Self {
        let (meter, address) = (station.meter, station.address.to_string());
        Self { meter, address, epoch: None, layers: Layers::default(), captures: Vec::new() }
    }

    /// The layers to log now.
    pub(crate) fn layers(&mut self, log: &ProtocolLog) -> Layers {
        let epoch = Some(log.epoch.load(Ordering::Acquire));
        if self.epoch != epoch {
            self.layers = log.of(self.meter, &self.address);
            self.captures = log.captures_of(self.meter, &self.address);
            self.epoch = epoch;
        }
        self.layers
    }

    /// The captures that take what is said, as [`layers`](Self::layers) found them.
    pub(crate) fn captures(&self) -> &[CaptureId] {
        &self.captures
    }
}
