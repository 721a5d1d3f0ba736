//! What can go wrong between a client and a meter, sorted by who is at fault.

/// Who has to change something before a repetition can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer sent what the standard does not allow; or the octets were damaged on the way.
    PeerBroke,
    /// The peer understood and cannot or may not do it.
    PeerRefused,
    /// This side asked for something impossible.
    Misuse,
    /// A limit was reached.
    Limit,
}

/// Every error of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message is not built as the standard says.
    #[error("no {what}: octet {offset} is {got:#04x}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Where the message goes wrong.
        offset: usize,
        /// The octet there.
        got: u8,
    },
    /// A message ends before it is complete.
    #[error("{what} ends too early, at octet {offset}")]
    Truncated {
        /// What it should have been.
        what: &'static str,
        /// Octets that there were.
        offset: usize,
    },
    /// The block check character is wrong: damage on the way.
    #[error("the block check character is {got:#04x}, but the octets make {expected:#04x}")]
    Checksum {
        /// What the octets make.
        expected: u8,
        /// What came.
        got: u8,
    },
    /// The message was damaged as often as it was repeated.
    #[error("damaged {tries} times in a row: look at the line")]
    Damaged {
        /// How often.
        tries: u8,
    },
    /// The meter said several times that it did not understand.
    #[error("the meter did not understand, {tries} times in a row")]
    NotUnderstood {
        /// How often.
        tries: u8,
    },
    /// A message that may not come here.
    #[error("{got} came where {expected} was due")]
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// What came.
        got: &'static str,
    },
    /// The meter does not offer to go on with HDLC (mode E).
    #[error("the meter does not go on with HDLC behind its identification")]
    NoHdlc,
    /// The meter refused, in its own words.
    #[error("the meter refused: {0}")]
    Refused(String),
    /// The meter ended the session (`B0`).
    #[error("the meter ended the session: check the password")]
    Ended,
    /// Something is longer than this side accepts.
    #[error("{what} is longer than {limit} octets")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Most that is accepted.
        limit: usize,
    },
    /// Characters that cannot be sent.
    #[error("{what} may hold printable ASCII without brackets only")]
    Characters {
        /// Where they stand.
        what: &'static str,
    },
    /// A call that makes no sense in this state.
    #[error("{0}")]
    Misuse(&'static str),
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed { .. }
            | Self::Truncated { .. }
            | Self::Checksum { .. }
            | Self::Damaged { .. }
            | Self::Unexpected { .. } => Fault::PeerBroke,
            Self::NotUnderstood { .. } | Self::NoHdlc | Self::Refused(_) | Self::Ended => Fault::PeerRefused,
            Self::Characters { .. } | Self::Misuse(_) => Fault::Misuse,
            Self::TooLong { .. } => Fault::Limit,
        }
    }
}
