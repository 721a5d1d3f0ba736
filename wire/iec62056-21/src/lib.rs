//! IEC 62056-21, the text protocol of the optical port and of many RS485 lines, client and server: octets in, octets out.
//!
//! No socket, no clock, no randomness: whoever owns the line keeps the times of the standard. From the wire upwards: [`Receiver`] cuts messages out of
//! what arrives and checks them; [`Identification`] is what a meter says first, [`Selection`] what the client answers to it; [`DataSets`] takes a
//! read-out apart; [`Command`] is what is said in programming mode; [`Session`] puts it together: opening, read-out, passwords, reads and writes, with
//! repetitions of what was damaged; [`mode_e`] is the other opening, behind which HDLC takes over: what follows is not this protocol.

mod command;
mod dataset;
mod error;
mod identification;
mod message;
pub mod mode_e;
mod number;
mod receiver;
mod session;

pub use command::{Command, Verb};
pub use dataset::{DataSet, DataSets, Value};
pub use error::{Error, Fault};
pub use identification::{Identification, Mode, Selection, Speed};
pub use message::{ACK, NAK, check_character, opening};
pub use number::Number;
pub use receiver::{Message, Receiver};
pub use session::{Event, Session};
