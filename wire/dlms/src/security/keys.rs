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

/// An AES-128 key: encryption key or authentication key. Wiped when dropped, never formatted.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 16]);

impl Key {
    /// Wraps the 16 octets of the key.
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    pub(crate) const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Key {
    type Error = Error;

    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        let wrong = Error::Length { what: "key", expected: 16, got: octets.len() };
        Ok(Self(octets.try_into().map_err(|_| wrong)?))
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

    pub(crate) fn octets(&self) -> &[u8] {
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
    fn titles_and_keys_have_one_length() {
        assert_eq!(
            SystemTitle::try_from(&b"MMM\0\0\xBC\x61\x4E"[..]).unwrap().to_string(),
            "4D4D4D0000BC614E"
        );
        assert!(SystemTitle::try_from(&b"MMM"[..]).is_err());
        assert!(Key::try_from(&[0; 15][..]).is_err());
        assert!(Key::try_from(&[0; 17][..]).is_err());
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
