use crate::Error;

/// A security suite (Green Book, 9.2.3.7): which algorithms, and how long their keys are. Tags have 12 octets in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// AES-GCM-128, keys wrapped with AES-128.
    Zero,
    /// As suite 0, with ECDSA and ECDH on P-256 and SHA-256.
    One,
    /// AES-GCM-256, keys wrapped with AES-256, ECDSA and ECDH on P-384 and SHA-384.
    Two,
}

impl Suite {
    /// The number that names it, in security controls and in class 64.
    pub const fn number(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// Octets of an encryption key, an authentication key and a key encryption key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Zero | Self::One => 16,
            Self::Two => 32,
        }
    }
}

impl TryFrom<u8> for Suite {
    type Error = Error;

    fn try_from(number: u8) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::Zero),
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            got => Err(Error::Suite { got }),
        }
    }
}
