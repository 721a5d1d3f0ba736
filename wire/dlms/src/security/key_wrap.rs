//! AES key wrap (RFC 3394): how a key travels under another one.

use aes_kw::{KeyInit, KwAes128, KwAes256};
use zeroize::Zeroizing;

use super::Key;
use crate::Error;

/// Octets that wrapping adds.
const ADDED: usize = 8;

impl Key {
    /// Wraps `key` under this key encryption key: 8 octets more than the key has.
    ///
    /// # Errors
    /// [`Error::KeyWrap`], which no two keys come to.
    pub fn wrap(&self, key: &Key) -> Result<Vec<u8>, Error> {
        let mut wrapped = vec![0; key.octets().len() + ADDED];
        match <&[u8; 16]>::try_from(self.octets()) {
            Ok(kek) => KwAes128::new(kek.into()).wrap_key(key.octets(), &mut wrapped).map(drop),
            Err(_) => KwAes256::new(self.long().into()).wrap_key(key.octets(), &mut wrapped).map(drop),
        }
        .map_err(|_| Error::KeyWrap)?;
        Ok(wrapped)
    }

    /// The key that was wrapped under this key encryption key.
    ///
    /// # Errors
    /// [`Error::Length`] when no key is so long; [`Error::KeyWrap`] when it was wrapped under another key, or altered.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Key, Error> {
        let length = wrapped.len();
        if length != 16 + ADDED && length != 32 + ADDED {
            return Err(Error::Length {
                what: "wrapped key",
                expected: self.octets().len() + ADDED,
                got: length,
            });
        }
        let mut octets = Zeroizing::new([0; 32]);
        let key = match <&[u8; 16]>::try_from(self.octets()) {
            Ok(kek) => KwAes128::new(kek.into()).unwrap_key(wrapped, &mut octets[..]),
            Err(_) => KwAes256::new(self.long().into()).unwrap_key(wrapped, &mut octets[..]),
        };
        Key::try_from(key.map_err(|_| Error::KeyWrap)?)
    }
}
