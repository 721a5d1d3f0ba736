use super::{Cipher, Envelope, SecurityControl, Suite, SystemTitle, Wrapping};
use crate::Error;

/// The protection of one ciphered association: who talks to whom, with which keys, and how far the
/// peer has counted. Everything is authenticated and encrypted (0x30), in both directions.
#[derive(Debug)]
pub(crate) struct Shield {
    cipher: Cipher,
    own: SystemTitle,
    peer: SystemTitle,
    /// Counter of the peer's last authentic APDU.
    last: Option<u32>,
}

impl Shield {
    /// `last` is the peer's last counter, when one is known from before.
    pub(crate) fn new(cipher: Cipher, own: SystemTitle, peer: SystemTitle, last: Option<u32>) -> Self {
        Self { cipher, own, peer, last }
    }

    pub(crate) fn peer(&self) -> &SystemTitle {
        &self.peer
    }

    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }

    /// Appends `plain`, authenticated and encrypted, to `out`.
    pub(crate) fn seal(
        &self,
        wrap: SealAs,
        counter: u32,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let wrapping = match wrap {
            SealAs::Service => Wrapping::Global(*plain.first().ok_or(Error::Truncated)?),
            SealAs::General => Wrapping::GeneralGlobal(Some(self.own)),
        };
        seal(&self.cipher, &self.own, wrapping, counter, plain, out)
    }

    /// Unprotects in place what the peer sent and moves its counter on.
    ///
    /// The counter is judged after the tag, so only an authentic APDU moves it.
    pub(crate) fn open<'a>(&mut self, apdu: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let (envelope, body) = Envelope::read_demanding(apdu)?;
        let plain = envelope.open(&self.cipher, &self.peer, body)?;
        if let Some(last) = self.last
            && envelope.counter <= last
        {
            return Err(Error::CounterReplayed { last, got: envelope.counter });
        }
        self.last = Some(envelope.counter);
        Ok(plain)
    }

    /// Our answer to the peer's challenge.
    pub(crate) fn prove(&self, counter: u32, challenge: &[u8]) -> Result<[u8; super::PROOF_LENGTH], Error> {
        self.cipher.prove(Suite::Zero, &self.own, counter, challenge)
    }

    /// Whether `proof` is the peer's answer to our challenge.
    pub(crate) fn verify(&self, proof: &[u8], challenge: &[u8]) -> bool {
        self.cipher.verify(&self.peer, proof, challenge)
    }
}

/// How a protected APDU is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealAs {
    /// In the `glo-` APDU of its own service.
    Service,
    /// In `general-glo-ciphering`, with our title.
    General,
}

/// Appends `plain`, authenticated and encrypted, to `out`, before the peer's title is known.
pub(crate) fn seal(
    cipher: &Cipher,
    own: &SystemTitle,
    wrapping: Wrapping,
    counter: u32,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let control = SecurityControl::AUTHENTICATED_ENCRYPTED;
    Envelope { wrapping, control, counter }.seal(cipher, own, plain, out)
}
