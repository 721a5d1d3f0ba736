use crate::Error;
use crate::message::{ETX, SOH, STX, check_character};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `P`: the password, or a challenge for it.
    Password,
    /// `R`: read.
    Read,
    /// `W`: write.
    Write,
    /// `E`: execute.
    Execute,
    /// `B`: end the session.
    Break,
}

impl Verb {
    const fn letter(self) -> u8 {
        match self {
            Self::Password => b'P',
            Self::Read => b'R',
            Self::Write => b'W',
            Self::Execute => b'E',
            Self::Break => b'B',
        }
    }
}

/// A command of programming mode: a verb, its type and, but for `B0`, a data set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// What it does.
    pub verb: Verb,
    /// Type of the command, a digit: 1 for text, 2 for a formatted code, 3 and 4 with parts; of a password: 0 a challenge, 1 the
    /// password, 2 the answer to a challenge.
    pub kind: u8,
    /// Name of the item, for example `1.8.0`; empty for a password.
    pub item: &'a str,
    /// What stands in the brackets.
    pub value: &'a str,
}

impl Command<'_> {
    /// Appends the message.
    ///
    /// # Errors
    /// [`Error::Characters`] for what would end the message or the brackets early.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let plain = |text: &str| {
            text.bytes()
                .all(|octet| (0x20..0x7F).contains(&octet) && !matches!(octet, b'(' | b')' | b'/' | b'!'))
        };
        for (what, text) in [("the item of a command", self.item), ("the value of a command", self.value)] {
            if !plain(text) {
                return Err(Error::Characters { what });
            }
        }
        let start = out.len();
        out.extend_from_slice(&[SOH, self.verb.letter(), b'0' + self.kind % 10]);
        if self.verb != Verb::Break {
            out.push(STX);
            out.extend_from_slice(self.item.as_bytes());
            out.push(b'(');
            out.extend_from_slice(self.value.as_bytes());
            out.push(b')');
        }
        out.push(ETX);
        out.push(check_character(&out[start + 1..]));
        Ok(())
    }
}

/// A value may be a password, and is not shown.
impl std::fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Command({}{} {}(…))", char::from(self.verb.letter()), self.kind, self.item)
    }
}

/// Whether these are the letters of a command.
pub(crate) fn is_command([verb, kind]: [u8; 2]) -> bool {
    matches!(verb, b'P' | b'R' | b'W' | b'E' | b'B') && kind.is_ascii_digit()
}
