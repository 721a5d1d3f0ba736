//! A caller that says nothing is asked who it is: a public client reads its serial number, over the wrapper first and then over HDLC.
//!
//! Octets in, octets out; the connection has the clock.

use collectors::text;
use dlms::axdr::Data;
use dlms::client::{Association, Opened, Opening, Parameters, Reply, Security};
use dlms::hdlc::{Address, Client, Event, Settings};
use dlms::{AttributeDescriptor, Conformance, Error, Obis, wrapper};
use heartbeat::Unit;

use super::caller::Caller;

/// The public client, and the management logical device, which every meter has (IEC 62056-5-3).
const PUBLIC: u8 = 16;
const MANAGEMENT: u16 = 1;
/// The serial number where every meter has it (IEC 62056-6-1: device ID 1).
const SERIAL: AttributeDescriptor =
    AttributeDescriptor { class_id: 1, instance: Obis::new([0, 0, 96, 1, 0, 255]), attribute: 2 };
/// Octets of the longest APDU that is taken.
const MAX_PDU: u16 = 1024;

/// The question, as far as it has come.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The HDLC link; over the wrapper there is none.
    link: Option<Box<Client>>,
    step: Step,
}

/// What is waited for.
#[derive(Debug)]
enum Step {
    /// The link.
    Link,
    /// The association.
    Opening(Box<Opening>),
    /// The number.
    Reading(Box<Association>),
    /// The meter's leave, after which others may ask it.
    Parting(String),
    /// Nothing any more.
    Over,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Send this and wait for what comes back.
    Send(Vec<u8>),
    /// Go on waiting.
    Wait,
    /// That is its serial number.
    Named(String),
    /// It is not to be found out.
    Nobody,
}

impl Asking {
    /// The question over the wrapper, and what to send first.
    pub(crate) fn begin() -> (Self, Asked) {
        let mut asking = Self { link: None, step: Step::Over };
        let asked = asking.open().unwrap_or(Asked::Nobody);
        (asking, asked)
    }

    /// Takes a frame; `None` when it is no answer to the question.
    pub(crate) fn take(&mut self, unit: &Unit<'_>) -> Option<Asked> {
        let taken = match unit {
            Unit::Wrapper { header, apdu, .. } if self.link.is_none() => {
                let is_answer = (header.source, header.destination) == (MANAGEMENT, PUBLIC.into());
                if !is_answer || !Caller::is_late(apdu) {
                    return None;
                }
                self.apdu(&mut apdu.to_vec())
            }
            Unit::Hdlc(_) if self.link.is_some() => self.frame(&unit.octets()),
            _ => return None,
        };
        Some(taken.unwrap_or_else(|_| self.unanswered()))
    }

    /// Nothing came in time, or not what was asked for.
    pub(crate) fn unanswered(&mut self) -> Asked {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Parting(serial) => Asked::Named(serial),
            _ if self.link.is_none() => self.set_up().unwrap_or(Asked::Nobody),
            _ => Asked::Nobody,
        }
    }

    /// Whether what is sent is HDLC.
    pub(crate) const fn is_hdlc(&self) -> bool {
        self.link.is_some()
    }

    /// The way over HDLC.
    fn set_up(&mut self) -> Result<Asked, Error> {
        let refused = |_| Error::Misuse("the addresses are those of every meter");
        let client = Address::client(PUBLIC).map_err(refused)?;
        let server = Address::server(MANAGEMENT, None).map_err(refused)?;
        let mut link = Box::new(Client::new(client, server, Settings::default()));
        let mut out = Vec::new();
        link.connect(&mut out)?;
        (self.link, self.step) = (Some(link), Step::Link);
        Ok(Asked::Send(out))
    }

    /// Octets of the link.
    fn frame(&mut self, octets: &[u8]) -> Result<Asked, Error> {
        let Some(link) = &mut self.link else { return Ok(Asked::Wait) };
        link.push(octets);
        let mut out = Vec::new();
        let (mut apdu, mut is_up) = (None, false);
        loop {
            match link.poll(&mut out)? {
                Event::Wait => break,
                Event::Connected(_) => is_up = true,
                Event::Apdu(octets) => apdu = Some(octets.to_vec()),
                Event::Disconnected => return Ok(self.unanswered()),
                Event::Reply | Event::Ready | Event::Unasked(_) => {}
            }
        }
        let next = match apdu {
            Some(mut apdu) => self.apdu(&mut apdu)?,
            None if is_up => self.open()?,
            None => Asked::Wait,
        };
        Ok(match next {
            Asked::Send(octets) => Asked::Send([out, octets].concat()),
            Asked::Wait if !out.is_empty() => Asked::Send(out),
            next => next,
        })
    }

    /// Begins the association.
    fn open(&mut self) -> Result<Asked, Error> {
        let parameters = Parameters {
            security: Security::none(),
            conformance: Conformance::CLIENT,
            max_receive_pdu: MAX_PDU,
        };
        let mut request = Vec::new();
        self.step = Step::Opening(Box::new(Opening::start(parameters, &mut request)?));
        self.send(&request)
    }

    /// Takes an answer.
    fn apdu(&mut self, apdu: &mut [u8]) -> Result<Asked, Error> {
        let mut request = Vec::new();
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Opening(opening) => match opening.handle(apdu, &mut request)? {
                Opened::Send(next) => Step::Opening(Box::new(next)),
                Opened::Established(mut association) => {
                    association.get(&SERIAL, None, &mut request)?;
                    Step::Reading(Box::new(association))
                }
            },
            Step::Reading(mut association) => {
                let Reply::Data(octets) = association.handle(apdu)? else { return Ok(self.unanswered()) };
                let Some(serial) = text(&Data::decode(octets)?) else { return Ok(self.unanswered()) };
                self.step = Step::Parting(serial);
                return self.part(&mut association);
            }
            parting @ Step::Parting(_) => {
                self.step = parting;
                return Ok(self.unanswered());
            }
            step @ (Step::Link | Step::Over) => {
                self.step = step;
                return Ok(Asked::Wait);
            }
        };
        self.send(&request)
    }

    /// Takes leave: whoever asks next begins anew.
    fn part(&mut self, association: &mut Association) -> Result<Asked, Error> {
        let mut out = Vec::new();
        if let Some(link) = &mut self.link {
            link.disconnect(&mut out)?;
            return Ok(Asked::Send(out));
        }
        association.release(&mut out)?;
        self.send(&out)
    }

    fn send(&mut self, apdu: &[u8]) -> Result<Asked, Error> {
        let mut out = Vec::new();
        match &mut self.link {
            Some(link) => link.send(apdu, &mut out)?,
            None => wrapper::frame(PUBLIC.into(), MANAGEMENT, apdu, &mut out)?,
        }
        Ok(Asked::Send(out))
    }
}
