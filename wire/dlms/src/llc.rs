//! The three octets of the logical link control (IEC 62056-46, 5) in front of every APDU that travels in HDLC frames.

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
