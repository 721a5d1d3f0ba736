//! A way for octets through a terminal of Q/GDW 376.1: what is written goes out of one of its ports, what is read came in there.

use std::{io, time::Duration};

use gdw376::{
    Address, USER_DATA_MAX,
    forward::{AUTHENTICATION, Characters, Forwarded, Order, Parity},
};
use models::Reach;

use super::{LineError, socket::Socket};
use crate::{Station, Via};

/// How long a terminal waits for the next octet of an answer.
const OCTET_WITHIN: Duration = Duration::from_millis(500);

/// The way through a terminal. One order is under way at a time: what comes late is told by its number.
#[derive(Debug)]
pub(super) struct Forward {
    socket: Socket,
    terminal: Address,
    port: u8,
    characters: Characters,
    authentication: Option<[u8; AUTHENTICATION]>,
    answer_within: Duration,
    /// Number of the order that was sent last.
    number: u8,
    /// The order on its way, and how many of its octets went out. They outlive a wait that is dropped.
    out: Vec<u8>,
    written: usize,
    splitter: gdw376::Splitter,
    /// What came through and was not taken yet.
    arrived: Vec<u8>,
}

impl Forward {
    /// The way over an open socket to the terminal before a station.
    pub(super) fn new(socket: Socket, station: &Station, via: &Via) -> Result<Self, LineError> {
        let none = |detail: &str| LineError::NoRoute(detail.to_owned());
        let Some(concentrator) = &via.model.concentrator else {
            return Err(none("the model of the concentrator has no section [concentrator]"));
        };
        let Reach::Forward { port, baud, parity, authentication } = concentrator.reach else {
            return Err(none("the concentrator forwards no frames"));
        };
        let parity = match parity {
            models::Parity::None => Parity::None,
            models::Parity::Even => Parity::Even,
            models::Parity::Odd => Parity::Odd,
        };
        let characters =
            Characters::eight(baud, parity).ok_or_else(|| none("the terminal's port has no such speed"))?;
        let terminal = station.terminal().ok_or_else(|| {
            none("a terminal is named by eight hexadecimal digits, region and number; correct its serial number")
        })?;
        Ok(Self {
            socket,
            terminal,
            port,
            characters,
            authentication: authentication.then_some([0; AUTHENTICATION]),
            answer_within: concentrator.answer_within,
            number: 0,
            out: Vec::new(),
            written: 0,
            splitter: gdw376::Splitter::new(USER_DATA_MAX),
            arrived: Vec::new(),
        })
    }

    /// Sends the octets as one order. May be dropped: with the same octets it then goes on.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.out.is_empty() {
            self.number = (self.number + 1) % 16;
            self.arrived.clear();
            let order = Order {
                port: self.port,
                characters: self.characters,
                answer_within: self.answer_within,
                octet_within: OCTET_WITHIN,
                frame: octets,
                authentication: self.authentication,
            };
            order.encode(self.terminal, self.number, &mut self.out).map_err(io::Error::other)?;
        }
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Box::pin(self.socket.write(rest)).await? {
                0 => return Ok(0),
                written => self.written += written,
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(octets.len())
    }

    /// Reads what came through, at least one octet; none at the end. May be dropped: nothing is lost then.
    pub(super) async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        while self.arrived.is_empty() {
            let mut chunk = [0; 1024];
            match Box::pin(self.socket.read(&mut chunk)).await? {
                0 => return Ok(0),
                got => self.splitter.push(&chunk[..got]),
            }
            while let Some(frame) = self.splitter.next_frame() {
                // Heartbeats and answers to orders that were given up are none of it.
                let is_ours = frame.address.by(self.terminal.station) == self.terminal
                    && frame.sequence.number() == self.number;
                if let Ok(forwarded) = Forwarded::read(&frame)
                    && is_ours
                    && forwarded.port == self.port
                {
                    self.arrived.extend_from_slice(forwarded.frame);
                }
            }
        }
        let some = self.arrived.len().min(octets.len());
        octets[..some].copy_from_slice(&self.arrived[..some]);
        self.arrived.drain(..some);
        Ok(some)
    }

    /// Ends what is sent.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        Box::pin(self.socket.shutdown()).await
    }
}
