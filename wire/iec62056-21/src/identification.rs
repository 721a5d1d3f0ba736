use crate::Error;
use crate::message::ACK;

/// Longest name behind the speed (IEC 62056-21, 6.3.2), with some room for meters that take more.
const NAME_MAX: usize = 32;

/// A speed of the line in bits per second: 300 times two to the power of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(u8);

impl Speed {
    /// 300 bit/s, where every session begins.
    pub const INITIAL: Self = Self(0);

    /// The speed of this character, `0` to `6`.
    pub const fn of(character: u8) -> Option<Self> {
        match character {
            b'0'..=b'6' => Some(Self(character - b'0')),
            _ => None,
        }
    }

    /// Its character.
    pub const fn character(self) -> u8 {
        b'0' + self.0
    }

    /// Bits per second.
    pub const fn baud(self) -> u32 {
        300 << self.0
    }
}

/// What a meter says first: `/XXXZ\2name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// Three letters of the maker, as FLAG lists them.
    pub manufacturer: [u8; 3],
    /// How the speed can be changed.
    pub mode: Mode,
    /// Whether the meter speaks HDLC after the selection (`\2`).
    pub has_hdlc: bool,
    /// Type and whatever else the maker says.
    pub name: String,
}

/// How a meter changes the speed of the line (IEC 62056-21, 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all; the read-out follows at once.
    A,
    /// By itself, to this speed; the read-out follows.
    B(Speed),
    /// When the client selects it; this speed is proposed.
    C(Speed),
}

impl Identification {
    /// Reads the message without its line end.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Malformed`], [`Error::TooLong`].
    pub fn decode(line: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "identification message";
        let short = Error::Truncated { what: WHAT, offset: line.len() };
        let [b'/', x, y, z, speed, rest @ ..] = line else {
            return Err(match line.first() {
                Some(got) if *got != b'/' => Error::Malformed { what: WHAT, offset: 0, got: *got },
                _ => short,
            });
        };
        let manufacturer = [*x, *y, *z];
        if let Some(at) = manufacturer.iter().position(|letter| !letter.is_ascii_alphabetic()) {
            return Err(Error::Malformed { what: WHAT, offset: 1 + at, got: manufacturer[at] });
        }
        let (mode, mut name) = match speed {
            b'0'..=b'6' => (Mode::C(Speed(speed - b'0')), rest),
            b'A'..=b'F' => (Mode::B(Speed(speed - b'A' + 1)), rest),
            // Without a speed, the character is the first one of the name.
            _ => (Mode::A, &line[4..]),
        };
        let mut has_hdlc = false;
        while let [b'\\', sequence, rest @ ..] = name {
            has_hdlc |= *sequence == b'2';
            name = rest;
        }
        if name.len() > NAME_MAX {
            return Err(Error::TooLong { what: "the name of a meter", limit: NAME_MAX });
        }
        if let Some(at) = name.iter().position(|octet| !(0x20..0x7F).contains(octet)) {
            let offset = line.len() - name.len() + at;
            return Err(Error::Malformed { what: WHAT, offset, got: name[at] });
        }
        // Only ASCII is left.
        let name = String::from_utf8_lossy(name).into_owned();
        Ok(Self { manufacturer, mode, has_hdlc, name })
    }

    /// Appends the message with its line end.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'/');
        out.extend_from_slice(&self.manufacturer);
        match self.mode {
            Mode::A => {}
            Mode::B(speed) => out.push(b'A' + speed.0.saturating_sub(1)),
            Mode::C(speed) => out.push(speed.character()),
        }
        if self.has_hdlc {
            out.extend_from_slice(b"\\2");
        }
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Whether the meter needs 20 ms between messages only, and not 200: its maker's third letter is a small one.
    pub const fn is_quick(&self) -> bool {
        self.manufacturer[2].is_ascii_lowercase()
    }
}

/// What the client selects after the identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The read-out.
    ReadOut,
    /// Programming mode.
    Programming,
    /// HDLC (mode E).
    Hdlc,
}

impl Selection {
    /// The message: acknowledgement, protocol, speed, mode, line end.
    pub const fn message(self, speed: Speed) -> [u8; 6] {
        let (protocol, mode) = match self {
            Self::ReadOut => (b'0', b'0'),
            Self::Programming => (b'0', b'1'),
            Self::Hdlc => (b'2', b'2'),
        };
        [ACK, protocol, speed.character(), mode, b'\r', b'\n']
    }

    /// Reads the message.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(message: &[u8; 6]) -> Result<(Self, Speed), Error> {
        const WHAT: &str = "selection message";
        let wrong = |offset: usize| Error::Malformed { what: WHAT, offset, got: message[offset] };
        let [ACK, protocol, speed, mode, b'\r', b'\n'] = *message else { return Err(wrong(0)) };
        let speed = Speed::of(speed).ok_or_else(|| wrong(2))?;
        match (protocol, mode) {
            (b'0', b'0') => Ok((Self::ReadOut, speed)),
            (b'0', b'1') => Ok((Self::Programming, speed)),
            (b'2', b'2') => Ok((Self::Hdlc, speed)),
            _ => Err(wrong(3)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_of_the_field_are_identified() {
        let meter = Identification::decode(b"/ISk5\\2ME382-1004").unwrap();
        assert_eq!(meter.mode, Mode::C(Speed::of(b'5').unwrap()));
        assert!(meter.has_hdlc && meter.is_quick());
        assert_eq!(meter.name, "ME382-1004");
        let meter = Identification::decode(b"/ISk5MT174-0001").unwrap();
        assert!(!meter.has_hdlc);
        let meter = Identification::decode(b"/LGZ4ZMD310").unwrap();
        assert_eq!((meter.mode, meter.is_quick()), (Mode::C(Speed::of(b'4').unwrap()), false));
        assert_eq!(Identification::decode(b"/ABCC123").unwrap().mode, Mode::B(Speed(3)));
        let mut again = Vec::new();
        meter.encode(&mut again);
        assert_eq!(again, b"/LGZ4ZMD310\r\n");
    }

    #[test]
    fn what_is_none_is_named_with_its_place() {
        let what = "identification message";
        assert_eq!(Identification::decode(b"ISk5"), Err(Error::Malformed { what, offset: 0, got: b'I' }));
        assert_eq!(Identification::decode(b"/IS"), Err(Error::Truncated { what, offset: 3 }));
        assert_eq!(Identification::decode(b"/I5k5x"), Err(Error::Malformed { what, offset: 2, got: b'5' }));
        assert_eq!(Identification::decode(b"/ISk5\x01"), Err(Error::Malformed { what, offset: 5, got: 1 }));
    }

    #[test]
    fn a_selection_is_read_as_it_was_written() {
        let speed = Speed::of(b'5').unwrap();
        assert_eq!(speed.baud(), 9600);
        assert_eq!(Selection::Hdlc.message(speed), [0x06, 0x32, 0x35, 0x32, 0x0D, 0x0A]);
        for selection in [Selection::ReadOut, Selection::Programming, Selection::Hdlc] {
            assert_eq!(Selection::decode(&selection.message(speed)), Ok((selection, speed)));
        }
    }
}
