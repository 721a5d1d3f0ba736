use std::fmt;

use super::address::Address;
use super::assembly::Assembly;
use super::control::{Control, Function};
use super::error::LinkError;
use super::frame::Frame;
use super::settings::Settings;
use crate::{Error, llc};

/// Frames are numbered from 0 to 7.
const NUMBERS: u8 = 8;

/// What both ends of a link do alike: number what they send, hold it until it is acknowledged, and take what comes in turn
/// (IEC 62056-46, 6.4.4.5).
#[derive(Debug)]
pub(super) struct Link {
    pub(super) own: Address,
    pub(super) peer: Address,
    pub(super) settings: Settings,
    pub(super) incoming: Assembly,
    /// V(R): number of the frame that is expected next.
    expected: u8,
    outgoing: Outgoing,
}

/// What an I frame brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// The last segment of an APDU.
    Apdu,
    /// Another segment.
    Segment,
    /// Nothing: it was there before, or one before it is missing.
    OutOfTurn,
}

impl Link {
    pub(super) fn new(own: Address, peer: Address) -> Self {
        Self {
            own,
            peer,
            settings: Settings::default(),
            incoming: Assembly::new(),
            expected: 0,
            outgoing: Outgoing::default(),
        }
    }

    /// Begins anew, as after SNRM.
    pub(super) fn restart(&mut self, settings: Settings) {
        self.settings = settings;
        self.incoming.clear();
        self.expected = 0;
        self.outgoing = Outgoing { octets: std::mem::take(&mut self.outgoing.octets), ..Outgoing::default() };
        self.outgoing.octets.clear();
    }

    /// Puts an APDU in line. Everything before it has to be acknowledged.
    pub(super) fn begin(&mut self, header: [u8; llc::LENGTH], apdu: &[u8]) {
        self.outgoing.octets.clear();
        self.outgoing.octets.extend_from_slice(&header);
        self.outgoing.octets.extend_from_slice(apdu);
        self.outgoing.acknowledged = 0;
    }

    /// Whether everything that was put in line is acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.outgoing.acknowledged == self.outgoing.octets.len()
    }

    /// Frames that are sent and not acknowledged.
    pub(super) fn open(&self) -> u8 {
        self.outgoing.open
    }

    /// Sends what the window allows, from the first frame on that is not acknowledged. The last frame gives the turn away.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let segment = usize::from(self.settings.max_info_transmit);
        let mut start = self.outgoing.acknowledged;
        let mut frames = 0;
        while start < self.outgoing.octets.len() && frames < self.settings.window_transmit {
            let end = (start + segment).min(self.outgoing.octets.len());
            let is_last = end == self.outgoing.octets.len();
            let send = (self.outgoing.number + frames) % NUMBERS;
            frames += 1;
            let function = Function::Information { send, receive: self.expected };
            Frame {
                destination: self.peer,
                source: self.own,
                control: Control { function, poll: is_last || frames == self.settings.window_transmit },
                segmented: !is_last,
                information: &self.outgoing.octets[start..end],
            }
            .encode(out)?;
            start = end;
        }
        self.outgoing.open = frames;
        Ok(())
    }

    /// Sends a frame without number and gives the turn away.
    pub(super) fn write(
        &self,
        function: Function,
        information: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (destination, source) = (self.peer, self.own);
        let control = Control::last(function);
        Frame { destination, source, control, segmented: false, information }.encode(out)
    }

    /// Says what is expected next and gives the turn away.
    pub(super) fn ready(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.write(Function::ReceiveReady { receive: self.expected }, &[], out)
    }

    /// Takes an acknowledgement; whether it brought the transmission on.
    pub(super) fn acknowledge(&mut self, receive: u8) -> Result<bool, LinkError> {
        let Outgoing { number, open, .. } = self.outgoing;
        let frames = (receive + NUMBERS - number) % NUMBERS;
        if frames > open {
            return Err(LinkError::Acknowledgement { first: number, open, got: receive });
        }
        let octets = usize::from(frames) * usize::from(self.settings.max_info_transmit);
        let acknowledged = self.outgoing.acknowledged + octets;
        self.outgoing.acknowledged = acknowledged.min(self.outgoing.octets.len());
        self.outgoing.number = receive;
        self.outgoing.open -= frames;
        Ok(frames > 0)
    }

    /// Takes an I frame with N(S) `send`.
    pub(super) fn accept(&mut self, send: u8, frame: &Frame<'_>) -> Result<Accepted, Error> {
        if send != self.expected {
            return Ok(Accepted::OutOfTurn);
        }
        self.expected = (self.expected + 1) % NUMBERS;
        Ok(if self.incoming.add(frame)? { Accepted::Apdu } else { Accepted::Segment })
    }
}

/// An APDU on its way out. It is held once; each frame is a slice of it.
#[derive(Default)]
struct Outgoing {
    octets: Vec<u8>,
    /// Octets of it that are acknowledged.
    acknowledged: usize,
    /// N(S) of the first frame that is not acknowledged.
    number: u8,
    /// Frames that are sent and not acknowledged.
    open: u8,
}

/// What is sent may be a secret.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} of {} octets, frame {})", self.acknowledged, self.octets.len(), self.number)
    }
}
