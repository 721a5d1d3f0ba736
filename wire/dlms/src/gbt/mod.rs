//! General block transfer (Green Book, 9.3.13 and 9.4.6.13): an APDU of any service, protected or not, goes in pieces, in windows of
//! up to 63 blocks, and lost blocks are sent again.
//!
//! A [`Transfer`] is one exchange as one side sees it: the APDU that it sends (`sending`) and the one that it receives (`receiving`).
//! Both sides count their blocks from 1, each block says how far the other direction has come, and the sender of a block says
//! how many it takes in one go. Order of use: [`Transfer::send`] takes what is to be sent; [`Transfer::poll`] writes blocks
//! until it returns false; a block of the peer goes to [`Transfer::handle`], which says what comes next.
//! Time is the caller's: [`Transfer::unanswered`] when none comes.

mod receiving;
mod sending;

use std::fmt;

use crate::Error;
use crate::apdu::GeneralBlock;
use receiving::Receiving;
use sending::Sending;

/// Blocks in a row that may bring nothing new: more than a window that was repeated as a whole.
const IDLE_MAX: u16 = 2 * GeneralBlock::WINDOW_MAX as u16;

/// What comes next in a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The peer sends more unasked.
    Wait,
    /// Blocks are to be sent: [`Transfer::poll`].
    Due,
    /// The peer's APDU is whole: [`Transfer::received`].
    Whole,
}

/// Sizes of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Blocks that this side takes in one go, 1 to 63.
    pub window: u8,
    /// Longest APDU that the peer accepts, in octets.
    pub pdu: usize,
    /// Longest APDU that is put together from blocks, in octets.
    pub received: usize,
}

/// One exchange in blocks.
pub struct Transfer {
    /// Whether this side has the clock and sends again when no answer comes. The other one answers every block instead.
    asks: bool,
    limits: Limits,
    sending: Sending,
    receiving: Receiving,
    /// Blocks that the peer takes in one go; 1 until it says so.
    peer_window: u8,
    /// What the peer was told last that it may go on from.
    acknowledged: u16,
    /// Blocks in a row that brought nothing new.
    idle: u16,
}

impl Transfer {
    /// The side that sends a request.
    pub fn asking(limits: Limits) -> Self {
        Self::new(true, limits)
    }

    /// The side that receives one, or what is sent unasked.
    pub fn answering(limits: Limits) -> Self {
        Self::new(false, limits)
    }

    fn new(asks: bool, limits: Limits) -> Self {
        Self {
            asks,
            limits: Limits { window: limits.window.clamp(1, GeneralBlock::WINDOW_MAX), ..limits },
            sending: Sending::default(),
            receiving: Receiving::new(limits.received),
            peer_window: 1,
            acknowledged: 0,
            idle: 0,
        }
    }

    /// Sends an APDU: the request, or the answer to the one received.
    ///
    /// # Errors
    /// [`Error::TooLong`] when it needs more blocks than can be counted.
    pub fn send(&mut self, apdu: Vec<u8>) -> Result<(), Error> {
        self.sending.begin(apdu, GeneralBlock::capacity(self.limits.pdu))?;
        self.sending.grant(self.peer_window);
        Ok(())
    }

    /// Appends the next block that is due, one APDU, to `out`; false when it is the peer's turn.
    pub fn poll(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(piece) = self.sending.next() else { return false };
        self.acknowledged = self.receiving.in_order();
        let block = GeneralBlock {
            last: piece.last,
            streaming: piece.more,
            window: self.limits.window,
            number: piece.number,
            acknowledged: self.acknowledged,
            octets: piece.octets,
        };
        block.encode(out);
        true
    }

    /// Takes a block of the peer.
    ///
    /// # Errors
    /// [`Error::TransferAborted`] when the peer gives up; [`Error::BlockNumber`] for a block far from its turn, a gap that nobody fills, and
    /// for a peer that repeats itself; [`Error::TooLong`] when the APDU gets longer than accepted; those of
    /// [`GeneralBlock::decode`].
    pub fn handle(&mut self, apdu: &[u8]) -> Result<Progress, Error> {
        let block = GeneralBlock::decode(apdu)?;
        match block.number {
            0 if block.octets.is_empty() => return Err(Error::TransferAborted),
            0 => return Err(self.out_of_turn(0)),
            _ => {}
        }
        let before = self.state();
        let is_complete = self.receiving.take(&block)?;
        if self.asks && !block.octets.is_empty() {
            // Whoever answers has the whole request, whatever the block says.
            self.sending.confirm_all();
        }
        self.sending.confirm(block.acknowledged);
        if block.window != 0 {
            self.peer_window = block.window;
        }
        let is_new = before != self.state();
        self.idle = if is_new { 0 } else { self.idle + 1 };
        if self.idle > IDLE_MAX {
            return Err(self.out_of_turn(block.number));
        }
        if is_complete {
            return Ok(Progress::Whole);
        }
        if block.window == 0 && block.streaming {
            // Unconfirmed: what is lost stays lost.
            return match self.receiving.ahead() {
                0 => Ok(Progress::Wait),
                _ => Err(self.out_of_turn(block.number)),
            };
        }
        let end_of_window = self.acknowledged.saturating_add(u16::from(self.limits.window));
        // Answered again, repetitions would call forth repetitions without end.
        let is_repetition = self.asks && !is_new;
        if is_repetition || (block.streaming && block.number < end_of_window) {
            return Ok(Progress::Wait);
        }
        self.sending.grant(self.peer_window);
        Ok(Progress::Due)
    }

    /// The peer has been silent for too long: makes the blocks due again that it may have lost, or the word that ours were lost.
    /// False when nothing can be repeated without the risk that a request is carried out twice.
    pub fn unanswered(&mut self) -> bool {
        let may_have_arrived = self.sending.is_all_out() && !self.sending.is_confirmed();
        if may_have_arrived || self.receiving.is_whole() {
            return false;
        }
        self.sending.grant(self.peer_window);
        true
    }

    /// The peer's APDU, once it is whole.
    pub fn received(&mut self) -> &mut [u8] {
        self.receiving.octets()
    }

    /// Whether the peer's APDU is whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.receiving.is_whole()
    }

    /// Appends the block that says what has come, when nothing else is sent that would.
    pub(crate) fn confirm(&mut self, out: &mut Vec<u8>) {
        self.sending.grant(1);
        self.poll(out);
    }

    /// Whether the peer has begun another exchange than this one with this block.
    pub(crate) fn is_left_behind_by(&self, apdu: &[u8]) -> bool {
        GeneralBlock::decode(apdu)
            .is_ok_and(|block| block.number == 1 && !self.receiving.may_begin_with(block.octets))
    }

    /// Appends the block that tells the peer that this side gives up.
    pub(crate) fn abort(&self, out: &mut Vec<u8>) {
        let window = self.limits.window;
        GeneralBlock { last: true, streaming: false, window, number: 0, acknowledged: 0, octets: &[] }
            .encode(out);
    }

    /// What changes with every block that brings something new.
    fn state(&self) -> (u16, usize, u16) {
        (self.receiving.in_order(), self.receiving.ahead(), self.sending.confirmed())
    }

    fn out_of_turn(&self, number: u16) -> Error {
        let expected = u32::from(self.receiving.in_order()) + 1;
        Error::BlockNumber { expected, got: u32::from(number) }
    }
}

/// What travels may be a secret.
impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("limits", &self.limits)
            .field("confirmed", &self.sending.confirmed())
            .field("in_order", &self.receiving.in_order())
            .finish_non_exhaustive()
    }
}
