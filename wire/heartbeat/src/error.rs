/// What is wrong with what arrived. All of it is the caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No dialect and no language begins like this.
    #[error("no frame begins with {0:02X}")]
    Unknown(u8),
    /// A frame is longer than is taken.
    #[error("a frame of {length} octets, {limit} are taken")]
    TooLong {
        /// Octets that it would have.
        length: usize,
        /// Octets that are taken.
        limit: usize,
    },
    /// A login or heartbeat has another length than its parts together.
    #[error("a login or heartbeat whose lengths do not fit each other")]
    Length,
    /// The check sequence of a login or heartbeat is none of those in use.
    #[error("a login or heartbeat with check sequence {0:04X}, which does not fit it")]
    Check(u16),
    /// What the caller calls itself is empty, too long, or holds other characters than letters, digits, `-`, `_` and `.`.
    #[error("a login or heartbeat without a usable number")]
    Id,
    /// A test of the link by a terminal is damaged.
    #[error("a test of the link: {0}")]
    Terminal(#[from] gdw376::Error),
}
