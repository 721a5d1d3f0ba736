//! The three octets of the logical link control in front of every APDU: in HDLC frames (IEC 62056-46, 5), and on a power line.

use crate::Error;

/// Octets of the header.
pub const LENGTH: usize = 3;
/// In front of what a client sends: destination, source, quality.
pub const COMMAND: [u8; LENGTH] = [0xE6, 0xE6, 0x00];
/// In front of what a server sends.
pub const RESPONSE: [u8; LENGTH] = [0xE6, 0xE7, 0x00];

/// How many octets at the beginning are no part of the APDU: some meters leave the header out.
///
/// An APDU cannot be mistaken for it: 0xE6 begins a request through a gateway, but none with the network 0xE6 or 0xE7 and an address of
/// no length.
pub fn length(octets: &[u8]) -> usize {
    if octets.starts_with(&COMMAND) || octets.starts_with(&RESPONSE) { LENGTH } else { 0 }
}

/// Control octet of the LLC on a power line (IEC 61334-4-32): information without acknowledgement.
const PLC_CONTROL: u8 = 0x90;

/// The header in front of an APDU on a power line, IEC 61334-4-32: the control octet and two service access points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlcHeader {
    /// Service access point of the receiver: of a client, or of a logical device.
    pub destination: u8,
    /// Service access point of the sender.
    pub source: u8,
}

impl PlcHeader {
    /// The three octets.
    pub fn octets(self) -> [u8; LENGTH] {
        [PLC_CONTROL, self.destination, self.source]
    }

    /// Splits the header off the beginning of `octets`.
    ///
    /// # Errors
    /// [`Error::Truncated`], and [`Error::Value`] for another control octet.
    pub fn split(octets: &[u8]) -> Result<(Self, &[u8]), Error> {
        let ([control, destination, source], apdu) = octets.split_first_chunk().ok_or(Error::Truncated)?;
        match *control {
            PLC_CONTROL => Ok((Self { destination: *destination, source: *source }, apdu)),
            got => Err(Error::Value { what: "control octet of the LLC", got: u32::from(got) }),
        }
    }
}
