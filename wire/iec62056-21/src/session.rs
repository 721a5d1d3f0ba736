use std::fmt;

use crate::message::{ACK, NAK, opening};
use crate::{Command, DataSets, Error, Identification, Message, Receiver, Selection, Speed, Verb};

/// How often a message is repeated that was damaged, not understood or not answered (IEC 62056-21, 6.4.3.2 leaves it to the client).
const TRIES: u8 = 3;
/// Most octets of a read-out or of an answer in parts.
const PARTS_MAX: usize = 256 * 1024;

/// What a [`Session`] has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// More octets are needed.
    Wait,
    /// The buffer holds what has to be sent now.
    Reply,
    /// Who the meter is; [`Session::select`] says what is wanted of it. With mode A or B it sends its read-out unasked:
    /// [`Session::listen`].
    Identified(Identification),
    /// The whole read-out, the octets between its brackets of control characters.
    ReadOut(&'a [u8]),
    /// Programming mode is open; what the meter wants to be answered with `P2`, or empty.
    Challenge(&'a [u8]),
    /// The data that were asked for.
    Answer(&'a [u8]),
    /// A password, a write or an execution was accepted.
    Accepted,
}

/// What the next message must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    Nothing,
    Identification,
    ReadOut,
    Challenge,
    /// The answer to a command with this verb.
    Answer(Verb),
}

impl Awaiting {
    const fn what(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Identification => "an identification",
            Self::ReadOut => "a read-out",
            Self::Challenge => "the beginning of programming mode",
            Self::Answer(_) => "an answer",
        }
    }
}

/// One session of a client with a meter, without I/O.
///
/// Order of use: [`open`](Self::open); what arrives goes to [`push`](Self::push); [`poll`](Self::poll) until it waits; after
/// [`Event::Identified`] [`select`](Self::select); in programming mode [`command`](Self::command), one at a time; [`close`](Self::close).
/// When the time for an answer is over: [`unanswered`](Self::unanswered).
pub struct Session {
    receiver: Receiver,
    awaiting: Awaiting,
    /// What was sent last, for a repetition.
    sent: Vec<u8>,
    tries: u8,
    parts: Vec<u8>,
}

/// A password may be in what was sent last.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session(awaiting {}, try {})", self.awaiting.what(), self.tries)
    }
}

impl Session {
    /// Begins with the meter of this address; an empty one on a line with one meter only.
    ///
    /// # Errors
    /// Those of [`opening`].
    pub fn open(address: &str, out: &mut Vec<u8>) -> Result<Self, Error> {
        let mut session = Self {
            receiver: Receiver::new(),
            awaiting: Awaiting::Nothing,
            sent: Vec::new(),
            tries: 0,
            parts: Vec::new(),
        };
        let mut message = Vec::new();
        opening(address, &mut message)?;
        session.say(&message, Awaiting::Identification, out);
        Ok(session)
    }

    /// Says what is wanted of the meter. The line changes to `speed` once this is sent; after [`Selection::Hdlc`] this protocol is over.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless the meter was just identified.
    pub fn select(&mut self, selection: Selection, speed: Speed, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.awaiting != Awaiting::Nothing {
            return Err(Error::Misuse("something else is under way"));
        }
        let awaiting = match selection {
            Selection::ReadOut => Awaiting::ReadOut,
            Selection::Programming => Awaiting::Challenge,
            Selection::Hdlc => Awaiting::Nothing,
        };
        self.say(&selection.message(speed), awaiting, out);
        Ok(())
    }

    /// Waits for the read-out that a meter with mode A or B sends unasked.
    pub const fn listen(&mut self) {
        self.awaiting = Awaiting::ReadOut;
    }

    /// Sends a command of programming mode.
    ///
    /// # Errors
    /// [`Error::Misuse`] while another one is under way; those of [`Command::encode`].
    pub fn command(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.awaiting != Awaiting::Nothing {
            return Err(Error::Misuse("another command is under way"));
        }
        let mut message = Vec::new();
        command.encode(&mut message)?;
        let awaiting = match command.verb {
            Verb::Break => Awaiting::Nothing,
            verb => Awaiting::Answer(verb),
        };
        self.say(&message, awaiting, out);
        Ok(())
    }

    /// Ends the session; nobody answers that.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        const END: Command<'_> = Command { verb: Verb::Break, kind: 0, item: "", value: "" };
        // It holds no text that could be refused.
        if END.encode(out).is_ok() {
            self.awaiting = Awaiting::Nothing;
        }
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.receiver.push(octets);
    }

    /// What has come, and what is to be said to it.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::NotUnderstood`] when repetitions did not help; [`Error::Refused`], [`Error::Ended`]; [`Error::Unexpected`];
    /// [`Error::TooLong`]; [`Error::Malformed`].
    pub fn poll(&mut self, out: &mut Vec<u8>) -> Result<Event<'_>, Error> {
        let step = match self.receiver.next_message() {
            Ok(None) => return Ok(Event::Wait),
            Ok(Some(message)) => step(self.awaiting, message, &mut self.parts)?,
            Err(Error::Checksum { .. }) => {
                self.count(|tries| Error::Damaged { tries })?;
                out.push(NAK);
                return Ok(Event::Reply);
            }
            Err(error) => return Err(error),
        };
        match step {
            Step::Repeat => {
                self.count(|tries| Error::NotUnderstood { tries })?;
                out.extend_from_slice(&self.sent);
                Ok(Event::Reply)
            }
            Step::More => {
                self.tries = 0;
                out.push(ACK);
                Ok(Event::Reply)
            }
            Step::Wait => Ok(Event::Wait),
            Step::Identified(identification) => {
                self.done();
                Ok(Event::Identified(identification))
            }
            Step::Accepted => {
                self.done();
                Ok(Event::Accepted)
            }
            Step::Whole => {
                let awaited = self.done();
                let whole = &self.parts[..];
                match awaited {
                    Awaiting::ReadOut => Ok(Event::ReadOut(whole)),
                    Awaiting::Challenge => Ok(Event::Challenge(whole)),
                    _ => answered(whole),
                }
            }
        }
    }

    /// The time for an answer is over: what was said last is said again.
    ///
    /// # Errors
    /// [`Error::NotUnderstood`] when that did not help; [`Error::Misuse`] when nothing is awaited.
    pub fn unanswered(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.awaiting == Awaiting::Nothing {
            return Err(Error::Misuse("nothing is awaited"));
        }
        self.count(|tries| Error::NotUnderstood { tries })?;
        self.receiver.clear();
        out.extend_from_slice(&self.sent);
        Ok(())
    }

    fn say(&mut self, message: &[u8], awaiting: Awaiting, out: &mut Vec<u8>) {
        self.sent.clear();
        self.sent.extend_from_slice(message);
        (self.awaiting, self.tries) = (awaiting, 0);
        self.parts.clear();
        out.extend_from_slice(message);
    }

    /// Ends the wait and says what was awaited.
    const fn done(&mut self) -> Awaiting {
        self.tries = 0;
        std::mem::replace(&mut self.awaiting, Awaiting::Nothing)
    }

    /// One more try of the same.
    fn count(&mut self, spent: impl FnOnce(u8) -> Error) -> Result<(), Error> {
        if self.tries == TRIES {
            return Err(spent(TRIES + 1));
        }
        self.tries += 1;
        Ok(())
    }
}

/// What a message comes to.
enum Step {
    Wait,
    /// Say the last message again.
    Repeat,
    /// Ask for the next part.
    More,
    Identified(Identification),
    Accepted,
    /// All parts are there.
    Whole,
}

fn step(awaiting: Awaiting, message: Message<'_>, parts: &mut Vec<u8>) -> Result<Step, Error> {
    match (awaiting, message) {
        // Optical heads and RS485 adapters give back what was sent.
        (_, Message::Opening(_) | Message::Selection(_)) => Ok(Step::Wait),
        (_, Message::Command { letters: [b'R' | b'W' | b'E', _] | [b'P', b'1' | b'2'], .. }) => {
            Ok(Step::Wait)
        }
        (Awaiting::ReadOut | Awaiting::Answer(Verb::Read), Message::Ack) => Ok(Step::Wait),
        (Awaiting::Identification, Message::Identification(identification)) => {
            Ok(Step::Identified(identification))
        }
        (Awaiting::Nothing, _) => Ok(Step::Wait),
        (_, Message::Nak) => Ok(Step::Repeat),
        // The end of the session before, which a head gives back late.
        (Awaiting::Identification, Message::Command { letters: [b'B', _], .. }) => Ok(Step::Wait),
        (_, Message::Command { letters: [b'B', _], .. }) => Err(Error::Ended),
        (Awaiting::Challenge, Message::Command { letters: [b'P', b'0'], body }) => {
            let inside = body.strip_prefix(b"(").and_then(|body| body.strip_suffix(b")")).unwrap_or(body);
            append(parts, inside)?;
            Ok(Step::Whole)
        }
        (Awaiting::Challenge, Message::Ack) => Ok(Step::Whole),
        (Awaiting::Answer(Verb::Password | Verb::Write | Verb::Execute), Message::Ack) => Ok(Step::Accepted),
        (Awaiting::ReadOut | Awaiting::Answer(_), Message::Data { body, more }) => {
            append(parts, body)?;
            Ok(if more { Step::More } else { Step::Whole })
        }
        (awaiting, other) => Err(Error::Unexpected { expected: awaiting.what(), got: other.kind() }),
    }
}

fn append(parts: &mut Vec<u8>, body: &[u8]) -> Result<(), Error> {
    if parts.len() + body.len() > PARTS_MAX {
        return Err(Error::TooLong { what: "an answer in parts", limit: PARTS_MAX });
    }
    parts.extend_from_slice(body);
    Ok(())
}

/// Data, unless the meter says that it cannot give any.
fn answered(whole: &[u8]) -> Result<Event<'_>, Error> {
    if let Some(Ok(set)) = DataSets::of(whole).next()
        && let Some(error) = set.error()
    {
        return Err(Error::Refused(format!("ER{error}")));
    }
    Ok(Event::Answer(whole))
}
