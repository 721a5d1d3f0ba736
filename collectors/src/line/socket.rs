//! The way that octets take: one more match than a trait object, because the kinds are few and known.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};
use tokio_serial::SerialStream;

use super::{Guest, forward::Forward, gateway::Gateway, udp::Udp};

/// An open way for octets.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Udp(Udp),
    Serial(SerialStream),
    Gateway(Box<Gateway>),
    Memory(DuplexStream),
    Inbound(Guest),
    /// Through a terminal, which is the end of another one.
    Forward(Box<Forward>),
}

impl Socket {
    /// Whether octets go in datagrams, which are whole or not there, and may overtake each other.
    pub(super) const fn has_datagrams(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Reads what is there, at least one octet; none at the end. May be dropped: nothing is lost then.
    pub(super) async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(octets).await,
            Self::Udp(socket) => socket.read(octets).await,
            Self::Serial(socket) => socket.read(octets).await,
            Self::Gateway(socket) => socket.read(octets).await,
            Self::Memory(socket) => socket.read(octets).await,
            Self::Inbound(guest) => guest.read(octets).await,
            Self::Forward(way) => way.read(octets).await,
        }
    }

    /// Writes some of the octets, at least one. May be dropped: nothing is written then.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(octets).await,
            Self::Udp(socket) => socket.write(octets).await,
            Self::Serial(socket) => socket.write(octets).await,
            Self::Gateway(socket) => socket.write(octets).await,
            Self::Memory(socket) => socket.write(octets).await,
            Self::Inbound(guest) => guest.write(octets).await,
            Self::Forward(way) => way.write(octets).await,
        }
    }

    /// The connection, when somebody else has opened it.
    pub(super) const fn guest(&mut self) -> Option<&mut Guest> {
        match self {
            Self::Inbound(guest) => Some(guest),
            Self::Tcp(_)
            | Self::Udp(_)
            | Self::Serial(_)
            | Self::Gateway(_)
            | Self::Memory(_)
            | Self::Forward(_) => None,
        }
    }

    /// Ends what is sent; a borrowed connection stays open.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown().await,
            Self::Udp(_) => Ok(()),
            Self::Serial(socket) => socket.shutdown().await,
            Self::Gateway(socket) => socket.shutdown().await,
            Self::Memory(socket) => socket.shutdown().await,
            Self::Inbound(_) => Ok(()),
            Self::Forward(way) => way.shutdown().await,
        }
    }
}
