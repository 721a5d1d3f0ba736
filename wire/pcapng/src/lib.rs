//! Conversations with meters as capture files (pcapng, draft-ietf-opsawg-pcapng), which Wireshark and its like read.
//!
//! A file has one interface for each [`Line`]. What goes over a network is shown as what it was in, TCP or UDP over IPv4 (link type 228), with
//! addresses that stand for the two sides, and the port 4059 of DLMS for the meter, by which programs know what it is. What goes over a serial line is shown
//! octet by octet behind the header of `LINKTYPE_RTAC_SERIAL` (250). [`Writer`] makes a file piece by piece, [`read`] takes one apart.
//!
//! No file and no clock: octets and times are arguments. Absent: other link types, compression, names, keys.

mod frame;
mod reader;
mod writer;

pub use reader::{Error, File, PACKETS_MAX, read};
pub use writer::Writer;

/// What carries the octets of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A stream over a network.
    Tcp,
    /// Datagrams.
    Udp,
    /// A serial line, or something that leads to one.
    Serial,
}

impl Carrier {
    /// The link type (draft-ietf-opsawg-pcaplinktype): IPv4, or RTAC serial.
    const fn link_type(self) -> u16 {
        match self {
            Self::Tcp | Self::Udp => 228,
            Self::Serial => 250,
        }
    }
}

/// A line, which is an interface of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What carries its octets.
    pub carrier: Carrier,
    /// What it is called: the address of the meter.
    pub name: String,
}

/// What happened on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was opened anew.
    Opened,
    /// Octets were sent to the meter.
    Sent,
    /// Octets came from it.
    Received,
}

/// Something that happened on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// On which, by its place among the lines of the file.
    pub line: usize,
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// What.
    pub what: What,
    /// The octets; none when it was opened.
    pub octets: Vec<u8>,
}
