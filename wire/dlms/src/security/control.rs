use std::fmt;

use super::{Suite, TAG_LENGTH};
use crate::Error;

/// The security control octet in front of every protected APDU (Green Book, 9.2.7.2.4.1):
/// bits 0 to 3 suite, 4 authenticated, 5 encrypted, 6 broadcast key set, 7 compressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecurityControl(u8);

impl SecurityControl {
    /// Suite 0, authenticated only.
    pub const AUTHENTICATED: Self = Self(0x10);
    /// Suite 0, encrypted only.
    pub const ENCRYPTED: Self = Self(0x20);
    /// Suite 0, authenticated and encrypted: what this crate sends and, in an association, demands.
    pub const AUTHENTICATED_ENCRYPTED: Self = Self(0x30);

    const SUITE: u8 = 0x0F;

    /// Wraps the octet; any value is a valid octet, whether it is served is up to the cipher.
    pub const fn new(octet: u8) -> Self {
        Self(octet)
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        self.0
    }

    /// The same protection in another suite.
    #[must_use]
    pub const fn with_suite(self, suite: Suite) -> Self {
        Self(self.0 & !Self::SUITE | suite.number())
    }

    /// The security suite.
    ///
    /// # Errors
    /// [`Error::Suite`] for a number that the standard does not define.
    pub fn suite(self) -> Result<Suite, Error> {
        Suite::try_from(self.0 & Self::SUITE)
    }

    /// Whether the APDU carries an authentication tag.
    pub const fn is_authenticated(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Octets of the authentication tag: what is encrypted and no more has none.
    pub(super) const fn tag_length(self) -> usize {
        if self.is_authenticated() { TAG_LENGTH } else { 0 }
    }

    /// Whether the APDU is encrypted.
    pub const fn is_encrypted(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Whether the keys are those of the broadcast set.
    pub const fn is_broadcast(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether the APDU is compressed (ITU-T V.44) before it is protected.
    pub const fn is_compressed(self) -> bool {
        self.0 & 0x80 != 0
    }
}

impl fmt::Display for SecurityControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

impl fmt::Debug for SecurityControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecurityControl({self})")
    }
}
