use super::frame::{FLAG, Frame, FrameError, Header, MIN_LENGTH, told_length};

/// Most octets that are kept; what is pushed beyond is dropped from the front.
const LIMIT: usize = 65_536;

/// Frames that were dropped, by what was wrong with them. Where one frame is damaged, what it carries may look like others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadFrames {
    /// Wrong check sequence of the header, or a header that has no end.
    pub header: u64,
    /// Wrong check sequence of the frame.
    pub frame: u64,
    /// No flag at the end.
    pub flag: u64,
    /// Octets outside of any frame, and those dropped because too many came at a time.
    pub noise_octets: u64,
}

/// Cuts frames out of what a line brings, wherever that was cut, and whatever noise is between them.
///
/// Order: [`push`](Self::push) what arrived, then [`next_frame`](Self::next_frame) until it has none. A frame ends where its length says, so that a
/// flag may stand inside it. It keeps 64 KiB at most, and 2 KiB once `next_frame` has no more.
#[derive(Debug, Default)]
pub struct Splitter {
    received: Vec<u8>,
    /// Octets at the start of `received` that are done with.
    used: usize,
    bad: BadFrames,
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
        let above = self.received.len().saturating_sub(LIMIT);
        self.skip_noise(above);
    }

    /// The next whole frame that arrived undamaged.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        loop {
            let flag = self.received[self.used..].iter().position(|octet| *octet == FLAG);
            self.skip_noise(flag.unwrap_or(self.pending()));
            flag?;
            match candidate(&self.received[self.used + 1..]) {
                Candidate::Frame(header) => {
                    let start = self.used + 1;
                    // The flag at the end stays: it may begin the next frame.
                    self.used = start + header.length;
                    return Some(header.open(&self.received[start..self.used]));
                }
                Candidate::Unfinished => return None,
                Candidate::None => {}
                Candidate::Bad(FrameError::FrameCheck) => self.bad.frame += 1,
                Candidate::Bad(FrameError::Flag) => self.bad.flag += 1,
                Candidate::Bad(_) => self.bad.header += 1,
            }
            self.used += 1;
        }
    }

    /// Forgets a frame that is not finished: the line was silent for so long that its rest will not come.
    pub fn silence(&mut self) {
        let rest = self.pending();
        // A flag alone ended the frame before.
        self.skip_noise(if rest > 1 { rest } else { 0 });
    }

    /// How many octets were received and neither handed out nor dropped yet.
    pub fn pending(&self) -> usize {
        self.received.len() - self.used
    }

    /// What was dropped so far.
    pub fn bad_frames(&self) -> BadFrames {
        self.bad
    }

    fn skip_noise(&mut self, octets: usize) {
        self.used += octets;
        self.bad.noise_octets += octets as u64;
    }
}

/// What stands behind a flag.
enum Candidate {
    Frame(Header),
    /// The beginning of a frame.
    Unfinished,
    /// Nothing that looks like one.
    None,
    Bad(FrameError),
}

/// The header has a check sequence of its own: a length that noise made up does not keep the frames behind it waiting.
fn candidate(octets: &[u8]) -> Candidate {
    let length = match told_length(octets) {
        Ok(Some(length)) if length >= MIN_LENGTH => length,
        Ok(None) => return Candidate::Unfinished,
        _ => return Candidate::None,
    };
    if octets.len() < length.min(Header::MAX_LENGTH) {
        return Candidate::Unfinished;
    }
    let header = match Header::decode(octets) {
        Ok(header) => header,
        Err(error) => return Candidate::Bad(error),
    };
    match octets.get(length) {
        None => Candidate::Unfinished,
        Some(&FLAG) => {
            header.check(&octets[..length]).map_or_else(Candidate::Bad, |()| Candidate::Frame(header))
        }
        Some(_) => Candidate::Bad(FrameError::Flag),
    }
}
