//! The knobs of the protocol log: which part of the conversation with whom is written to the log, changed while channels run.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{MeterId, Station};

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
}

/// The knobs as all channels of a process see them. A channel that talks looks at them before each exchange, for the price of one
/// comparison while they stay as they are.
#[derive(Debug, Default)]
pub struct ProtocolLog {
    /// Counts the changes.
    epoch: AtomicU64,
    knobs: RwLock<Knobs>,
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
}

impl View {
    pub(crate) fn of(station: &Station) -> Self {
        let (meter, address) = (station.meter, station.address.to_string());
        Self { meter, address, epoch: None, layers: Layers::default() }
    }

    /// The layers to log now.
    pub(crate) fn layers(&mut self, log: &ProtocolLog) -> Layers {
        let epoch = Some(log.epoch.load(Ordering::Acquire));
        if self.epoch != epoch {
            self.layers = log.of(self.meter, &self.address);
            self.epoch = epoch;
        }
        self.layers
    }
}
