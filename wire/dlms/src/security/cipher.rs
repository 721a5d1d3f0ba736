use std::fmt;

use aes::Aes128;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Nonce, Tag};
use subtle::ConstantTimeEq;

use super::{CHALLENGE_MAX, Key, SecurityControl, SystemTitle};
use crate::Error;

/// Length of an authentication tag of suite 0, in octets.
pub const TAG_LENGTH: usize = 12;
/// Length of an HLS-GMAC proof, in octets: security control, invocation counter, tag.
pub const PROOF_LENGTH: usize = 1 + 4 + TAG_LENGTH;

const AUTHENTICATED_HEADER: usize = 17;

/// The keys of one meter, ready for use. Expanding them costs more than ciphering a short APDU, so
/// one cipher serves a whole association.
pub struct Cipher {
    gcm: AesGcm<Aes128, U12, U12>,
    authentication_key: Key,
}

impl Cipher {
    /// Expands the keys.
    pub fn new(encryption_key: &Key, authentication_key: &Key) -> Self {
        let gcm = AesGcm::new(encryption_key.octets().into());
        Self { gcm, authentication_key: authentication_key.clone() }
    }

    /// Protects `body` in place as `control` says, sent by `title` under `counter`, and returns the
    /// tag when there is one (Green Book, 9.2.7.2.4).
    ///
    /// # Errors
    /// [`Error::Protection`] for a control octet that suite 0 does not serve.
    pub fn seal(
        &self,
        title: &SystemTitle,
        control: SecurityControl,
        counter: u32,
        body: &mut [u8],
    ) -> Result<Option<[u8; TAG_LENGTH]>, Error> {
        check(control)?;
        let nonce = nonce(title, counter);
        if !control.is_encrypted() {
            let aad = [&self.header(control)[..], body].concat();
            return self.run(&nonce, &aad, &mut []).map(Some);
        }
        if !control.is_authenticated() {
            self.run(&nonce, &[], body)?;
            return Ok(None);
        }
        self.run(&nonce, &self.header(control), body).map(Some)
    }

    /// Checks and unprotects in place what `title` sent under `counter`; `body` is ciphertext (or
    /// plain text, when only authenticated) with the tag, when there is one, at its end. Returns
    /// the plain text.
    ///
    /// # Errors
    /// [`Error::TagMismatch`] when a key is wrong or an octet was altered, [`Error::Truncated`]
    /// when there is no room for the tag, [`Error::Protection`] for a control octet not served.
    pub fn open<'a>(
        &self,
        title: &SystemTitle,
        control: SecurityControl,
        counter: u32,
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        check(control)?;
        let nonce = nonce(title, counter);
        if !control.is_authenticated() {
            // Counter mode is its own inverse.
            self.run(&nonce, &[], body)?;
            return Ok(body);
        }
        let at = body.len().checked_sub(TAG_LENGTH).ok_or(Error::Truncated)?;
        let (text, tag) = body.split_at_mut(at);
        let tag: Tag<U12> = (&*tag).try_into().map_err(|_| Error::Truncated)?;
        let checked = if control.is_encrypted() {
            self.gcm.decrypt_inout_detached(&nonce, &self.header(control), (&mut *text).into(), &tag)
        } else {
            let aad = [&self.header(control)[..], text].concat();
            self.gcm.decrypt_inout_detached(&nonce, &aad, (&mut [][..]).into(), &tag)
        };
        checked.map_err(|_| Error::TagMismatch)?;
        Ok(text)
    }

    /// Answers a challenge as HLS mechanism 5 demands (Green Book, 9.2.7.4): the GMAC over it, made
    /// by `title` under `counter`.
    ///
    /// # Errors
    /// [`Error::Length`] for a challenge of more than [`CHALLENGE_MAX`] octets.
    pub fn prove(
        &self,
        title: &SystemTitle,
        counter: u32,
        challenge: &[u8],
    ) -> Result<[u8; PROOF_LENGTH], Error> {
        let control = SecurityControl::AUTHENTICATED;
        let mut aad = [0; AUTHENTICATED_HEADER + CHALLENGE_MAX];
        let end = AUTHENTICATED_HEADER + challenge.len();
        let wrong = Error::Length { what: "challenge", expected: CHALLENGE_MAX, got: challenge.len() };
        let aad = aad.get_mut(..end).ok_or(wrong)?;
        aad[..AUTHENTICATED_HEADER].copy_from_slice(&self.header(control));
        aad[AUTHENTICATED_HEADER..].copy_from_slice(challenge);
        let tag = self.run(&nonce(title, counter), aad, &mut [])?;
        let mut proof = [0; PROOF_LENGTH];
        proof[0] = control.octet();
        proof[1..5].copy_from_slice(&counter.to_be_bytes());
        proof[5..].copy_from_slice(&tag);
        Ok(proof)
    }

    /// Whether `proof` is the answer that `title` owes to `challenge`. Compares in constant time.
    pub fn verify(&self, title: &SystemTitle, proof: &[u8], challenge: &[u8]) -> bool {
        let Some(counter) = proof.get(1..5).and_then(|octets| octets.try_into().ok()) else {
            return false;
        };
        let Ok(owed) = self.prove(title, u32::from_be_bytes(counter), challenge) else { return false };
        owed.as_slice().ct_eq(proof).into()
    }

    fn run(&self, nonce: &Nonce<U12>, aad: &[u8], body: &mut [u8]) -> Result<[u8; TAG_LENGTH], Error> {
        let too_long = Error::Length { what: "ciphered APDU", expected: u32::MAX as usize, got: body.len() };
        let tag = self.gcm.encrypt_inout_detached(nonce, aad, body.into()).map_err(|_| too_long)?;
        Ok(tag.into())
    }

    /// What every authenticated APDU adds to its own octets: security control and authentication key.
    fn header(&self, control: SecurityControl) -> [u8; AUTHENTICATED_HEADER] {
        let mut header = [control.octet(); AUTHENTICATED_HEADER];
        header[1..].copy_from_slice(self.authentication_key.octets());
        header
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(***)")
    }
}

fn check(control: SecurityControl) -> Result<(), Error> {
    let protects = control.is_authenticated() || control.is_encrypted();
    if control.suite() != 0 || control.is_compressed() || !protects {
        return Err(Error::Protection {
            expected: SecurityControl::AUTHENTICATED_ENCRYPTED.octet(),
            got: control.octet(),
        });
    }
    Ok(())
}

fn nonce(title: &SystemTitle, counter: u32) -> Nonce<U12> {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(title.octets());
    nonce[8..].copy_from_slice(&counter.to_be_bytes());
    nonce.into()
}
