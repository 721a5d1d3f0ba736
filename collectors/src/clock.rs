use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Clock status bits of a time that is not to be relied on: 0 invalid, 1 doubtful, 3 invalid status (Blue Book, 4.1.6.1).
const UNRELIABLE: u8 = 0b1011;
/// Clock status: bits are not given.
const STATUS_UNSPECIFIED: u8 = 0xFF;

/// Where the wall clock comes from: the times at which something was read. Waiting uses tokio's clock.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Why no meter may be set by this clock; `None` when one may.
    fn fault(&self) -> Option<String> {
        None
    }
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What the clock of a meter showed, and when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The time that the meter showed.
    pub shown: Timestamp,
    /// The step in which it shows its time: it had shown this one for less than that.
    pub resolution: Duration,
    /// The meter's offset from UTC in minutes, positive to the east; `None` when it did not say.
    pub offset_min: Option<i16>,
    /// Clock status bits: 0 invalid, 1 doubtful, 2 other time base, 3 invalid status, 7 summer time; 0xFF not given.
    pub status: u8,
    /// Our time when the answer had arrived.
    pub read_at: Timestamp,
    /// From the request to the answer: the meter looked at its clock within that time before `read_at`.
    pub delay: Duration,
}

impl ClockReading {
    /// How far the meter's clock is ahead of ours, negative when it is behind: the middle of what is possible.
    pub fn drift(&self) -> SignedDuration {
        self.shown.duration_since(self.read_at) + half(self.resolution) + half(self.delay)
    }

    /// How far the true difference may be from [`drift`](Self::drift), to either side: the meter looked at its clock some time
    /// between question and answer, and some time in the step that it showed.
    pub fn uncertainty(&self) -> SignedDuration {
        half(self.resolution) + half(self.delay)
    }

    /// Whether the meter itself relies on its time, as far as it says.
    pub const fn is_reliable(&self) -> bool {
        self.status == STATUS_UNSPECIFIED || self.status & UNRELIABLE == 0
    }
}

fn half(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration / 2).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(shown: Timestamp, read_at: Timestamp, resolution: Duration, delay: Duration) -> ClockReading {
        ClockReading { shown, resolution, offset_min: None, status: STATUS_UNSPECIFIED, read_at, delay }
    }

    proptest! {
        /// However long question and answer take, and wherever in its second the meter looks at its clock.
        #[test]
        fn the_true_difference_lies_within_the_uncertainty(
            ahead_ms in -2_000_000_i64..2_000_000,
            asked_ms in 0_i64..100_000,
            question_ms in 0_i64..20_000,
            answer_ms in 0_i64..20_000,
        ) {
            let at = |ms: i64| Timestamp::from_millisecond(1_767_225_600_000 + ms).unwrap();
            let looked = asked_ms + question_ms;
            let shown = (looked + ahead_ms).div_euclid(1000) * 1000;
            let delay = Duration::from_millis((question_ms + answer_ms).unsigned_abs());
            let found = reading(at(shown), at(looked + answer_ms), Duration::from_secs(1), delay);
            let off = (found.drift() - SignedDuration::from_millis(ahead_ms)).abs();
            prop_assert!(off <= found.uncertainty(), "off by {off:?} of {:?}", found.uncertainty());
        }
    }

    #[test]
    fn a_clock_that_calls_itself_invalid_or_doubtful_is_not_relied_on() {
        let now = Timestamp::UNIX_EPOCH;
        let found = reading(now, now, Duration::ZERO, Duration::ZERO);
        for (status, reliable) in [
            (0x00, true),
            (0x80, true),
            (0x04, true),
            (0xFF, true),
            (0x01, false),
            (0x82, false),
            (0x08, false),
        ] {
            assert_eq!(ClockReading { status, ..found }.is_reliable(), reliable, "{status:#x}");
        }
    }
}
