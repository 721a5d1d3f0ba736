//! Points in time that reads fall on: every read has a grid, `read_every` apart and shifted by a fixed amount for each meter.

use std::time::Duration;

use collectors::MeterId;
use jiff::{SignedDuration, Timestamp};

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

/// The raster, in seconds, on which ranges of a profile begin and end: its period, but no more than an hour, because
/// captures of a day or a month stand at local midnight and not at that of UTC. 0 without a period.
pub fn grid_s(period_s: u32) -> u32 {
    period_s.min(3600)
}

/// The same as a length, at least a second.
pub(super) fn step(period_s: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(grid_s(period_s).max(1)))
}

/// The last point of a raster that is not after `time`.
pub(super) fn floor(time: Timestamp, grid: SignedDuration) -> Timestamp {
    let grid = grid.as_secs().max(1);
    Timestamp::from_second(time.as_second().div_euclid(grid) * grid).unwrap_or(time)
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
