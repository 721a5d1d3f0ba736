//! What is doubtful about readings. Rules never change a reading: they raise flags, each with the numbers that made it.
//!
//! Pure: captures and what came before them go in, flags come out. [`Plan`] (`plan.rs`) says once for a layout what each column can be; `counter.rs` goes
//! along the values of a counter, which `memory.rs` keeps from one read to the next, `limits.rs` says what a value can be at all, `sums.rs` compares columns of
//! one capture, `status.rs` says what the meter itself says of it, `register.rs` compares a register with the captures around it.
//! What is plausible is data: [`models::Validation`], by model. The store asks while it writes (`store/flags`), so that who sees a reading sees its flags.

mod counter;
mod limits;
mod memory;
mod plan;
mod register;
mod status;
mod sums;

use crate::store::FlagRule;

pub use counter::{Counter, Point};
pub use limits::{bound, is_no_value};
pub use memory::Memory;
pub use plan::{Plan, counter_of};
pub use register::{Intervals, Shown, against_captures, against_each_other, against_intervals, follow};

/// A rule that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Which one.
    pub rule: FlagRule,
    /// Instant of the capture, in microseconds since 1970.
    pub ts: i64,
    /// What of the capture it is about.
    pub place: Place,
    /// The numbers that made it.
    pub numbers: Numbers,
}

/// A part of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The column with a value, by its place among the values.
    Value(usize),
    /// The time.
    Clock,
    /// The status word.
    Status,
}

/// What stands in front of the values of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Instant, in microseconds since 1970.
    pub ts: i64,
    /// What the clock says of it (IEC 62056-6-2, 4.1.6.1); 255 when it says nothing.
    pub clock_status: i16,
    /// The status word, whose bits are those of an unsigned number.
    pub status: Option<i32>,
}

/// The numbers of a flag, in the meter's own digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numbers {
    /// What the rule does not like.
    pub value: Option<i64>,
    /// What it was compared with.
    pub reference: Option<i64>,
    /// How far it may be from that, or from 0.
    pub bound: Option<i64>,
    /// All three times ten to the power of the scaler are in the unit of the column.
    pub scaler: i8,
}
