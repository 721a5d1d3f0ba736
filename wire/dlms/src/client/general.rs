//! Requests and answers in general block transfer.

use super::answer::take;
use super::association::Association;
use super::dialogue::Reply;
use crate::gbt::{Limits, Progress, Transfer};
use crate::{Conformance, Error};

/// Longest answer that is put together, in octets.
const ANSWER_MAX: usize = 1 << 20;

impl Association {
    /// From the next request on, requests go in general block transfer, which lets the meter answer with as many as `window` blocks in
    /// one go (1 to 63): worth it where an answer is a long way off. Without effect when the meter did not grant the service.
    pub fn use_general_blocks(&mut self, window: u8) {
        self.window = Some(window).filter(|_| self.offers(Conformance::GENERAL_BLOCK_TRANSFER));
    }

    /// Appends the block that follows the request or block written last without an answer in between, an APDU of its own; false
    /// when there is none. To be called after every request and every [`next_block`](Self::next_block) until it is false.
    pub fn stream(&mut self, out: &mut Vec<u8>) -> bool {
        self.general.as_mut().is_some_and(|transfer| transfer.poll(out))
    }

    /// The meter has been silent for too long: appends what is sent again, which is never the whole of a request that it may have
    /// carried out; false when there is nothing of the kind.
    pub fn unanswered(&mut self, out: &mut Vec<u8>) -> bool {
        if self.dialogue.is_ours() {
            return false;
        }
        self.general.as_mut().is_some_and(|transfer| transfer.unanswered() && transfer.poll(out))
    }

    /// Begins a transfer with the protected request.
    pub(super) fn send_general(&mut self, apdu: Vec<u8>, window: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut transfer = Transfer::asking(self.limits_of(window));
        transfer.send(apdu)?;
        transfer.poll(out);
        self.general = Some(Box::new(transfer));
        Ok(())
    }

    /// Writes the block that is due.
    pub(super) fn next_general(&mut self, out: &mut Vec<u8>) -> bool {
        std::mem::take(&mut self.is_turn) && self.stream(out)
    }

    /// Takes a block, and the answer when it is whole.
    pub(super) fn general_block<'a>(&'a mut self, apdu: &[u8]) -> Result<Reply<'a>, Error> {
        if self.dialogue.is_ours() {
            return Ok(Reply::Stale);
        }
        let limits = self.limits_of(1);
        let transfer = self.general.get_or_insert_with(|| Box::new(Transfer::asking(limits)));
        match transfer.handle(apdu)? {
            Progress::Wait => Ok(Reply::Streamed),
            Progress::Due => {
                self.is_turn = true;
                Ok(Reply::Turn)
            }
            Progress::Whole => take(&mut self.protection, &mut self.dialogue, transfer.received()),
        }
    }

    fn limits_of(&self, window: u8) -> Limits {
        Limits { window, pdu: self.limit(), received: ANSWER_MAX }
    }
}
