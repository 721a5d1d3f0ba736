//! Connections that know who is behind them.

mod accept;
mod certificate;
mod tls;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::either::Either;
use tonic::transport::server::Connected;

use super::access::{Caller, Permission, Role};
pub use tls::{Tls, TlsError, TlsFiles};

/// The name of whoever calls without encryption.
pub(crate) const LOOPBACK: &str = "loopback";

/// Connections that are let in and not yet served.
const WAITING: usize = 16;

/// Who may connect, and as whom.
#[derive(Debug, Clone)]
pub enum Entrance {
    /// Every program on this machine, without encryption, all as one principal with this role.
    Plaintext(Role),
    /// Whoever has a certificate that names a principal, encrypted.
    Tls(Tls),
}

impl Entrance {
    /// Whether somebody else can approve what one orders: at least two principals may.
    pub(super) fn has_second_person(&self) -> bool {
        match self {
            Self::Plaintext(_) => false,
            Self::Tls(tls) => {
                tls.principals.values().filter(|role| role.may(Permission::ApproveCommands)).nth(1).is_some()
            }
        }
    }
}

/// A connection and whoever is behind it; every request on it carries the [`Caller`].
#[derive(Debug)]
pub(super) struct Connection {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    caller: Caller,
    /// Its place among those that may be open at once.
    _place: OwnedSemaphorePermit,
}

/// The connections that are let in at the listener, until the stream is dropped.
pub(super) fn incoming(
    listener: TcpListener,
    entrance: Entrance,
) -> impl Stream<Item = io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(accept::run(listener, entrance, sender));
    ReceiverStream::new(receiver)
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, octets)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
