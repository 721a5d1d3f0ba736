//! The gateway protocol (Green Book, 10.10): a prefix in front of an APDU names the device behind a gateway that it is for, or comes from.
//!
//! It stands inside the frame of the line (wrapper, or HDLC behind the LLC header), in the clear, outside of any protection of the APDU, and counts
//! against the size of an APDU that the gateway can take.

use crate::Error;
use crate::axdr::Reader;

/// First octet of a request, and of what a client sends.
pub const REQUEST: u8 = 0xE6;
/// First octet of a response, and of what a device pushes.
pub const RESPONSE: u8 = 0xE7;
/// Longest address: its length is one octet.
const MAX_ADDRESS: usize = u8::MAX as usize;
/// Octets in front of the address.
const HEADER: usize = 3;

/// Which way an APDU goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the device.
    ToDevice,
    /// From the device.
    FromDevice,
}

/// What stands in front of an APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// Number of the network behind the gateway; 0 when there is one.
    pub network: u8,
    /// Address of the device there, in octets or letters as the gateway likes it.
    pub address: &'a [u8],
}

impl<'a> Prefix<'a> {
    /// Whether an APDU has one.
    pub fn is_in_front_of(octets: &[u8]) -> bool {
        matches!(octets.first(), Some(&(REQUEST | RESPONSE)))
    }

    /// Appends the prefix; the APDU comes behind it.
    ///
    /// # Errors
    /// [`Error::TooLong`] for an address above 255 octets.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let length = u8::try_from(self.address.len())
            .map_err(|_| Error::TooLong { what: "address behind the gateway", limit: MAX_ADDRESS })?;
        let tag = match self.direction {
            Direction::ToDevice => REQUEST,
            Direction::FromDevice => RESPONSE,
        };
        out.extend([tag, self.network, length]);
        out.extend_from_slice(self.address);
        Ok(())
    }

    /// Reads the prefix at the beginning of `octets`; the APDU begins behind its [`length`](Self::length).
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is none, [`Error::Truncated`].
    pub fn read(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let direction = match reader.u8()? {
            REQUEST => Direction::ToDevice,
            RESPONSE => Direction::FromDevice,
            tag => return Err(Error::Unexpected { tag }),
        };
        let network = reader.u8()?;
        let length = usize::from(reader.u8()?);
        Ok(Self { direction, network, address: reader.take(length)? })
    }

    /// The prefix, and the APDU behind it; `None` when there is no whole one.
    pub fn split(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let prefix = Self::read(octets).ok()?;
        Some((prefix, &octets[prefix.length()..]))
    }

    /// The APDU behind a prefix, or all of the octets when there is none.
    pub fn behind(octets: &'a [u8]) -> &'a [u8] {
        Self::split(octets).map_or(octets, |(_, apdu)| apdu)
    }

    /// Octets of the prefix.
    pub fn length(&self) -> usize {
        HEADER + self.address.len()
    }
}
