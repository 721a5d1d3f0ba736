//! ECDSA (FIPS 186-4) as suites 1 and 2 use it: r and s side by side, as long as the curve's order each, over SHA-256 or SHA-384.

use p256::ecdsa::signature::{Signer, Verifier};

use super::curve::{Private, Public};
use super::{PrivateKey, PublicKey};
use crate::Error;

impl PrivateKey {
    /// Signs `message`: 64 octets in suite 1, 96 in suite 2. The number that must never be used twice is made of key and message
    /// (RFC 6979), not by chance.
    ///
    /// # Errors
    /// [`Error::PrivateKey`], which no key made by [`try_from`](TryFrom::try_from) comes to.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.0 {
            Private::P256(key) => {
                let signature: Result<p256::ecdsa::Signature, _> =
                    p256::ecdsa::SigningKey::from(key).try_sign(message);
                signature.map(|signature| signature.to_bytes().to_vec())
            }
            Private::P384(key) => {
                let signature: Result<p384::ecdsa::Signature, _> =
                    p384::ecdsa::SigningKey::from(key).try_sign(message);
                signature.map(|signature| signature.to_bytes().to_vec())
            }
        }
        .map_err(|_| Error::PrivateKey)
    }
}

impl PublicKey {
    /// Whether `signature` is the one of this key's owner under `message`.
    ///
    /// # Errors
    /// [`Error::Length`] for another length than the suite's; [`Error::SignatureValue`] when r or s is zero or not below the
    /// order of the curve; [`Error::SignatureMismatch`] for any other wrong signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let expected = self.signature_length();
        if signature.len() != expected {
            return Err(Error::Length { what: "signature", expected, got: signature.len() });
        }
        let verified = match &self.0 {
            Public::P256(key) => {
                let signature =
                    p256::ecdsa::Signature::from_slice(signature).map_err(|_| Error::SignatureValue)?;
                p256::ecdsa::VerifyingKey::from(key).verify(message, &signature)
            }
            Public::P384(key) => {
                let signature =
                    p384::ecdsa::Signature::from_slice(signature).map_err(|_| Error::SignatureValue)?;
                p384::ecdsa::VerifyingKey::from(key).verify(message, &signature)
            }
        };
        verified.map_err(|_| Error::SignatureMismatch)
    }

    /// Octets of a signature by this key's owner.
    pub const fn signature_length(&self) -> usize {
        match self.0 {
            Public::P256(_) => 64,
            Public::P384(_) => 96,
        }
    }
}
