//! The TCP/UDP wrapper (IEC 62056-47): eight octets in front of every APDU.

use crate::Error;

/// Octets of the header.
pub const HEADER_LENGTH: usize = 8;
const VERSION: u16 = 1;

/// What stands in front of an APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Wrapper port of the sender.
    pub source: u16,
    /// Wrapper port of the receiver.
    pub destination: u16,
    /// Octets of the APDU.
    pub length: u16,
}

impl Header {
    /// The eight octets.
    pub fn octets(&self) -> [u8; HEADER_LENGTH] {
        let [v1, v2] = VERSION.to_be_bytes();
        let [s1, s2] = self.source.to_be_bytes();
        let [d1, d2] = self.destination.to_be_bytes();
        let [l1, l2] = self.length.to_be_bytes();
        [v1, v2, s1, s2, d1, d2, l1, l2]
    }

    /// Reads the eight octets.
    ///
    /// # Errors
    /// [`Error::Value`] for another version than 1.
    pub fn decode(octets: &[u8; HEADER_LENGTH]) -> Result<Self, Error> {
        let [v1, v2, s1, s2, d1, d2, l1, l2] = *octets;
        let version = u16::from_be_bytes([v1, v2]);
        if version != VERSION {
            return Err(Error::Value { what: "version of the wrapper", got: u32::from(version) });
        }
        let [source, destination, length] = [[s1, s2], [d1, d2], [l1, l2]].map(u16::from_be_bytes);
        Ok(Self { source, destination, length })
    }
}

/// Appends `apdu` with its header.
///
/// # Errors
/// [`Error::TooLong`] above 65,535 octets.
pub fn frame(source: u16, destination: u16, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let limit = usize::from(u16::MAX);
    let length = u16::try_from(apdu.len()).map_err(|_| Error::TooLong { what: "APDU", limit })?;
    out.extend_from_slice(&Header { source, destination, length }.octets());
    out.extend_from_slice(apdu);
    Ok(())
}

/// Cuts a stream of octets into frames, wherever the stream itself was cut.
///
/// Order: [`push`](Self::push) what arrived, then [`next_frame`](Self::next_frame) until it has none. After an error the stream is
/// out of step and has to be closed.
#[derive(Debug)]
pub struct Splitter {
    limit: u16,
    received: Vec<u8>,
    /// Octets at the start of `received` that were handed out already.
    used: usize,
}

impl Splitter {
    /// Accepts APDUs of up to `limit` octets.
    pub const fn new(limit: u16) -> Self {
        Self { limit, received: Vec::new(), used: 0 }
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(octets);
    }

    /// The next whole frame: its header and its APDU, which may be changed in place.
    ///
    /// # Errors
    /// [`Error::Value`] for an unknown version, [`Error::TooLong`] for an APDU above the limit.
    pub fn next_frame(&mut self) -> Result<Option<(Header, &mut [u8])>, Error> {
        let Some(header) = self.received[self.used..].first_chunk() else { return Ok(None) };
        let header = Header::decode(header)?;
        if header.length > self.limit {
            return Err(Error::TooLong { what: "APDU", limit: usize::from(self.limit) });
        }
        let start = self.used + HEADER_LENGTH;
        let end = start + usize::from(header.length);
        let Some(apdu) = self.received.get_mut(start..end) else { return Ok(None) };
        self.used = end;
        Ok(Some((header, apdu)))
    }

    /// How many octets were received and not handed out yet.
    pub fn pending(&self) -> usize {
        self.rest().len()
    }

    /// The octets that were received and not handed out yet.
    pub fn rest(&self) -> &[u8] {
        &self.received[self.used..]
    }
}
