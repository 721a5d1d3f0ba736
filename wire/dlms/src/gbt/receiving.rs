use std::collections::BTreeMap;

use crate::Error;
use crate::apdu::GeneralBlock;

/// The APDU that comes in.
pub(super) struct Receiving {
    /// Most octets that are put together.
    limit: usize,
    /// The first block, as it came: what is put together may be deciphered in place.
    first: Option<Vec<u8>>,
    whole: Vec<u8>,
    is_whole: bool,
    /// Number of the last block that came in order.
    in_order: u16,
    /// Blocks behind a lost one, with whether they are the last; at most a window of them.
    ahead: BTreeMap<u16, (bool, Vec<u8>)>,
}

impl Receiving {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, first: None, whole: Vec::new(), is_whole: false, in_order: 0, ahead: BTreeMap::new() }
    }

    /// Takes a block in its turn, keeps one that came too early, and passes over one that was there already. Says whether it
    /// completes the APDU.
    pub(super) fn take(&mut self, block: &GeneralBlock<'_>) -> Result<bool, Error> {
        if block.number == 1 && !self.may_begin_with(block.octets) {
            // What came before belongs to an answer that nobody waits for any more.
            *self = Self::new(self.limit);
        }
        let expected = u32::from(self.in_order) + 1;
        let number = u32::from(block.number);
        if number < expected {
            return Ok(false);
        }
        if number >= expected + u32::from(GeneralBlock::WINDOW_MAX) {
            return Err(Error::BlockNumber { expected, got: number });
        }
        if number > expected {
            let kept: usize = self.ahead.values().map(|(_, octets)| octets.len()).sum();
            self.check_length(kept + block.octets.len())?;
            self.ahead.insert(block.number, (block.last, block.octets.to_vec()));
            return Ok(false);
        }
        let was_whole = self.is_whole;
        if block.number == 1 {
            self.first = Some(block.octets.to_vec());
            self.ahead.clear();
        }
        self.append(block.last, block.octets)?;
        while let Some(next) = self.in_order.checked_add(1)
            && let Some((last, octets)) = self.ahead.remove(&next)
        {
            self.append(last, &octets)?;
        }
        Ok(self.is_whole && !was_whole)
    }

    /// Number of the last block that came in order.
    pub(super) fn in_order(&self) -> u16 {
        self.in_order
    }

    /// Blocks that came with one missing in front of them.
    pub(super) fn ahead(&self) -> usize {
        self.ahead.len()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether a first block with these octets belongs here: no other one came.
    pub(super) fn may_begin_with(&self, octets: &[u8]) -> bool {
        self.first.as_ref().is_none_or(|first| first == octets)
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
