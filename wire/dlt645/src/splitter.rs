use crate::frame::{DATA_MAX, END, HEADER, OFFSET, START, TRAILER, checksum};
use crate::{Address, Control, Frame};

/// Why octets that looked like the start of a frame were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rejected {
    /// Octets that belong to no frame, those that wake the receiver left out.
    pub noise: u64,
    /// Frames with a wrong checksum or without an end; their octets are noise, too.
    pub damaged: u64,
}

/// Cuts a stream of octets into frames, wherever the stream itself was cut and whatever noise is between them.
///
/// Order: [`push`](Self::push) what arrived, then [`next_frame`](Self::next_frame) until it has none. Holds no more than one frame and what was pushed last.
#[derive(Debug, Default)]
pub struct Splitter {
    received: Vec<u8>,
    /// Octets at the start of `received` that were handed out or passed over.
    used: usize,
    rejected: Rejected,
}

impl Splitter {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(octets);
    }

    /// The next whole frame; `None` when more octets are needed. What looks like the start of one and waits for octets that never come does
    /// not keep the whole frame behind it from being found.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let mut unfinished = None;
        let mut at = self.used;
        while let Some(start) = self.start_from(at) {
            at = start + 1;
            match self.look(start) {
                Look::Short => unfinished = unfinished.or(Some(start)),
                Look::NoFrame => {}
                Look::Damaged => self.rejected.damaged += u64::from(unfinished.is_none()),
                Look::Whole(length) => {
                    self.pass_over(start);
                    self.used = start + length;
                    return Some(take_apart(&mut self.received[start..start + length]));
                }
            }
            // What was looked at and is none need not be looked at again.
            if unfinished.is_none() {
                self.pass_over(at);
            }
        }
        self.pass_over(unfinished.unwrap_or(self.received.len()));
        None
    }

    /// Forgets what has come of a frame: nothing more of it is to be expected.
    pub fn clear(&mut self) {
        self.received.clear();
        self.used = 0;
    }

    /// What was passed over so far.
    pub const fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// Passes over what stands in front of a place.
    fn pass_over(&mut self, end: usize) {
        const WAKE: u8 = 0xFE;
        let noise = self.received[self.used..end].iter().filter(|octet| **octet != WAKE).count();
        self.rejected.noise += noise as u64;
        self.used = end;
    }

    /// The first start octet from a place on.
    fn start_from(&self, at: usize) -> Option<usize> {
        self.received[at..].iter().position(|octet| *octet == START).map(|found| at + found)
    }

    /// What begins at a start octet.
    fn look(&self, start: usize) -> Look {
        let rest = &self.received[start..];
        if rest.get(7).is_some_and(|octet| *octet != START) {
            return Look::NoFrame;
        }
        let Some(length) = rest.get(HEADER - 1) else { return Look::Short };
        if usize::from(*length) > DATA_MAX {
            return Look::NoFrame;
        }
        let body = HEADER + usize::from(*length);
        let Some(whole) = rest.get(..body + TRAILER) else { return Look::Short };
        if whole[body] == checksum(&whole[..body]) && whole[body + 1] == END {
            Look::Whole(whole.len())
        } else {
            Look::Damaged
        }
    }
}

enum Look {
    Short,
    NoFrame,
    Damaged,
    Whole(usize),
}

/// `whole` is a whole frame: what is added to its data is taken away in place.
fn take_apart(whole: &mut [u8]) -> Frame<'_> {
    let (header, rest) = whole.split_at_mut(HEADER);
    let mut address = [0; 6];
    address.copy_from_slice(&header[1..7]);
    let control = Control::new(header[8]);
    let end = rest.len() - TRAILER;
    let data = &mut rest[..end];
    for octet in &mut *data {
        *octet = octet.wrapping_sub(OFFSET);
    }
    Frame { address: Address::from_wire(address), control, data }
}
