use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    LineError,
    rfc2217::{self, Refusal, Telnet},
    serial::Format,
    tcp,
};

/// Most octets taken from the gateway at once.
const READ_MAX: usize = 1024;

/// A serial port behind a gateway that takes orders of RFC 2217.
#[derive(Debug)]
pub(super) struct Gateway {
    tcp: TcpStream,
    telnet: Telnet,
    /// Octets of the line that arrived and were not asked for yet.
    ahead: Vec<u8>,
    /// What is to be said to the gateway itself.
    control: Vec<u8>,
    /// Octets under way to the gateway, how many of them were sent, and how many octets of the line they are. They outlive a wait that is dropped.
    under_way: Vec<u8>,
    sent: usize,
    worth: usize,
}

impl Gateway {
    /// Connects, and sets how characters are sent.
    pub(super) async fn connect(host: &str, format: Format, limit: Duration) -> Result<Self, LineError> {
        let tcp = tcp::connect(host, limit).await?;
        let mut control = Vec::new();
        let telnet = Telnet::new(&mut control);
        let mut gateway =
            Self { tcp, telnet, ahead: Vec::new(), control, under_way: Vec::new(), sent: 0, worth: 0 };
        gateway.set(format, limit).await?;
        Ok(gateway)
    }

    /// Changes how characters are sent from now on; waits until the gateway has confirmed it.
    pub(super) async fn set(&mut self, format: Format, limit: Duration) -> Result<(), LineError> {
        self.telnet.set(format, &mut self.control);
        let settled = async {
            loop {
                self.push().await.map_err(|_| LineError::Cut)?;
                if self.telnet.is_set() {
                    return Ok(());
                }
                if self.take().await.map_err(|error| LineError::NoRoute(error.to_string()))? == 0 {
                    return Err(LineError::Cut);
                }
            }
        };
        let silent = || LineError::NoRoute(format!("the gateway confirmed no orders within {limit:?}"));
        timeout(limit, settled).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Reads what is there of the line, at least one octet; none at the end. May be dropped: nothing is lost then.
    pub(super) async fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        while self.ahead.is_empty() {
            if self.take().await? == 0 {
                return Ok(0);
            }
        }
        let count = self.ahead.len().min(octets.len());
        octets[..count].copy_from_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        Ok(count)
    }

    /// Writes octets for the line. May be dropped, and goes on where it was when the same octets are written again.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.worth == 0 {
            self.push().await?;
            rfc2217::escape(octets, &mut self.under_way);
            self.worth = octets.len();
        }
        self.push().await?;
        Ok(std::mem::take(&mut self.worth))
    }

    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        self.tcp.shutdown().await
    }

    /// Sends what is under way, and behind it what is to be said.
    async fn push(&mut self) -> io::Result<()> {
        loop {
            if self.sent == self.under_way.len() {
                self.under_way.clear();
                self.sent = 0;
                self.under_way.append(&mut self.control);
                if self.under_way.is_empty() {
                    return Ok(());
                }
            }
            match self.tcp.write(&self.under_way[self.sent..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => self.sent += sent,
            }
        }
    }

    /// Takes what the gateway sent; how many octets that were, none at the end.
    async fn take(&mut self) -> io::Result<usize> {
        let mut chunk = [0; READ_MAX];
        let got = self.tcp.read(&mut chunk).await?;
        let refused = |refusal: Refusal| io::Error::other(refusal);
        self.telnet.receive(&chunk[..got], &mut self.ahead, &mut self.control).map_err(refused)?;
        Ok(got)
    }
}
