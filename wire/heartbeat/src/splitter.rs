//! Where frames end, of whichever language they are: a modem speaks its own in between those of the meter.

use dlms::wrapper::{HEADER_LENGTH, Header};

use crate::Error;

/// Begins and ends an HDLC frame, and stands in front of a wrapper frame of some modules.
const FLAG: u8 = 0x7E;
/// Begins a frame of Q/GDW 376.1 and of DL/T 645.
const START: u8 = 0x68;
/// Wakes up a receiver of DL/T 645.
const WAKE_UP: u8 = 0xFE;
/// Octets of a frame of Q/GDW 376.1 besides its user data, and of DL/T 645 besides its data.
const GDW376_FRAME: usize = 8;
const DLT645_FRAME: usize = 12;
/// Octets of the shortest HDLC frame: format, two addresses, control, check sequence.
const HDLC_MIN: usize = 7;

/// A piece of what arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// A frame of the wrapper (IEC 62056-47).
    Wrapper {
        /// Its header.
        header: Header,
        /// Its APDU.
        apdu: &'a [u8],
        /// Whether `7E` stood in front of it.
        flagged: bool,
    },
    /// An HDLC frame (IEC 62056-46) from its format to its check sequence, without flags.
    Hdlc(&'a [u8]),
    /// A frame of Q/GDW 376.1, whole.
    Gdw376(&'a [u8]),
    /// A frame of DL/T 645, whole.
    Dlt645(&'a [u8]),
    /// Octets outside of frames, where that is [tolerated](Splitter::tolerate_noise).
    Noise(&'a [u8]),
}

impl Unit<'_> {
    /// Its octets as they go over a connection, an HDLC frame between flags.
    pub fn octets(&self) -> Vec<u8> {
        match self {
            Self::Wrapper { header, apdu, flagged } => {
                let flag: &[u8] = if *flagged { &[FLAG] } else { &[] };
                [flag, &header.octets(), apdu].concat()
            }
            Self::Hdlc(frame) => [&[FLAG], *frame, &[FLAG]].concat(),
            Self::Gdw376(octets) | Self::Dlt645(octets) | Self::Noise(octets) => octets.to_vec(),
        }
    }
}

/// Cuts a stream of octets into frames, wherever the stream itself was cut. It holds memory only while a part of a frame is there.
///
/// Order: [`push`](Self::push) what arrived, then [`next_unit`](Self::next_unit) until it has none. After an error the stream is out of step
/// and has to be closed.
#[derive(Debug)]
pub struct Splitter {
    limit: u16,
    noisy: bool,
    received: Vec<u8>,
    /// Octets at the start of `received` that were handed out already.
    used: usize,
    /// An HDLC frame was handed out last, whose closing flag may be the opening one of the next.
    in_hdlc: bool,
}

/// What the next octets are.
#[derive(Clone, Copy)]
enum Shape {
    Wrapper { flagged: bool },
    Hdlc,
    Gdw376,
    Dlt645,
    Noise,
}

impl Splitter {
    /// Accepts APDUs and frames of up to `limit` octets.
    pub const fn new(limit: u16) -> Self {
        Self { limit, noisy: false, received: Vec::new(), used: 0, in_hdlc: false }
    }

    /// From here on octets outside of frames are handed out as well: behind the modem is a bus.
    pub const fn tolerate_noise(&mut self) {
        self.noisy = true;
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(octets);
    }

    /// The next whole piece.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::TooLong`].
    pub fn next_unit(&mut self) -> Result<Option<Unit<'_>>, Error> {
        self.skip();
        let (rest, limit) = (&self.received[self.used..], self.limit);
        let found = match shape(rest, self.in_hdlc, limit) {
            Ok(found) => found,
            // Up to where the next frame may begin.
            Err(Error::Unknown(_) | Error::TooLong { .. }) if self.noisy => {
                let is_start = |octet: &u8| matches!(*octet, 0 | FLAG | START);
                let length = rest.iter().skip(1).position(is_start).map_or(rest.len(), |at| at + 1);
                Some((Shape::Noise, length))
            }
            Err(error) => return Err(error),
        };
        let Some((shape, length)) = found.filter(|(_, length)| *length <= rest.len()) else {
            self.shrink();
            return Ok(None);
        };
        let whole = self.used..self.used + length;
        self.used = whole.end;
        self.in_hdlc = matches!(shape, Shape::Hdlc);
        let octets = &self.received[whole];
        Ok(Some(match shape {
            Shape::Wrapper { flagged } => {
                let octets = &octets[usize::from(flagged)..];
                let (header, apdu) = octets.split_first_chunk().ok_or(Error::Unknown(0))?;
                let header = Header::decode(header).map_err(|_| Error::Unknown(0))?;
                Unit::Wrapper { header, apdu, flagged }
            }
            Shape::Hdlc => Unit::Hdlc(octets.strip_prefix(&[FLAG]).unwrap_or(octets)),
            Shape::Gdw376 => Unit::Gdw376(octets),
            Shape::Dlt645 => Unit::Dlt645(octets),
            Shape::Noise => Unit::Noise(octets),
        }))
    }

    /// How many octets were received and not handed out yet.
    pub fn pending(&self) -> usize {
        self.rest().len()
    }

    /// The octets that were received and not handed out yet.
    pub fn rest(&self) -> &[u8] {
        &self.received[self.used..]
    }

    /// Leaves out what stands between frames: flags that open nothing, and wake-ups.
    fn skip(&mut self) {
        loop {
            self.used += match (&self.received[self.used..], self.in_hdlc) {
                ([WAKE_UP, ..] | [FLAG, FLAG, ..], _) => 1,
                // The flag that closes a frame, with nothing behind it that it would open.
                ([FLAG], true) | ([FLAG, 0 | START | WAKE_UP, ..], true) => 1,
                _ => return,
            };
        }
    }

    /// Most connections are silent most of the time, and hold no memory then.
    fn shrink(&mut self) {
        if self.used == self.received.len() {
            self.received = Vec::new();
            self.used = 0;
        }
    }
}

/// What the octets begin with, and how many octets it has; `None` when more of them are needed to tell.
fn shape(octets: &[u8], in_hdlc: bool, limit: u16) -> Result<Option<(Shape, usize)>, Error> {
    let fits = |shape, payload: usize, around: usize| {
        if payload > usize::from(limit) {
            return Err(Error::TooLong { length: payload, limit: limit.into() });
        }
        Ok(Some((shape, payload + around)))
    };
    let hdlc = |format: [u8; 2], around: usize| match usize::from(u16::from_be_bytes(format) & 0x07FF) {
        length @ HDLC_MIN.. => fits(Shape::Hdlc, length, around),
        // It would be handed out without end.
        _ => Err(Error::Unknown(if around > 0 { FLAG } else { format[0] })),
    };
    let wrapper = |header: &[u8], flagged: bool| match header {
        [0, 1, _, _, _, _, high, low, ..] => {
            let length = u16::from_be_bytes([*high, *low]).into();
            fits(Shape::Wrapper { flagged }, length, HEADER_LENGTH + usize::from(flagged))
        }
        [] | [0] | [0, 1, ..] => Ok(None),
        _ => Err(Error::Unknown(0)),
    };
    match octets {
        [] | [FLAG] => Ok(None),
        [0, ..] => wrapper(octets, false),
        [FLAG, 0, ..] => wrapper(&octets[1..], true),
        [FLAG, 0xA0..=0xAF] => Ok(None),
        [FLAG, high @ 0xA0..=0xAF, low, ..] => hdlc([*high, *low], 1),
        [0xA0..=0xAF] if in_hdlc => Ok(None),
        [high @ 0xA0..=0xAF, low, ..] if in_hdlc => hdlc([*high, *low], 0),
        [START, low, high, again_low, again_high, START, ..] if (low, high) == (again_low, again_high) => {
            fits(Shape::Gdw376, usize::from(u16::from_le_bytes([*low, *high]) >> 2), GDW376_FRAME)
        }
        [START, _, _, _, _, _, _, START, _, length, ..] => {
            fits(Shape::Dlt645, (*length).into(), DLT645_FRAME)
        }
        [START, _, _, _, _, _, _, START, ..] => Ok(None),
        [START, rest @ ..] if rest.len() < 7 => Ok(None),
        [first, ..] => Err(Error::Unknown(*first)),
    }
}
