//! When work is put aside and brought back: again at once as long as there was some, else after a second. Pure.

use tokio::time::Instant;

use super::LOOK_EVERY;

/// The time for one of both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    due_at: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { due_at: Instant::now() }
    }
}

impl Pace {
    /// Whether it is time.
    pub(super) fn is_due(&self) -> bool {
        self.due_at <= Instant::now()
    }

    /// Notes whether there was something to do, and so may be more.
    pub(super) fn told(&mut self, more: bool) {
        self.due_at = Instant::now() + if more { std::time::Duration::ZERO } else { LOOK_EVERY };
    }
}
