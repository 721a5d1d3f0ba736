/// A value that goes out in blocks. The value is held once; each block is a slice of it.
#[derive(Debug)]
pub(super) struct Transfer {
    value: Vec<u8>,
    sent: usize,
    /// Number of the block sent last; the first one is 1.
    number: u32,
    invoke_id: u8,
}

/// One block of a transfer.
pub(super) struct Block<'a> {
    pub(super) last: bool,
    pub(super) number: u32,
    pub(super) octets: &'a [u8],
}

impl Transfer {
    pub(super) fn new(value: Vec<u8>, invoke_id: u8) -> Self {
        Self { value, sent: 0, number: 0, invoke_id }
    }

    /// Whether a client that received block `number` under this invoke-id may have the next one.
    pub(super) fn continues(&self, invoke_id: u8, number: u32) -> bool {
        self.invoke_id == invoke_id && self.number == number
    }

    /// The next block, of at most `room` octets.
    pub(super) fn next(&mut self, room: usize) -> Block<'_> {
        let start = self.sent;
        self.sent = self.value.len().min(start + room);
        self.number += 1;
        let last = self.sent == self.value.len();
        Block { last, number: self.number, octets: &self.value[start..self.sent] }
    }

    /// Gives the memory back for the next value.
    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.value.clear();
        self.value
    }
}
