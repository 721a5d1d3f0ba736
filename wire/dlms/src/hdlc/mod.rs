//! The data link of serial lines, optical ports and many gateways: HDLC, IEC 62056-46.
//!
//! `fcs` is the check sequence, `address`, `control` and `frame` the parts of a frame and the frame itself; `splitter` cuts frames out
//! of a stream; `settings` is what two stations agree on. `link` numbers, repeats and acknowledges, `assembly` puts APDUs together; `primary` is
//! the station that asks, and [`Client`] the face of it; `secondary` is the station that answers, and [`Server`] all of them on a line.
//!
//! One [`Client`] is one link to one station; a line with several meters has one for each and gives them the line one after another.

mod address;
mod assembly;
mod client;
mod control;
mod error;
mod fcs;
mod frame;
mod link;
mod primary;
mod secondary;
mod server;
mod settings;
mod splitter;

pub use address::{Address, AddressError, AddressSize};
pub use assembly::Assembly;
pub use client::{Client, Event, Trouble};
pub use control::{Control, Function};
pub use error::LinkError;
pub use fcs::check_sequence;
pub use frame::{FLAG, Frame, FrameError, MAX_INFORMATION};
pub use server::{Arrival, LinkId, Server, write_unasked};
pub use settings::Settings;
pub use splitter::{BadFrames, Splitter};
