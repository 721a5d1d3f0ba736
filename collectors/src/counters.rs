//! The invocation counters that a channel holds for one meter.
//!
//! Every work brings a range of its own. Works run by priority, but a meter never accepts a lower counter after a higher
//! one; so the ranges are pooled on arrival and used in ascending order, whichever work is served.

use std::collections::BTreeMap;

use dlms::client::Counters;

/// The farthest that a meter may push its counter ahead in one step. What a meter says it expects is not authenticated, so that a forged answer
/// must not spend the counters of a key, of which there are 2³² - 1.
pub const LEAP_MAX: u32 = 1 << 28;

/// Most ranges kept for one meter; beyond it the lowest goes unused. Counters may be wasted, never reused.
const RANGES_MAX: usize = 64;

/// Unused ranges of one meter.
#[derive(Debug, Default)]
pub(crate) struct CounterPool {
    /// First counter → end of the range.
    ranges: BTreeMap<u32, u32>,
    /// Nothing below may be used any more.
    floor: u32,
}

impl CounterPool {
    /// Adds a reserved range, or what an association left of one.
    pub(crate) fn add(&mut self, range: &Counters) {
        let end = range.next().saturating_add(range.left());
        let start = range.next().max(self.floor);
        if start < end {
            self.ranges.insert(start, end);
        }
        if self.ranges.len() > RANGES_MAX {
            self.ranges.pop_first();
        }
    }

    /// Hands out the lowest range; what is left of it comes back by [`add`](Self::add).
    pub(crate) fn take(&mut self) -> Option<Counters> {
        let (start, end) = self.ranges.pop_first()?;
        self.floor = start;
        Some(Counters::new(start, end))
    }

    /// Gives up all counters below `expected`, which the meter would refuse.
    ///
    /// # Errors
    /// The counter that was used last or comes next, when the other one is so far ahead of it ([`LEAP_MAX`]) that it is not followed.
    pub(crate) fn raise(&mut self, expected: u32) -> Result<(), u32> {
        // What was reserved farther ahead is ours without a word of the meter.
        let reserved = self.ranges.last_key_value().map_or(self.floor, |(start, _)| self.floor.max(*start));
        if expected.saturating_sub(reserved) > LEAP_MAX {
            return Err(self.floor);
        }
        self.floor = self.floor.max(expected);
        for (start, end) in std::mem::take(&mut self.ranges) {
            self.add(&Counters::new(start, end));
        }
        Ok(())
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_used_in_ascending_order_whatever_came_first() {
        let mut pool = CounterPool::default();
        pool.add(&Counters::new(200, 300));
        pool.add(&Counters::new(100, 200));
        let mut first = pool.take().unwrap();
        assert_eq!(first.take(), Ok(100));
        pool.add(&first);
        assert_eq!(pool.take().unwrap().next(), 101);
        assert_eq!(pool.take().unwrap().next(), 200);
        assert!(pool.take().is_none());
    }

    #[test]
    fn a_range_that_comes_too_late_is_not_used() {
        let mut pool = CounterPool::default();
        pool.add(&Counters::new(200, 300));
        assert_eq!(pool.take().unwrap().next(), 200);
        pool.add(&Counters::new(100, 200));
        assert!(pool.is_empty());
        pool.add(&Counters::new(300, 300));
        assert!(pool.is_empty());
    }

    #[test]
    fn what_the_meter_would_refuse_is_given_up() {
        let mut pool = CounterPool::default();
        pool.add(&Counters::new(1, 100));
        pool.add(&Counters::new(200, 300));
        assert_eq!(pool.raise(250), Ok(()));
        pool.add(&Counters::new(100, 200));
        assert_eq!(pool.take().map(|range| (range.next(), range.left())), Some((250, 50)));
        assert!(pool.is_empty());
    }

    #[test]
    fn what_is_too_far_ahead_is_not_followed() {
        let mut pool = CounterPool::default();
        pool.add(&Counters::new(1000, 2000));
        pool.take().unwrap();
        pool.add(&Counters::new(1003, 2000));
        assert_eq!(pool.raise(1004 + LEAP_MAX), Err(1000));
        assert_eq!(pool.take().map(|range| range.next()), Some(1003), "and nothing is given up");
        pool.add(&Counters::new(1004, 2000));
        pool.add(&Counters::new(1003 + LEAP_MAX, 1013 + LEAP_MAX));
        assert_eq!(pool.raise(1003 + LEAP_MAX), Ok(()), "it is reserved");
        assert_eq!(pool.take().map(|range| range.next()), Some(1003 + LEAP_MAX));
        assert_eq!(pool.raise(1003 + 2 * LEAP_MAX), Ok(()));
        assert!(pool.is_empty());
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let mut pool = CounterPool::default();
        for range in 0..100 {
            pool.add(&Counters::new(range * 10, range * 10 + 5));
        }
        assert_eq!(pool.ranges.len(), RANGES_MAX);
        assert_eq!(pool.take().unwrap().next(), 360);
    }
}
