use crate::acse::{ApplicationContext, Mechanism};

/// In which way a peer offers less security than this side asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Downgrade {
    /// It accepted an association in another application context.
    #[error("the meter answered in application context {0:?}")]
    Context(ApplicationContext),
    /// It accepted an association with another authentication mechanism; without a challenge, as if none was asked for.
    #[error("the meter answered with authentication mechanism {0:?}")]
    Mechanism(Mechanism),
    /// A message has less protection.
    #[error("a message has protection {got:#04x}, but at least {agreed:#04x} was agreed")]
    Protection {
        /// Security control octet that was agreed.
        agreed: u8,
        /// Security control octet that came.
        got: u8,
    },
    /// A message that had to be protected came in the clear.
    #[error("a message came in the clear")]
    Clear,
}
