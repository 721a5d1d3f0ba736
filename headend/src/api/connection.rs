//! Connections that know who is behind them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::Connected;

use super::access::{Caller, Principal, Role};

/// The name of whoever calls without encryption.
const LOOPBACK: &str = "loopback";

/// Who may connect, and as whom.
#[derive(Debug, Clone)]
pub enum Entrance {
    /// Every program on this machine, without encryption, all as one principal with this role.
    Plaintext(Role),
}

/// A connection and whoever is behind it; every request on it carries the [`Caller`].
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    caller: Caller,
}

/// The connections that arrive at the listener.
pub(super) fn incoming(
    listener: TcpListener,
    entrance: Entrance,
) -> impl Stream<Item = io::Result<Connection>> {
    let Entrance::Plaintext(role) = entrance;
    let caller = Caller::Known(Principal { name: LOOPBACK.into(), role });
    TcpListenerStream::new(listener)
        .map(move |stream| Ok(Connection { stream: stream?, caller: caller.clone() }))
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
