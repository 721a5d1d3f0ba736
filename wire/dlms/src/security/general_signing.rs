//! `general-signing` (Green Book, 9.2.7.4.4 and 9.5): an APDU with the signature of who wrote it.

use super::{GeneralHeader, PrivateKey, PublicKey};
use crate::Error;
use crate::axdr::{Reader, write_octets};

/// Tag of `general-signing`.
pub const GENERAL_SIGNING: u8 = 0xDF;

/// A signed APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneralSigning<'a> {
    /// Who writes to whom.
    pub header: GeneralHeader<'a>,
    /// The APDU, plain or ciphered.
    pub content: &'a [u8],
    /// r and s, see [`PublicKey::verify`].
    pub signature: &'a [u8],
    /// Header and content, as they came.
    signed: &'a [u8],
}

impl<'a> GeneralSigning<'a> {
    /// Takes the APDU apart. Nothing in it may be believed before [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`], [`Error::TooLong`], [`Error::Trailing`].
    pub fn read(apdu: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(apdu);
        let tag = reader.u8()?;
        if tag != GENERAL_SIGNING {
            return Err(Error::Unexpected { tag });
        }
        let inside = reader.rest();
        let header = GeneralHeader::read(&mut reader)?;
        let content = reader.octets()?;
        let signed = &inside[..inside.len() - reader.remaining()];
        let signature = reader.octets()?;
        reader.finish()?;
        Ok(Self { header, content, signature, signed })
    }

    /// The content, when the owner of `key` signed header and content.
    ///
    /// # Errors
    /// Those of [`PublicKey::verify`].
    pub fn verify(&self, key: &PublicKey) -> Result<&'a [u8], Error> {
        key.verify(self.signed, self.signature)?;
        Ok(self.content)
    }
}

/// Appends `content` to `out`, behind `header` and signed with `key`.
///
/// # Errors
/// Those of [`PrivateKey::sign`].
pub fn sign(
    header: &GeneralHeader<'_>,
    content: &[u8],
    key: &PrivateKey,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    out.push(GENERAL_SIGNING);
    header.encode(out);
    write_octets(content, out);
    match key.sign(&out[start + 1..]) {
        Ok(signature) => {
            write_octets(&signature, out);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}
