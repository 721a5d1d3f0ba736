//! What a meter, or the modem in front of it, says when it opens the connection: who it is, again and again. Octets in, octets out.
//!
//! No socket, no clock, no randomness. No standard has these frames; each maker of modems has its own dialect, told by the first octets:
//! [`Splitter`] cuts what arrives into frames, of whichever language each is, and [`Beat`] is a login or a heartbeat among them.
//!
//! None of it proves anything: whoever knows a meter's number can say it.

mod beat;
mod check;
mod error;
mod splitter;

pub use beat::{Beat, Dialect, ID_MAX, Kind, is_id, write};
pub use error::Error;
pub use splitter::{Splitter, Unit};
