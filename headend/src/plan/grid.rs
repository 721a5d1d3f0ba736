//! Points in time that reads fall on: every read has a grid, `read_every` apart and shifted by a fixed amount for each meter.

use std::time::Duration;

use collectors::MeterId;
use jiff::{SignedDuration, Timestamp};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// Whether a point of the grid lies after `last` and not after `now`.
pub(super) fn passed(last: Option<Timestamp>, every: Duration, phase: u64, now: Timestamp) -> bool {
    last.is_none_or(|last| point(now, every, phase) > point(last, every, phase))
}

/// The first point of the grid after `now`.
pub(super) fn next(every: Duration, phase: u64, now: Timestamp) -> Timestamp {
    let length = length(every);
    let second = (point(now, every, phase) + 1).saturating_mul(length).saturating_add(shift(phase, length));
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// The shift of a meter's grids, in seconds: fixed, and spread evenly over ids that follow each other (Knuth's
/// multiplicative hash). It is the same for all reads of a meter, so that those of an hour and of a day meet.
pub(super) fn phase(meter: MeterId) -> u64 {
    u64::from(meter.unsigned_abs().wrapping_mul(2_654_435_761))
}

/// The first second that is wholly after an instant: captures stand at full seconds.
pub(super) fn second_after(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_microsecond().div_euclid(SECOND) + 1).unwrap_or(Timestamp::MAX)
}

/// The last full second before an instant, so that what is asked for from an instant on follows on what was asked for until then.
pub fn second_before(time: Timestamp) -> Timestamp {
    Timestamp::from_second((time.as_microsecond() - 1).div_euclid(SECOND)).unwrap_or(Timestamp::MIN)
}

/// An instant, that long later.
pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// An instant, that long before.
pub(super) fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// How many points of the grid have passed since 1970.
fn point(time: Timestamp, every: Duration, phase: u64) -> i64 {
    let length = length(every);
    (time.as_second() - shift(phase, length)).div_euclid(length)
}

fn length(every: Duration) -> i64 {
    i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1)
}

fn shift(phase: u64, length: i64) -> i64 {
    i64::try_from(phase).unwrap_or(0).rem_euclid(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What was read until an instant and what is read after it meet, and share nothing.
        #[test]
        fn the_second_after_follows_on_the_one_before(micros in -4_000_000_000_000_i64..4_000_000_000_000_000) {
            let time = Timestamp::from_microsecond(micros).unwrap();
            let after = second_after(time);
            prop_assert!(after > time && second_before(after) <= time);
            prop_assert!(later(second_before(after), SignedDuration::from_secs(1)) == after);
        }

        /// Nothing of a grid passes before its next point, and something has passed there.
        #[test]
        fn the_next_point_is_the_first_that_passes(
            now in 0_i64..4_000_000_000, every in 1_u64..100_000_000, meter in any::<i32>(),
        ) {
            let (now, every, phase) = (Timestamp::from_second(now).unwrap(), Duration::from_secs(every), phase(meter));
            let next = next(every, phase, now);
            prop_assert!(next > now && next <= later(now, signed(every)));
            prop_assert!(passed(Some(now), every, phase, next));
            prop_assert!(!passed(Some(now), every, phase, earlier(next, SignedDuration::from_secs(1))));
        }
    }
}
