use crate::command::is_command;
use crate::message::{ACK, EOT, ETX, NAK, SOH, STX, check_character};
use crate::{Error, Identification, Selection};

/// Most octets of one message: the longest read-outs have some thousand lines.
const MESSAGE_MAX: usize = 64 * 1024;
/// The eighth bit is parity on a line with seven data bits that is read with eight.
const SEVEN_BITS: u8 = 0x7F;

/// A message that has arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `/?…!`: a client begins.
    Opening(&'a [u8]),
    /// A meter answers that.
    Identification(Identification),
    /// The client selects what follows: the six octets.
    Selection([u8; 6]),
    /// Data: the octets between STX and ETX; or EOT, when another part follows (`more`).
    Data {
        /// What stands between.
        body: &'a [u8],
        /// Whether another part follows.
        more: bool,
    },
    /// A command of programming mode: its two letters and what stands between STX and ETX, if anything does.
    Command {
        /// For example `R1`.
        letters: [u8; 2],
        /// What stands between.
        body: &'a [u8],
    },
    /// Yes, or go on.
    Ack,
    /// Once more.
    Nak,
}

impl Message<'_> {
    /// What it is, in words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Opening(_) => "a request to open",
            Self::Identification(_) => "an identification",
            Self::Selection(_) => "a selection",
            Self::Data { .. } => "data",
            Self::Command { .. } => "a command",
            Self::Ack => "an acknowledgement",
            Self::Nak => "a request to repeat",
        }
    }
}

/// Cuts what arrives into messages, wherever it was cut, with or without parity bits.
///
/// Order: [`push`](Self::push) what arrived, then [`next_message`](Self::next_message) until it has none.
#[derive(Debug, Default)]
pub struct Receiver {
    received: Vec<u8>,
    used: usize,
}

/// Where a message ends, if it has come whole.
type Whole = Option<usize>;

impl Receiver {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.drain(..self.used);
        self.used = 0;
        // The block check character is the last octet with a meaning; it, too, has seven bits.
        self.received.extend(octets.iter().map(|octet| octet & SEVEN_BITS));
    }

    /// The next whole message; `None` when more octets are needed. What cannot begin a message is passed over; after an error the damaged
    /// message is passed over, too, so that its repetition can be received.
    ///
    /// # Errors
    /// [`Error::Checksum`], [`Error::Malformed`], [`Error::Truncated`], [`Error::TooLong`].
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.seek_start();
        let Some(end) = self.whole()? else { return Ok(None) };
        let start = self.used;
        self.used += end;
        read(&self.received[start..start + end]).map(Some)
    }

    /// Forgets what has come of a message: nothing more of it is to be expected.
    pub fn clear(&mut self) {
        self.received.clear();
        self.used = 0;
    }

    fn seek_start(&mut self) {
        let rest = &self.received[self.used..];
        let starts = |octet: &u8| matches!(*octet, b'/' | STX | SOH | ACK | NAK);
        self.used += rest.iter().position(starts).unwrap_or(rest.len());
    }

    /// Where the message that begins now ends.
    fn whole(&mut self) -> Result<Whole, Error> {
        let rest = &self.received[self.used..];
        let Some(first) = rest.first() else { return Ok(None) };
        let end = match *first {
            NAK => Some(1),
            ACK => acknowledgement(rest),
            b'/' => rest.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2),
            _ => match rest.iter().position(|octet| matches!(*octet, ETX | EOT)) {
                Some(at) if at + 1 < rest.len() => Some(at + 2),
                _ => None,
            },
        };
        if end.unwrap_or(rest.len()) > MESSAGE_MAX {
            self.clear();
            return Err(Error::TooLong { what: "a message", limit: MESSAGE_MAX });
        }
        Ok(end)
    }
}

/// An acknowledgement alone, or the selection that begins like one.
fn acknowledgement(rest: &[u8]) -> Whole {
    match rest {
        [_] => Some(1),
        [_, b'0' | b'1' | b'2' | b'6'..=b'9', ..] if rest.len() < 6 => None,
        [_, _, _, _, b'\r', b'\n', ..] => Some(6),
        _ => Some(1),
    }
}

fn read(whole: &[u8]) -> Result<Message<'_>, Error> {
    match whole {
        [NAK] => Ok(Message::Nak),
        [ACK] => Ok(Message::Ack),
        [ACK, ..] => {
            let message =
                whole.first_chunk().ok_or(Error::Truncated { what: "selection message", offset: 0 })?;
            Selection::decode(message).map(|_| Message::Selection(*message))
        }
        [b'/', b'?', address @ .., b'!', b'\r', b'\n'] => Ok(Message::Opening(address)),
        [b'/', .., b'\r', b'\n'] => {
            Identification::decode(&whole[..whole.len() - 2]).map(Message::Identification)
        }
        [start, checked @ .., got] => {
            let expected = check_character(checked);
            if expected != *got {
                return Err(Error::Checksum { expected, got: *got });
            }
            block(*start, checked)
        }
        [] | [_] => Err(Error::Truncated { what: "message", offset: whole.len() }),
    }
}

/// What stands between the start and the block check character, the end included.
fn block(start: u8, checked: &[u8]) -> Result<Message<'_>, Error> {
    let Some((end, inside)) = checked.split_last() else {
        return Err(Error::Truncated { what: "message", offset: 1 });
    };
    if start == STX {
        return Ok(Message::Data { body: inside, more: *end == EOT });
    }
    let Some((letters, rest)) = inside.split_first_chunk() else {
        return Err(Error::Truncated { what: "command message", offset: 1 + inside.len() });
    };
    if !is_command(*letters) {
        return Err(Error::Malformed { what: "command message", offset: 1, got: letters[0] });
    }
    match rest {
        [] => Ok(Message::Command { letters: *letters, body: &[] }),
        [STX, body @ ..] => Ok(Message::Command { letters: *letters, body }),
        [got, ..] => Err(Error::Malformed { what: "command message", offset: 3, got: *got }),
    }
}
