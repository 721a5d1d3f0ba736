//! The door: pushes get their place in the bounded queue in front of the store, or are turned away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dlms::wrapper::Header;
use jiff::Timestamp;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

use super::arrival::{Arrival, Form, Waiting, host};
use super::judge::Answer;
use super::presence::Presence;
use super::sources::{Source, Sources};
use crate::config;

/// How long a connection waits for a place in the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queue is full: the store is away, or does not keep up. The push was not taken, and counted as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of pushes is full: the database is away or does not keep up")]
pub(crate) struct QueueFull;

/// The way into the queue.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Limits of connections and frames.
    pub(crate) config: config::Listener,
    /// What each address takes up.
    pub(crate) sources: Sources,
    /// Who is connected.
    pub(crate) presence: Arc<Presence>,
    /// Places for callers who are no meter's.
    pub(crate) strangers: Strangers,
    queue: mpsc::Sender<Arrival>,
    turned_away: Arc<AtomicU64>,
}

/// Places for callers who are no meter's. A modem that is turned away would only call again.
#[derive(Debug, Clone)]
pub(crate) struct Strangers {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

/// One of these places, until it is dropped.
#[derive(Debug)]
pub(crate) struct Stranger(Arc<AtomicUsize>);

impl Strangers {
    fn new(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    /// A place, if one is free.
    pub(crate) fn admit(&self) -> Option<Stranger> {
        let place = Stranger(Arc::clone(&self.taken));
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.limit).then_some(place)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Intake {
    /// A door to `queue`; pushes that were turned away are added to `turned_away`.
    pub(crate) fn new(
        config: config::Listener,
        queue: mpsc::Sender<Arrival>,
        presence: Arc<Presence>,
        turned_away: Arc<AtomicU64>,
    ) -> Self {
        let sources = Sources::new(&config);
        let strangers = Strangers::new(config.strangers);
        Self { config, sources, presence, strangers, queue, turned_away }
    }

    /// Takes in a push from a connection, which waits for its turn and for a place in the queue.
    pub(crate) async fn take(
        &self,
        source: &Source,
        (peer, line): (SocketAddr, Option<String>),
        form: Form,
        octets: Vec<u8>,
    ) -> Result<oneshot::Receiver<Answer>, QueueFull> {
        // Never closed.
        let turn = Arc::clone(&source.turns).acquire_owned().await.map_err(|_| self.turn_away())?;
        let (connection, answer) = oneshot::channel();
        let arrival =
            Arrival { line, ..arrival("tcp", peer, form, octets, Waiting::Connection(connection), turn) };
        match timeout(PATIENCE, self.queue.send(arrival)).await {
            Ok(Ok(())) => Ok(answer),
            _ => Err(self.turn_away()),
        }
    }

    /// Takes in a datagram, if there is a place for it at once.
    pub(crate) fn take_datagram(
        &self,
        socket: &Arc<UdpSocket>,
        peer: SocketAddr,
        header: Option<Header>,
        form: Form,
        octets: Vec<u8>,
    ) -> Result<(), QueueFull> {
        let source = self.sources.of(peer.ip());
        let turn = Arc::clone(&source.turns).try_acquire_owned().map_err(|_| self.turn_away())?;
        let waiting = Waiting::Datagram(Arc::clone(socket), peer, header);
        let arrival = arrival("udp", peer, form, octets, waiting, turn);
        self.queue.try_send(arrival).map_err(|_| self.turn_away())
    }

    fn turn_away(&self) -> QueueFull {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        QueueFull
    }
}

fn arrival(
    transport: &str,
    peer: SocketAddr,
    form: Form,
    octets: Vec<u8>,
    waiting: Waiting,
    turn: OwnedSemaphorePermit,
) -> Arrival {
    let (at, host) = (Timestamp::now(), host(peer));
    Arrival {
        at,
        peer: format!("{transport} {peer}"),
        host,
        line: None,
        octets,
        form,
        waiting,
        _turn: Some(turn),
    }
}
