//! APDUs on a wired M-Bus (EN 13757-2 and -3; IEC 62056-7-3): cut into segments, each in a long frame.
//!
//! It is how some meters push to a display in the house. A long frame is `68 L L 68 C A CI … checksum 16`; a CI field below 0x20 says that a segment of
//! an APDU follows, its lower four bits which one, the fifth that it is the last.

use std::fmt;

use crate::Error;

pub(crate) const START: u8 = 0x68;
pub(crate) const STOP: u8 = 0x16;
/// Octets in front of what the length counts.
const HEADER: usize = 4;
/// Octets behind it: checksum and stop.
const TRAILER: usize = 2;
/// Fewest octets that a segment has: C, A, CI and the two addresses.
const MIN_LENGTH: usize = 5;
/// CI fields of segments are below.
const SEGMENT: u8 = 0x20;
const LAST: u8 = 0x10;
/// Most octets that are kept while no frame ends: the longest frame has 261.
const LIMIT: usize = 4096;

/// A long frame with a segment of an APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// C field, for example 0x53: data for whoever listens.
    pub control: u8,
    /// A field; 0xFF is everybody.
    pub address: u8,
    /// Number of the segment, 0 to 15.
    pub number: u8,
    /// Whether the APDU ends with it.
    pub is_last: bool,
    /// Service access point of the sender, for example 1: the management of the meter.
    pub source: u8,
    /// Service access point of the receiver, for example 0x67: whoever consumes pushes.
    pub destination: u8,
    /// The octets of the APDU.
    pub octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Appends the frame.
    ///
    /// # Errors
    /// [`Error::TooLong`] above 250 octets of the APDU, [`Error::Value`] for a number above 15.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let length = u8::try_from(MIN_LENGTH + self.octets.len())
            .map_err(|_| Error::TooLong { what: "segment", limit: usize::from(u8::MAX) - MIN_LENGTH })?;
        if self.number >= LAST {
            return Err(Error::Value { what: "number of the segment", got: u32::from(self.number) });
        }
        let information = self.number | if self.is_last { LAST } else { 0 };
        out.extend([START, length, length, START]);
        let body = out.len();
        out.extend([self.control, self.address, information, self.source, self.destination]);
        out.extend_from_slice(self.octets);
        let checksum = sum(&out[body..]);
        out.extend([checksum, STOP]);
        Ok(())
    }

    /// Reads a frame that fills `octets`.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Trailing`]; [`Error::Value`] for what is no long frame, has a wrong checksum, or carries no segment.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let length = frame_length(octets)?.ok_or(Error::Truncated)?;
        let frame = octets.get(..length).ok_or(Error::Truncated)?;
        let left = octets.len() - length;
        if left > 0 {
            return Err(Error::Trailing { left });
        }
        open(frame)
    }
}

/// How long the frame at the beginning is; `None` as long as that is not known.
fn frame_length(octets: &[u8]) -> Result<Option<usize>, Error> {
    let value = |what, got: u8| Err(Error::Value { what, got: u32::from(got) });
    match *octets {
        [] | [START] | [START, _] => Ok(None),
        [START, length, again, ..] if length != again => value("second length of the frame", again),
        [START, length, ..] if usize::from(length) < MIN_LENGTH => value("length of the frame", length),
        [START, _, _] => Ok(None),
        [START, length, _, START, ..] => Ok(Some(HEADER + usize::from(length) + TRAILER)),
        [START, _, _, other, ..] | [other, ..] => value("start of the frame", other),
    }
}

/// The segment in a frame of the right length.
fn open(frame: &[u8]) -> Result<Segment<'_>, Error> {
    let value = |what, got: u8| Err(Error::Value { what, got: u32::from(got) });
    let (body, trailer) = frame[HEADER..].split_at(frame.len() - HEADER - TRAILER);
    if trailer[1] != STOP {
        return value("stop of the frame", trailer[1]);
    }
    if trailer[0] != sum(body) {
        return value("checksum of the frame", trailer[0]);
    }
    let ([control, address, information, source, destination], octets) =
        body.split_first_chunk::<MIN_LENGTH>().ok_or(Error::Truncated)?;
    if *information >= SEGMENT {
        return value("CI field", *information);
    }
    let (number, is_last) = (information & (LAST - 1), information & LAST != 0);
    let [control, address, source, destination] = [control, address, source, destination].map(|octet| *octet);
    Ok(Segment { control, address, number, is_last, source, destination, octets })
}

/// The checksum of what the length counts.
pub(crate) fn sum(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum, octet| sum.wrapping_add(*octet))
}

/// Cuts segments out of what a line brings, and puts them together to APDUs: one sender at a time, as on the line of one meter.
#[derive(Default)]
pub struct Receiver {
    received: Vec<u8>,
    used: usize,
    apdu: Vec<u8>,
    /// Number of the segment that is due.
    due: u8,
}

impl Receiver {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets as they arrived. What was pushed before and is no beginning of a frame is dropped, the oldest first.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.drain(..self.used);
        self.received.extend_from_slice(octets);
        self.used = self.received.len().saturating_sub(LIMIT);
    }

    /// The next whole APDU, which may be changed in place. Noise is skipped; an APDU of which a segment is missing is dropped.
    pub fn next_apdu(&mut self) -> Option<&mut [u8]> {
        loop {
            let rest = &self.received[self.used..];
            let start = rest.iter().position(|octet| *octet == START).unwrap_or(rest.len());
            self.used += start;
            let rest = &rest[start..];
            let length = match frame_length(rest) {
                Ok(None) => return None,
                Ok(Some(length)) if length > rest.len() => return None,
                Ok(Some(length)) => length,
                Err(_) => {
                    self.used += 1;
                    continue;
                }
            };
            let Ok(segment) = open(&rest[..length]) else {
                self.used += 1;
                continue;
            };
            self.used += length;
            if segment.number == 0 {
                self.apdu.clear();
            } else if segment.number != self.due {
                self.due = 0;
                continue;
            }
            self.apdu.extend_from_slice(segment.octets);
            self.due = if segment.is_last { 0 } else { segment.number + 1 };
            if segment.is_last {
                return Some(&mut self.apdu);
            }
        }
    }
}

/// What is received may be a secret.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} octets, segment {} is due)", self.apdu.len(), self.due)
    }
}
