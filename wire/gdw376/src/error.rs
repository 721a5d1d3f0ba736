/// Why octets are no frame, or not the one that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They end too early.
    #[error("the octets end within {what}")]
    Truncated {
        /// In the middle of what.
        what: &'static str,
    },
    /// There are octets too many.
    #[error("{octets} octets too many behind {what}")]
    Trailing {
        /// Behind what.
        what: &'static str,
        /// How many.
        octets: usize,
    },
    /// A fixed octet is another one.
    #[error("{what} is 0x{got:02X}")]
    Unexpected {
        /// Which.
        what: &'static str,
        /// What is there.
        got: u8,
    },
    /// The two lengths of the frame contradict each other.
    #[error("the lengths 0x{first:04X} and 0x{second:04X} are not the same")]
    Lengths {
        /// The first.
        first: u16,
        /// Its repetition.
        second: u16,
    },
    /// The user data are shorter than a frame has to have, or longer than the receiver takes.
    #[error("{got} octets of user data")]
    Length {
        /// Octets of user data.
        got: usize,
    },
    /// The checksum is wrong.
    #[error("the checksum is 0x{got:02X}, not 0x{expected:02X}")]
    Checksum {
        /// What it should be.
        expected: u8,
        /// What is there.
        got: u8,
    },
    /// The frame is about something else than what was asked for.
    #[error("the frame is no {what}")]
    Other {
        /// What it should be.
        what: &'static str,
    },
    /// More than fits was to be sent.
    #[error("{what} has {got} octets, {limit} are possible")]
    TooLong {
        /// What.
        what: &'static str,
        /// Its octets.
        got: usize,
        /// Most that fit.
        limit: usize,
    },
}
