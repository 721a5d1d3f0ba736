use crate::{
    Error, Frame,
    frame::{HEADER, START},
};

/// What was passed over because it is no frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// What looked like a frame and was none.
    pub frames: u64,
    /// Octets outside of frames, those of such frames among them.
    pub octets: u64,
}

/// Cuts a stream into frames, and finds the next one after octets that are none.
///
/// Order: [`push`](Self::push) what arrived, then [`next_frame`](Self::next_frame) until it has none.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    received: Vec<u8>,
    used: usize,
    rejected: Rejected,
}

impl Splitter {
    /// Accepts frames of up to `limit` octets of user data.
    pub const fn new(limit: usize) -> Self {
        Self { limit, received: Vec::new(), used: 0, rejected: Rejected { frames: 0, octets: 0 } }
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(octets);
    }

    /// The next whole frame.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let length = self.find()?;
        let start = self.used;
        self.used += length;
        match Frame::read(&self.received[start..self.used], self.limit) {
            Ok(Some((frame, _))) => Some(frame),
            _ => None,
        }
    }

    /// What was passed over so far.
    pub const fn rejected(&self) -> Rejected {
        self.rejected
    }

    /// Moves to the next whole frame and says how many octets it has.
    fn find(&mut self) -> Option<usize> {
        loop {
            let rest = &self.received[self.used..];
            if rest.is_empty() {
                return None;
            }
            match Frame::read(rest, self.limit) {
                Ok(Some((_, length))) => return Some(length),
                Ok(None) => return None,
                Err(error) => {
                    let is_frame = rest.len() >= HEADER && !is_noise(&error);
                    self.rejected.frames += u64::from(is_frame);
                    // A frame may begin within what was none.
                    let next = rest.iter().skip(1).position(|octet| *octet == START);
                    let noise = next.map_or(rest.len(), |place| place + 1);
                    self.rejected.octets += noise as u64;
                    self.used += noise;
                }
            }
        }
    }
}

/// Whether octets did not even look like a frame.
fn is_noise(error: &Error) -> bool {
    matches!(error, Error::Unexpected { what: "the start" | "the second start", .. } | Error::Lengths { .. })
}
