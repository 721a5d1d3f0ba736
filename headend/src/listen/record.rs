//! From the queue into the store: many pushes in one transaction, each answered after the commit and not before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dlms::security::Wear;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::arrival::Arrival;
use super::judge::{Answer, judge};
use crate::api::Models;
use crate::config;
use crate::store::pushes::{Claim, Found, Kept, Tally, Verdict};
use crate::store::{Error, PushFate, Store};
use crate::telemetry::metrics;

/// Pushes that make a batch full.
const BATCH: usize = 512;
/// How long a batch waits for more.
const WAIT: Duration = Duration::from_millis(5);
/// The first wait while the database is away; then twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The one who keeps pushes.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) store: Store,
    pub(crate) models: Arc<Models>,
    pub(crate) config: config::Listener,
    /// Pushes that found the queue full and were not counted yet.
    pub(crate) turned_away: Arc<AtomicU64>,
    pub(crate) stop: CancellationToken,
}

impl Recorder {
    /// Keeps pushes until nobody can send any more.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Arrival>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let until = Instant::now() + WAIT;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                if !matches!(timeout_at(until, queue.recv_many(&mut batch, room)).await, Ok(1..)) {
                    break;
                }
            }
            self.settle(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).await;
        }
    }

    /// Keeps a batch, whatever it takes. What the database refuses for good is narrowed down by halves, so that one push does not
    /// keep the others from being stored.
    async fn settle(&self, batch: Vec<Arrival>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.persist(&part).await {
                Ok((tally, answers)) => {
                    debug!(?tally, pushes = part.len(), "pushes are stored");
                    metrics::pushes_stored(&tally, part.iter().map(|arrival| arrival.at));
                    part.into_iter().zip(answers).for_each(|(arrival, answer)| arrival.answer(answer));
                }
                Err(refusal) if refusal.is_transient() => {
                    warn!(pushes = part.len(), %refusal, "stopped while the database was away: pushes are lost, none of them was confirmed");
                }
                Err(_) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(refusal) => {
                    let peer = part.first().map(|arrival| arrival.peer.as_str());
                    error!(peer, %refusal, "a push can not be stored; report this with the log of the head-end");
                }
            }
        }
    }

    /// Tries until it is done, refused for good, or the program stops.
    async fn persist(&self, part: &[Arrival]) -> Result<(Tally, Vec<Answer>), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt(part).await {
                Err(outage) if outage.is_transient() && !self.stop.is_cancelled() => {
                    warn!(pushes = part.len(), %outage, "pushes wait for the database");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, part: &[Arrival]) -> Result<(Tally, Vec<Answer>), Error> {
        let limit = self.config.alarms_per_meter;
        let mut recording = self.store.record_pushes().await?;
        let claims: Vec<Claim<'_>> = part.iter().map(Arrival::claim).collect();
        let found = recording.senders(&claims, limit).await?;
        let (mut verdict, answers) = judge(part, &found, &self.models, limit);
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        if turned_away > 0 {
            verdict.tally.insert(PushFate::QueueFull, turned_away);
        }
        let kept = Kept { entries: self.config.quarantine_entries, octets: self.config.quarantine_octets };
        let tally = recording.keep(&verdict, kept).await?;
        note_wear(&found, &verdict);
        if turned_away > 0 {
            self.turned_away.fetch_sub(turned_away, Ordering::Relaxed);
            warn!(turned_away, "pushes were not taken, because the queue was full");
        }
        Ok((tally, answers))
    }
}

/// Says which meters have used up many of the counters that their key allows.
fn note_wear(found: &[Found], verdict: &Verdict) {
    for (meter, used) in &verdict.counters {
        let sender = found.iter().find_map(|found| match found {
            Found::One(sender) if sender.meter == *meter => Some(sender),
            _ => None,
        });
        let before = sender.and_then(|sender| sender.used).map_or(0, |used| used.last);
        if let Some(wear) = Wear::reached(before, used.last) {
            warn!(meter, %wear, "the meter's invocation counters are used up under its key: give it a new one");
        }
    }
}
