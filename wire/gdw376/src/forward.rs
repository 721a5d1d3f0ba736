//! Transparent forwarding (AFN 10H, F1): the terminal sends a frame of another protocol out of one of its ports, and answers with what came back.

use std::time::Duration;

use crate::{Address, Afn, Control, Error, Frame, Function, Point, Sequence, USER_DATA_MAX, Unit};

/// Octets of authentication behind what a master station orders.
pub const AUTHENTICATION: usize = 16;
/// Most octets that are forwarded: what is left of a frame.
pub const FORWARD_MAX: usize = USER_DATA_MAX - 34;

/// The parity bit on the port of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// How a port of a terminal is set: speed, parity, data and stop bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Characters(u8);

impl Characters {
    /// Speeds in bits per second, in the order of their codes.
    pub const SPEEDS: [u32; 8] = [300, 600, 1200, 2400, 4800, 7200, 9600, 19_200];

    /// Eight data bits and one stop bit; `None` for a speed that has no code.
    pub fn eight(speed: u32, parity: Parity) -> Option<Self> {
        let code = Self::SPEEDS.iter().position(|known| *known == speed)? as u8;
        let parity = match parity {
            Parity::None => 0b0000,
            Parity::Even => 0b1000,
            Parity::Odd => 0b1100,
        };
        Some(Self(code << 5 | parity | 0b11))
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        self.0
    }
}

/// A frame to be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Number of the port, 1 to 31; the carrier to the meters has one, too.
    pub port: u8,
    /// How the port is set.
    pub characters: Characters,
    /// How long the terminal waits for an answer: in steps of 10 ms up to 1.27 s, in seconds from there on, 127 s at most.
    pub answer_within: Duration,
    /// How long it waits for the next octet of an answer: in steps of 10 ms, 2.55 s at most.
    pub octet_within: Duration,
    /// What is forwarded.
    pub frame: &'a [u8],
    /// What shows the terminal that the order is a master station's, where it asks for that.
    pub authentication: Option<[u8; AUTHENTICATION]>,
}

impl<'a> Order<'a> {
    /// Appends the frame that a master station sends to a terminal with the number `number`, 0 to 15.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a frame that does not fit.
    pub fn encode(&self, address: Address, number: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut data = vec![self.port, self.characters.0, wait(self.answer_within), tens(self.octet_within)];
        data.extend(length(self.frame)?);
        data.extend_from_slice(self.frame);
        data.extend(self.authentication.iter().flatten());
        send((Control::REQUEST, Sequence::single(number)), address, &data, out)
    }

    /// What a terminal is to forward.
    ///
    /// # Errors
    /// [`Error::Other`] for a frame that is no such order, [`Error::Truncated`], [`Error::Trailing`].
    pub fn read(frame: &Frame<'a>) -> Result<Self, Error> {
        let data = expect(frame, false)?;
        let (&[port, characters, answer, octet, l1, l2], rest) =
            data.split_first_chunk().ok_or(Error::Truncated { what: "an order to forward" })?;
        let (frame, rest) = cut([l1, l2], rest)?;
        let authentication = match rest {
            [] => None,
            rest => Some(
                *rest
                    .first_chunk()
                    .ok_or(Error::Trailing { what: "what is to be forwarded", octets: rest.len() })?,
            ),
        };
        let (characters, answer_within) = (Characters(characters), waited(answer));
        let octet_within = Duration::from_millis(u64::from(octet) * 10);
        Ok(Self { port, characters, answer_within, octet_within, frame, authentication })
    }
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded<'a> {
    /// Number of the port.
    pub port: u8,
    /// What came out of it; nothing, when nothing came in time.
    pub frame: &'a [u8],
}

impl<'a> Forwarded<'a> {
    /// Appends the answer of a terminal to the order with the number `number`.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a frame that does not fit.
    pub fn encode(&self, address: Address, number: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut data = vec![self.port];
        data.extend(length(self.frame)?);
        data.extend_from_slice(self.frame);
        send((Control::ANSWER, Sequence::single(number)), address, &data, out)
    }

    /// What a terminal forwarded to us; what follows (counts of events, a time stamp) is of no interest.
    ///
    /// # Errors
    /// [`Error::Other`] for a frame that is no such answer, [`Error::Truncated`].
    pub fn read(frame: &Frame<'a>) -> Result<Self, Error> {
        let data = expect(frame, true)?;
        let (&[port, l1, l2], rest) =
            data.split_first_chunk().ok_or(Error::Truncated { what: "an answer that was forwarded" })?;
        let (frame, _) = cut([l1, l2], rest)?;
        Ok(Self { port, frame })
    }
}

fn send(
    (control, sequence): (Control, Sequence),
    address: Address,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut body = Vec::new();
    Unit { point: Point::TERMINAL, function: Function::F1, data }.encode(&mut body);
    Frame { control, address, afn: Afn::FORWARD, sequence, body: &body }.encode(out)
}

/// The data of a frame that forwards, up from a terminal or down to it.
fn expect<'a>(frame: &Frame<'a>, up: bool) -> Result<&'a [u8], Error> {
    let other = Error::Other { what: "forwarding" };
    if frame.afn != Afn::FORWARD || frame.control.is_up() != up {
        return Err(other);
    }
    let unit = Unit::read(frame.body)?;
    if unit.function == Function::F1 { Ok(unit.data) } else { Err(other) }
}

fn length(frame: &[u8]) -> Result<[u8; 2], Error> {
    let fits = u16::try_from(frame.len()).ok().filter(|length| usize::from(*length) <= FORWARD_MAX);
    let too_long = Error::TooLong { what: "the frame to forward", got: frame.len(), limit: FORWARD_MAX };
    fits.map(u16::to_le_bytes).ok_or(too_long)
}

fn cut(length: [u8; 2], rest: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let truncated = Error::Truncated { what: "a forwarded frame" };
    rest.split_at_checked(usize::from(u16::from_le_bytes(length))).ok_or(truncated)
}

/// Bit 7: the other seven count seconds, not steps of 10 ms.
const SECONDS: u8 = 0x80;

fn wait(time: Duration) -> u8 {
    let tens = time.as_millis().div_ceil(10);
    match u8::try_from(tens) {
        Ok(tens) if tens < SECONDS => tens,
        _ => SECONDS | u8::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u8::MAX).min(0x7F),
    }
}

fn waited(octet: u8) -> Duration {
    let number = u64::from(octet & !SECONDS);
    if octet & SECONDS == 0 { Duration::from_millis(number * 10) } else { Duration::from_secs(number) }
}

fn tens(time: Duration) -> u8 {
    u8::try_from(time.as_millis().div_ceil(10)).unwrap_or(u8::MAX)
}
