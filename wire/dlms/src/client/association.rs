use std::fmt;

use super::Counters;
use super::dialogue::{Awaiting, Dialogue};
use crate::Error;
use crate::acse::{Release, ReleaseKind};
use crate::apdu::InvokeId;
use crate::gbt::Transfer;
use crate::initiate::{Conformance, InitiateRequest};
use crate::security::{Manner, Shield, SystemTitle};

/// Room for the requests of a block transfer; longer ones grow it once.
const SCRATCH: usize = 128;
/// What client and meter agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Longest APDU that the meter accepts, in octets; 0 when it names no limit.
    pub max_send_pdu: u16,
    /// Services that the meter granted.
    pub conformance: Conformance,
    /// The meter's system title, when it told it.
    pub server_title: Option<SystemTitle>,
}

/// An open association. Every request appends one APDU to `out`, ciphered when the association is.
///
/// A request replaces the one before: an answer to that one is [`Reply::Stale`] from then on. When a
/// request fails, `out` is as it was before.
pub struct Association {
    pub(super) protection: Option<Protection>,
    negotiated: Negotiated,
    initiate: InitiateRequest,
    pub(super) dialogue: Dialogue,
    /// Blocks that the meter may answer with in one go, when requests go in general block transfer.
    pub(super) window: Option<u8>,
    /// The general block transfer of the request under way.
    pub(super) general: Option<Box<Transfer>>,
    /// Whether the meter waits for our next block in it.
    pub(super) is_turn: bool,
    pub(super) scratch: Vec<u8>,
}

/// The request written last may hold a secret, for example a new password, and is not shown.
impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("protection", &self.protection)
            .field("negotiated", &self.negotiated)
            .field("dialogue", &self.dialogue)
            .field("general", &self.general)
            .finish_non_exhaustive()
    }
}

/// What a ciphered association needs: keys and counters.
#[derive(Debug)]
pub(super) struct Protection {
    pub(super) shield: Box<Shield>,
    pub(super) counters: Counters,
    /// How requests are wrapped, and whether the dedicated key is in use.
    pub(super) manner: Manner,
}

impl Association {
    pub(super) fn new(
        protection: Option<Protection>,
        negotiated: Negotiated,
        initiate: InitiateRequest,
    ) -> Self {
        let (dialogue, scratch) = (Dialogue::new(), Vec::with_capacity(SCRATCH));
        Self {
            protection,
            negotiated,
            initiate,
            dialogue,
            window: None,
            general: None,
            is_turn: false,
            scratch,
        }
    }

    /// What client and meter agreed on.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// The invocation counters that are left, when the association is ciphered.
    pub fn counters(&self) -> Option<&Counters> {
        self.protection.as_ref().map(|protection| &protection.counters)
    }

    /// From here on requests are protected by the dedicated key, when there is one.
    pub(super) fn use_dedicated_key(&mut self) {
        if let Some(Protection { shield, manner, .. }) = &mut self.protection {
            manner.dedicated = shield.is_dedicated();
        }
    }

    /// Asks the meter to release the association; without an answer, closing the line does it, too.
    ///
    /// # Errors
    /// [`Error::CountersSpent`].
    pub fn release(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut information = Vec::new();
        match &mut self.protection {
            Some(Protection { shield, counters, manner }) if shield.is_ciphered() => {
                shield.seal_initiate(manner.wrap, counters, &self.initiate, &mut information)?;
            }
            _ => {}
        }
        let user_information = (!information.is_empty()).then_some(&information[..]);
        Release { reason: Some(0), user_information }.encode(ReleaseKind::Request, out);
        self.dialogue.awaiting = Awaiting::Release;
        Ok(())
    }

    /// Writes a request under the next invoke-id and, once it is on its way, awaits its answer.
    pub(super) fn request(
        &mut self,
        awaiting: Awaiting,
        out: &mut Vec<u8>,
        encode: impl FnOnce(InvokeId, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let invoke = InvokeId::confirmed(self.dialogue.invoke.id() + 1);
        self.scratch.clear();
        encode(invoke, &mut self.scratch);
        self.send(out)?;
        (self.dialogue.invoke, self.dialogue.awaiting, self.dialogue.upload) = (invoke, awaiting, None);
        Ok(())
    }

    pub(super) fn offers(&self, service: Conformance) -> bool {
        self.negotiated.conformance.contains(service)
    }

    /// Longest APDU that may be sent. The wrapper carries no more than the highest limit either.
    pub(super) fn limit(&self) -> usize {
        usize::from(match self.negotiated.max_send_pdu {
            0 => u16::MAX,
            limit => limit,
        })
    }

    /// Longest plain APDU that may be sent.
    pub(super) fn room(&self) -> usize {
        match &self.protection {
            Some(Protection { shield, manner, .. }) => shield.room(self.limit(), manner.wrap),
            None => self.limit(),
        }
    }

    pub(super) fn fits(&self, plain: usize) -> bool {
        self.window.is_some() || plain <= self.room()
    }

    /// Protects the scratch when the association is ciphered and appends it, or its first general block, to `out`.
    pub(super) fn send(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if !self.fits(self.scratch.len()) {
            return Err(Error::RequestTooLong { limit: self.limit() });
        }
        (self.general, self.is_turn) = (None, false);
        match self.window {
            None => self.protect(out),
            Some(window) => {
                let mut apdu = Vec::new();
                self.protect(&mut apdu)?;
                self.send_general(apdu, window, out)
            }
        }
    }

    fn protect(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.protection {
            None => out.extend_from_slice(&self.scratch),
            Some(Protection { shield, counters, manner }) => {
                shield.seal(*manner, counters, &self.scratch, out)?;
            }
        }
        Ok(())
    }
}
