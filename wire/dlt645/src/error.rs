//! What can go wrong between a master and a meter, sorted by who is at fault.

use std::fmt;

/// Who has to change something before a repetition can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer sent what the standard does not allow; or the octets were damaged on the way.
    PeerBroke,
    /// The peer understood and cannot or may not do it.
    PeerRefused,
    /// This side asked for something impossible.
    Misuse,
}

/// Every error of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The data of a frame end before the field does.
    #[error("the data end at octet {offset}, in the middle of {what}")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Octets of data that there were.
        offset: usize,
    },
    /// A field has a value that the standard does not define.
    #[error("{what} cannot be {got:#x}, at octet {offset} of the data")]
    Value {
        /// The field.
        what: &'static str,
        /// What came.
        got: u32,
        /// Where in the data of the frame.
        offset: usize,
    },
    /// The frame answers another function than the one that was asked for.
    #[error("control octet {got:#04x} does not answer function {asked:#04x}")]
    OtherFunction {
        /// Function of the request.
        asked: u8,
        /// Control octet that came.
        got: u8,
    },
    /// The frame answers for another item than the one that was asked for.
    #[error("item {got:08X} came, {asked:08X} was asked for")]
    OtherItem {
        /// Identifier in the request.
        asked: u32,
        /// Identifier that came.
        got: u32,
    },
    /// A further frame has another number than the one that is due.
    #[error("part {got} came, part {due} is due")]
    OtherPart {
        /// Number that is due.
        due: u8,
        /// Number that came.
        got: u8,
    },
    /// The sum of a load record is another one than that of its octets.
    #[error("the sum of a load record is wrong, at octet {offset} of the item")]
    Sum {
        /// Where the sum is in the item.
        offset: usize,
    },
    /// The classes of a load record are not as long as they are by the standard, or are more than were asked for.
    #[error(
        "the classes of a load record are of another length or number than the standard has, from octet {offset} of the item on"
    )]
    Classes {
        /// Where they begin in the item.
        offset: usize,
    },
    /// The meter refused.
    #[error("the meter refused: {0}")]
    Refused(Refusal),
    /// More data than a frame can carry.
    #[error("{got} octets of data do not fit into a frame, at most {limit} do")]
    TooLong {
        /// Octets that were to be sent.
        got: usize,
        /// Octets that can be.
        limit: usize,
    },
    /// The edition of the standard has no such function.
    #[error("edition {edition} of DL/T 645 cannot {what}")]
    NotInEdition {
        /// Year of the edition.
        edition: u16,
        /// What it cannot do.
        what: &'static str,
    },
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Truncated { .. }
            | Self::Value { .. }
            | Self::OtherFunction { .. }
            | Self::OtherItem { .. }
            | Self::OtherPart { .. }
            | Self::Sum { .. }
            | Self::Classes { .. } => Fault::PeerBroke,
            Self::Refused(_) => Fault::PeerRefused,
            Self::TooLong { .. } | Self::NotInEdition { .. } => Fault::Misuse,
        }
    }
}

/// The error octet of an answer (DL/T 645-2007, annex of error words): any number of reasons at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal(pub u8);

impl Refusal {
    /// Bit 0: for another reason.
    pub const OTHER: Self = Self(0x01);
    /// Bit 1: there is no such item.
    pub const NO_SUCH_ITEM: Self = Self(0x02);
    /// Bit 2: the password is wrong, or the operation is not allowed with it.
    pub const NOT_AUTHORISED: Self = Self(0x04);
    /// Bit 3: the speed of the line cannot be changed.
    pub const SPEED: Self = Self(0x08);
    /// Bit 4: too many zones of the year.
    pub const YEAR_ZONES: Self = Self(0x10);
    /// Bit 5: too many slots of the day.
    pub const DAY_SLOTS: Self = Self(0x20);
    /// Bit 6: too many rates.
    pub const RATES: Self = Self(0x40);

    const NAMES: [(Self, &'static str); 7] = [
        (Self::OTHER, "another reason"),
        (Self::NO_SUCH_ITEM, "no such item"),
        (Self::NOT_AUTHORISED, "wrong password or not allowed with it"),
        (Self::SPEED, "the speed of the line cannot be changed"),
        (Self::YEAR_ZONES, "too many zones of the year"),
        (Self::DAY_SLOTS, "too many slots of the day"),
        (Self::RATES, "too many rates"),
    ];

    /// Whether this reason is among those given.
    pub const fn contains(self, reason: Self) -> bool {
        self.0 & reason.0 != 0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Self::NAMES.iter().filter(|(reason, _)| self.contains(*reason));
        match names.next() {
            None => write!(f, "no reason given ({:#04x})", self.0)?,
            Some((_, name)) => f.write_str(name)?,
        }
        names.try_for_each(|(_, name)| write!(f, ", {name}"))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({self})")
    }
}
