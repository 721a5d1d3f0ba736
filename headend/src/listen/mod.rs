//! Hearing what meters send unasked.
//!
//! The way of a push: [`connection`] (which [`tcp`] accepts) and [`udp`] cut it out of what arrives, [`arrival`] and [`message`] understand as much of it as can be
//! without knowing who sent it, [`intake`] gives it a place in the bounded queue, [`record`] takes a batch out of the queue, has its
//! senders looked up, [`judge`] decides what becomes of each, and one transaction keeps it all. Whoever asked for a confirmation
//! gets it after the commit; nobody gets anything else. [`sources`] keeps one address from hurting others, at a [`pace`].
//!
//! A meter, or the modem in front of it, may also say who it is and stay: [`caller`]. Who says nothing is asked: [`asking`]. Then its connection stands in the [`Lobby`], where channels
//! borrow it, and in the table of those who are connected ([`presence`]). What comes unasked over lines that a collector has opened goes the same way
//! ([`overheard`]).

mod arrival;
mod asking;
mod caller;
mod connection;
mod intake;
mod judge;
mod listed;
mod message;
mod overheard;
mod pace;
mod presence;
mod record;
mod sources;
mod tcp;
mod udp;

pub use overheard::overhear;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use collectors::Lobby;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use crate::api::Models;
use crate::config;
use crate::store::Store;
use intake::Intake;
use presence::Presence;
use record::Recorder;

/// Why nothing can be heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An address cannot be opened: another program has it, or it is not one of this machine.
    #[error("{key} {address} cannot be opened: {detail}")]
    Address {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        detail: String,
    },
    /// A part of it ended by itself.
    #[error("a part of the listener ended by itself, which is a fault of this program: see its log")]
    Ended,
}

/// The open sockets.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    udp: UdpSocket,
    config: config::Listener,
}

impl Listener {
    /// Opens the sockets; from then on the system holds what arrives.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub async fn open(config: config::Listener) -> Result<Self, Error> {
        let unusable = |key, address| {
            move |error: std::io::Error| Error::Address { key, address, detail: error.to_string() }
        };
        let tcp = TcpListener::bind(config.tcp).await.map_err(unusable("listener.tcp", config.tcp))?;
        let udp = UdpSocket::bind(config.udp).await.map_err(unusable("listener.udp", config.udp))?;
        Ok(Self { tcp, udp, config })
    }

    /// Where it listens: TCP, UDP.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.tcp.local_addr()?, self.udp.local_addr()?))
    }

    /// Takes in pushes until `stop`, and returns when all that were taken are stored. Connections of meters that call stand in `lobby`, for
    /// the collector of this process, whose number is `owner`.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub async fn run(
        self,
        store: Store,
        models: Arc<Models>,
        (owner, lobby): (Uuid, Lobby),
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let (sender, queue) = mpsc::channel(self.config.queue);
        let turned_away = Arc::new(AtomicU64::new(0));
        let presence = Presence::new(lobby, self.config.first_reads_per_second);
        let writing = Arc::clone(&presence).write(store.clone(), owner, stop.clone());
        let intake = Intake::new(self.config.clone(), sender, presence, Arc::clone(&turned_away));
        let intake = Arc::new(intake);
        let recorder = Recorder { store, models, config: self.config, turned_away, stop: stop.clone() };
        info!("listening to meters");
        let parts = tokio::try_join!(
            tokio::spawn(tcp::listen(self.tcp, Arc::clone(&intake), stop.clone())),
            tokio::spawn(udp::listen(self.udp, intake, stop)),
            tokio::spawn(recorder.run(queue)),
            tokio::spawn(writing),
        );
        parts.map_err(|_| Error::Ended)?;
        info!("everything that was pushed is stored");
        Ok(())
    }
}
