use crate::check::{is_whole, seal};
use crate::{Error, Exception, Request};

/// Set in the function code of a refusal.
const REFUSED: u8 = 0x80;
/// Octets of a refusal: address, code, exception, check.
const REFUSAL: usize = 5;
/// Octets of the answer to a write: address, code, two fields, check.
const WRITTEN: usize = 8;
/// Octets of the answer to a read beside what was read: address, code, count, check.
const READ: usize = 5;

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// What was read: registers with the higher octet first, or bits, the first one lowest in the first octet.
    Read(&'a [u8]),
    /// It was written.
    Written,
}

impl Answer<'_> {
    /// The bit with this place, counted from the first that was asked for; `None` behind the last one.
    pub fn bit(&self, place: u16) -> Option<bool> {
        let Self::Read(octets) = self else { return None };
        octets.get(usize::from(place / 8)).map(|octet| octet >> (place % 8) & 1 == 1)
    }
}

/// Finds the answer to a request in what arrives, whatever noise is around it and wherever the stream is cut.
///
/// A frame names neither its length nor the request that it answers, so one answer is looked for at a time, by its shape and its check. The master has to leave an
/// answer that came too late its time to pass, and then [`clear`](Self::clear).
#[derive(Debug, Default)]
pub struct Answers {
    received: Vec<u8>,
    used: usize,
    noise: u64,
}

impl Answers {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        /// Twice the longest frame: what is older begins no answer any more.
        const KEPT: usize = 512;
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(octets);
        let old = self.received.len().saturating_sub(KEPT);
        self.received.drain(..old);
        self.noise += old as u64;
    }

    /// The answer of the server to the request; `None` when more octets are needed.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::OtherValue`] when a write is confirmed that was not asked for; [`Error::Count`] for a request that cannot be sent.
    pub fn answer(&mut self, server: u8, request: &Request<'_>) -> Result<Option<Answer<'_>>, Error> {
        let fields = request.fields()?;
        let rest = &self.received[self.used..];
        let found = (0..rest.len()).find_map(|start| {
            let length = length(&rest[start..], server, request)?;
            rest.get(start..start + length).filter(|frame| is_whole(frame)).map(|_| (start, length))
        });
        let Some((start, length)) = found else { return Ok(None) };
        let from = self.used + start;
        self.noise += start as u64;
        self.used = from + length;
        let frame = &self.received[from..from + length];
        match (frame, request) {
            ([_, code, exception, ..], _) if code & REFUSED != 0 => {
                Err(Error::Refused(Exception(*exception)))
            }
            (_, Request::Read { .. }) => Ok(Some(Answer::Read(&frame[3..length - 2]))),
            ([_, _, p0, p1, v0, v1, ..], _) => {
                let got = [[*p0, *p1], [*v0, *v1]].map(u16::from_be_bytes);
                if got == fields {
                    Ok(Some(Answer::Written))
                } else {
                    Err(Error::OtherValue { asked: fields, got })
                }
            }
            _ => Ok(None),
        }
    }

    /// Forgets what has come: nothing more of it is to be expected.
    pub fn clear(&mut self) {
        self.noise += (self.received.len() - self.used) as u64;
        self.received.clear();
        self.used = 0;
    }

    /// Octets so far that belong to no answer.
    pub const fn noise(&self) -> u64 {
        self.noise
    }
}

/// Octets of the answer that begins here, if one does.
fn length(octets: &[u8], server: u8, request: &Request<'_>) -> Option<usize> {
    let [address, code, rest @ ..] = octets else { return None };
    if *address != server {
        return None;
    }
    if *code == request.code() | REFUSED {
        return Some(REFUSAL);
    }
    if *code != request.code() {
        return None;
    }
    match request {
        Request::Read { table, count, .. } => {
            let octets =
                if table.is_bits() { usize::from(count.div_ceil(8)) } else { usize::from(*count) * 2 };
            rest.first().filter(|got| usize::from(**got) == octets).map(|_| READ + octets)
        }
        _ => Some(WRITTEN),
    }
}

/// Appends a server's answer to a request: what was read, or nothing when it was written.
///
/// # Errors
/// [`Error::Count`] for a request that cannot be, or when the octets are not those of what was asked for.
pub fn write_answer(server: u8, request: &Request<'_>, read: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let [first, second] = request.fields()?;
    let start = out.len();
    out.extend_from_slice(&[server, request.code()]);
    if let Request::Read { .. } = request {
        let count =
            u8::try_from(read.len()).map_err(|_| Error::Count { first, count: read.len(), limit: second })?;
        out.push(count);
        out.extend_from_slice(read);
    } else {
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&second.to_be_bytes());
    }
    seal(out, start);
    Ok(())
}

/// Appends a server's refusal of a request.
pub fn write_exception(server: u8, request: &Request<'_>, exception: Exception, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[server, request.code() | REFUSED, exception.0]);
    seal(out, start);
}
