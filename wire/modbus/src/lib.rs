//! Modbus RTU (Modbus over serial line 1.02, application protocol 1.1b3), master and server: octets in, octets out.
//!
//! No socket, no clock, no randomness: whoever owns the line keeps its silences. From the wire upwards: [`check`] is the sum behind every frame; [`Request`] is what
//! a master asks, and [`Requests`] cuts it out of what a server hears; [`Answer`] is what comes back, and [`Answers`] finds the one to a request among noise;
//! [`Format`] turns registers into exact numbers. Which register holds what is data of the meter's model, not of this crate.

mod answer;
mod check;
mod error;
mod format;
mod request;

pub use answer::{Answer, Answers, write_answer, write_exception};
pub use check::check;
pub use error::{Error, Exception, Fault};
pub use format::{Format, Kind, Number, Order};
pub use request::{Request, Requests, Table};
