use crate::Error;

/// The APDU that goes out. It is held once; each block is a slice of it, and can be written again until the peer has it.
#[derive(Default)]
pub(super) struct Sending {
    apdu: Vec<u8>,
    /// Octets of a block.
    capacity: usize,
    /// Number of the block in front of the first one with a piece of the APDU: those up to it were empty, and only said how far the
    /// other direction has come.
    base: u16,
    /// Number of the last block that the peer has.
    confirmed: u16,
    /// Number of the block written last.
    written: u16,
    /// The highest number that was ever written.
    highest: u16,
    /// Blocks that may be written now.
    granted: u16,
}

/// A block to write.
pub(super) struct Piece<'a> {
    pub(super) number: u16,
    /// Whether the APDU ends with it, or ended before it.
    pub(super) last: bool,
    /// Whether another one may follow at once.
    pub(super) more: bool,
    pub(super) octets: &'a [u8],
}

impl Sending {
    /// Sends `apdu` behind whatever was sent before.
    pub(super) fn begin(&mut self, apdu: Vec<u8>, capacity: usize) -> Result<(), Error> {
        let blocks = apdu.len().div_ceil(capacity);
        let free = u16::MAX - self.highest;
        if blocks > usize::from(free) {
            return Err(Error::TooLong { what: "APDU in blocks", limit: usize::from(free) * capacity });
        }
        // Empty blocks that the peer may have missed go in front.
        (self.apdu, self.capacity, self.base) = (apdu, capacity, self.highest);
        Ok(())
    }

    pub(super) fn has_begun(&self) -> bool {
        !self.apdu.is_empty()
    }

    /// Whether the whole APDU was written.
    pub(super) fn is_all_out(&self) -> bool {
        self.highest >= self.last()
    }

    /// Whether the peer has the whole APDU.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed >= self.last()
    }

    /// Number of the last block that the peer has.
    pub(super) fn confirmed(&self) -> u16 {
        self.confirmed
    }

    /// The peer has every block up to this one. What was never written cannot be confirmed.
    pub(super) fn confirm(&mut self, number: u16) {
        self.confirmed = self.confirmed.max(number.min(self.highest));
    }

    /// The peer has the whole APDU, as far as it was written.
    pub(super) fn confirm_all(&mut self) {
        self.confirm(self.last());
    }

    /// The peer takes so many blocks: those behind the last one that it has, or an empty one when it has all.
    pub(super) fn grant(&mut self, window: u8) {
        self.written = self.confirmed;
        self.granted = self.last().saturating_sub(self.confirmed).clamp(1, u16::from(window.max(1)));
    }

    /// The next block that may be written.
    pub(super) fn next(&mut self) -> Option<Piece<'_>> {
        self.granted = self.granted.checked_sub(1)?;
        self.written = self.written.checked_add(1)?;
        self.highest = self.highest.max(self.written);
        let (number, last) = (self.written, self.has_begun() && self.written >= self.last());
        let place =
            number.checked_sub(self.base.saturating_add(1)).map(|block| usize::from(block) * self.capacity);
        let rest = place.and_then(|from| self.apdu.get(from..)).unwrap_or_default();
        let octets = &rest[..rest.len().min(self.capacity)];
        Some(Piece { number, last, more: self.granted > 0, octets })
    }

    /// Number of the last block with a piece of the APDU.
    fn last(&self) -> u16 {
        let blocks = self.apdu.len().div_ceil(self.capacity.max(1));
        // They were counted when it began.
        self.base.saturating_add(u16::try_from(blocks).unwrap_or(u16::MAX))
    }
}
