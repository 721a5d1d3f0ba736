use std::fmt;

use crate::apdu::DataBlock;

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

/// What is sent may be a secret.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} of {} octets, block {})", self.sent, self.value.len(), self.number)
    }
}
