//! Q/GDW 376.1 (1376.1), as far as a head-end needs it of a terminal that calls in or stands in front of meters: octets in, octets out.
//!
//! No socket, no clock, no randomness. From the wire upwards: [`Frame`] is what goes between a master station and a terminal, and [`Splitter`] cuts
//! it out of a stream; [`Unit`]s are what an application frame is made of, each [about](Point) a measuring point and a [`Function`]; [`link`]
//! are the tests of the link by which a terminal logs in and shows that it is there, and what is answered to them; [`forward`] carries a frame of
//! another protocol through the terminal to a meter behind it; [`terminal`] is what a terminal says of itself.

mod address;
mod control;
mod error;
pub mod forward;
mod frame;
pub mod link;
pub mod meters;
mod moment;
mod sequence;
mod splitter;
pub mod terminal;
mod unit;

pub use address::Address;
pub use control::Control;
pub use error::Error;
pub use frame::{Afn, Frame, USER_DATA_MAX};
pub use moment::Moment;
pub use sequence::Sequence;
pub use splitter::{Rejected, Splitter};
pub use unit::{Function, Point, Unit};
