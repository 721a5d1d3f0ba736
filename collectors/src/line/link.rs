use std::time::Duration;

use dlms::{
    Error,
    hdlc::{self, Address, AddressError, AddressSize, Client, Event, LinkError},
};

use super::{
    LineError,
    framing::{Arrival, Origin, Step},
};
use crate::{
    Limits, Station,
    bus::{Frames, Patience, Wait},
};

/// How long a station that is there, but has no answer yet, is left alone before it is asked again.
const READY_PAUSE: Duration = Duration::from_millis(200);
/// How long a link stays without a frame. Stations give it up after their inactivity time-out, often 120 s (class 23).
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How often the time for an answer doubles at most.
const DOUBLINGS_MAX: u32 = 8;

/// The HDLC link to one station, and what is expected of it.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    /// Our address and that of the station's logical device.
    ports: (u16, u16),
    patience: Patience,
    /// How large frames may be, and the time of a character, where it is known.
    frames: Frames,
    character: Option<Duration>,
    /// What was asked for by a frame that was sent and asks for one.
    asked: Option<Wait>,
    /// How often in vain.
    repeats: u32,
    /// An APDU was sent that asks for one.
    due: bool,
    /// How long the station may have no answer yet, and how long it had none.
    wait_max: Duration,
    waited: Duration,
}

/// What is known of a station before its link is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) patience: Patience,
    pub(super) frames: Frames,
    /// Time of a character, where it is known.
    pub(super) character: Option<Duration>,
    /// Something urgent waits for another station.
    pub(super) is_pressed: bool,
}

impl Link {
    /// A link that is not up yet.
    pub(super) fn new(station: &Station, expected: Expected, limits: &Limits) -> Result<Self, LineError> {
        let no_address = |error: AddressError| LineError::NoRoute(error.to_string());
        // Above any octet it is above any address, and refused as that.
        let client =
            Address::client(u8::try_from(station.client_sap).unwrap_or(u8::MAX)).map_err(no_address)?;
        let size = station.model.quirks.server_address_size;
        let server = server(station.server_sap, station.device_address, size).map_err(no_address)?;
        let Expected { patience, frames, character, is_pressed } = expected;
        Ok(Self {
            client: Client::new(client, server, frames.proposal(character, is_pressed)),
            ports: (station.client_sap, station.server_sap),
            patience,
            frames,
            character,
            asked: None,
            repeats: 0,
            due: false,
            wait_max: limits.response_timeout,
            waited: Duration::ZERO,
        })
    }

    pub(super) const fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// How large frames may be, as far as is known now.
    pub(super) const fn frames_known(&self) -> Frames {
        self.frames
    }

    /// What was asked for and did not come yet.
    pub(super) const fn asked(&self) -> Option<Wait> {
        self.asked
    }

    /// Learns how long to wait from now on.
    pub(super) const fn expect(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Whether there is a link.
    pub(super) fn is_set_up(&self) -> bool {
        self.client.is_connected()
    }

    /// Appends the request to set the link up.
    pub(super) fn connect(&mut self, out: &mut Vec<u8>) -> Result<(), LineError> {
        self.asking(Wait::Link, out, |client, out| client.connect(out))
    }

    /// Appends the request to take the link down; false when there is none.
    pub(super) fn disconnect(&mut self, out: &mut Vec<u8>) -> bool {
        self.due = false;
        self.client.is_connected()
            && self.asking(Wait::Link, out, |client, out| client.disconnect(out)).is_ok()
    }

    /// Appends the frames of an APDU that asks for one, as far as the window allows.
    pub(super) fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), LineError> {
        self.due = true;
        self.waited = Duration::ZERO;
        self.asking(Wait::Answer, out, |client, out| client.send(apdu, out))
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.client.push(octets);
    }

    pub(super) fn step(&mut self, apdu: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, LineError> {
        let (frames, bad) = (self.frames(), self.bad_frames());
        let step = self.take(apdu, out);
        let now = self.bad_frames();
        let damaged = now.header + now.frame + now.flag - bad.header - bad.frame - bad.flag;
        self.frames.arrived(self.frames() - frames, damaged);
        if self.frames() > frames {
            self.repeats = 0;
        }
        step
    }

    pub(super) fn patience(&self) -> Duration {
        let doubled = |patience: Duration| patience * 2_u32.pow(self.repeats.min(DOUBLINGS_MAX));
        match (self.asked, self.due) {
            (Some(Wait::Link), _) => doubled(self.patience.link),
            (Some(Wait::Answer), _) => doubled(self.patience.answer),
            (None, true) => READY_PAUSE,
            (None, false) => KEEP_ALIVE,
        }
    }

    pub(super) fn silence(&mut self, out: &mut Vec<u8>) -> Result<(), LineError> {
        if let Some(wait) = self.asked {
            self.repeats += 1;
            self.asking(wait, out, |client, out| client.unanswered(out))
        } else if self.due && self.waited >= self.wait_max {
            Err(LineError::Silent)
        } else {
            self.waited += READY_PAUSE;
            self.asking(Wait::Link, out, |client, out| client.keep_alive(out))
        }
    }

    pub(super) fn frames(&self) -> u64 {
        self.client.frames()
    }

    pub(super) fn bad_frames(&self) -> hdlc::BadFrames {
        self.client.trouble().bad
    }

    fn take(&mut self, apdu: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, LineError> {
        let (destination, source) = self.ports;
        let arrival = |origin| Step::Apdu(Arrival { source, destination, origin });
        loop {
            let (step, body) = match self.client.poll(out).map_err(line_error)? {
                Event::Wait => return Ok(Step::Wait),
                Event::Ready => {
                    self.asked = None;
                    continue;
                }
                Event::Reply => {
                    // What has begun to come needs no more thought.
                    let is_begun = !self.due || self.client.is_receiving();
                    self.asked = Some(if is_begun { Wait::Link } else { Wait::Answer });
                    return Ok(Step::Reply);
                }
                Event::Connected(agreed) => {
                    if self.frames.agreed(agreed, self.character) {
                        self.client.propose(self.frames.proposal(self.character, false));
                        self.connect(out)?;
                        return Ok(Step::Reply);
                    }
                    (Step::Connected, None)
                }
                Event::Disconnected => (Step::Disconnected, None),
                Event::Apdu(body) => (arrival(Origin::Station), Some(body)),
                Event::Unasked(body) => {
                    // It says nothing about what was asked for.
                    copy(apdu, body);
                    return Ok(arrival(Origin::Stranger));
                }
            };
            if let Some(body) = body {
                copy(apdu, body);
            }
            (self.asked, self.due) = (None, false);
            return Ok(step);
        }
    }

    fn asking(
        &mut self,
        wait: Wait,
        out: &mut Vec<u8>,
        ask: impl FnOnce(&mut Client, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), LineError> {
        ask(&mut self.client, out).map_err(line_error)?;
        self.asked = Some(wait);
        Ok(())
    }
}

/// Address of a logical device, in the size that its model insists on.
fn server(logical: u16, device: Option<u64>, size: Option<AddressSize>) -> Result<Address, AddressError> {
    // Above any device it is above any address, and refused as that.
    let device = device.map(|device| u16::try_from(device).unwrap_or(u16::MAX));
    match size {
        None => Address::server(logical, device),
        Some(size) => Address::sized(logical, device, size),
    }
}

fn copy(apdu: &mut Vec<u8>, body: &[u8]) {
    apdu.clear();
    apdu.extend_from_slice(body);
}

fn line_error(error: Error) -> LineError {
    match error {
        Error::Link(LinkError::Unanswered { .. }) => LineError::Silent,
        Error::Link(LinkError::Lost) => LineError::Cut,
        Error::Link(LinkError::Refused) => LineError::Refused,
        other => LineError::Damaged(other),
    }
}

#[cfg(test)]
mod tests {
    use dlms::hdlc::{Arrival, Server};

    use super::*;

    /// It says again and again that it is there, and never answers.
    #[test]
    fn a_station_that_only_says_that_it_is_there_is_given_up() {
        let (own, station) = (Address::client(16).unwrap(), Address::server(1, Some(17)).unwrap());
        let mut link = Link {
            client: Client::new(own, station, Frames::default().proposal(None, false)),
            ports: (16, 1),
            patience: Patience::unlearned(&Limits::default()),
            frames: Frames::default(),
            character: None,
            asked: None,
            repeats: 0,
            due: false,
            wait_max: Duration::from_secs(3),
            waited: Duration::ZERO,
        };
        let mut server = Server::new(vec![station], Frames::default().proposal(None, false));
        let (mut apdu, mut out, mut back) = (Vec::new(), Vec::new(), Vec::new());
        let mut exchange = |link: &mut Link, out: &mut Vec<u8>| {
            server.push(out);
            out.clear();
            if let Arrival::Apdu(id, _) = server.poll(&mut back).unwrap() {
                server.answer(id, None, &mut back).unwrap();
            }
            link.push(&back);
            back.clear();
            link.step(&mut apdu, out)
        };
        link.connect(&mut out).unwrap();
        assert_eq!(exchange(&mut link, &mut out), Ok(Step::Connected));
        for _ in 0..2 {
            link.send(&[0xC0], &mut out).unwrap();
            let asked = (0..100).find(|_| {
                assert_eq!(exchange(&mut link, &mut out), Ok(Step::Wait));
                link.silence(&mut out).is_err()
            });
            assert_eq!(asked, Some(15), "a fifth of a second each time");
        }
    }

    #[test]
    fn a_model_may_insist_on_a_size_of_address() {
        let octets = |device, size| {
            let mut octets = Vec::new();
            server(1, device, size).unwrap().encode(&mut octets);
            octets
        };
        assert_eq!(octets(Some(17), None), [2, 0x23]);
        assert_eq!(octets(Some(17), Some(AddressSize::Four)), [0, 2, 0, 0x23]);
        assert_eq!(octets(None, None), [3]);
        assert_eq!(server(1, Some(17), Some(AddressSize::One)), Err(AddressError::Size));
    }
}
