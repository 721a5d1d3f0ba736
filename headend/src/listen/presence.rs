//! Who is connected: told by connections at once, written in batches, the latest of each caller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use collectors::Lobby;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::pace::Pace;
use crate::store::Store;
use crate::store::callers::{Beaten, Came, LISTENER_EXPIRES, Left};

/// How long changes are gathered, so that a storm of calls costs few statements.
const GATHER: Duration = Duration::from_millis(20);
/// Changes that one statement writes.
const BATCH: usize = 1000;
/// The wait after the database could not be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// What this process has to say of its callers.
#[derive(Debug)]
pub(crate) struct Presence {
    state: Mutex<State>,
    changed: Notify,
    pub(crate) lobby: Lobby,
}

#[derive(Debug)]
struct State {
    /// Changes that are not written yet, by line.
    changes: BTreeMap<String, Change>,
    /// The last heartbeats that are not written yet, by line: of which connection, and when.
    beats: BTreeMap<String, (Timestamp, Timestamp)>,
    /// When the next one who calls may be read.
    reads: Pace,
}

#[derive(Debug, Clone)]
enum Change {
    Came(Came),
    Left(Left),
}

/// That a caller is connected, until it is dropped.
#[derive(Debug)]
pub(crate) struct Present {
    presence: Arc<Presence>,
    /// The line that it has to itself.
    pub(crate) line: String,
    peer: String,
    dialect: &'static str,
    since: Timestamp,
}

impl Presence {
    /// Nobody yet; of those who call at once, so many are read in a second.
    pub(crate) fn new(lobby: Lobby, reads_per_second: u32) -> Arc<Self> {
        let reads = Pace::new(reads_per_second, Instant::now());
        let state = Mutex::new(State { changes: BTreeMap::new(), beats: BTreeMap::new(), reads });
        Arc::new(Self { state, changed: Notify::new(), lobby })
    }

    /// Somebody said who he is.
    pub(crate) fn came(self: &Arc<Self>, id: &str, peer: String, dialect: &'static str) -> Present {
        // The database keeps no more.
        let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or(Timestamp::MIN);
        let line = format!("inbound://{id}");
        let now = Instant::now();
        let mut state = self.state();
        let wait = SignedDuration::try_from(state.reads.turn(now) - now).unwrap_or(SignedDuration::ZERO);
        let ready_at = since.checked_add(wait).unwrap_or(since);
        let came = Came { line: line.clone(), dialect, peer: peer.clone(), since, ready_at };
        state.changes.insert(line.clone(), Change::Came(came));
        drop(state);
        self.changed.notify_one();
        Present { presence: Arc::clone(self), line, peer, dialect, since }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave it half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what changes until `stop`, and then that everybody has left.
    pub(crate) async fn write(self: Arc<Self>, store: Store, owner: Uuid, stop: CancellationToken) {
        let mut signs = interval(LISTENER_EXPIRES / 4);
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.changed.notified() => {
                    sleep(GATHER).await;
                    while self.flush(&store, owner).await {}
                }
                _ = signs.tick() => {
                    self.give_sign(&store, owner).await;
                    self.write_beats(&store, owner).await;
                }
            }
        }
        if let Err(error) = store.end_listener(owner).await {
            warn!(%error, "it could not be written down that all callers are gone");
        }
    }

    /// Shows that this process is alive. One that seemed dead has to say again who is connected to it.
    async fn give_sign(&self, store: &Store, owner: Uuid) {
        match store.keep_listener(owner).await {
            Ok(sign) => {
                if sign.ended > 0 {
                    info!(
                        callers = sign.ended,
                        "connections of a process that gave no sign of life are over"
                    );
                }
                if sign.is_first {
                    let callers = self.lobby.ask_again();
                    debug!(callers, "who is connected is said again");
                }
            }
            Err(error) => warn!(%error, "this process could not be shown to be alive"),
        }
    }

    /// Writes the heartbeats that came since the last time. What cannot be written is not tried again: the next ones say as much.
    async fn write_beats(&self, store: &Store, owner: Uuid) {
        let beats = std::mem::take(&mut self.state().beats);
        let beats: Vec<Beaten> =
            beats.into_iter().map(|(line, (since, at))| Beaten { line, since, at }).collect();
        for batch in beats.chunks(BATCH) {
            if let Err(error) = store.note_beats(owner, batch).await {
                return warn!(%error, beats = beats.len(), "heartbeats could not be written down");
            }
        }
    }

    /// Writes a batch; false when there is none, or none could be written.
    async fn flush(&self, store: &Store, owner: Uuid) -> bool {
        let batch: Vec<Change> = {
            let mut state = self.state();
            let lines: Vec<String> = state.changes.keys().take(BATCH).cloned().collect();
            lines.iter().filter_map(|line| state.changes.remove(line)).collect()
        };
        if batch.is_empty() {
            return false;
        }
        let (mut came, mut left) = (Vec::new(), Vec::new());
        for change in &batch {
            match change {
                Change::Came(change) => came.push(change.clone()),
                Change::Left(change) => left.push(change.clone()),
            }
        }
        match store.note_callers(owner, &came, &left).await {
            Ok(strangers) => {
                strangers.iter().for_each(|line| self.lobby.refuse(line.trim_start_matches("inbound://")));
                true
            }
            Err(error) => {
                warn!(%error, changes = batch.len(), "who is connected could not be written down");
                self.put_back(batch);
                sleep(PAUSE).await;
                self.changed.notify_one();
                false
            }
        }
    }

    /// Changes that could not be written; what happened meanwhile counts more.
    fn put_back(&self, batch: Vec<Change>) {
        let mut state = self.state();
        for change in batch {
            let (Change::Came(Came { line, .. }) | Change::Left(Left { line, .. })) = &change;
            state.changes.entry(line.clone()).or_insert(change);
        }
    }
}

impl Present {
    /// Another heartbeat came.
    pub(crate) fn beat(&self) {
        self.presence.state().beats.insert(self.line.clone(), (self.since, Timestamp::now()));
    }

    /// This connection is the one that counts, which has to be said again.
    pub(crate) fn again(&self) {
        let Self { line, peer, dialect, since, .. } = self;
        let (line, peer) = (line.clone(), peer.clone());
        let came = Came { line: line.clone(), dialect, peer, since: *since, ready_at: *since };
        self.presence.state().changes.insert(line, Change::Came(came));
        self.presence.changed.notify_one();
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let left = Left { line: std::mem::take(&mut self.line), since: self.since, at: Timestamp::now() };
        let mut state = self.presence.state();
        match state.changes.get(&left.line) {
            // Another connection of his counts.
            Some(Change::Came(came)) if came.since != left.since => return,
            _ => state.changes.insert(left.line.clone(), Change::Left(left)),
        };
        drop(state);
        self.presence.changed.notify_one();
    }
}
