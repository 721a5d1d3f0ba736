//! The end of the log of alarms, read once for all who follow it.
//!
//! Whoever keeps up is handed what was read here. Whoever falls behind by more than is kept here reads the log by himself until he has
//! caught up, so a slow one costs the others nothing.

use std::sync::Arc;

use tokio::sync::broadcast;
use tracing::warn;

use super::super::notices::Notices;
use crate::store::Store;
use crate::store::alarms::{Alarm, AlarmFilter};

/// Alarms that are read at once.
pub(super) const PAGE: i64 = 512;
/// Pages that are kept for those who are a little slower.
const KEPT: usize = 64;

/// All alarms between two places, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Page {
    /// The place before the first one.
    pub(super) begin: i64,
    /// The alarms.
    pub(super) alarms: Vec<Alarm>,
    /// The place behind the last one.
    pub(super) end: i64,
}

/// The end of the log.
#[derive(Debug, Clone)]
pub(in crate::api) struct Tail(broadcast::Sender<Arc<Page>>);

impl Tail {
    /// A tail that nobody reads yet.
    pub(in crate::api) fn new() -> Self {
        Self(broadcast::channel(KEPT).0)
    }

    /// What is read from now on. Who has not read the log up to where a page begins has to do so.
    pub(super) fn follow(&self) -> broadcast::Receiver<Arc<Page>> {
        self.0.subscribe()
    }

    /// Reads the log for ever.
    pub(in crate::api) async fn run(&self, store: &Store, mut notices: Notices) {
        let mut place = None;
        loop {
            if let Err(error) = self.read_on(store, &mut place).await {
                warn!(%error, "alarms can not be read; trying again");
            }
            notices.alarms().await;
        }
    }

    async fn read_on(&self, store: &Store, place: &mut Option<i64>) -> Result<(), crate::store::Error> {
        let end = store.alarms_end().await?;
        let mut begin = match *place {
            Some(place) if self.0.receiver_count() > 0 => place,
            // Nothing is read for nobody; who has begun to follow by now is told where the pages begin.
            _ => {
                self.give(Page { begin: end, alarms: Vec::new(), end }, place);
                end
            }
        };
        while begin < end {
            let alarms = store.alarms_after(begin, end, &AlarmFilter::default(), PAGE).await?;
            let full = i64::try_from(alarms.len()) == Ok(PAGE);
            let last = alarms.last().filter(|_| full).map_or(end, |last| last.id);
            self.give(Page { begin, alarms, end: last }, place);
            begin = last;
        }
        Ok(())
    }

    fn give(&self, page: Page, place: &mut Option<i64>) {
        *place = Some(page.end);
        // That nobody follows is no error.
        drop(self.0.send(Arc::new(page)));
    }
}
