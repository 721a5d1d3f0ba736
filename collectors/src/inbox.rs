//! Works that wait for their turn on the line.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc;

use crate::{Work, station::Session};

/// What arrived and was not yet done, bounded; the highest priority first and the oldest among equals.
pub(crate) struct Inbox {
    arrivals: mpsc::Receiver<Work>,
    /// By priority, then by arrival.
    waiting: BTreeMap<(Reverse<i16>, u64), Work>,
    arrived: u64,
    limit: usize,
    /// How many wait, for whoever looks on.
    backlog: Arc<AtomicUsize>,
}

impl Inbox {
    pub(crate) fn new(arrivals: mpsc::Receiver<Work>, limit: usize, backlog: Arc<AtomicUsize>) -> Self {
        Self { arrivals, waiting: BTreeMap::new(), arrived: 0, limit: limit.max(1), backlog }
    }

    /// Takes in what has arrived, and its invocation counters into the session.
    pub(crate) fn gather(&mut self, session: &mut Session) {
        while self.waiting.len() < self.limit
            && let Ok(work) = self.arrivals.try_recv()
        {
            self.accept(work, session);
        }
    }

    /// The work whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Work> {
        let (_, work) = self.waiting.pop_first()?;
        self.show();
        Some(work)
    }

    /// The work whose turn it is when it is more urgent than `priority`.
    pub(crate) fn next_above(&mut self, priority: i16) -> Option<Work> {
        let first = self.waiting.first_entry()?;
        let urgent = (first.key().0.0 > priority).then(|| first.remove());
        self.show();
        urgent
    }

    /// Waits for work and keeps the association meanwhile; after the linger time it releases it and takes no more. False:
    /// there will be no more.
    pub(crate) async fn wait(&mut self, session: &mut Session) -> bool {
        let arrived = tokio::select! {
            biased;
            arrived = self.arrivals.recv() => arrived,
            () = session.lapse() => {
                session.release().await;
                self.arrivals.close();
                // What was sent before the door closed is still done.
                self.arrivals.recv().await
            }
        };
        arrived.map(|work| self.accept(work, session)).is_some()
    }

    fn accept(&mut self, mut work: Work, session: &mut Session) {
        if let Some(range) = work.counters.take() {
            session.reserve(work.station.meter, &range);
        }
        self.arrived += 1;
        self.waiting.insert((Reverse(work.priority), self.arrived), work);
        self.show();
    }

    fn show(&self) {
        self.backlog.store(self.waiting.len(), Ordering::Relaxed);
    }
}
