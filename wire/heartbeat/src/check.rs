//! The check sequence of logins and heartbeats: makers do not agree on it, so what a caller uses is told by trying.

use dlms::hdlc::check_sequence;

/// Polynomial of CRC-16/XMODEM.
const XMODEM: u16 = 0x1021;

/// A check sequence that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// That of HDLC frames (ITU-T X.25).
    Hdlc,
    /// CRC-16/XMODEM.
    Xmodem,
    /// Zeros: none.
    Absent,
}

impl Check {
    /// The one that makes `found` out of `octets`.
    pub(crate) fn told_by(octets: &[u8], found: u16) -> Option<Self> {
        [Self::Hdlc, Self::Xmodem, Self::Absent].into_iter().find(|check| check.of(octets) == found)
    }

    /// The check sequence of `octets`; on the wire its low octet comes first.
    pub(crate) fn of(self, octets: &[u8]) -> u16 {
        match self {
            Self::Hdlc => check_sequence(octets),
            Self::Xmodem => octets.iter().fold(0, |remainder, octet| step(remainder, *octet)),
            Self::Absent => 0,
        }
    }
}

fn step(remainder: u16, octet: u8) -> u16 {
    (0..8).fold(remainder ^ u16::from(octet) << 8, |remainder, _| {
        (remainder << 1) ^ if remainder & 0x8000 == 0 { 0 } else { XMODEM }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_catalogue() {
        assert_eq!(Check::Xmodem.of(b"123456789"), 0x31C3);
        assert_eq!(Check::Hdlc.of(b"123456789"), 0x906E);
        for check in [Check::Hdlc, Check::Xmodem, Check::Absent] {
            assert_eq!(Check::told_by(b"123456789", check.of(b"123456789")), Some(check));
        }
        assert_eq!(Check::told_by(b"123456789", 1), None);
    }
}
