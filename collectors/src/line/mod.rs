//! The physical way to meters: one file per kind of line, one kind of error for all.
//!
//! A [`Dialer`] opens lines; a `Line` sends and receives whole APDUs and counts octets. The set of lines is closed,
//! hence an enum and no trait. `tap` writes the protocol log of any of them, `secret` knows what must not be in it.

mod memory;
mod secret;
mod tap;
mod tcp;

use std::{sync::Arc, time::Duration};

use dlms::wrapper::{self, Splitter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use self::tap::Tap;
use crate::{
    Reason, Station, address,
    exchange::Subject,
    instruments::{Held, Instruments},
};

pub use memory::MemoryDialer;

/// Most octets taken from a line at once.
const READ_MAX: usize = 4096;

/// Opens lines of one kind.
#[derive(Debug, Clone)]
pub enum Dialer {
    /// TCP with the wrapper of IEC 62056-47; addresses are `host:port`.
    Tcp,
    /// Inside the process; addresses mean nothing.
    Memory(MemoryDialer),
}

impl Dialer {
    /// Opens a line to the address of a station.
    pub(crate) async fn connect(
        &self,
        station: &Station,
        limit: Duration,
        instruments: &Arc<Instruments>,
    ) -> Result<Line, LineError> {
        let socket = match self {
            Self::Tcp => match station.address.line() {
                address::Line::Wrapper(host) => Socket::Tcp(tcp::connect(host, limit).await?),
                _ => return Err(LineError::NoRoute("this version speaks no HDLC".into())),
            },
            Self::Memory(dialer) => Socket::Memory(dialer.connect(limit).await?),
        };
        Ok(Line {
            socket,
            splitter: Splitter::new(u16::MAX),
            bytes: 0,
            held: Held::line(instruments),
            tap: Tap::of(station),
        })
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
    /// Closed or broken by the other side.
    #[error("connection closed by the other side")]
    Cut,
    /// What came is no frame.
    #[error("no frame: {0}")]
    Damaged(dlms::Error),
}

/// An open line.
#[derive(Debug)]
pub(crate) struct Line {
    socket: Socket,
    splitter: Splitter,
    bytes: u64,
    held: Held,
    tap: Tap,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Line {
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

    /// Sends one APDU. `frame` is scratch memory.
    pub(crate) async fn send(
        &mut self,
        (source, destination): (u16, u16),
        apdu: &[u8],
        frame: &mut Vec<u8>,
        limit: Duration,
    ) -> Result<(), LineError> {
        frame.clear();
        wrapper::frame(source, destination, apdu, frame).map_err(LineError::Damaged)?;
        let written = match &mut self.socket {
            Socket::Tcp(socket) => timeout(limit, socket.write_all(frame)).await,
            Socket::Memory(socket) => timeout(limit, socket.write_all(frame)).await,
        };
        written.map_err(|_| LineError::Silent)?.map_err(|_| LineError::Cut)?;
        self.bytes += frame.len() as u64;
        self.held.instruments().sent(frame.len());
        self.tap.sent(self.held.instruments().protocol_log(), frame);
        Ok(())
    }

    /// Waits until the deadline for a whole APDU, puts it into `apdu` and returns its source and destination. May be dropped at any await: no octet is lost.
    pub(crate) async fn receive(
        &mut self,
        apdu: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<(u16, u16), LineError> {
        loop {
            if let Some(ports) = self.split(apdu)? {
                return Ok(ports);
            }
            timeout_at(deadline, self.fill()).await.map_err(|_| LineError::Silent)??;
        }
    }

    /// Closes the line; what the other side thinks of it does not matter any more.
    pub(crate) async fn close(mut self, limit: Duration) {
        let closed = match &mut self.socket {
            Socket::Tcp(socket) => timeout(limit, socket.shutdown()).await,
            Socket::Memory(socket) => timeout(limit, socket.shutdown()).await,
        };
        if !matches!(closed, Ok(Ok(()))) {
            tracing::trace!("line was already broken when it was closed");
        }
    }

    fn split(&mut self, apdu: &mut Vec<u8>) -> Result<Option<(u16, u16)>, LineError> {
        let Some((header, body)) = self.splitter.next_frame().map_err(LineError::Damaged)? else {
            return Ok(None);
        };
        self.tap.received(self.held.instruments().protocol_log(), &header, body);
        apdu.clear();
        apdu.extend_from_slice(body);
        Ok(Some((header.source, header.destination)))
    }

    async fn fill(&mut self) -> Result<(), LineError> {
        let mut chunk = [0; READ_MAX];
        let got = match &mut self.socket {
            Socket::Tcp(socket) => socket.read(&mut chunk).await,
            Socket::Memory(socket) => socket.read(&mut chunk).await,
        };
        match got {
            Ok(0) | Err(_) => Err(LineError::Cut),
            Ok(got) => {
                self.bytes += got as u64;
                self.held.instruments().received(got);
                self.tap.arrived(self.held.instruments().protocol_log(), &chunk[..got]);
                self.splitter.push(&chunk[..got]);
                Ok(())
            }
        }
    }
}
