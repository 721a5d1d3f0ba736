//! The physical way to meters: one file per kind of line and per framing, one kind of error for all.
//!
//! A [`Dialer`] opens lines; a `Line` sends and receives whole APDUs to and from one station and counts octets. From the outside in: `Line` here,
//! `framing` between APDUs and octets (the wrapper, or in `link` the HDLC link), `socket` for the octets (`tcp`, `serial`, `memory`); `optical` wakes
//! a meter up by mode E. The set of lines is closed, hence enums and no trait. `tap` writes the protocol log of any of them, `secret`
//! knows what must not be in it.

mod framing;
mod link;
mod memory;
mod optical;
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
    Limits, Reason, Station, address,
    exchange::Subject,
    instruments::{Held, Instruments},
};

pub(crate) use framing::Origin;
pub use memory::MemoryDialer;

/// Most octets taken from a line at once.
const READ_MAX: usize = 4096;

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
        let limit = limits.connect_timeout;
        let mut tap = Tap::of(station);
        let (socket, speed) = match self {
            Self::Memory(dialer) => (Socket::Memory(dialer.connect(limit).await?), None),
            Self::System => match station.address.line() {
                address::Line::Wrapper(host) | address::Line::Hdlc(host) => {
                    (Socket::Tcp(tcp::connect(host, limit).await?), None)
                }
                address::Line::Serial { device, speed, parity } => {
                    let characters = serial::Characters::eight(*speed, *parity);
                    (Socket::Serial(serial::open(device, characters)?), Some(*speed))
                }
                address::Line::Optical { device, speed } => {
                    let (port, speed) =
                        optical::open(device, *speed, limits, (&mut tap, instruments.protocol_log())).await?;
                    (Socket::Serial(port), Some(speed))
                }
            },
        };
        let mut line = Line {
            socket,
            framing: Framing::of(station, speed, limits)?,
            answer_time: limits.response_timeout,
            out: Vec::new(),
            written: 0,
            last_sent: Instant::now(),
            last_octets: Instant::now(),
            bytes: 0,
            held: Held::line(instruments),
            tap,
        };
        line.set_up().await?;
        Ok(line)
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
    socket: Socket,
    framing: Framing,
    /// Longest time without a frame while an answer comes in several.
    answer_time: Duration,
    /// Frames to be sent, and how many octets of them were. They outlive a wait that is dropped.
    out: Vec<u8>,
    written: usize,
    /// When octets were sent last, and when some were sent or came.
    last_sent: Instant,
    last_octets: Instant,
    bytes: u64,
    held: Held,
    tap: Tap,
}

impl Line {
    /// Whether APDUs can go one behind the other, without an answer in between.
    pub(crate) const fn takes_streams(&self) -> bool {
        matches!(self.framing, Framing::Wrapper(_))
    }

    /// Octets sent and received so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is counted.
    pub(crate) const fn instruments(&self) -> &Arc<Instruments> {
        self.held.instruments()
    }

    /// Notes an exchange that is over: what it was about, the octets of its APDUs, and why it failed.
    pub(crate) fn note(&mut self, subject: &Subject, octets: (usize, usize), failed: Option<Reason>) {
        let instruments = self.held.instruments();
        instruments.count(subject.service, failed);
        self.tap.exchanged(instruments.protocol_log(), subject, octets, failed);
    }

    /// Sends one APDU, or as much of it as the station takes before it says something; [`receive`](Self::receive) sends the rest.
    pub(crate) async fn send(&mut self, apdu: &[u8], limit: Duration) -> Result<(), LineError> {
        let ports = self.framing.ports();
        self.framing.send(apdu, &mut self.out)?;
        self.tap.sending(self.held.instruments().protocol_log(), ports, apdu);
        timeout(limit, self.flush()).await.map_err(|_| LineError::Silent)?
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
                self.tap.received(self.held.instruments().protocol_log(), arrival, apdu);
                return Ok(arrival.origin);
            }
        }
    }

    /// Closes the line, and the link on it when there is one; what the other side thinks of it does not matter any more.
    pub(crate) async fn close(mut self, limit: Duration) {
        if let Framing::Hdlc(link) = &mut self.framing
            && link.disconnect(&mut self.out)
        {
            let deadline = Instant::now() + limit;
            let mut stray = Vec::new();
            while !matches!(self.advance(&mut stray, deadline).await, Ok(Step::Disconnected) | Err(_)) {}
        }
        if !matches!(timeout(limit, self.socket.shutdown()).await, Ok(Ok(()))) {
            tracing::trace!("line was already broken when it was closed");
        }
    }

    /// Sets the link up, when the framing has one.
    async fn set_up(&mut self) -> Result<(), LineError> {
        let Framing::Hdlc(link) = &mut self.framing else { return Ok(()) };
        link.connect(&mut self.out)?;
        let deadline = Instant::now() + self.answer_time;
        let mut stray = Vec::new();
        while self.advance(&mut stray, deadline).await? != Step::Connected {}
        Ok(())
    }

    /// Goes on until something has come of it: never with [`Step::Wait`] or [`Step::Reply`].
    async fn advance(&mut self, apdu: &mut Vec<u8>, mut deadline: Instant) -> Result<Step, LineError> {
        loop {
            timeout_at(deadline, self.flush()).await.map_err(|_| self.nothing())??;
            let (frames, bad) = (self.framing.frames(), self.framing.bad_frames());
            let step = self.framing.step(apdu, &mut self.out)?;
            if self.framing.bad_frames() != bad {
                self.held.instruments().damaged(bad, self.framing.bad_frames());
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
                deadline = deadline.max(self.last_sent + patience);
                until = deadline.min(self.last_octets + patience);
            }
            match timeout_at(until, self.fill()).await {
                Ok(filled) => filled?,
                Err(_) if until < deadline => {
                    self.framing.silence(&mut self.out).map_err(|error| match error {
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

    /// Writes what is to be sent. May be dropped: the rest stays to be sent.
    async fn flush(&mut self) -> Result<(), LineError> {
        if self.out.is_empty() {
            return Ok(());
        }
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest).await {
                Ok(0) | Err(_) => return Err(LineError::Cut),
                Ok(written) => self.written += written,
            }
        }
        self.bytes += self.out.len() as u64;
        self.held.instruments().sent(self.out.len());
        self.tap.sent(self.held.instruments().protocol_log(), &self.out);
        self.out.clear();
        self.written = 0;
        self.last_sent = Instant::now();
        self.last_octets = self.last_sent;
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), LineError> {
        let mut chunk = [0; READ_MAX];
        match self.socket.read(&mut chunk).await {
            Ok(0) | Err(_) => Err(LineError::Cut),
            Ok(got) => {
                self.bytes += got as u64;
                self.held.instruments().received(got);
                self.tap.arrived(self.held.instruments().protocol_log(), &chunk[..got]);
                self.framing.push(&chunk[..got]);
                self.last_octets = Instant::now();
                Ok(())
            }
        }
    }
}
