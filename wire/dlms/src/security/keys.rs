use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Error;

/// The name of a COSEM entity in cryptography: 3 octets manufacturer, 5 octets of its choice.
/// With the invocation counter it forms the nonce of AES-GCM (Green Book, 4.3.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTitle([u8; 8]);

impl SystemTitle {
    /// Wraps the 8 octets as they stand in the protocol.
    pub const fn new(octets: [u8; 8]) -> Self {
        Self(octets)
    }

    /// The 8 octets.
    pub const fn octets(&self) -> &[u8; 8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for SystemTitle {
    type Error = Error;

    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        let wrong = Error::Length { what: "system title", expected: 8, got: octets.len() };
        Ok(Self(octets.try_into().map_err(|_| wrong)?))
    }
}

impl fmt::Display for SystemTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for SystemTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemTitle({self})")
    }
}

/// An AES key of 16 or 32 octets: encryption key, authentication key or key encryption key. Wiped when dropped, never formatted.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    octets: [u8; Self::LONGEST],
    length: usize,
}

impl Key {
    const LONGEST: usize = 32;

    /// Wraps the octets of the key: 16 in suites 0 and 1, 32 in suite 2. Any other number does not compile.
    pub const fn new<const N: usize>(octets: [u8; N]) -> Self {
        const { assert!(N == 16 || N == Self::LONGEST, "a key has 16 or 32 octets") }
        let mut key = Self { octets: [0; Self::LONGEST], length: N };
        key.octets.split_at_mut(N).0.copy_from_slice(&octets);
        key
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// The octets of a key of suite 2.
    pub(super) const fn long(&self) -> &[u8; Self::LONGEST] {
        &self.octets
    }
}

impl TryFrom<&[u8]> for Key {
    type Error = Error;

    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        if octets.len() != 16 && octets.len() != Self::LONGEST {
            return Err(Error::Length { what: "key", expected: 16, got: octets.len() });
        }
        let mut key = Self { octets: [0; Self::LONGEST], length: octets.len() };
        key.octets[..octets.len()].copy_from_slice(octets);
        Ok(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// The password of low level security. Wiped when dropped, never formatted.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(Vec<u8>);

impl Password {
    /// Takes the octets of the password as they are sent.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets as they are sent: for languages that put a password elsewhere. Never to be formatted.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether `offered` is this password; takes as long for a near miss as for a far one.
    pub(crate) fn matches(&self, offered: &[u8]) -> bool {
        self.0.as_slice().ct_eq(offered).into()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_formatted() {
        assert_eq!(format!("{:?}", Key::new([0x41; 16])), "Key(***)");
        assert_eq!(format!("{:?}", Password::new("AAAA")), "Password(***)");
    }

    #[test]
    fn titles_have_8_octets_and_keys_16_or_32() {
        assert_eq!(
            SystemTitle::try_from(&b"MMM\0\0\xBC\x61\x4E"[..]).unwrap().to_string(),
            "4D4D4D0000BC614E"
        );
        assert!(SystemTitle::try_from(&b"MMM"[..]).is_err());
        for length in 0..40 {
            let key = Key::try_from(&vec![7; length][..]);
            match length {
                16 | 32 => assert_eq!(key.unwrap().octets(), vec![7; length]),
                got => assert_eq!(key.err(), Some(Error::Length { what: "key", expected: 16, got })),
            }
        }
        assert_eq!(Key::new([9; 32]).octets(), [9; 32]);
    }

    #[test]
    fn a_password_matches_only_itself() {
        let password = Password::new("12345678");
        assert!(password.matches(b"12345678"));
        assert!(!password.matches(b"12345679"));
        assert!(!password.matches(b"1234567"));
        assert!(!password.matches(b""));
    }
}
