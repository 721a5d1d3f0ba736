use super::{Challenge, Hls, Password};
use crate::acse::Mechanism;

/// How a client shows a meter who it is.
#[derive(Debug)]
pub enum Authentication {
    /// Not at all (lowest level).
    None,
    /// By a password in the clear (low level).
    Lls {
        /// The password.
        password: Password,
    },
    /// By a proof, and the meter by one in its turn (high level).
    Hls {
        /// How they prove it.
        hls: Hls,
        /// What the other side has to prove itself on; random, never used before.
        challenge: Challenge,
    },
}

impl Authentication {
    /// The mechanism that AARQ and AARE name.
    pub const fn mechanism(&self) -> Mechanism {
        match self {
            Self::None => Mechanism::Lowest,
            Self::Lls { .. } => Mechanism::Low,
            Self::Hls { hls, .. } => hls.mechanism(),
        }
    }
}
