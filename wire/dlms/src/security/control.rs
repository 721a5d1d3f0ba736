use std::fmt;

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

    /// Wraps the octet; any value is a valid octet, whether it is served is up to the cipher.
    pub const fn new(octet: u8) -> Self {
        Self(octet)
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        self.0
    }

    /// The security suite, 0 to 15.
    pub const fn suite(self) -> u8 {
        self.0 & 0x0F
    }

    /// Whether the APDU carries an authentication tag.
    pub const fn is_authenticated(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Whether the APDU is encrypted.
    pub const fn is_encrypted(self) -> bool {
        self.0 & 0x20 != 0
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
