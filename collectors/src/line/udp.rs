use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use dlms::wrapper::{HEADER_LENGTH, Header};
use tokio::{
    net::{UdpSocket, lookup_host},
    time::timeout,
};

use super::LineError;

/// Datagrams to and from one peer.
#[derive(Debug)]
pub(super) struct Udp(UdpSocket);

/// Looks a `host:port` up within the time, and takes a port of our own for it: what was meant for an earlier line does not come here. Whether
/// anybody is there nobody knows yet.
pub(super) async fn open(address: &str, limit: Duration) -> Result<Udp, LineError> {
    let no_route = |error: io::Error| LineError::NoRoute(error.to_string());
    let found = timeout(limit, lookup_host(address)).await;
    let found = found.map_err(|_| LineError::NoRoute(format!("no name look-up within {limit:?}")))?;
    let peer = found
        .map_err(no_route)?
        .next()
        .ok_or_else(|| LineError::NoRoute("the name has no address".into()))?;
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(no_route)?;
    // From here on the system drops what comes from anybody else, and tells when nobody listens there.
    socket.connect(peer).await.map_err(no_route)?;
    Ok(Udp(socket))
}

impl Udp {
    /// Reads one datagram that is not empty; of one that is longer than `octets` the end is lost. May be dropped: nothing is lost then.
    pub(super) async fn read(&self, octets: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.recv(octets).await? {
                0 => {}
                got => return Ok(got),
            }
        }
    }

    /// Sends the first frame of `octets` as a datagram. May be dropped: nothing is sent then.
    pub(super) async fn write(&self, octets: &[u8]) -> io::Result<usize> {
        let header = octets.first_chunk::<HEADER_LENGTH>().and_then(|header| Header::decode(header).ok());
        let frame = header.map_or(octets.len(), |header| HEADER_LENGTH + usize::from(header.length));
        self.0.send(octets.get(..frame).unwrap_or(octets)).await
    }
}
