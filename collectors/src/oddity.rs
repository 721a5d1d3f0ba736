use std::sync::Arc;

use dlms::Obis;
use jiff::Timestamp;

use crate::Layout;

/// Something of an answer that is not as it should be, and that did not keep it from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// A read brought rows that nobody asked for; they were left out.
    RowsOutside {
        /// The profile.
        profile: Obis,
        /// How many.
        rows: u64,
    },
    /// A profile says that it holds fewer or more rows than it does.
    EntriesInUse {
        /// The profile.
        profile: Obis,
        /// Rows that it holds, as it says (attribute 7).
        said: u64,
        /// Rows that it holds: where that is more, it may be still more, and where it is less, still less.
        holds: u64,
    },
    /// The clock is not the first column of a profile.
    ClockNotFirst {
        /// The profile.
        profile: Obis,
        /// Place of the clock, from 0.
        place: usize,
    },
    /// A profile has more values than a capture can hold, so times at which values occurred are left out, the last ones first.
    TimesLeftOut {
        /// The profile.
        profile: Obis,
        /// How many.
        times: usize,
    },
    /// A profile has more values than a capture can hold, so this one is left out: its model does not name it, or it is among the last ones.
    ValueLeftOut {
        /// The columns of the profile.
        layout: Arc<Layout>,
        /// Index of the column, from 0.
        column: usize,
    },
    /// The time of a capture has a second that no clock shows; the capture stands at the full minute.
    Second {
        /// The columns of its profile.
        layout: Arc<Layout>,
        /// Where it stands.
        at: Timestamp,
        /// The second.
        second: u8,
    },
    /// A row of a profile or a log could not be read, because its time is none or it has other columns; it was left out.
    Row {
        /// The profile.
        profile: Obis,
        /// The row as it came.
        octets: Vec<u8>,
    },
    /// A column of a capture holds something else than a number that can be stored; the capture has no value there. Of a column that holds another type
    /// one capture of a read stands for all.
    Cell {
        /// The columns of its profile.
        layout: Arc<Layout>,
        /// The capture.
        at: Timestamp,
        /// Place of the column, from 0.
        column: usize,
        /// What it holds, as it came.
        octets: Vec<u8>,
    },
    /// More could not be read than is told one by one.
    More {
        /// The profile.
        profile: Obis,
        /// How many rows and columns of captures.
        more: u64,
    },
}
