//! DL/T 645, editions 2007 and 1997, client and server: octets in, octets out.
//!
//! No socket, no clock, no randomness: times are arguments. From the wire upwards: [`frame`] puts octets around data and [`Splitter`] cuts
//! them out of a noisy line; [`Request`] is what a master asks, [`Answer`] what comes back; [`Format`] turns the octets of
//! an item into exact numbers, [`records`] those of an item into load records, [`read_day_slots`] those of a day table into times. What an item means (which identifier is which register of a household) is data of the meter's model, not of this crate.

mod address;
mod answer;
mod control;
mod day_table;
mod error;
mod format;
mod frame;
mod moment;
mod records;
mod request;
mod splitter;

pub use address::{Address, AddressError};
pub use answer::Answer;
pub use control::{Control, Edition, Function};
pub use day_table::{DAY_SLOTS, DaySlot, read_day_slots, write_day_slots};
pub use error::{Error, Fault, Refusal};
pub use format::{Format, Number};
pub use frame::{DATA_MAX, Frame, REQUEST_MAX, WAKE_UP, frame};
pub use moment::Moment;
pub use records::{CLASS_OCTETS, CLASSES, Record, records};
pub use request::{Authority, Identifier, Request, SwitchOrder};
pub use splitter::{Rejected, Splitter};
