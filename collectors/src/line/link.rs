use std::time::Duration;

use dlms::{
    Error,
    hdlc::{self, Address, AddressError, AddressSize, Client, Event, LinkError, Settings},
};

use super::{
    LineError,
    framing::{Arrival, Origin, Step},
};
use crate::{Limits, Station};

/// What is proposed to a station at most, which is the most that the standard allows. Each takes what it can of it
/// (IEC 62056-46, 6.4.4.4.3.2).
const PROPOSAL: Settings =
    Settings { max_info_transmit: 2030, max_info_receive: 2030, window_transmit: 7, window_receive: 7 };
/// Least octets in a frame that every station takes.
const INFO_MIN: u16 = 128;
/// Seconds that one frame may take on a slow line. The longer it is, the more is lost with it.
const FRAME_SECONDS: u32 = 2;
/// In how many parts the time for an answer is divided: what is asked first, and each time that it is asked again.
const TRIES: u32 = 4;
/// How long a station that is there, but has no answer yet, is left alone before it is asked again.
const READY_PAUSE: Duration = Duration::from_millis(200);
/// How long a link stays without a frame. Stations give it up after their inactivity time-out, often 120 s (class 23).
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bits of a character on a serial line at most: start, eight data bits, parity, stop.
const CHARACTER_BITS: u32 = 11;

/// The HDLC link to one station, and what is expected of it.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    /// Our address and that of the station's logical device.
    ports: (u16, u16),
    /// Time for one try.
    patience: Duration,
    /// Bits per second, where they are known.
    speed: Option<u32>,
    /// Octets that were sent last: on a slow line it takes a while until they have gone out.
    sent: u64,
    /// A frame was sent that asks for one.
    asked: bool,
    /// An APDU was sent that asks for one.
    due: bool,
    /// How long the station may have no answer yet, and how long it had none.
    wait_max: Duration,
    waited: Duration,
}

impl Link {
    /// A link that is not up yet.
    pub(super) fn new(station: &Station, speed: Option<u32>, limits: &Limits) -> Result<Self, LineError> {
        let no_address = |error: AddressError| LineError::NoRoute(error.to_string());
        // Above any octet it is above any address, and refused as that.
        let client =
            Address::client(u8::try_from(station.client_sap).unwrap_or(u8::MAX)).map_err(no_address)?;
        let size = station.model.quirks.server_address_size;
        let server = server(station.server_sap, station.device_address, size).map_err(no_address)?;
        Ok(Self {
            client: Client::new(client, server, speed.map_or(PROPOSAL, proposal)),
            ports: (station.client_sap, station.server_sap),
            patience: limits.response_timeout / TRIES,
            speed,
            sent: 0,
            asked: false,
            due: false,
            wait_max: limits.response_timeout,
            waited: Duration::ZERO,
        })
    }

    pub(super) const fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// Appends the request to set the link up.
    pub(super) fn connect(&mut self, out: &mut Vec<u8>) -> Result<(), LineError> {
        self.asking(out, |client, out| client.connect(out))
    }

    /// Appends the request to take the link down; false when there is none.
    pub(super) fn disconnect(&mut self, out: &mut Vec<u8>) -> bool {
        self.due = false;
        self.client.is_connected() && self.asking(out, |client, out| client.disconnect(out)).is_ok()
    }

    /// Appends the frames of an APDU that asks for one, as far as the window allows.
    pub(super) fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), LineError> {
        self.due = true;
        self.waited = Duration::ZERO;
        self.asking(out, |client, out| client.send(apdu, out))
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.client.push(octets);
    }

    pub(super) fn step(&mut self, apdu: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, LineError> {
        let (destination, source) = self.ports;
        let arrival = |origin| Step::Apdu(Arrival { source, destination, origin });
        loop {
            let before = out.len();
            let (step, body) = match self.client.poll(out).map_err(line_error)? {
                Event::Wait => return Ok(Step::Wait),
                Event::Ready => {
                    self.asked = false;
                    continue;
                }
                Event::Reply => {
                    self.asked = true;
                    self.sent = (out.len() - before) as u64;
                    return Ok(Step::Reply);
                }
                Event::Connected(_) => (Step::Connected, None),
                Event::Disconnected => (Step::Disconnected, None),
                Event::Apdu(body) => (arrival(Origin::Station), Some(body)),
                Event::Unasked(body) => {
                    // It says nothing about what was asked for.
                    take(apdu, body);
                    return Ok(arrival(Origin::Stranger));
                }
            };
            if let Some(body) = body {
                take(apdu, body);
            }
            (self.asked, self.due) = (false, false);
            return Ok(step);
        }
    }

    pub(super) fn patience(&self) -> Duration {
        match (self.asked, self.due) {
            (true, _) => self.patience + self.on_the_way(),
            (false, true) => READY_PAUSE,
            (false, false) => KEEP_ALIVE,
        }
    }

    pub(super) fn silence(&mut self, out: &mut Vec<u8>) -> Result<(), LineError> {
        if self.asked {
            self.asking(out, |client, out| client.unanswered(out))
        } else if self.due && self.waited >= self.wait_max {
            Err(LineError::Silent)
        } else {
            self.waited += READY_PAUSE;
            self.asking(out, |client, out| client.keep_alive(out))
        }
    }

    pub(super) fn frames(&self) -> u64 {
        self.client.frames()
    }

    pub(super) fn bad_frames(&self) -> hdlc::BadFrames {
        self.client.trouble().bad
    }

    fn asking(
        &mut self,
        out: &mut Vec<u8>,
        ask: impl FnOnce(&mut Client, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), LineError> {
        let before = out.len();
        ask(&mut self.client, out).map_err(line_error)?;
        self.sent = (out.len() - before) as u64;
        self.asked = true;
        Ok(())
    }

    /// How long it takes until what was written has gone out.
    fn on_the_way(&self) -> Duration {
        let Some(speed) = self.speed else { return Duration::ZERO };
        Duration::from_millis(self.sent * u64::from(CHARACTER_BITS) * 1000 / u64::from(speed.max(1)))
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

/// What is proposed on a line of so many bits per second.
fn proposal(speed: u32) -> Settings {
    let octets = u16::try_from(speed * FRAME_SECONDS / CHARACTER_BITS).unwrap_or(u16::MAX);
    let info = octets.clamp(INFO_MIN, PROPOSAL.max_info_receive);
    Settings { max_info_transmit: info, max_info_receive: info, ..PROPOSAL }
}

fn take(apdu: &mut Vec<u8>, body: &[u8]) {
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
            client: Client::new(own, station, PROPOSAL),
            ports: (16, 1),
            patience: Duration::from_secs(1),
            speed: None,
            sent: 0,
            asked: false,
            due: false,
            wait_max: Duration::from_secs(3),
            waited: Duration::ZERO,
        };
        let mut server = Server::new(vec![station], PROPOSAL);
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
