//! High level security: each side proves to the other that it knows a secret, on a challenge that the other set
//! (Green Book, 9.2.7.4).

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{CHALLENGE_MAX, CHALLENGE_MIN, Cipher, Password, PrivateKey, PublicKey, Suite, SystemTitle};
use crate::Error;
use crate::acse::Mechanism;

/// Octets of a block of AES, and longest secret of mechanism 2.
const BLOCK: usize = 16;

/// How both sides prove who they are, and what they need for it.
#[derive(Clone, Debug)]
pub enum Hls {
    /// Mechanism 2, left to manufacturers, as most of them have it: the challenge encrypted with AES-128 (ECB) under the secret, both
    /// filled up with zeros to whole blocks. The secret has at most 16 octets.
    Manufacturer {
        /// Known to both sides.
        secret: Password,
    },
    /// Mechanism 3: MD5 of challenge and secret.
    Md5 {
        /// Known to both sides.
        secret: Password,
    },
    /// Mechanism 4: SHA-1 of challenge and secret.
    Sha1 {
        /// Known to both sides.
        secret: Password,
    },
    /// Mechanism 5: GMAC of the challenge under the global keys.
    Gmac,
    /// Mechanism 6: SHA-256 of secret, both titles and both challenges.
    Sha256 {
        /// Known to both sides.
        secret: Password,
    },
    /// Mechanism 7: ECDSA over both titles and both challenges.
    Ecdsa {
        /// Our key for digital signatures.
        signing: PrivateKey,
        /// The other side's.
        verifying: PublicKey,
    },
}

/// What one proof is about, as seen by the side that makes it.
#[derive(Clone, Copy, Debug)]
pub struct Dialogue<'a> {
    /// Title of the side that proves; `None` counts as no octets.
    pub prover: Option<&'a SystemTitle>,
    /// Title of the side that set the challenge; `None` counts as no octets.
    pub verifier: Option<&'a SystemTitle>,
    /// The challenge that the proof answers.
    pub challenge: &'a [u8],
    /// The challenge that the proving side set in its turn.
    pub countered: &'a [u8],
}

impl Dialogue<'_> {
    /// What SHA-256 and ECDSA cover, in its order.
    fn parts(&self) -> [&[u8]; 4] {
        let [own, other] =
            [self.prover, self.verifier].map(|title| title.map_or(&[][..], |title| title.octets()));
        [own, other, self.challenge, self.countered]
    }
}

impl Hls {
    /// The mechanism that the AARQ names.
    pub const fn mechanism(&self) -> Mechanism {
        match self {
            Self::Manufacturer { .. } => Mechanism::Manufacturer,
            Self::Md5 { .. } => Mechanism::Md5,
            Self::Sha1 { .. } => Mechanism::Sha1,
            Self::Gmac => Mechanism::Gmac,
            Self::Sha256 { .. } => Mechanism::Sha256,
            Self::Ecdsa { .. } => Mechanism::Ecdsa,
        }
    }

    /// Whether the titles of both sides go into the proof.
    pub(crate) const fn takes_titles(&self) -> bool {
        matches!(self, Self::Gmac | Self::Sha256 { .. } | Self::Ecdsa { .. })
    }

    /// Answers the challenge. GMAC needs the prover's cipher, its suite and a counter of its own.
    ///
    /// # Errors
    /// [`Error::Length`] for a challenge that is too long, or a secret that is too long for mechanism 2; [`Error::Misuse`] for GMAC without
    /// cipher or title.
    pub fn prove(
        &self,
        dialogue: &Dialogue<'_>,
        gmac: Option<(&Cipher, Suite, u32)>,
    ) -> Result<Vec<u8>, Error> {
        let Dialogue { prover, challenge, .. } = *dialogue;
        Ok(match self {
            Self::Manufacturer { secret } => encrypted(secret, challenge)?,
            Self::Md5 { secret } => digest::<Md5>(&[challenge, secret.octets()]),
            Self::Sha1 { secret } => digest::<Sha1>(&[challenge, secret.octets()]),
            Self::Gmac => match (gmac, prover) {
                (Some((cipher, suite, counter)), Some(title)) => {
                    cipher.prove(suite, title, counter, challenge)?.to_vec()
                }
                _ => return Err(Error::Misuse("GMAC needs keys and a system title")),
            },
            Self::Sha256 { secret } => {
                let [own, other, to_answer, countered] = dialogue.parts();
                digest::<Sha256>(&[secret.octets(), own, other, to_answer, countered])
            }
            Self::Ecdsa { signing, .. } => signing.sign(&dialogue.parts().concat())?,
        })
    }

    /// Whether `proof` is what the prover owes; compared in constant time. GMAC needs the cipher.
    pub fn verify(&self, dialogue: &Dialogue<'_>, proof: &[u8], cipher: Option<&Cipher>) -> bool {
        match self {
            Self::Gmac => match (cipher, dialogue.prover) {
                (Some(cipher), Some(title)) => cipher.verify(title, proof, dialogue.challenge),
                _ => false,
            },
            Self::Ecdsa { verifying, .. } => verifying.verify(&dialogue.parts().concat(), proof).is_ok(),
            _ => self.prove(dialogue, None).is_ok_and(|owed| owed.as_slice().ct_eq(proof).into()),
        }
    }
}

/// What one side has the other prove itself on: 8 to 64 octets, unpredictable and never used before.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge(Vec<u8>);

impl Challenge {
    /// The octets as they are sent.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Becomes the number that follows, read as one large number.
    pub(crate) fn step(&mut self) {
        for octet in self.0.iter_mut().rev() {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                break;
            }
        }
    }
}

impl From<[u8; 16]> for Challenge {
    fn from(octets: [u8; 16]) -> Self {
        Self(octets.to_vec())
    }
}

impl From<[u8; 32]> for Challenge {
    fn from(octets: [u8; 32]) -> Self {
        Self(octets.to_vec())
    }
}

impl TryFrom<&[u8]> for Challenge {
    type Error = Error;

    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        if (CHALLENGE_MIN..=CHALLENGE_MAX).contains(&octets.len()) {
            return Ok(Self(octets.to_vec()));
        }
        Err(Error::Length { what: "challenge", expected: CHALLENGE_MIN, got: octets.len() })
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({} octets)", self.0.len())
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(D::new(), Digest::chain_update).finalize().to_vec()
}

fn encrypted(secret: &Password, challenge: &[u8]) -> Result<Vec<u8>, Error> {
    let mut key = [0; BLOCK];
    let (secret, wrong) = (secret.octets(), |got| Error::Length { what: "secret", expected: BLOCK, got });
    key.get_mut(..secret.len()).ok_or(wrong(secret.len()))?.copy_from_slice(secret);
    let aes = Aes128::new(&key.into());
    let mut proof = Vec::with_capacity(challenge.len().next_multiple_of(BLOCK));
    for part in challenge.chunks(BLOCK) {
        let mut block = [0; BLOCK];
        block[..part.len()].copy_from_slice(part);
        let mut block = block.into();
        aes.encrypt_block(&mut block);
        proof.extend_from_slice(&block);
    }
    Ok(proof)
}
