use crate::{Address, Control, Error};

/// Octets in front of a frame that wake the receiver; a receiver passes over any number of them.
pub const WAKE_UP: [u8; 4] = [0xFE; 4];
/// Most octets of data that an answer carries (DL/T 645-2007, 5.2.5).
pub const DATA_MAX: usize = 200;
/// Most octets of data that a master sends (the same).
pub const REQUEST_MAX: usize = 50;

pub(crate) const START: u8 = 0x68;
pub(crate) const END: u8 = 0x16;
/// What is added to each octet of data on the wire.
pub(crate) const OFFSET: u8 = 0x33;
/// Octets from the first start to the length.
pub(crate) const HEADER: usize = 10;
/// Octets behind the data: checksum and end.
pub(crate) const TRAILER: usize = 2;

/// A frame that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The station: who is meant, or who answers.
    pub address: Address,
    /// Who speaks, and what it is about.
    pub control: Control,
    /// The data, without what is added to them on the wire.
    pub data: &'a [u8],
}

/// Appends a frame, without octets that wake the receiver.
///
/// # Errors
/// [`Error::TooLong`] above [`DATA_MAX`].
pub fn frame(address: Address, control: Control, data: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let too_long = Error::TooLong { got: data.len(), limit: DATA_MAX };
    let length = u8::try_from(data.len()).ok().filter(|length| usize::from(*length) <= DATA_MAX);
    let length = length.ok_or(too_long)?;
    let start = out.len();
    out.push(START);
    out.extend_from_slice(&address.wire());
    out.extend_from_slice(&[START, control.octet(), length]);
    out.extend(data.iter().map(|octet| octet.wrapping_add(OFFSET)));
    out.extend_from_slice(&[checksum(&out[start..]), END]);
    Ok(())
}

/// Sum of the octets as they are on the wire.
pub(crate) fn checksum(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum: u8, octet| sum.wrapping_add(*octet))
}
