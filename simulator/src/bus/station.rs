//! A DLMS meter as a station of a bus: HDLC at its device address.

use std::sync::Arc;
use std::time::Duration;

use dlms::hdlc::{Address, Arrival, LinkId, Server, Settings};

use super::Station;
use crate::Meter;
use crate::config::Framing;
use crate::talk::{Answer, Talk};

/// A meter on a bus. A silent one is dead.
pub(crate) struct DlmsStation {
    server: Server,
    talk: Talk,
    speed: u32,
}

impl DlmsStation {
    /// The meter at a device address, which need not be its own; none when HDLC has no such address.
    pub(crate) fn new(meter: &Arc<Meter>, device: Option<u16>, speed: u32) -> Option<Self> {
        let fleet = meter.fleet();
        let limits = match fleet.config.framing {
            Framing::Hdlc { max_info, window, .. } => Settings {
                max_info_transmit: max_info,
                max_info_receive: max_info,
                window_transmit: window,
                window_receive: window,
            },
            Framing::Wrapper | Framing::Datagrams | Framing::Plain { .. } => Settings::default(),
        };
        let address = Address::server(fleet.plan.model.association.server_sap, device).ok()?;
        let talk = Talk::new(Arc::clone(meter));
        Some(Self { server: Server::new(vec![address], limits), talk, speed })
    }

    /// Answers what came next.
    fn answer(&mut self, request: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, dlms::Error> {
        let id: LinkId = match self.server.poll(out)? {
            Arrival::Nothing => return Ok(Step::Rest),
            Arrival::Opened(_) | Arrival::Closed(_) => {
                self.talk.forget();
                return Ok(Step::Next);
            }
            Arrival::Unasked { .. } => return Ok(Step::Next),
            Arrival::Apdu(id, apdu) => {
                request.clear();
                request.extend_from_slice(apdu);
                id
            }
        };
        match self.talk.hear(id.client, request) {
            Answer::None => self.server.answer(id, None, out)?,
            Answer::Send => self.server.answer(id, Some(&self.talk.apdu), out)?,
            // A bus cannot be cut: whoever would cut it says nothing.
            Answer::Drop | Answer::Cut => self.server.answer(id, Some(&self.talk.apdu), &mut Vec::new())?,
        }
        Ok(Step::Thought)
    }
}

/// What became of what was heard.
#[derive(PartialEq, Eq)]
enum Step {
    /// There is nothing left.
    Rest,
    /// There may be more.
    Next,
    /// A request was answered.
    Thought,
}

impl Station for DlmsStation {
    fn hear(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Duration {
        if self.talk.faults.silent {
            return Duration::ZERO;
        }
        self.server.push(octets);
        let mut request = Vec::new();
        let mut thinks = Duration::ZERO;
        loop {
            match self.answer(&mut request, out) {
                Ok(Step::Rest) => return thinks,
                Ok(Step::Next) => {}
                Ok(Step::Thought) => thinks = self.talk.faults.delay,
                Err(error) => {
                    tracing::debug!(%error, "a station says nothing");
                    return thinks;
                }
            }
        }
    }

    fn speed(&self) -> u32 {
        self.speed
    }
}
