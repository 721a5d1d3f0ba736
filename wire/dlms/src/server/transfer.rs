use crate::apdu::DataBlock;

/// A value that goes out in blocks. The value is held once; each block is a slice of it.
#[derive(Debug)]
pub(super) struct Transfer {
    sending: Sending,
    value: Vec<u8>,
    sent: usize,
    /// Number of the block sent last; the first one is 1.
    number: u32,
    invoke_id: u8,
}

/// What a transfer is an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// A GET: the value of an attribute.
    Value,
    /// An ACTION: what the method returned.
    Returned,
}

impl Transfer {
    pub(super) fn new(sending: Sending, value: Vec<u8>, invoke_id: u8) -> Self {
        Self { sending, value, sent: 0, number: 0, invoke_id }
    }

    pub(super) fn sending(&self) -> Sending {
        self.sending
    }

    /// Whether a client that received block `number` under this invoke-id may have the next one.
    pub(super) fn continues(&self, invoke_id: u8, number: u32) -> bool {
        self.invoke_id == invoke_id && self.number == number
    }

    /// The next block, of at most `room` octets.
    pub(super) fn next(&mut self, room: usize) -> DataBlock<'_> {
        let start = self.sent;
        self.sent = self.value.len().min(start + room);
        self.number += 1;
        let last = self.sent == self.value.len();
        DataBlock { last, number: self.number, octets: &self.value[start..self.sent] }
    }

    /// Gives the memory back for the next value.
    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.value.clear();
        self.value
    }
}
