//! What stands between the octets of a line and the APDUs on it: pure, no clock and no socket.

use std::time::Duration;

use dlms::{
    hdlc,
    wrapper::{self, Splitter},
};

use super::{
    LineError,
    datagram::Datagrams,
    link::{Expected, Link},
    proxy::Proxy,
};
use crate::{Limits, Station, address::Way, bus::Wait};

/// The framing of a line to one station.
#[derive(Debug)]
pub(super) enum Framing {
    Wrapper(Wrapper),
    Hdlc(Box<Link>),
    Proxy(Box<Proxy>),
}

/// What came of the octets that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing yet.
    Wait,
    /// Frames were appended that have to be sent now.
    Reply,
    /// The link is up.
    Connected,
    /// An APDU was put where it belongs.
    Apdu(Arrival),
    /// What was asked of the concentrator itself is there.
    Answered,
    /// The link is down.
    Disconnected,
}

/// An APDU from outside: wrapper ports or HDLC addresses, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) origin: Origin,
}

/// Where an APDU came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The station, for us.
    Station,
    /// Somebody else, or it is for somebody else, or nobody can have asked for it.
    Stranger,
}

impl Framing {
    /// The framing that the address of a station asks for, of which so much is known.
    pub(super) fn of(station: &Station, expected: Expected, limits: &Limits) -> Result<Self, LineError> {
        Ok(if let Some(host) = station.web_service() {
            Self::Proxy(Box::new(Proxy::new(station, host)))
        } else if station.speaks_hdlc() {
            Self::Hdlc(Box::new(Link::new(station, expected, limits)?))
        } else {
            Self::Wrapper(Wrapper {
                ours: station.client_sap,
                theirs: station.wrapper_port()?,
                splitter: Splitter::new(u16::MAX),
                datagrams: matches!(station.terminus().way(), Way::Udp(_))
                    .then(|| Datagrams::new(limits.response_timeout)),
            })
        })
    }

    /// Whether APDUs can go one behind the other, without an answer in between, and arrive in that order.
    pub(super) const fn takes_streams(&self) -> bool {
        matches!(self, Self::Wrapper(Wrapper { datagrams: None, .. }))
    }

    /// Our address and that of the station's logical device.
    pub(super) const fn ports(&self) -> (u16, u16) {
        match self {
            Self::Wrapper(Wrapper { ours, theirs, .. }) => (*ours, *theirs),
            Self::Hdlc(link) => link.ports(),
            Self::Proxy(proxy) => proxy.ports(),
        }
    }

    /// Appends the frames of an APDU to what is to be sent.
    pub(super) fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), LineError> {
        match self {
            Self::Wrapper(wrapper) => wrapper.send(apdu, out),
            Self::Hdlc(link) => link.send(apdu, out),
            Self::Proxy(proxy) => {
                proxy.send(apdu, out);
                Ok(())
            }
        }
    }

    /// Takes octets as they arrived, a datagram as a whole.
    pub(super) fn push(&mut self, octets: &[u8]) {
        match self {
            Self::Wrapper(wrapper) => wrapper.push(octets),
            Self::Hdlc(link) => link.push(octets),
            Self::Proxy(proxy) => proxy.push(octets),
        }
    }

    /// What came of them. An APDU replaces what is in `apdu`.
    pub(super) fn step(&mut self, apdu: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, LineError> {
        match self {
            Self::Wrapper(wrapper) => wrapper.step(apdu),
            Self::Hdlc(link) => link.step(apdu, out),
            Self::Proxy(proxy) => proxy.step(apdu, out),
        }
    }

    /// How long nothing may arrive before [`silence`](Self::silence) is to be called; `None` when it is never.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self {
            Self::Wrapper(Wrapper { datagrams, .. }) => datagrams.as_ref().and_then(Datagrams::patience),
            Self::Proxy(_) => None,
            Self::Hdlc(link) => Some(link.patience()),
        }
    }

    /// Nothing arrived for as long as [`patience`](Self::patience) said: appends what is to be sent instead.
    pub(super) fn silence(&mut self, out: &mut Vec<u8>) -> Result<(), LineError> {
        match self {
            Self::Wrapper(Wrapper { datagrams, .. }) => {
                datagrams.iter_mut().for_each(|datagrams| datagrams.repeat(out));
                Ok(())
            }
            Self::Proxy(_) => Ok(()),
            Self::Hdlc(link) => link.silence(out),
        }
    }

    /// What the station was asked for and did not come yet, where that is known.
    pub(super) const fn asked(&self) -> Option<Wait> {
        match self {
            Self::Wrapper(_) | Self::Proxy(_) => None,
            Self::Hdlc(link) => link.asked(),
        }
    }

    /// Frames of the station so far. While it sends some, its answer is not late.
    pub(super) fn frames(&self) -> u64 {
        match self {
            Self::Wrapper(_) | Self::Proxy(_) => 0,
            Self::Hdlc(link) => link.frames(),
        }
    }

    /// Frames and octets that were damaged on the way so far.
    pub(super) fn bad_frames(&self) -> hdlc::BadFrames {
        match self {
            Self::Wrapper(Wrapper { datagrams, .. }) => {
                let header = datagrams.as_ref().map_or(0, Datagrams::broken);
                hdlc::BadFrames { header, ..hdlc::BadFrames::default() }
            }
            Self::Proxy(_) => hdlc::BadFrames::default(),
            Self::Hdlc(link) => link.bad_frames(),
        }
    }
}

/// The wrapper of IEC 62056-47, to one station.
#[derive(Debug)]
pub(super) struct Wrapper {
    ours: u16,
    theirs: u16,
    splitter: Splitter,
    /// What is remembered where frames come in datagrams.
    datagrams: Option<Datagrams>,
}

impl Wrapper {
    fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), LineError> {
        let start = out.len();
        wrapper::frame(self.ours, self.theirs, apdu, out).map_err(LineError::Damaged)?;
        self.datagrams.iter_mut().for_each(|datagrams| datagrams.sending(apdu, &out[start..]));
        Ok(())
    }

    fn push(&mut self, octets: &[u8]) {
        if self.datagrams.as_mut().is_none_or(|datagrams| datagrams.takes(octets)) {
            self.splitter.push(octets);
        }
    }

    fn step(&mut self, apdu: &mut Vec<u8>) -> Result<Step, LineError> {
        let Some((header, body)) = self.splitter.next_frame().map_err(LineError::Damaged)? else {
            return Ok(Step::Wait);
        };
        apdu.clear();
        apdu.extend_from_slice(body);
        let (source, destination) = (header.source, header.destination);
        let is_for_us = (source, destination) == (self.theirs, self.ours);
        let origin = if is_for_us { Origin::Station } else { Origin::Stranger };
        if is_for_us {
            self.datagrams.iter_mut().for_each(Datagrams::answered);
        }
        Ok(Step::Apdu(Arrival { source, destination, origin }))
    }
}
