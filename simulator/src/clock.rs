//! The time that the meters believe it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A clock shared by all meters of a fleet: the wall clock, or one that starts at a given instant and runs on.
/// Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Start,
    /// Seconds by which a test moved the clock.
    moved_s: Arc<AtomicI64>,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    Wall,
    At(Timestamp, Instant),
}

impl Clock {
    /// The clock of this computer.
    pub fn wall() -> Self {
        Self { start: Start::Wall, moved_s: Arc::default() }
    }

    /// A clock that shows `start` now and runs on from there, with the clock of tokio: where a test pauses that one, so is this.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start: Start::At(start, Instant::now()), moved_s: Arc::default() }
    }

    /// The meters' time.
    pub fn now(&self) -> Timestamp {
        let running = match self.start {
            Start::Wall => Timestamp::now(),
            Start::At(start, since) => {
                let passed = SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX);
                start.saturating_add(passed).unwrap_or(Timestamp::MAX)
            }
        };
        let moved = SignedDuration::from_secs(self.moved_s.load(Ordering::Relaxed));
        running.saturating_add(moved).unwrap_or(running)
    }

    /// Moves the clock of all meters by seconds, back when negative: for tests that need tomorrow.
    pub fn advance(&self, seconds: i64) {
        self.moved_s.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Whole seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().as_second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::timestamp;

    #[test]
    fn a_clock_runs_on_from_its_start_and_can_be_moved() {
        let start = timestamp(1_772_323_200);
        let clock = Clock::starting_at(start);
        let other = clock.clone();
        assert!((0..5).contains(&(clock.seconds() - start.as_second())));
        other.advance(86_400);
        assert!((86_400..86_405).contains(&(clock.seconds() - start.as_second())));
    }
}
