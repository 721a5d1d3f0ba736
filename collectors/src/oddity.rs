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
    /// The time of a capture has a second that no clock shows; the capture stands at the full minute.
    Second {
        /// The columns of its profile.
        layout: Arc<Layout>,
        /// Where it stands.
        at: Timestamp,
        /// The second.
        second: u8,
    },
}
