use std::collections::BTreeMap;

use crate::Error;
use crate::apdu::GeneralBlock;

/// The APDU that comes in.
pub(super) struct Receiving {
    /// Most octets that are put together.
    limit: usize,
    whole: Vec<u8>,
    is_whole: bool,
    /// Number of the last block that came in order.
    in_order: u16,
    /// Blocks behind a lost one, with whether they are the last; at most a window of them.
    ahead: BTreeMap<u16, (bool, Vec<u8>)>,
}

impl Receiving {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, whole: Vec::new(), is_whole: false, in_order: 0, ahead: BTreeMap::new() }
    }

    /// Takes a block in its turn, keeps one that came too early, and passes over one that was there already.
    pub(super) fn take(&mut self, block: &GeneralBlock<'_>) -> Result<(), Error> {
        if block.number == 1 && self.has_begun() && !self.begins_with(block.octets) {
            // What came before belongs to an answer that nobody waits for any more.
            *self = Self::new(self.limit);
        }
        let expected = u32::from(self.in_order) + 1;
        let number = u32::from(block.number);
        if number < expected {
            return Ok(());
        }
        if number >= expected + u32::from(GeneralBlock::WINDOW_MAX) {
            return Err(Error::BlockNumber { expected, got: number });
        }
        if number > expected {
            let kept: usize = self.ahead.values().map(|(_, octets)| octets.len()).sum();
            self.check_length(kept + block.octets.len())?;
            self.ahead.insert(block.number, (block.last, block.octets.to_vec()));
            return Ok(());
        }
        if block.number == 1 {
            self.ahead.clear();
        }
        self.append(block.last, block.octets)?;
        while let Some(next) = self.in_order.checked_add(1)
            && let Some((last, octets)) = self.ahead.remove(&next)
        {
            self.append(last, &octets)?;
        }
        Ok(())
    }

    /// Number of the last block that came in order.
    pub(super) fn in_order(&self) -> u16 {
        self.in_order
    }

    /// Whether a piece of the APDU has come in its turn.
    pub(super) fn has_begun(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Whether a block is missing in front of one that came.
    pub(super) fn has_gap(&self) -> bool {
        !self.ahead.is_empty()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn begins_with(&self, octets: &[u8]) -> bool {
        self.whole.starts_with(octets)
    }

    pub(super) fn octets(&mut self) -> &mut [u8] {
        &mut self.whole
    }

    fn append(&mut self, last: bool, octets: &[u8]) -> Result<(), Error> {
        self.check_length(octets.len())?;
        if self.is_whole && !octets.is_empty() {
            // Behind its end come empty blocks only, which say how far the other direction has come.
            return Err(Error::Trailing { left: octets.len() });
        }
        self.in_order = self.in_order.saturating_add(1);
        self.whole.extend_from_slice(octets);
        self.is_whole |= last && !self.whole.is_empty();
        Ok(())
    }

    fn check_length(&self, more: usize) -> Result<(), Error> {
        match self.whole.len() + more > self.limit {
            true => Err(Error::TooLong { what: "APDU in blocks", limit: self.limit }),
            false => Ok(()),
        }
    }
}
