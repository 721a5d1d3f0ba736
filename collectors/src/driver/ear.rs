//! What is said to a station that knows no APDUs, and when what comes back is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{diagnosis::Setback, exchange::Subject};

/// How long what one station said for all sub-units of a device is told to others that ask for it.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Items that are remembered at most.
const ITEMS_MAX: usize = 64;

/// Something to be said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Say<'a> {
    /// What it is about, for whoever looks on.
    pub(crate) subject: Subject,
    /// The octets on the line.
    pub(crate) octets: &'a [u8],
    /// They hold a password, or what comes back may.
    pub(crate) is_secret: bool,
    /// It changes something: it is said once, and when nothing comes back nobody knows what came of it.
    pub(crate) is_order: bool,
    /// The answer may take as long as a whole read-out on a slow line.
    pub(crate) is_long: bool,
    /// What becomes of the speed of the line, where it can be changed.
    pub(crate) speed: Pitch,
}

/// What becomes of the speed of an optical line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pitch {
    /// It stays.
    Same,
    /// This is said at the speed at which meters are woken up.
    Initial,
    /// This is said as before, and what follows at so many bits per second.
    Then(u32),
}

/// Whoever listens for one answer.
pub(crate) trait Ear: Send {
    /// Whether an answer says to which request it belongs. Where it does not, a late one could be taken for that of the next request.
    const ANSWERS_NAME_REQUESTS: bool;

    /// What is waited for.
    type Answer: Send;

    /// Takes octets as they arrived and says whether the answer is whole; what has to be said before it can be goes to `reply`. Called with none
    /// after something was said anew.
    fn hear(&mut self, octets: &[u8], reply: &mut Vec<u8>) -> Result<Option<Self::Answer>, Setback>;

    /// What came beside the answer.
    fn rejected(&self) -> Rejected;
}

/// What was damaged, or belonged to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rejected {
    /// Frames with a wrong check.
    pub(crate) frames: u64,
    /// Octets outside of frames.
    pub(crate) octets: u64,
}

/// What a channel remembers of devices between works.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Items that hold something for every sub-unit, by device address and identifier.
    items: BTreeMap<(u64, u32), (Instant, Item)>,
    /// Meters whose serial number was compared.
    verified: Vec<crate::MeterId>,
    /// Meters whose clock was looked at.
    timed: BTreeSet<crate::MeterId>,
}

/// What an item held.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) at: Timestamp,
    pub(super) octets: Vec<u8>,
}

impl Memory {
    /// The item, when it was read a moment ago.
    pub(super) fn item(&self, device: u64, item: u32) -> Option<Item> {
        let (until, found) = self.items.get(&(device, item))?;
        (*until > Instant::now()).then(|| found.clone())
    }

    pub(super) fn keep(&mut self, device: u64, item: u32, found: Item) {
        let now = Instant::now();
        self.items.retain(|_, (until, _)| *until > now);
        if self.items.len() < ITEMS_MAX {
            self.items.insert((device, item), (now + REMEMBERED, found));
        }
    }

    /// Something of a device was written, and what it held before may not hold any more.
    pub(super) fn changed(&mut self, device: u64) {
        self.items.retain(|(of, _), _| *of != device);
    }

    /// Whether the meter showed the serial number that it must have since the channel began.
    pub(super) fn is_verified(&self, meter: crate::MeterId) -> bool {
        self.verified.contains(&meter)
    }

    pub(super) fn verified(&mut self, meter: crate::MeterId) {
        self.verified.push(meter);
    }

    /// Whether the clock of the meter is looked at for the first time since the channel began.
    pub(crate) fn times_first(&mut self, meter: crate::MeterId) -> bool {
        self.timed.insert(meter)
    }

    /// Nothing that was said before holds any more.
    pub(crate) fn forget(&mut self) {
        self.items.clear();
        self.verified.clear();
    }
}
