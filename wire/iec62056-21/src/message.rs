use crate::Error;

/// Yes, or go on.
pub const ACK: u8 = 0x06;
/// Once more.
pub const NAK: u8 = 0x15;
pub(crate) const SOH: u8 = 0x01;
pub(crate) const STX: u8 = 0x02;
pub(crate) const ETX: u8 = 0x03;
pub(crate) const EOT: u8 = 0x04;
/// Longest address of a meter (IEC 62056-21, 6.3.1).
const ADDRESS_MAX: usize = 32;

/// The block check character: exclusive or of what stands behind the first SOH or STX, up to and with ETX or EOT.
pub fn check_character(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum, octet| sum ^ octet)
}

/// Appends the request message: `/?`, the address of the meter when there are several on the line, `!`.
///
/// # Errors
/// [`Error::TooLong`] above 32 characters, [`Error::Characters`] for others than printable ASCII, `/` or `!`.
pub fn opening(address: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    if address.len() > ADDRESS_MAX {
        return Err(Error::TooLong { what: "the address", limit: ADDRESS_MAX });
    }
    if !address.bytes().all(|octet| (0x20..0x7F).contains(&octet) && !matches!(octet, b'/' | b'!')) {
        return Err(Error::Characters { what: "the address" });
    }
    out.extend_from_slice(b"/?");
    out.extend_from_slice(address.as_bytes());
    out.extend_from_slice(b"!\r\n");
    Ok(())
}
