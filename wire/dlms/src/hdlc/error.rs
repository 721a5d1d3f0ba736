use crate::error::Fault;

/// Why there is no link any more, or none yet. To go on, connect again; an association went with the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nothing came back, or nothing that was undamaged and for this client.
    #[error("the station did not answer {tries} times in a row")]
    Unanswered {
        /// How often it was asked.
        tries: u8,
    },
    /// Station and client talk to each other, but get nowhere: what is sent is damaged again and again, or the station is busy.
    #[error("the link did not get on for {turns} turns: the line is bad, or the station is busy")]
    Stalled {
        /// How often the client had the turn.
        turns: u8,
    },
    /// The station has taken the link down by itself (DM or DISC), for example because nothing was sent for too long.
    #[error("the station has taken the link down")]
    Lost,
    /// The station refuses to set a link up (DM).
    #[error(
        "the station refuses a link: somebody else may hold it, or the client address is not known there"
    )]
    Refused,
    /// The station says that a frame makes no sense (FRMR).
    #[error("the station rejected a frame")]
    FrameRejected,
    /// The station acknowledges what it was never sent.
    #[error("the station acknowledged up to {got}, but frames from {first} on are open, {open} of them")]
    Acknowledgement {
        /// N(S) of the first frame that is not acknowledged.
        first: u8,
        /// Frames that are not acknowledged.
        open: u8,
        /// N(R) that came.
        got: u8,
    },
}

impl LinkError {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unanswered { .. } | Self::Stalled { .. } | Self::Lost => Fault::Line,
            Self::Refused => Fault::PeerRefused,
            Self::FrameRejected | Self::Acknowledgement { .. } => Fault::PeerBroke,
        }
    }
}
