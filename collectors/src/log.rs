use dlms::{DateTime, Obis};
use jiff::Timestamp;
use models::Severity;

use crate::ProfileRange;

/// Which entries of which log of events to read.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRange {
    /// The log, and the time from and to which entries are wanted.
    pub range: ProfileRange,
    /// Time of the latest entry that was read before. When it lies in the range and the meter does not have it any more, entries may be lost.
    pub mark: Option<Timestamp>,
}

/// Some entries of a log, as they arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntries {
    /// The log.
    pub log: Obis,
    /// What it has, in the meter's order. An entry with a status word is there once for each of its bits.
    pub entries: Vec<LogEntry>,
}

/// Something that happened, as a log of the meter has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When, by the meter's clock; `None` when that was not set or shows no time that there is.
    pub at: Option<Timestamp>,
    /// The same as the meter has it, with deviation and clock status.
    pub time: DateTime,
    /// The code, or the value of one bit of a status word.
    pub code: i64,
    /// The code or the status word itself.
    pub logged: i64,
    /// The node of a concentrator that it is about, as its log names it; `None` for the meter itself.
    pub node: Option<String>,
    /// What the code means; `None` when the tables of the model do not say.
    pub meaning: Option<LogMeaning>,
}

/// What a code of a log means, by the tables of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMeaning {
    /// Canonical key.
    pub key: String,
    /// How urgent it is.
    pub severity: Severity,
    /// The phase that it is about, 1 to 3.
    pub phase: Option<u8>,
}

/// A log was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRead {
    /// The log.
    pub log: Obis,
    /// Time of its latest entry, as far as its clock can be believed; of the one read before, when there is none.
    pub last: Option<Timestamp>,
    /// What may be lost.
    pub loss: Option<LogLoss>,
}

/// Entries of a log that may be lost: the latest one that was read before is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLoss {
    /// Time of the latest entry that was read before.
    pub after: Timestamp,
    /// Time of the earliest entry that is there instead; `None` when there is none.
    pub until: Option<Timestamp>,
    /// Entries that are there.
    pub entries: u32,
    /// How it came.
    pub cause: LogLossCause,
}

/// How entries of a log came to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLossCause {
    /// The log is full of entries that are all new.
    Overflow,
    /// The log has fewer entries than it has room for: it was cleared, or the meter's clock or zone is another one since.
    Cleared,
}
