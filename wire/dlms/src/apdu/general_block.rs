use super::notification::begin;
use super::{payload, tag};
use crate::Error;
use crate::axdr::write_octets;

/// General-Block-Transfer (Green Book, 9.3.13 and 9.5): a piece of an APDU, cut anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneralBlock<'a> {
    /// Whether it is the last piece of the APDU.
    pub last: bool,
    /// Whether the next block follows unasked.
    pub streaming: bool,
    /// Blocks that the sender of this one takes in one go, 0 to 63; 0 when it wants no confirmation.
    pub window: u8,
    /// Its number, from 1 in each direction.
    pub number: u16,
    /// Number of the last block of the other direction that came in order.
    pub acknowledged: u16,
    /// The piece; may be empty.
    pub octets: &'a [u8],
}

impl<'a> GeneralBlock<'a> {
    /// Most blocks of a window.
    pub const WINDOW_MAX: u8 = 63;
    const LAST: u8 = 0x80;
    const STREAMING: u8 = 0x40;
    /// Octets in front of the length of the piece.
    const HEADER: usize = 6;

    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut control = self.window.min(Self::WINDOW_MAX);
        for (flag, bit) in [(self.last, Self::LAST), (self.streaming, Self::STREAMING)] {
            control |= if flag { bit } else { 0 };
        }
        out.extend_from_slice(&[tag::GENERAL_BLOCK_TRANSFER, control]);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.acknowledged.to_be_bytes());
        write_octets(self.octets, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`], [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::GENERAL_BLOCK_TRANSFER, octets)?;
        let control = reader.u8()?;
        let block = Self {
            last: control & Self::LAST != 0,
            streaming: control & Self::STREAMING != 0,
            window: control & Self::WINDOW_MAX,
            number: reader.u16()?,
            acknowledged: reader.u16()?,
            octets: reader.octets()?,
        };
        reader.finish()?;
        Ok(block)
    }

    /// Octets of a piece that fit into an APDU of at most `limit` octets; at least one.
    pub(crate) const fn capacity(limit: usize) -> usize {
        match payload(limit.saturating_sub(Self::HEADER)) {
            0 => 1,
            octets => octets,
        }
    }
}
