//! Refused calls in the log and in the audit, written apart from the calls and no more of them than somebody will read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;
use uuid::Uuid;

use crate::store::Store;
use crate::store::audit::Entry;

/// Refused calls that wait to be written.
const QUEUE: usize = 256;

/// Refused calls of one caller within [`WINDOW`] that are written one by one; the others are counted.
const EACH: u64 = 20;

/// How long is counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Callers that are told apart within [`WINDOW`]; the others count as one.
const CALLERS: usize = 1_000;

/// The name of all callers beyond [`CALLERS`], and of the program where it speaks for itself.
const HEADEND: &str = "headend";

/// Hands refused calls on.
#[derive(Debug, Clone)]
pub(super) struct Refusals {
    queue: mpsc::Sender<Entry>,
    lost: Arc<AtomicU64>,
}

/// Writes what was handed on.
#[derive(Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Receiver<Entry>,
    lost: Arc<AtomicU64>,
}

/// Both ends.
pub(super) fn channel() -> (Refusals, Recorder) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    (Refusals { queue: sender, lost: Arc::clone(&lost) }, Recorder { queue: receiver, lost })
}

impl Refusals {
    /// Hands a refused call on; when the queue is full it is only counted.
    pub(super) fn tell(&self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Recorder {
    /// Writes until nobody hands on any more, and what was handed on until then.
    pub(crate) async fn run(mut self, store: Store) {
        let mut tally = Tally::default();
        let mut windows = interval_at(Instant::now() + WINDOW, WINDOW);
        windows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                entry = self.queue.recv() => match entry {
                    Some(entry) if tally.is_written(&entry.principal) => write(&store, entry).await,
                    Some(_) => {}
                    None => break,
                },
                _ = windows.tick() => self.close(&store, &mut tally).await,
            }
        }
        self.close(&store, &mut tally).await;
    }

    /// Ends a window: what was only counted is told as a number.
    async fn close(&self, store: &Store, tally: &mut Tally) {
        let mut counted = tally.close();
        match self.lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => *counted.entry(HEADEND.into()).or_default() += lost,
        }
        for (principal, count) in counted {
            write(store, summary(principal, count)).await;
        }
    }
}

async fn write(store: &Store, entry: Entry) {
    let detail = entry.detail.as_deref().unwrap_or_default();
    warn!(principal = entry.principal, action = entry.action, request_id = %entry.request_id, detail, "refused");
    if let Err(error) = store.audit(&entry).await {
        warn!(%error, "a refused call could not be audited");
    }
}

fn summary(principal: String, count: u64) -> Entry {
    Entry {
        principal,
        action: "several calls".into(),
        target: String::new(),
        outcome: "refused".into(),
        detail: Some(format!("{count} more calls were refused within a minute and not written one by one")),
        request_id: Uuid::now_v7(),
    }
}

/// Refused calls of a window by caller.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts a call; `true` when it is to be written.
    fn is_written(&mut self, principal: &str) -> bool {
        let known = self.0.len() < CALLERS || self.0.contains_key(principal);
        let count = self.0.entry(if known { principal } else { HEADEND }.to_owned()).or_default();
        *count += 1;
        *count <= EACH
    }

    /// What was counted and not written.
    fn close(&mut self) -> BTreeMap<String, u64> {
        let counts = std::mem::take(&mut self.0).into_iter();
        counts
            .filter(|(_, count)| *count > EACH)
            .map(|(principal, count)| (principal, count - EACH))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_is_counted_and_hides_nobody_else() {
        let mut tally = Tally::default();
        let written = (0..1000).filter(|_| tally.is_written("eve")).count();
        assert_eq!((written as u64, tally.is_written("anna")), (EACH, true));
        assert_eq!(tally.close(), BTreeMap::from([("eve".to_owned(), 1000 - EACH)]));
        assert!(tally.is_written("eve") && tally.close().is_empty());
    }

    #[test]
    fn so_many_callers_that_nobody_reads_them_count_as_one() {
        let mut tally = Tally::default();
        let written = (0..10 * CALLERS).filter(|at| tally.is_written(&format!("certificate {at}"))).count();
        assert_eq!(written as u64, CALLERS as u64 + EACH);
        assert_eq!(tally.close(), BTreeMap::from([(HEADEND.to_owned(), 9 * CALLERS as u64 - EACH)]));
    }
}
