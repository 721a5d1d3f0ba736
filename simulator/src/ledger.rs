//! What really happened to a meter, whatever its answers said: the truth that tests hold a head-end against.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::iter::Sum;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use dlms::Obis;
use jiff::Timestamp;
use serde::Serialize;

use crate::Error;

/// Records that a meter keeps in memory; older ones are forgotten, counts and the ledger's file are not.
pub const LEDGER_RECORDS: usize = 10_000;

/// What happened to one meter since the fleet started, connections notwithstanding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The last [`LEDGER_RECORDS`] of what happened, oldest first. Blocks of images are only counted.
    pub records: VecDeque<Record>,
    /// How often it happened.
    pub counts: Counts,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, by the meters' clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What can happen to a meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The relay moved.
    Relay {
        /// It closed.
        closed: bool,
    },
    /// A SET or ACTION was executed, whether or not its answer arrived.
    Executed {
        /// Interface class.
        class_id: u16,
        /// Logical name.
        object: Obis,
        /// What was done with it.
        #[serde(flatten)]
        access: Access,
        /// Data-access-result or action-result; 0 is success.
        result: u8,
    },
    /// A block of an image was acknowledged. It stands for the ACTION that brought it.
    Block {
        /// Its number.
        number: u32,
        /// Its octets.
        octets: usize,
        /// The meter did not have it before, and has it now.
        new: bool,
    },
    /// An image was activated: its firmware runs.
    ImageActivated {
        /// The identifier with which it was initiated.
        identifier: String,
    },
    /// The passive calendar became the active one.
    TariffActivated {
        /// Its name.
        name: String,
    },
    /// A client used an invocation counter that is not above the highest one that it had used.
    CounterRepeated,
}

/// What was done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The attribute of this number was set.
    Set(i8),
    /// The method of this number was invoked.
    Action(i8),
}

/// How often something happened. Sums over a fleet are made with `+=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Movements of the relay.
    pub relay_moves: u64,
    /// SET requests executed.
    pub sets: u64,
    /// ACTION requests executed, those with blocks of images left out.
    pub actions: u64,
    /// Blocks of images acknowledged.
    pub blocks: u64,
    /// Those among them that the meter did not have before.
    pub new_blocks: u64,
    /// Octets of all blocks acknowledged.
    pub block_octets: u64,
    /// Calendars activated.
    pub tariffs_activated: u64,
    /// Images activated.
    pub images_activated: u64,
    /// Invocation counters that were not above the highest one, refused or not.
    pub counters_repeated: u64,
}

impl Ledger {
    /// When the relay moved, and whether it closed, oldest first.
    pub fn relay_moves(&self) -> impl Iterator<Item = (Timestamp, bool)> {
        self.records.iter().filter_map(|record| match record.event {
            Event::Relay { closed } => Some((record.at, closed)),
            _ => None,
        })
    }

    fn note(&mut self, at: Timestamp, event: Event) {
        self.counts.count(&event);
        if matches!(event, Event::Block { .. }) {
            return;
        }
        if self.records.len() == LEDGER_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(Record { at, event });
    }
}

impl Counts {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Relay { .. } => self.relay_moves += 1,
            Event::Executed { access: Access::Set(_), .. } => self.sets += 1,
            Event::Executed { access: Access::Action(_), .. } => self.actions += 1,
            Event::Block { octets, new, .. } => {
                self.blocks += 1;
                self.new_blocks += u64::from(*new);
                self.block_octets += u64::try_from(*octets).unwrap_or(u64::MAX);
            }
            Event::TariffActivated { .. } => self.tariffs_activated += 1,
            Event::ImageActivated { .. } => self.images_activated += 1,
            Event::CounterRepeated => self.counters_repeated += 1,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} actions, {} sets, {} relay movements, {} tariffs activated, \
             {} image blocks ({} new), {} images activated, {} repeated counters",
            self.actions,
            self.sets,
            self.relay_moves,
            self.tariffs_activated,
            self.blocks,
            self.new_blocks,
            self.images_activated,
            self.counters_repeated
        )
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.relay_moves += other.relay_moves;
        self.sets += other.sets;
        self.actions += other.actions;
        self.blocks += other.blocks;
        self.new_blocks += other.new_blocks;
        self.block_octets += other.block_octets;
        self.tariffs_activated += other.tariffs_activated;
        self.images_activated += other.images_activated;
        self.counters_repeated += other.counters_repeated;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut counts = Self::default();
        all.for_each(|one| counts += one);
        counts
    }
}

/// The ledger of one meter, and the file that it is written to as well.
#[derive(Debug)]
pub(crate) struct Book {
    meter: u32,
    ledger: Ledger,
    journal: Option<Arc<Journal>>,
}

impl Book {
    /// An empty ledger for the meter of that number.
    pub(crate) fn new(meter: u32, journal: Option<Arc<Journal>>) -> Self {
        Self { meter, ledger: Ledger::default(), journal }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, at: Timestamp, event: Event) {
        if let Some(journal) = &self.journal {
            journal.write(self.meter, at, &event);
        }
        self.ledger.note(at, event);
    }
}

/// The ledger of a fleet as a file: a JSON object on a line for each record, written before the meter answers.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    meter: u32,
    #[serde(flatten)]
    event: &'a Event,
}

impl Journal {
    /// Opens a file to append to, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::options().append(true).create(true).open(path);
        let refused = |error: std::io::Error| Error::Ledger { path: path.to_owned(), kind: error.kind() };
        Ok(Self(Mutex::new(file.map_err(refused)?)))
    }

    fn write(&self, meter: u32, at: Timestamp, event: &Event) {
        let written =
            serde_json::to_vec(&Line { at, meter, event }).map_err(Into::into).and_then(|mut line| {
                line.push(b'\n');
                // One call for the whole line: nobody reads half of it, even when this program is killed.
                self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
            });
        if let Err(error) = written {
            tracing::error!(meter, %error, "the ledger misses a line");
        }
    }
}
