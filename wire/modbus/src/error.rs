//! What can go wrong between a master and a server, sorted by who is at fault.

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
    /// The server refused.
    #[error("the meter refused: {0}")]
    Refused(Exception),
    /// The answer confirms something else than what was written.
    #[error("the answer confirms {got:04X?} where {asked:04X?} was written")]
    OtherValue {
        /// Place and value that were written.
        asked: [u16; 2],
        /// Place and value that came back.
        got: [u16; 2],
    },
    /// Registers hold no number of the format.
    #[error("{what} cannot be {got:#06x}")]
    Value {
        /// What they should hold.
        what: &'static str,
        /// A register as it came.
        got: u16,
    },
    /// Fewer registers than the number has.
    #[error("{got} octets came where the number has {expected}")]
    Truncated {
        /// Octets of the number.
        expected: usize,
        /// Octets that came.
        got: usize,
    },
    /// More or fewer at once than one frame can carry, or places behind the last one.
    #[error("{count} from {first} on cannot be asked for at once: 1 to {limit}, up to 65535")]
    Count {
        /// Place of the first.
        first: u16,
        /// How many.
        count: usize,
        /// Most in one frame.
        limit: u16,
    },
}

impl Error {
    /// Who is at fault.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::OtherValue { .. } | Self::Value { .. } | Self::Truncated { .. } => Fault::PeerBroke,
            Self::Refused(_) => Fault::PeerRefused,
            Self::Count { .. } => Fault::Misuse,
        }
    }
}

/// Why a server refuses (application protocol 1.1b3, 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exception(pub u8);

impl Exception {
    /// It does not know the function.
    pub const FUNCTION: Self = Self(1);
    /// It has no such place.
    pub const ADDRESS: Self = Self(2);
    /// It does not take such a value.
    pub const VALUE: Self = Self(3);
    /// It failed while it did it.
    pub const FAILURE: Self = Self(4);
    /// It has begun and takes longer.
    pub const ACKNOWLEDGED: Self = Self(5);
    /// It is busy.
    pub const BUSY: Self = Self(6);

    /// Whether the same may be granted a moment later.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::ACKNOWLEDGED | Self::BUSY)
    }

    const NAMES: [(Self, &'static str); 6] = [
        (Self::FUNCTION, "unknown function"),
        (Self::ADDRESS, "no such place"),
        (Self::VALUE, "no such value"),
        (Self::FAILURE, "failed while it did it"),
        (Self::ACKNOWLEDGED, "under way, ask later"),
        (Self::BUSY, "busy"),
    ];
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(exception, _)| exception == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "exception {}", self.0),
        }
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exception({self})")
    }
}
