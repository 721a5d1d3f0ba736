//! The physical way to meters: one file per kind of line and per framing, one kind of error for all.
//!
//! A [`Dialer`] opens ports and lines; a `Line` sends and receives whole APDUs to and from one station. From the outside in: `Line` here,
//! `framing` between APDUs and octets (the wrapper, or in `link` the HDLC link), `port` for the octets, which it counts, over a `socket` (`tcp`,
//! `serial`, `memory`); `optical` wakes a meter up by mode E. Languages without APDUs use a port. The set of lines is closed, hence enums and no
//! trait. `tap` writes the protocol log of any of them, `secret` knows what must not be in it.

mod framing;
mod link;
mod memory;
mod optical;
mod port;
mod secret;
mod serial;
mod socket;
mod tap;
mod tcp;

use std::{sync::Arc, time::Duration};

use dlms::hdlc::BadFrames;
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    framing::{Framing, Step},
    socket::Socket,
    tap::Tap,
};
use crate::{
    Limits, Reason, Station,
    address::{Characters, Way},
    exchange::Subject,
    instruments::Instruments,
};

pub(crate) use framing::Origin;
pub use memory::MemoryDialer;
pub(crate) use port::Port;

/// Opens lines.
#[derive(Debug, Clone)]
pub enum Dialer {
    /// Over the network and the serial devices of this machine, as the address says.
    System,
    /// Inside the process; of an address only the framing counts.
    Memory(MemoryDialer),
}

impl Dialer {
    /// Opens a line to a station, with a link where the framing has one.
    pub(crate) async fn connect(
        &self,
        station: &Station,
        limits: &Limits,
        instruments: &Arc<Instruments>,
    ) -> Result<Line, LineError> {
        let port = self.open(station, limits, instruments).await?;
        Line::over(port, station, limits).await
    }

    /// Opens the way to a station for octets.
    pub(crate) async fn open(
        &self,
        station: &Station,
        limits: &Limits,
        instruments: &Arc<Instruments>,
    ) -> Result<Port, LineError> {
        let limit = limits.connect_timeout;
        let mut tap = Tap::of(station);
        let (socket, speed) = match self {
            Self::Memory(dialer) => (Socket::Memory(dialer.connect(limit).await?), None),
            Self::System => match station.address.way() {
                Way::Tcp { host, .. } => (Socket::Tcp(tcp::connect(host, limit).await?), None),
                Way::Gateway { host, characters: Characters { speed, .. }, orders: false } => {
                    (Socket::Tcp(tcp::connect(host, limit).await?), Some(*speed))
                }
                Way::Device { device, characters } => {
                    let port = serial::open(device, serial::Format::eight(*characters))?;
                    (Socket::Serial(port), Some(characters.speed))
                }
                Way::Optical { device, speed } => {
                    let (port, speed) =
                        optical::open(device, *speed, limits, (&mut tap, instruments.protocol_log())).await?;
                    (Socket::Serial(port), Some(speed))
                }
                Way::Gateway { .. } | Way::Udp(_) | Way::Inbound { .. } | Way::Concentrator { .. } => {
                    let detail = "this collector does not serve such lines";
                    return Err(LineError::NoRoute(detail.to_owned()));
                }
            },
        };
        Ok(Port::new(socket, speed, tap, instruments))
    }
}

/// What can go wrong on any line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// There is no way to the address.
    #[error("no way to the address: {0}")]
    NoRoute(String),
    /// Somebody is there and refuses.
    #[error("connection refused")]
    Refused,
    /// Connected, and nothing (or not all of it) came within the time.
    #[error("no complete answer in time")]
    Silent,
    /// Connected, and what came within the time was damaged.
    #[error("no answer in time, but {frames} damaged frames and {octets} octets of noise")]
    Noisy {
        /// Damaged frames since the line was opened.
        frames: u64,
        /// Octets outside of frames since then.
        octets: u64,
    },
    /// Closed or broken by the other side.
    #[error("connection closed by the other side")]
    Cut,
    /// What came is no frame, or one against the rules of the link.
    #[error("no frame: {0}")]
    Damaged(dlms::Error),
}

/// An open line to one station.
#[derive(Debug)]
pub(crate) struct Line {
    port: Port,
    framing: Framing,
    /// Longest time without a frame while an answer comes in several.
    answer_time: Duration,
}

impl Line {
    /// A line over an open port, with a link where the framing has one.
    pub(crate) async fn over(port: Port, station: &Station, limits: &Limits) -> Result<Self, LineError> {
        let framing = Framing::of(station, port.speed, limits)?;
        let mut line = Self { port, framing, answer_time: limits.response_timeout };
        line.set_up().await?;
        Ok(line)
    }

    /// Whether APDUs can go one behind the other, without an answer in between.
    pub(crate) const fn takes_streams(&self) -> bool {
        matches!(self.framing, Framing::Wrapper(_))
    }

    /// Octets sent and received so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.port.bytes()
    }

    /// Where it is counted.
    pub(crate) const fn instruments(&self) -> &Arc<Instruments> {
        self.port.instruments()
    }

    /// Notes an exchange that is over: what it was about, the octets of its APDUs, and why it failed.
    pub(crate) fn note(&mut self, subject: &Subject, octets: (usize, usize), failed: Option<Reason>) {
        let instruments = Arc::clone(self.port.instruments());
        instruments.count(subject.service, failed);
        self.port.tap.exchanged(instruments.protocol_log(), subject, octets, failed);
    }

    /// Sends one APDU, or as much of it as the station takes before it says something; [`receive`](Self::receive) sends the rest.
    pub(crate) async fn send(&mut self, apdu: &[u8], limit: Duration) -> Result<(), LineError> {
        let ports = self.framing.ports();
        self.framing.send(apdu, &mut self.port.out)?;
        let instruments = Arc::clone(self.port.instruments());
        self.port.tap.sending(instruments.protocol_log(), ports, apdu);
        timeout(limit, self.port.flush()).await.map_err(|_| LineError::Silent)?
    }

    /// Waits until the deadline for a whole APDU, puts it into `apdu` and says whose it is. While the station sends frame after frame
    /// of an answer, the deadline moves. May be dropped at any await: no octet is lost.
    pub(crate) async fn receive(
        &mut self,
        apdu: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<Origin, LineError> {
        loop {
            if let Step::Apdu(arrival) = self.advance(apdu, deadline).await? {
                let instruments = Arc::clone(self.port.instruments());
                self.port.tap.received(instruments.protocol_log(), arrival, apdu);
                return Ok(arrival.origin);
            }
        }
    }

    /// Closes the line, and the link on it when there is one.
    pub(crate) async fn close(mut self, limit: Duration) {
        if let Framing::Hdlc(link) = &mut self.framing
            && link.disconnect(&mut self.port.out)
        {
            let deadline = Instant::now() + limit;
            let mut stray = Vec::new();
            while !matches!(self.advance(&mut stray, deadline).await, Ok(Step::Disconnected) | Err(_)) {}
        }
        self.port.close(limit).await;
    }

    /// Sets the link up, when the framing has one.
    async fn set_up(&mut self) -> Result<(), LineError> {
        let Framing::Hdlc(link) = &mut self.framing else { return Ok(()) };
        link.connect(&mut self.port.out)?;
        let deadline = Instant::now() + self.answer_time;
        let mut stray = Vec::new();
        while self.advance(&mut stray, deadline).await? != Step::Connected {}
        Ok(())
    }

    /// Goes on until something has come of it: never with [`Step::Wait`] or [`Step::Reply`].
    async fn advance(&mut self, apdu: &mut Vec<u8>, mut deadline: Instant) -> Result<Step, LineError> {
        loop {
            timeout_at(deadline, self.port.flush()).await.map_err(|_| self.nothing())??;
            let (frames, bad) = (self.framing.frames(), self.framing.bad_frames());
            let step = self.framing.step(apdu, &mut self.port.out)?;
            if self.framing.bad_frames() != bad {
                self.port.instruments().damaged(bad, self.framing.bad_frames());
            }
            if self.framing.frames() > frames {
                deadline = deadline.max(Instant::now() + self.answer_time);
            }
            match step {
                Step::Reply => continue,
                Step::Wait => {}
                step => return Ok(step),
            }
            let mut until = deadline;
            if let Some(patience) = self.framing.patience() {
                // What was sent may still be on its way.
                deadline = deadline.max(self.port.last_sent + patience);
                until = deadline.min(self.port.last_octets + patience);
            }
            let filled = timeout_at(until, self.port.fill(|octets| self.framing.push(octets))).await;
            match filled {
                Ok(filled) => filled?,
                Err(_) if until < deadline => {
                    self.framing.silence(&mut self.port.out).map_err(|error| match error {
                        LineError::Silent => self.nothing(),
                        other => other,
                    })?
                }
                Err(_) => return Err(self.nothing()),
            }
        }
    }

    /// That nothing came in time.
    fn nothing(&self) -> LineError {
        let BadFrames { header, frame, flag, noise_octets: octets } = self.framing.bad_frames();
        let frames = header + frame + flag;
        if frames + octets == 0 { LineError::Silent } else { LineError::Noisy { frames, octets } }
    }
}
