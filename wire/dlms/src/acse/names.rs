use super::ber;
use crate::Error;

/// joint-iso-ccitt(2) country(16) country-name(756) identified-organisation(5) DLMS-UA(8), then context(1) or mechanism(2).
const CONTEXT: [u8; 6] = [0x60, 0x85, 0x74, 0x05, 0x08, 0x01];
const MECHANISM: [u8; 6] = [0x60, 0x85, 0x74, 0x05, 0x08, 0x02];

/// Application context: how objects are named and whether APDUs are ciphered (Green Book, 9.4.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationContext {
    /// Logical names, no ciphering.
    LogicalNames,
    /// Short names, no ciphering.
    ShortNames,
    /// Logical names with ciphering.
    LogicalNamesCiphered,
    /// Short names with ciphering.
    ShortNamesCiphered,
    /// A context that the standard does not define.
    Other(u8),
}

/// Authentication mechanism (Green Book, 9.4.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Lowest level: none.
    Lowest,
    /// Low level: a password.
    Low,
    /// High level, by the manufacturer's own method.
    Manufacturer,
    /// High level with MD5.
    Md5,
    /// High level with SHA-1.
    Sha1,
    /// High level with GMAC.
    Gmac,
    /// High level with SHA-256.
    Sha256,
    /// High level with ECDSA.
    Ecdsa,
    /// A mechanism that the standard does not define.
    Other(u8),
}

impl ApplicationContext {
    const fn id(self) -> u8 {
        match self {
            Self::LogicalNames => 1,
            Self::ShortNames => 2,
            Self::LogicalNamesCiphered => 3,
            Self::ShortNamesCiphered => 4,
            Self::Other(id) => id,
        }
    }

    pub(super) fn encode(self, tag: u8, out: &mut Vec<u8>) {
        ber::nested(tag, ber::OBJECT_IDENTIFIER, &with_id(CONTEXT, self.id()), out);
    }

    pub(super) fn read(contents: &[u8]) -> Result<Self, Error> {
        Ok(match id(ber::inside(contents, ber::OBJECT_IDENTIFIER)?, CONTEXT, "application context")? {
            1 => Self::LogicalNames,
            2 => Self::ShortNames,
            3 => Self::LogicalNamesCiphered,
            4 => Self::ShortNamesCiphered,
            other => Self::Other(other),
        })
    }
}

impl Mechanism {
    /// Its number in the standard.
    pub const fn id(self) -> u8 {
        match self {
            Self::Lowest => 0,
            Self::Low => 1,
            Self::Manufacturer => 2,
            Self::Md5 => 3,
            Self::Sha1 => 4,
            Self::Gmac => 5,
            Self::Sha256 => 6,
            Self::Ecdsa => 7,
            Self::Other(id) => id,
        }
    }

    pub(super) fn encode(self, tag: u8, out: &mut Vec<u8>) {
        ber::field(tag, &with_id(MECHANISM, self.id()), out);
    }

    pub(super) fn read(contents: &[u8]) -> Result<Self, Error> {
        Ok(match id(contents, MECHANISM, "authentication mechanism")? {
            0 => Self::Lowest,
            1 => Self::Low,
            2 => Self::Manufacturer,
            3 => Self::Md5,
            4 => Self::Sha1,
            5 => Self::Gmac,
            6 => Self::Sha256,
            7 => Self::Ecdsa,
            other => Self::Other(other),
        })
    }
}

fn with_id(arc: [u8; 6], id: u8) -> [u8; 7] {
    let [a, b, c, d, e, f] = arc;
    [a, b, c, d, e, f, id]
}

/// The last arc of an object identifier; of a foreign one, its last four octets are what the error names.
fn id(octets: &[u8], arc: [u8; 6], what: &'static str) -> Result<u8, Error> {
    match octets.split_last() {
        Some((id, before)) if before == arc => Ok(*id),
        Some(_) => {
            Err(Error::Value { what, got: octets.iter().fold(0, |got, octet| got << 8 | u32::from(*octet)) })
        }
        None => Err(Error::Truncated),
    }
}
