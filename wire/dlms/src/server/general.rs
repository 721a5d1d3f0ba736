//! Requests and answers in general block transfer.

use super::Objects;
use super::incoming::VALUE_MAX;
use super::session::{NOT_POSSIBLE, Session, UNKNOWN};
use crate::gbt::{Limits, Progress, Transfer};
use crate::{Conformance, Error, ExceptionResponse};

/// Blocks that we take in one go.
const WINDOW: u8 = 6;

impl Session {
    /// Appends the block that follows what was written last without a request in between, an APDU of its own; false when there is
    /// none. To be called after [`handle`](Self::handle) until it is false.
    pub fn stream(&mut self, out: &mut Vec<u8>) -> bool {
        self.general.as_mut().is_some_and(|transfer| transfer.poll(out))
    }

    /// Takes a block of a request and, when it is whole, begins to answer it.
    pub(super) fn general_block(
        &mut self,
        apdu: &[u8],
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        if !self.is_associated() || !self.agreed.conformance.contains(Conformance::GENERAL_BLOCK_TRANSFER) {
            return Err(UNKNOWN);
        }
        let under_way = self.general.take().filter(|transfer| !transfer.is_left_behind_by(apdu));
        let limits = Limits { window: WINDOW, pdu: self.limit(), received: VALUE_MAX };
        let mut transfer = under_way.unwrap_or_else(|| Box::new(Transfer::answering(limits)));
        match transfer.handle(apdu) {
            Ok(Progress::Wait) => {}
            Ok(Progress::Due) => {
                transfer.poll(out);
            }
            Ok(Progress::Whole) => {
                let mut answer = Vec::new();
                self.is_general = true;
                self.answer_or_refuse(transfer.received(), objects, &mut answer);
                self.is_general = false;
                transfer.send(answer).map_err(|_| NOT_POSSIBLE)?;
                transfer.poll(out);
            }
            Err(Error::TransferAborted) => return Ok(()),
            Err(_) => {
                transfer.abort(out);
                return Ok(());
            }
        }
        self.general = Some(transfer);
        Ok(())
    }
}
