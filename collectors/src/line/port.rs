//! An open way for octets: what goes over it is counted, and shown to whoever looks on.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{LineError, socket::Socket, tap::Tap};
use crate::instruments::{Held, Instruments};

/// Most octets taken from a line at once.
const READ_MAX: usize = 4096;

/// An open way for octets, to one station at a time.
#[derive(Debug)]
pub(crate) struct Port {
    socket: Socket,
    /// Bits per second, where they are known.
    pub(super) speed: Option<u32>,
    /// Octets to be sent, and how many of them were. They outlive a wait that is dropped.
    pub(super) out: Vec<u8>,
    written: usize,
    /// When octets were sent last, and when some were sent or came.
    pub(super) last_sent: Instant,
    pub(super) last_octets: Instant,
    bytes: u64,
    held: Held,
    pub(super) tap: Tap,
}

impl Port {
    pub(super) fn new(socket: Socket, speed: Option<u32>, tap: Tap, instruments: &Arc<Instruments>) -> Self {
        Self {
            socket,
            speed,
            out: Vec::new(),
            written: 0,
            last_sent: Instant::now(),
            last_octets: Instant::now(),
            bytes: 0,
            held: Held::line(instruments),
            tap,
        }
    }

    /// Octets sent and received so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is counted.
    pub(crate) const fn instruments(&self) -> &Arc<Instruments> {
        self.held.instruments()
    }

    /// Writes what is to be sent. May be dropped: the rest stays to be sent.
    pub(super) async fn flush(&mut self) -> Result<(), LineError> {
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

    /// Waits for octets and hands them on. May be dropped: nothing is lost then.
    pub(super) async fn fill(&mut self, take: impl FnOnce(&[u8])) -> Result<(), LineError> {
        let mut chunk = [0; READ_MAX];
        match self.socket.read(&mut chunk).await {
            Ok(0) | Err(_) => Err(LineError::Cut),
            Ok(got) => {
                self.bytes += got as u64;
                self.held.instruments().received(got);
                self.tap.arrived(self.held.instruments().protocol_log(), &chunk[..got]);
                self.last_octets = Instant::now();
                take(&chunk[..got]);
                Ok(())
            }
        }
    }

    /// Closes it; what the other side thinks of that does not matter any more.
    pub(crate) async fn close(mut self, limit: Duration) {
        if !matches!(timeout(limit, self.socket.shutdown()).await, Ok(Ok(()))) {
            tracing::trace!("line was already broken when it was closed");
        }
    }
}
