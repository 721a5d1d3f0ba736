//! Key agreement of suites 1 and 2: ECDH, and the key derivation of NIST SP 800-56A, 5.8.1 (Green Book, 9.2.3.4.6).
//!
//! Party U is who begins: the client with class 64, the originator of a `general-ciphering` APDU. Three schemes differ in whose keys
//! meet: two ephemeral ones (class 64), the originator's ephemeral one and the recipient's static one ([`Scheme::OnePass`]), two
//! static ones ([`Scheme::Static`]). An ephemeral public key travels with its owner's signature, see [`PrivateKey::introduce`].

use std::fmt;

use sha2::{Digest, Sha256, Sha384};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::curve::{Private, Public};
use super::{Key, PrivateKey, PublicKey, Suite, SystemTitle};
use crate::Error;

/// How the parties of a `general-ciphering` APDU agree on its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// C(1e, 1s): the originator's ephemeral key travels with the APDU and meets the recipient's static one.
    OnePass,
    /// C(0e, 2s): both static keys meet, and the transaction-id makes each key another one.
    Static,
}

impl Scheme {
    /// The number that names it in an APDU.
    pub const fn number(self) -> u8 {
        match self {
            Self::OnePass => 1,
            Self::Static => 2,
        }
    }
}

/// What a key is agreed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// AES-GCM, as encryption key or authentication key.
    Ciphering,
    /// AES key wrap, as key encryption key.
    Wrapping,
}

/// The two parties, by their system titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Who begins: party U.
    pub originator: SystemTitle,
    /// Party V.
    pub recipient: SystemTitle,
}

/// What both parties compute from their own private and the other's public key, and nobody else can. Wiped when dropped, never formatted.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret(Vec<u8>);

impl SharedSecret {
    /// The key for `purpose`. The `nonce` is the transaction-id with [`Scheme::Static`], and empty with every other scheme.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a nonce of more than 255 octets.
    pub fn derive(&self, purpose: Purpose, parties: &Parties, nonce: &[u8]) -> Result<Key, Error> {
        let suite = self.suite();
        let length =
            u8::try_from(nonce.len()).map_err(|_| Error::TooLong { what: "transaction-id", limit: 255 })?;
        // One round of the derivation is enough: the hash is longer than the key.
        let mut input = Zeroizing::new(Vec::with_capacity(80 + nonce.len()));
        input.extend_from_slice(&1_u32.to_be_bytes());
        input.extend_from_slice(&self.0);
        input.extend_from_slice(&algorithm(suite, purpose));
        input.extend_from_slice(parties.originator.octets());
        if length > 0 {
            input.push(length);
            input.extend_from_slice(nonce);
        }
        input.extend_from_slice(parties.recipient.octets());
        let hash = Zeroizing::new(match suite {
            Suite::Two => Sha384::digest(&*input).to_vec(),
            _ => Sha256::digest(&*input).to_vec(),
        });
        Key::try_from(&hash[..suite.key_length()])
    }

    fn suite(&self) -> Suite {
        if self.0.len() == 48 { Suite::Two } else { Suite::One }
    }
}

impl TryFrom<&[u8]> for SharedSecret {
    type Error = Error;

    /// The x coordinate of the common point, as ECDH gives it: 32 octets in suite 1, 48 in suite 2.
    ///
    /// # Errors
    /// [`Error::Length`].
    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        match octets.len() {
            32 | 48 => Ok(Self(octets.to_vec())),
            got => Err(Error::Length { what: "shared secret", expected: 32, got }),
        }
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(***)")
    }
}

impl PrivateKey {
    /// What this key's owner shares with the owner of `public`.
    ///
    /// # Errors
    /// [`Error::Length`] when `public` is of another curve.
    pub fn share(&self, public: &PublicKey) -> Result<SharedSecret, Error> {
        match (&self.0, &public.0) {
            (Private::P256(own), Public::P256(other)) => {
                Ok(SharedSecret(own.diffie_hellman(other).raw_secret_bytes().to_vec()))
            }
            (Private::P384(own), Public::P384(other)) => {
                Ok(SharedSecret(own.diffie_hellman(other).raw_secret_bytes().to_vec()))
            }
            _ => {
                let [expected, got] = [self.public_key(), *public].map(|key| key.octets().len());
                Err(Error::Length { what: "public key", expected, got })
            }
        }
    }

    /// The public key of `ephemeral` and behind it this key's signature over `prefix` and public key: how an ephemeral key is shown to
    /// the other party. The prefix is the key-id with class 64 and empty in a `general-ciphering` APDU.
    ///
    /// # Errors
    /// Those of [`sign`](Self::sign).
    pub fn introduce(&self, ephemeral: &PublicKey, prefix: &[u8]) -> Result<Vec<u8>, Error> {
        let mut introduced = ephemeral.octets();
        let signature = self.sign(&[prefix, &introduced].concat())?;
        introduced.extend_from_slice(&signature);
        Ok(introduced)
    }
}

impl PublicKey {
    /// The ephemeral public key that the owner of this key [introduced](PrivateKey::introduce).
    ///
    /// # Errors
    /// [`Error::Length`] when it is no public key of the same curve with a signature; those of [`verify`](Self::verify);
    /// [`Error::PublicKey`].
    pub fn introduced(&self, introduced: &[u8], prefix: &[u8]) -> Result<PublicKey, Error> {
        let length = self.signature_length();
        let wrong = Error::Length {
            what: "ephemeral key with signature",
            expected: 2 * length,
            got: introduced.len(),
        };
        // A signature is as long as a public key.
        let (octets, signature) = introduced.split_at_checked(length).ok_or(wrong.clone())?;
        if signature.len() != length {
            return Err(wrong);
        }
        self.verify(&[prefix, octets].concat(), signature)?;
        PublicKey::try_from(octets)
    }
}

/// The object identifier of the algorithm that the key is for (Green Book, 9.4.2.2.4), without tag and length.
const fn algorithm(suite: Suite, purpose: Purpose) -> [u8; 7] {
    let last = match (purpose, suite.key_length()) {
        (Purpose::Ciphering, 16) => 0,
        (Purpose::Ciphering, _) => 1,
        (Purpose::Wrapping, 16) => 2,
        (Purpose::Wrapping, _) => 3,
    };
    [0x60, 0x85, 0x74, 0x05, 0x08, 0x03, last]
}
