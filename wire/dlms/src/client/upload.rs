use std::fmt;

use super::association::Association;
use super::dialogue::{Awaiting, Service};
use super::short_names;
use crate::Error;
use crate::apdu::{ActionRequest, DataBlock, InvokeId, SetRequest};

/// Octets in front of a further block: tag, choice, invoke-id.
const BLOCK_HEADER: usize = 3;

/// A value that goes to the meter in blocks (Green Book, 9.3.7 and 9.3.8). It is held once; each block is a slice of it.
pub(super) struct Upload {
    value: Vec<u8>,
    sent: usize,
    /// Number of the block sent last; the first one is 1.
    number: u32,
}

impl Upload {
    pub(super) fn new(value: Vec<u8>) -> Self {
        Self { value, sent: 0, number: 0 }
    }

    /// The block that is due, with its header and length at most `room` octets long. It stays due until [`advance`](Self::advance).
    pub(super) fn due(&self, room: usize) -> DataBlock<'_> {
        let rest = &self.value[self.sent..];
        let octets = &rest[..rest.len().min(DataBlock::capacity(room))];
        DataBlock { last: octets.len() == rest.len(), number: self.number.saturating_add(1), octets }
    }

    /// The block that was due, of this many octets, is on its way.
    pub(super) fn advance(&mut self, octets: usize) {
        self.sent += octets;
        self.number = self.number.saturating_add(1);
    }

    /// Number of the block sent last.
    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl Association {
    /// Begins to send a value in blocks, the first one behind `header` octets.
    pub(super) fn upload(
        &mut self,
        (service, value): (Service, Vec<u8>),
        header: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(InvokeId, DataBlock<'_>, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let mut upload = Upload::new(value);
        let block = upload.due(self.room().saturating_sub(header));
        let length = block.octets.len();
        if length == 0 {
            return Err(Error::RequestTooLong { limit: self.limit() });
        }
        self.request(Awaiting::Taken(service), out, |invoke, plain| encode(invoke, block, plain))?;
        upload.advance(length);
        self.dialogue.upload = Some(upload);
        Ok(())
    }

    /// Sends the block that is due.
    pub(super) fn send_block(&mut self, service: Service, out: &mut Vec<u8>) -> Result<(), Error> {
        let header = if service == Service::Write { short_names::BLOCK_HEADER } else { BLOCK_HEADER };
        let (invoke, room) = (self.dialogue.invoke, self.room().saturating_sub(header));
        let Some(upload) = &self.dialogue.upload else { return Err(Error::Misuse("nothing is being sent")) };
        let block = upload.due(room);
        let (length, last, number) = (block.octets.len(), block.last, block.number);
        match service {
            Service::Action | Service::ActionList => {
                ActionRequest::Block { invoke, block }.encode(&mut self.scratch);
            }
            Service::Write => short_names::write_block(&block, &mut self.scratch),
            _ => SetRequest::Block { invoke, block }.encode(&mut self.scratch),
        }
        self.send(out)?;
        self.dialogue.awaiting = match (last, service) {
            (false, _) => Awaiting::Taken(service),
            (true, Service::Action | Service::ActionList) => Awaiting::Answer(service),
            (true, _) => Awaiting::LastTaken(service, number),
        };
        match &mut self.dialogue.upload {
            Some(upload) if !last => upload.advance(length),
            _ => self.dialogue.upload = None,
        }
        Ok(())
    }
}

/// What is sent may be a secret.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} of {} octets, block {})", self.sent, self.value.len(), self.number)
    }
}
