use std::fmt;

use p256::elliptic_curve::sec1::ToSec1Point;

use super::Suite;
use crate::Error;

/// A private key of suite 1 or 2, for signatures or for key agreement. Wiped when dropped, never formatted.
#[derive(Clone)]
pub struct PrivateKey(pub(super) Private);

#[derive(Clone)]
pub(super) enum Private {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

impl PrivateKey {
    /// The suite whose curve it is of.
    pub const fn suite(&self) -> Suite {
        match self.0 {
            Private::P256(_) => Suite::One,
            Private::P384(_) => Suite::Two,
        }
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Private::P256(key) => PublicKey(Public::P256(key.public_key())),
            Private::P384(key) => PublicKey(Public::P384(key.public_key())),
        }
    }
}

impl TryFrom<&[u8]> for PrivateKey {
    type Error = Error;

    /// A number of 32 octets (suite 1) or 48 (suite 2); a new key is made of so many random ones.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::PrivateKey`] for zero and for what is not below the order of the curve. Of random octets
    /// one in 2³² is refused so, and needs others.
    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        let key = match octets.len() {
            32 => p256::SecretKey::from_slice(octets).map(Private::P256),
            48 => p384::SecretKey::from_slice(octets).map(Private::P384),
            got => return Err(Error::Length { what: "private key", expected: 32, got }),
        };
        key.map(Self).map_err(|_| Error::PrivateKey)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

/// A public key of suite 1 or 2: a point of the curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub(super) Public);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Public {
    P256(p256::PublicKey),
    P384(p384::PublicKey),
}

impl PublicKey {
    /// The suite whose curve it is of.
    pub const fn suite(&self) -> Suite {
        match self.0 {
            Public::P256(_) => Suite::One,
            Public::P384(_) => Suite::Two,
        }
    }

    /// Both coordinates, as DLMS writes a public key (Green Book, 9.2.3.4.5): 64 octets in suite 1, 96 in suite 2.
    pub fn octets(&self) -> Vec<u8> {
        // SEC 1 puts 04 in front of an uncompressed point.
        match &self.0 {
            Public::P256(key) => key.to_sec1_point(false).as_bytes()[1..].to_vec(),
            Public::P384(key) => key.to_sec1_point(false).as_bytes()[1..].to_vec(),
        }
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = Error;

    /// Both coordinates, as [`octets`](Self::octets) gives them.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::PublicKey`] when they are no point of the curve.
    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        let point = [&[0x04], octets].concat();
        let key = match octets.len() {
            64 => p256::PublicKey::from_sec1_bytes(&point).map(Public::P256),
            96 => p384::PublicKey::from_sec1_bytes(&point).map(Public::P384),
            got => return Err(Error::Length { what: "public key", expected: 64, got }),
        };
        key.map(Self).map_err(|_| Error::PublicKey)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.octets().iter().try_for_each(|octet| write!(f, "{octet:02X}"))?;
        f.write_str(")")
    }
}
