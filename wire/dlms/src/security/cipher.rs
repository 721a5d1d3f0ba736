use std::fmt;
use std::ops::Range;

use aes::{Aes128, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Nonce, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CHALLENGE_MAX, Key, SecurityControl, Suite, SystemTitle};
use crate::Error;
use crate::axdr::write_length;

/// Length of an authentication tag, in octets; the same in all suites.
pub const TAG_LENGTH: usize = 12;
/// Octets in front of what is protected: control octet and invocation counter.
pub(super) const FRONT: usize = 5;
/// Length of an HLS-GMAC proof, in octets: security control, invocation counter, tag.
pub const PROOF_LENGTH: usize = 1 + 4 + TAG_LENGTH;

/// Longest associated data of an APDU that is encrypted: security control and authentication key.
const HEADER_MAX: usize = 1 + 32;

/// The keys of one meter, ready for use. Expanding them costs more than ciphering a short APDU, so
/// one cipher serves a whole association.
///
/// Keys of 16 octets serve suites 0 and 1, which protect alike, keys of 32 octets suite 2.
pub struct Cipher {
    gcm: Gcm,
    authentication_key: Option<Key>,
}

enum Gcm {
    Aes128(AesGcm<Aes128, U12, U12>),
    Aes256(AesGcm<Aes256, U12, U12>),
}

impl Cipher {
    /// Expands the keys. Both have the length that the suite asks for; others serve no suite, and are refused when they are used.
    pub fn new(encryption_key: &Key, authentication_key: &Key) -> Self {
        Self {
            authentication_key: Some(authentication_key.clone()),
            ..Self::without_authentication_key(encryption_key)
        }
    }

    /// For what is encrypted only, and for profiles that authenticate without an authentication key (GBCS).
    pub fn without_authentication_key(encryption_key: &Key) -> Self {
        let gcm = match <&[u8; 16]>::try_from(encryption_key.octets()) {
            Ok(octets) => Gcm::Aes128(AesGcm::new(octets.into())),
            Err(_) => Gcm::Aes256(AesGcm::new(encryption_key.long().into())),
        };
        Self { gcm, authentication_key: None }
    }

    /// Protects `body` in place as `control` says, sent by `title` under `counter`, and returns the
    /// tag when there is one (Green Book, 9.2.7.2.4).
    ///
    /// # Errors
    /// Those of [`open`](Self::open) but [`Error::TagMismatch`] and [`Error::Truncated`].
    pub fn seal(
        &self,
        title: &SystemTitle,
        control: SecurityControl,
        counter: u32,
        body: &mut [u8],
    ) -> Result<Option<[u8; TAG_LENGTH]>, Error> {
        self.seal_behind(&[], title, control, counter, body)
    }

    /// Like [`seal`](Self::seal), and authenticates `fields`, which stand in front of the APDU in the clear.
    pub(super) fn seal_behind(
        &self,
        fields: &[u8],
        title: &SystemTitle,
        control: SecurityControl,
        counter: u32,
        body: &mut [u8],
    ) -> Result<Option<[u8; TAG_LENGTH]>, Error> {
        self.check(control)?;
        let nonce = nonce(title, counter);
        let header = self.header(control);
        match (control.is_authenticated(), control.is_encrypted()) {
            (true, true) => header.before(fields, &[], |aad| self.gcm.encrypt(&nonce, aad, body)).map(Some),
            (true, false) => {
                header.before(fields, body, |aad| self.gcm.encrypt(&nonce, aad, &mut [])).map(Some)
            }
            (false, _) => self.gcm.encrypt(&nonce, &[], body).map(|_| None),
        }
    }

    /// Appends what every protected APDU ends with: length, control octet, counter, `plain` protected, and the tag when there is one.
    /// `fields` is where in `out` stands what is authenticated, too. On an error, `out` is left as far as it came.
    pub(super) fn append(
        &self,
        fields: Range<usize>,
        title: &SystemTitle,
        (control, counter): (SecurityControl, u32),
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let tag_length = control.tag_length();
        write_length(FRONT + plain.len() + tag_length, out);
        out.push(control.octet());
        out.extend_from_slice(&counter.to_be_bytes());
        let body = out.len();
        out.extend_from_slice(plain);
        let (front, text) = out.split_at_mut(body);
        if let Some(tag) = self.seal_behind(&front[fields], title, control, counter, text)? {
            out.extend_from_slice(&tag);
        }
        Ok(())
    }

    /// Checks and unprotects in place what `title` sent under `counter`; `body` is ciphertext (or
    /// plain text, when only authenticated) with the tag, when there is one, at its end. Returns
    /// the plain text. What is refused stays as it came: nobody sees plain text whose tag is wrong.
    ///
    /// # Errors
    /// [`Error::TagMismatch`] when a key is wrong or an octet was altered, [`Error::Truncated`]
    /// when there is no room for the tag, [`Error::Protection`] when nothing is protected,
    /// [`Error::Compressed`], [`Error::Suite`], [`Error::KeyLength`] when the suite has other keys than these.
    pub fn open<'a>(
        &self,
        title: &SystemTitle,
        control: SecurityControl,
        counter: u32,
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        self.open_behind(&[], title, control, counter, body)
    }

    /// Like [`open`](Self::open), and checks `fields`, which stand in front of the APDU in the clear.
    pub(crate) fn open_behind<'a>(
        &self,
        fields: &[u8],
        title: &SystemTitle,
        control: SecurityControl,
        counter: u32,
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        self.check(control)?;
        let nonce = nonce(title, counter);
        if !control.is_authenticated() {
            // Counter mode is its own inverse.
            self.gcm.encrypt(&nonce, &[], body)?;
            return Ok(body);
        }
        let at = body.len().checked_sub(TAG_LENGTH).ok_or(Error::Truncated)?;
        let (text, tag) = body.split_at_mut(at);
        let tag: Tag<U12> = (&*tag).try_into().map_err(|_| Error::Truncated)?;
        let header = self.header(control);
        if control.is_encrypted() {
            header.before(fields, &[], |aad| self.gcm.decrypt(&nonce, aad, text, &tag))?;
        } else {
            header.before(fields, text, |aad| self.gcm.decrypt(&nonce, aad, &mut [], &tag))?;
        }
        Ok(text)
    }

    /// Answers a challenge as HLS mechanism 5 demands (Green Book, 9.2.7.4): the GMAC over it in `suite`, made
    /// by `title` under `counter`.
    ///
    /// # Errors
    /// [`Error::Length`] for a challenge of more than [`CHALLENGE_MAX`] octets; [`Error::KeyLength`] when the suite has other keys than these.
    pub fn prove(
        &self,
        suite: Suite,
        title: &SystemTitle,
        counter: u32,
        challenge: &[u8],
    ) -> Result<[u8; PROOF_LENGTH], Error> {
        if challenge.len() > CHALLENGE_MAX {
            return Err(Error::Length { what: "challenge", expected: CHALLENGE_MAX, got: challenge.len() });
        }
        let control = SecurityControl::AUTHENTICATED.with_suite(suite);
        self.check(control)?;
        let nonce = nonce(title, counter);
        let tag =
            self.header(control).before(&[], challenge, |aad| self.gcm.encrypt(&nonce, aad, &mut []))?;
        let mut proof = [0; PROOF_LENGTH];
        proof[0] = control.octet();
        proof[1..5].copy_from_slice(&counter.to_be_bytes());
        proof[5..].copy_from_slice(&tag);
        Ok(proof)
    }

    /// Whether `proof` is the answer that `title` owes to `challenge`. Compares in constant time.
    pub fn verify(&self, title: &SystemTitle, proof: &[u8], challenge: &[u8]) -> bool {
        let Some((control, counter)) = proof.split_first().and_then(|(control, rest)| {
            Some((SecurityControl::new(*control), u32::from_be_bytes(*rest.first_chunk()?)))
        }) else {
            return false;
        };
        let Ok(suite) = control.suite() else { return false };
        let Ok(owed) = self.prove(suite, title, counter, challenge) else { return false };
        owed.as_slice().ct_eq(proof).into()
    }

    fn check(&self, control: SecurityControl) -> Result<(), Error> {
        if control.is_compressed() {
            return Err(Error::Compressed);
        }
        let suite = control.suite()?;
        if !control.is_authenticated() && !control.is_encrypted() {
            let expected = SecurityControl::AUTHENTICATED_ENCRYPTED.with_suite(suite).octet();
            return Err(Error::Protection { expected, got: control.octet() });
        }
        let expected = suite.key_length();
        let needed = self.authentication_key.as_ref().filter(|_| control.is_authenticated());
        let lengths = [self.gcm.key_length(), needed.map_or(expected, |key| key.octets().len())];
        match lengths.into_iter().find(|length| *length != expected) {
            Some(got) => Err(Error::KeyLength { suite: suite.number(), expected, got }),
            None => Ok(()),
        }
    }

    fn header(&self, control: SecurityControl) -> Header {
        let mut header = Header { octets: Zeroizing::new([control.octet(); HEADER_MAX]), length: 1 };
        if let Some(key) = &self.authentication_key {
            header.length += key.octets().len();
            header.octets[1..header.length].copy_from_slice(key.octets());
        }
        header
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(***)")
    }
}

impl Gcm {
    const fn key_length(&self) -> usize {
        match self {
            Self::Aes128(_) => 16,
            Self::Aes256(_) => 32,
        }
    }

    fn encrypt(&self, nonce: &Nonce<U12>, aad: &[u8], body: &mut [u8]) -> Result<[u8; TAG_LENGTH], Error> {
        let too_long = Error::TooLong { what: "ciphered APDU", limit: u32::MAX as usize };
        let tag = match self {
            Self::Aes128(gcm) => gcm.encrypt_inout_detached(nonce, aad, body.into()),
            Self::Aes256(gcm) => gcm.encrypt_inout_detached(nonce, aad, body.into()),
        };
        tag.map(Into::into).map_err(|_| too_long)
    }

    fn decrypt(&self, nonce: &Nonce<U12>, aad: &[u8], body: &mut [u8], tag: &Tag<U12>) -> Result<(), Error> {
        let checked = match self {
            Self::Aes128(gcm) => gcm.decrypt_inout_detached(nonce, aad, body.into(), tag),
            Self::Aes256(gcm) => gcm.decrypt_inout_detached(nonce, aad, body.into(), tag),
        };
        checked.map_err(|_| Error::TagMismatch)
    }
}

/// What every authenticated APDU adds to its own octets: security control and authentication key.
struct Header {
    octets: Zeroizing<[u8; HEADER_MAX]>,
    length: usize,
}

impl Header {
    /// Hands on the associated data: these octets, `fields` and, where it is not encrypted, the `text`.
    fn before<T>(&self, fields: &[u8], text: &[u8], run: impl FnOnce(&[u8]) -> T) -> T {
        let header = &self.octets[..self.length];
        match (fields, text) {
            ([], []) => run(header),
            _ => run(&Zeroizing::new([header, fields, text].concat())),
        }
    }
}

fn nonce(title: &SystemTitle, counter: u32) -> Nonce<U12> {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(title.octets());
    nonce[8..].copy_from_slice(&counter.to_be_bytes());
    nonce.into()
}
