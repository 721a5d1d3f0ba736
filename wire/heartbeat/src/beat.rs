//! Logins and heartbeats in the wrapper and of terminals, and their answers.

use dlms::wrapper::Header;
use gdw376::{
    Address, Afn, Frame, USER_DATA_MAX,
    link::{Confirmation, Test},
};

use crate::{Error, check::Check};

/// Longest name of a caller, in characters.
pub const ID_MAX: usize = 32;
/// First octet of an APDU: a login, its answer, a heartbeat, its answer.
const LOGIN: u8 = 0x0A;
const LOGIN_ANSWER: u8 = 0xAA;
const HEARTBEAT: u8 = 0x0C;
const HEARTBEAT_ANSWER: u8 = 0xCC;
/// Second octet of a request and of an answer.
const REQUEST: u8 = 2;
const ANSWER: u8 = 3;
/// Beginning of a heartbeat that knows no login, and first octet of its answer. The first octet is also that of general-ciphering, whose
/// transaction id would have 16 octets: that APDU would go on behind them.
const PLAIN: [u8; 6] = [0xDD, 0x10, 0, 0, 0, 0];
const PLAIN_ANSWER: u8 = 0xDA;
/// Octets of the number in such a heartbeat; some modules have the short one.
const PLAIN_IDS: [usize; 2] = [12, 4];
/// In front of a frame of some modules.
const FLAG: u8 = 0x7E;

/// How a caller says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// In the wrapper, a login `0A` and then heartbeats `0C`, with a check sequence.
    Login,
    /// In the wrapper, heartbeats `DD` and no login.
    Plain,
    /// Tests of the link of Q/GDW 376.1: login, heartbeat, logout.
    Terminal,
}

impl Dialect {
    /// Its name in a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Plain => "plain",
            Self::Terminal => "gdw376",
        }
    }
}

/// What a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To be known from here on.
    Login,
    /// To stay known.
    Heartbeat,
    /// To go.
    Logout,
}

/// A login or a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// How it is said.
    pub dialect: Dialect,
    /// What is wanted.
    pub kind: Kind,
    /// What the caller calls itself: 1 to [`ID_MAX`] letters, digits, `-`, `_` or `.`.
    pub id: String,
    answer: Vec<u8>,
}

impl Beat {
    /// Looks at a frame of the wrapper; `flagged` says that `7E` stood in front of it. `None` when it is something else.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Check`], [`Error::Id`]: a login or heartbeat that is not to be answered.
    pub fn read(header: Header, apdu: &[u8], flagged: bool) -> Result<Option<Self>, Error> {
        let mut answer: Vec<u8> = flagged.then_some(FLAG).into_iter().collect();
        let (dialect, kind, id) = match apdu {
            [LOGIN, REQUEST, ..] => (Dialect::Login, Kind::Login, checked(header, apdu, &mut answer)?),
            [HEARTBEAT, REQUEST, ..] => {
                (Dialect::Login, Kind::Heartbeat, checked(header, apdu, &mut answer)?)
            }
            _ => match apdu.strip_prefix(&PLAIN) {
                Some(number) if PLAIN_IDS.contains(&number.len()) => {
                    let back = Header { source: header.destination, destination: header.source, ..header };
                    answer.extend_from_slice(&back.octets());
                    answer.push(PLAIN_ANSWER);
                    answer.extend_from_slice(&apdu[1..]);
                    (Dialect::Plain, Kind::Heartbeat, digits(number))
                }
                _ => return Ok(None),
            },
        };
        if !is_id(&id) {
            return Err(Error::Id);
        }
        Ok(Some(Self { dialect, kind, id, answer }))
    }

    /// Looks at a frame of Q/GDW 376.1. `None` when it is something else.
    ///
    /// # Errors
    /// [`Error::Terminal`]: a frame that is not to be answered.
    pub fn read_terminal(octets: &[u8]) -> Result<Option<Self>, Error> {
        let Some((frame, _)) = Frame::read(octets, USER_DATA_MAX)? else { return Err(Error::Length) };
        if frame.afn != Afn::LINK || !frame.control.is_up() {
            return Ok(None);
        }
        let kind = match Test::read(&frame)? {
            Test::Login => Kind::Login,
            Test::Heartbeat => Kind::Heartbeat,
            Test::Logout => Kind::Logout,
        };
        let mut answer = Vec::new();
        Confirmation::All.encode(&frame, &mut answer)?;
        Ok(Some(Self { dialect: Dialect::Terminal, kind, id: frame.address.to_string(), answer }))
    }

    /// The frame that answers it.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }
}

/// Whether a caller can have this name: 1 to [`ID_MAX`] letters, digits, `-`, `_` or `.`.
pub fn is_id(id: &str) -> bool {
    let is_usable = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(is_usable)
}

/// Appends the frame with which a caller says who it is, for those who play one. A dialect without logins has heartbeats instead.
///
/// # Errors
/// [`Error::Id`] for a name that does not fit: up to [`ID_MAX`] characters, exactly 12 or 4 without a login, 8 hexadecimal digits for a
/// terminal.
pub fn write(dialect: Dialect, kind: Kind, id: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut apdu = Vec::new();
    let destination = match dialect {
        Dialect::Login => {
            let length =
                u8::try_from(id.len()).ok().filter(|length| (1..=ID_MAX).contains(&usize::from(*length)));
            let tag = if kind == Kind::Login { LOGIN } else { HEARTBEAT };
            apdu.extend([tag, REQUEST, length.ok_or(Error::Id)?]);
            apdu.extend_from_slice(id.as_bytes());
            apdu.extend((kind == Kind::Login).then_some(0));
            let check = Check::Hdlc.of(&apdu[1..]);
            apdu.extend(check.to_le_bytes());
            1
        }
        Dialect::Plain if PLAIN_IDS.contains(&id.len()) => {
            apdu.extend_from_slice(&PLAIN);
            apdu.extend_from_slice(id.as_bytes());
            16
        }
        Dialect::Plain => return Err(Error::Id),
        Dialect::Terminal => {
            let test = match kind {
                Kind::Login => Test::Login,
                Kind::Heartbeat => Test::Heartbeat,
                Kind::Logout => Test::Logout,
            };
            return Ok(test.encode(Address::parse(id).ok_or(Error::Id)?, 1, out)?);
        }
    };
    dlms::wrapper::frame(1, destination, &apdu, out).map_err(|_| Error::Id)
}

/// The name in a login or heartbeat with a check sequence. Appends the answer: the same header, the code of an answer.
fn checked(header: Header, apdu: &[u8], answer: &mut Vec<u8>) -> Result<String, Error> {
    let [tag, _, length, rest @ .., low, high] = apdu else { return Err(Error::Length) };
    let reserve = usize::from(*tag == LOGIN);
    if rest.len() != usize::from(*length) + reserve {
        return Err(Error::Length);
    }
    let found = u16::from_le_bytes([*low, *high]);
    let check = Check::told_by(&apdu[1..apdu.len() - 2], found).ok_or(Error::Check(found))?;
    let (name, reserve) = rest.split_at(usize::from(*length));
    answer.extend_from_slice(&header.octets());
    answer.push(if *tag == LOGIN { LOGIN_ANSWER } else { HEARTBEAT_ANSWER });
    let from = answer.len();
    answer.extend([ANSWER, *length]);
    answer.extend_from_slice(name);
    // What stands here in a login is not always zero; in its answer it is.
    answer.extend(reserve.iter().map(|_| 0));
    let check = check.of(&answer[from..]);
    answer.extend(check.to_le_bytes());
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    Ok(String::from_utf8_lossy(name).trim().to_owned())
}

/// The number in a heartbeat without login: zero octets are filling, and what is no digit stands for one.
fn digits(number: &[u8]) -> String {
    let filled = number.iter().filter(|octet| **octet != 0);
    filled.map(|octet| if octet.is_ascii_digit() { char::from(*octet) } else { '0' }).collect()
}
