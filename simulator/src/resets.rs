//! Ends of billing periods and resets of maximum demands that were ordered.

use jiff::Timestamp;

/// What a meter remembers of them.
#[derive(Debug, Default)]
pub(crate) struct Resets {
    count: u32,
    last: Option<Timestamp>,
    /// When billing periods were ended by an order (seconds since 1970): its billing profile has a capture of each.
    closed: Vec<i64>,
}

impl Resets {
    /// Ends the billing period.
    pub(crate) fn close(&mut self, now: Timestamp) {
        self.closed.push(now.as_second());
        self.reset(now);
    }

    /// Resets the maximum demands.
    pub(crate) fn reset(&mut self, now: Timestamp) {
        self.count += 1;
        self.last = Some(now);
    }

    /// How many there were.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// When the last one was.
    pub(crate) const fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// When billing periods were ended by an order.
    pub(crate) fn closed(&self) -> &[i64] {
        &self.closed
    }
}
