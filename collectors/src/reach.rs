//! Whether the meters behind a line are reached.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Covered, Failure, Reason};

/// Works of a channel by whether they reached their meter. What failed without an attempt, because the meter was found dead a moment before,
/// is in neither count.
#[derive(Debug, Default)]
pub struct Reach {
    reached: AtomicU32,
    missed: AtomicU32,
}

impl Reach {
    /// Works that reached their meter and works that did not, since this was last asked.
    pub fn take(&self) -> (u32, u32) {
        let take = |count: &AtomicU32| count.swap(0, Ordering::Relaxed);
        (take(&self.reached), take(&self.missed))
    }

    /// Counts a work that was tried.
    pub(crate) fn count(&self, outcome: &Result<Covered, Failure>) {
        let missed =
            matches!(outcome, Err(failure) if matches!(failure.reason, Reason::NoRoute | Reason::Timeout));
        let count = if missed { &self.missed } else { &self.reached };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
