//! Works that wait for their turn on the line.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{Work, bus::Queue, station::Session};

/// What arrived and was not yet done, bounded, in the order of a [`Queue`].
pub(crate) struct Inbox {
    arrivals: mpsc::Receiver<Work>,
    /// What came while the session was busy with something, in the order of its arrival.
    heard: VecDeque<Work>,
    waiting: Queue<Work>,
    limit: usize,
    /// How many wait, for whoever looks on.
    backlog: Arc<AtomicUsize>,
    /// Told when others need the place of a channel that only waits.
    crowd: Arc<Notify>,
}

impl Inbox {
    pub(crate) fn new(
        arrivals: mpsc::Receiver<Work>,
        limit: usize,
        backlog: Arc<AtomicUsize>,
        crowd: Arc<Notify>,
    ) -> Self {
        Self { arrivals, heard: VecDeque::new(), waiting: Queue::new(), limit: limit.max(1), backlog, crowd }
    }

    /// Takes in what has arrived, and its invocation counters into the session.
    pub(crate) fn gather(&mut self, session: &mut Session) {
        while let Some(work) = self.heard.pop_front() {
            self.accept(work, session);
        }
        while self.waiting.len() < self.limit
            && let Ok(work) = self.arrivals.try_recv()
        {
            self.accept(work, session);
        }
    }

    /// The work whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Work> {
        let work = self.waiting.next(Instant::now());
        self.show();
        work
    }

    /// The work whose turn it is when it is more urgent than `priority`.
    pub(crate) fn next_above(&mut self, priority: i16) -> Option<Work> {
        let urgent = self.waiting.next_above(priority);
        self.show();
        urgent
    }

    /// Waits until something more urgent than `priority` has come, and leaves it where [`gather`](Self::gather) finds it. May be dropped.
    pub(crate) async fn hear_above(&mut self, priority: i16) {
        while self.waiting.len() + self.heard.len() < self.limit {
            let Some(work) = self.arrivals.recv().await else { break };
            let is_urgent = work.priority > priority;
            self.heard.push_back(work);
            self.show();
            if is_urgent {
                return;
            }
        }
        pending().await
    }

    /// Waits for work and keeps the association meanwhile; after the linger time, or when others need the place, it releases it and takes no
    /// more. False: there will be no more.
    pub(crate) async fn wait(&mut self, session: &mut Session) -> bool {
        let arrived = tokio::select! {
            biased;
            arrived = self.arrivals.recv() => Some(arrived),
            () = session.lapse() => None,
            () = self.crowd.notified() => None,
        };
        let arrived = match arrived {
            Some(arrived) => arrived,
            None => {
                session.leave().await;
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
        self.waiting.push(work.priority, work.station.meter, work);
        self.show();
    }

    fn show(&self) {
        self.backlog.store(self.waiting.len() + self.heard.len(), Ordering::Relaxed);
    }
}
