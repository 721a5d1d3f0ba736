//! Many meters in one process: a listening socket each, served by one small task.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::{CONNECTIONS_PER_METER, FleetConfig, Framing};
use crate::meter::{Capture, Meter, Shared};
use crate::serve::serve;
use crate::{Clock, Counts, Error, udp};

/// How long a meter waits before it accepts again when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a fleet with a ledger's file looks what is due.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// A running fleet. Its tasks run on the runtime of whoever started it and end with [`Fleet::shutdown`] or when the fleet
/// is dropped.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    meters: Vec<Arc<Meter>>,
    addresses: Vec<SocketAddr>,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Opens a port on 127.0.0.1 for each meter, with HDLC for each line; when it returns, all of them accept connections.
    ///
    /// # Errors
    /// A limit that is exceeded, [`Error::Port`] or [`Error::Ledger`].
    pub async fn start(config: FleetConfig) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(config)?);
        let mut fleet = Self { shared, meters: Vec::new(), addresses: Vec::new(), tasks: JoinSet::new() };
        for line in 0..fleet.shared.config.lines() {
            fleet.add(line).await?;
        }
        if fleet.shared.config.ledger.is_some() {
            fleet.tasks.spawn(settle(fleet.meters.clone()));
        }
        Ok(fleet)
    }

    /// Where each meter listens, by its number; meters of one line listen at the same place.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The meters, by their number.
    pub fn meters(&self) -> &[Arc<Meter>] {
        &self.meters
    }

    /// The clock of all meters.
    pub fn clock(&self) -> &Clock {
        &self.shared.config.clock
    }

    /// What a correct reader of a meter's profile must have stored for an interval, both ends included; see
    /// [`Meter::expected`].
    ///
    /// # Errors
    /// [`Error::NoMeter`] or [`Error::NoProfile`].
    pub fn expected(
        &self,
        number: u32,
        profile: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Capture>, Error> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let missing = Error::NoMeter { number, count: self.shared.config.count };
        self.meters.get(index).ok_or(missing)?.expected(profile, from, to)
    }

    /// What happened to all meters together.
    pub fn counts(&self) -> Counts {
        self.meters.iter().map(|meter| meter.counts()).sum()
    }

    /// Closes all ports and connections and waits until every task has ended.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }

    async fn add(&mut self, line: u32) -> Result<(), Error> {
        let config = &self.shared.config;
        let (base, each) = (config.base_port, config.meters_per_line());
        let numbers = line * each..config.count.min((line + 1) * each);
        let port = match base {
            0 => 0,
            // Checked with the configuration: the last port exists.
            _ => base.saturating_add(u16::try_from(line).unwrap_or(u16::MAX)),
        };
        let refused = |error: io::Error| Error::Port { port, kind: error.kind() };
        let meters: Arc<[_]> =
            numbers.map(|number| Arc::new(Meter::new(Arc::clone(&self.shared), number))).collect();
        self.meters.extend(meters.iter().cloned());
        let place = (Ipv4Addr::LOCALHOST, port);
        let address = match (self.shared.config.framing, &*meters) {
            (Framing::Datagrams, [meter]) => {
                let socket = UdpSocket::bind(place).await.map_err(refused)?;
                let address = socket.local_addr().map_err(refused)?;
                self.tasks.spawn(hear(socket, Arc::clone(meter)));
                address
            }
            _ => {
                let listener = TcpListener::bind(place).await.map_err(refused)?;
                let address = listener.local_addr().map_err(refused)?;
                self.tasks.spawn(listen(listener, Arc::clone(&meters)));
                address
            }
        };
        self.addresses.extend(meters.iter().map(|_| address));
        Ok(())
    }
}

/// Lets everything happen whose time has come, so that the ledger's file has it even when nobody asks the meters.
async fn settle(meters: Vec<Arc<Meter>>) {
    loop {
        sleep(SETTLE_EVERY).await;
        meters.iter().for_each(|meter| meter.act(|_, _| ()));
    }
}

/// Answers datagrams for as long as there is a socket.
async fn hear(socket: UdpSocket, meter: Arc<Meter>) {
    if let Err(error) = udp::serve(socket, Arc::clone(&meter)).await {
        tracing::error!(?meter, %error, "the socket broke");
    }
}

/// Accepts the connections of one line. They end with this task, because the set that holds them does.
async fn listen(listener: TcpListener, meters: Arc<[Arc<Meter>]>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(ended) = connections.join_next() => report(&meters, ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_PER_METER => {
                    connections.spawn(serve(stream, Arc::clone(&meters)));
                }
                Ok(_) => tracing::debug!(?meters, limit = CONNECTIONS_PER_METER, "connection refused: too many"),
                Err(error) => {
                    tracing::warn!(?meters, %error, "connection lost before it was accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

fn report(meters: &[Arc<Meter>], ended: Result<io::Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => tracing::trace!(?meters, "connection ended"),
        Ok(Err(error)) => tracing::debug!(?meters, %error, "connection broke"),
        Err(error) => tracing::error!(?meters, %error, "connection task failed"),
    }
}
