/// The bit of the control octet by which a station gives the turn to the other one.
const POLL: u8 = 0x10;

/// The control octet of a frame (IEC 62056-46, 6.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What the frame is for.
    pub function: Function,
    /// Poll, from a client: answer now. Final, from a server: it is your turn.
    pub poll: bool,
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// I: a segment of an APDU.
    Information {
        /// N(S): number of the segment, 0 to 7.
        send: u8,
        /// N(R): number of the segment that the sender expects next.
        receive: u8,
    },
    /// RR: everything below `receive` has arrived, go on.
    ReceiveReady {
        /// N(R).
        receive: u8,
    },
    /// RNR: everything below `receive` has arrived, but wait.
    ReceiveNotReady {
        /// N(R).
        receive: u8,
    },
    /// REJ: send everything from `receive` on again.
    Reject {
        /// N(R).
        receive: u8,
    },
    /// SNRM: set up the link.
    SetNormalResponseMode,
    /// DISC: take the link down; from a server, the wish that the client does it.
    Disconnect,
    /// UA: done.
    UnnumberedAcknowledge,
    /// DM: there is no link.
    DisconnectedMode,
    /// FRMR: a frame was received that makes no sense here.
    FrameReject,
    /// UI: an APDU, or a segment of one, beside any link.
    UnnumberedInformation,
    /// Another one; its octet without [`Control::poll`].
    Other(u8),
}

impl Control {
    /// Function with the turn.
    pub const fn last(function: Function) -> Self {
        Self { function, poll: true }
    }

    /// The octet.
    pub fn octet(self) -> u8 {
        let function = match self.function {
            Function::Information { send, receive } => (receive & 7) << 5 | (send & 7) << 1,
            Function::ReceiveReady { receive } => (receive & 7) << 5 | 0x01,
            Function::ReceiveNotReady { receive } => (receive & 7) << 5 | 0x05,
            Function::Reject { receive } => (receive & 7) << 5 | 0x09,
            Function::SetNormalResponseMode => 0x83,
            Function::Disconnect => 0x43,
            Function::UnnumberedAcknowledge => 0x63,
            Function::DisconnectedMode => 0x0F,
            Function::FrameReject => 0x87,
            Function::UnnumberedInformation => 0x03,
            Function::Other(octet) => octet,
        };
        if self.poll { function | POLL } else { function & !POLL }
    }

    /// What an octet means.
    pub fn new(octet: u8) -> Self {
        let receive = octet >> 5;
        let function = match octet & !POLL {
            information if information & 1 == 0 => {
                Function::Information { send: (information >> 1) & 7, receive }
            }
            supervisory if supervisory & 0x0F == 0x01 => Function::ReceiveReady { receive },
            supervisory if supervisory & 0x0F == 0x05 => Function::ReceiveNotReady { receive },
            supervisory if supervisory & 0x0F == 0x09 => Function::Reject { receive },
            0x83 => Function::SetNormalResponseMode,
            0x43 => Function::Disconnect,
            0x63 => Function::UnnumberedAcknowledge,
            0x0F => Function::DisconnectedMode,
            0x87 => Function::FrameReject,
            0x03 => Function::UnnumberedInformation,
            other => Function::Other(other),
        };
        Self { function, poll: octet & POLL != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_means_something_and_comes_back() {
        for octet in 0..=u8::MAX {
            assert_eq!(Control::new(octet).octet(), octet);
        }
    }
}
