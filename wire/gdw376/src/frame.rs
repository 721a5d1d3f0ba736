use crate::{
    Address, Control, Error, Sequence,
    address::{self},
};

/// Most octets of user data: the length has 14 bits (Q/GDW 376.1, 4.3.2.3).
pub const USER_DATA_MAX: usize = 0x3FFF;

pub(crate) const START: u8 = 0x68;
const END: u8 = 0x16;
/// Octets from the first start to the second.
pub(crate) const HEADER: usize = 6;
/// Checksum and end.
const TRAILER: usize = 2;
/// Octets of user data in front of the data units.
const FIXED: usize = 1 + address::LENGTH + 2;
/// The two lowest bits of a length: Q/GDW 376.1.
const PROTOCOL: u16 = 0b10;
/// The same of its forerunner, Q/GDW 130, which terminals of both kinds send.
const PROTOCOL_130: u16 = 0b01;
const PROTOCOL_MASK: u16 = 0b11;

/// What an application frame is for (Q/GDW 376.1, 4.3.4.2), by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Afn(pub u8);

impl Afn {
    /// Confirmation or denial.
    pub const CONFIRMATION: Self = Self(0x00);
    /// Test of the link: login, logout, heartbeat.
    pub const LINK: Self = Self(0x02);
    /// Orders.
    pub const CONTROL: Self = Self(0x05);
    /// What the terminal is.
    pub const CONFIGURATION: Self = Self(0x09);
    /// What the terminal was configured with.
    pub const PARAMETERS: Self = Self(0x0A);
    /// Data of the moment.
    pub const CLASS_1: Self = Self(0x0C);
    /// Records of events.
    pub const EVENTS: Self = Self(0x0E);
    /// Forwarding to what is behind the terminal.
    pub const FORWARD: Self = Self(0x10);
}

/// A frame, without the octets that only hold it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which way it goes and what it asks of the link.
    pub control: Control,
    /// The terminal.
    pub address: Address,
    /// What it is for.
    pub afn: Afn,
    /// Its place among others.
    pub sequence: Sequence,
    /// The data units and what stands behind them.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends the octets of the frame.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a body that does not fit.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let limit = USER_DATA_MAX - FIXED;
        let octets = u16::try_from(self.body.len()).ok().filter(|octets| usize::from(*octets) <= limit);
        let octets = octets.ok_or(Error::TooLong { what: "the body", got: self.body.len(), limit })?;
        let [l1, l2] = ((octets + FIXED as u16) << 2 | PROTOCOL).to_le_bytes();
        out.extend([START, l1, l2, l1, l2, START]);
        let user_data = out.len();
        out.push(self.control.0);
        out.extend(self.address.octets());
        out.extend([self.afn.0, self.sequence.0]);
        out.extend_from_slice(self.body);
        let sum = checksum(&out[user_data..]);
        out.extend([sum, END]);
        Ok(())
    }

    /// Reads a frame at the beginning of `octets` and says how many it has; `None` while it is not all there.
    ///
    /// # Errors
    /// Every error of a frame as a whole; what to do about the stream is the caller's, or that of a [`Splitter`](crate::Splitter).
    pub fn read(octets: &'a [u8], limit: usize) -> Result<Option<(Self, usize)>, Error> {
        match octets.first() {
            Some(&START) => {}
            Some(&got) => return Err(Error::Unexpected { what: "the start", got }),
            None => return Ok(None),
        }
        let Some(&[_, a, b, c, d, start]) = octets.first_chunk::<HEADER>() else { return Ok(None) };
        let (first, second) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        if first != second {
            return Err(Error::Lengths { first, second });
        }
        if start != START {
            return Err(Error::Unexpected { what: "the second start", got: start });
        }
        if !matches!(first & PROTOCOL_MASK, PROTOCOL | PROTOCOL_130) {
            return Err(Error::Unexpected { what: "the protocol", got: (first & PROTOCOL_MASK) as u8 });
        }
        let length = usize::from(first >> 2);
        if length < FIXED || length > limit {
            return Err(Error::Length { got: length });
        }
        let end = HEADER + length + TRAILER;
        let Some(whole) = octets.get(HEADER..end) else { return Ok(None) };
        let (user_data, trailer) = whole.split_at(length);
        let (expected, got) = (checksum(user_data), trailer[0]);
        if expected != got {
            return Err(Error::Checksum { expected, got });
        }
        if trailer[1] != END {
            return Err(Error::Unexpected { what: "the end", got: trailer[1] });
        }
        Ok(Self::of(user_data).map(|frame| (frame, end)))
    }

    fn of(user_data: &'a [u8]) -> Option<Self> {
        let (&[control, a, b, c, d, e, afn, sequence], body) = user_data.split_first_chunk::<FIXED>()?;
        Some(Self {
            control: Control(control),
            address: Address::of([a, b, c, d, e]),
            afn: Afn(afn),
            sequence: Sequence(sequence),
            body,
        })
    }
}

fn checksum(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum: u8, octet| sum.wrapping_add(*octet))
}
