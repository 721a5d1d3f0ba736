//! Pseudo terminals: a bus that looks like a serial device of this machine.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{SerialPort, SerialStream};

use super::Wire;
use crate::Error;

/// The far end of a pseudo terminal: what is put on it is a serial device for everybody else.
#[derive(Debug)]
pub struct Terminal {
    ours: SerialStream,
    /// Held open, without any lock: with nobody at the near end, the far end would break.
    _theirs: SerialStream,
    device: String,
}

impl Terminal {
    /// A new one, in raw mode.
    ///
    /// # Errors
    /// [`Error::Terminal`] when the system has none left.
    pub fn open() -> Result<Self, Error> {
        let refused = |error: tokio_serial::Error| match error.kind() {
            tokio_serial::ErrorKind::Io(kind) => Error::Terminal { kind },
            _ => Error::Terminal { kind: io::ErrorKind::Other },
        };
        let (ours, theirs) = SerialStream::pair().map_err(refused)?;
        let device = theirs.name().ok_or(Error::Terminal { kind: io::ErrorKind::NotFound })?;
        Ok(Self { ours, _theirs: theirs, device })
    }

    /// The device to open, such as `/dev/pts/3`.
    pub fn device(&self) -> &str {
        &self.device
    }
}

impl Wire for Terminal {
    fn speed(&self) -> Option<u32> {
        // The far end sees what the near end is set to.
        self.ours.baud_rate().ok()
    }
}

impl AsyncRead for Terminal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ours).poll_read(context, buffer)
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.ours).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ours).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ours).poll_shutdown(context)
    }
}
