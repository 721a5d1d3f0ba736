//! The channel of one line, as the collector sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use collectors::{Reach, Work};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Works that wait in one channel, that of a bus with many meters, before no more reads are leased for its line.
const BACKLOG: usize = 64;

/// The channel of one line.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) works: mpsc::Sender<Work>,
    /// Works that the channel has received and that wait.
    pub(super) backlog: Arc<AtomicUsize>,
    /// The group whose room it takes: that of the first meter it was opened for.
    pub(super) group: Option<String>,
    /// Whether it had so much to do that work for its line may stand aside.
    pub(super) was_busy: bool,
    pub(super) reach: Arc<Reach>,
    /// Told when others need its place.
    pub(super) crowd: Arc<Notify>,
    pub(super) task: JoinHandle<()>,
}

impl Lane {
    /// Whether so much waits already that reads for other meters of the same line had better wait in the database, where whoever is free
    /// finds other work.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting() >= BACKLOG
    }

    /// Whether so little waits that more may come.
    pub(super) fn is_low(&self) -> bool {
        self.waiting() < BACKLOG / 2
    }

    /// Works that wait in it.
    fn waiting(&self) -> usize {
        let received = self.backlog.load(Ordering::Relaxed);
        received + self.works.max_capacity() - self.works.capacity()
    }
}
