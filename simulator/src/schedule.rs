//! When a profile captures.

use std::vec;

use jiff::tz::TimeZone;

use crate::local::{add_days, add_months, date, midnight};

/// The rule by which a profile captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Every so many seconds, at whole multiples since 1970.
    Every(i64),
    /// At local midnight.
    Midnights,
    /// At local midnight of the first of the month.
    Months,
}

impl Schedule {
    /// The rule for a capture period in seconds as the model writes it: 0 is monthly, 86400 is local midnight.
    pub(crate) fn of_period(period_s: u32) -> Self {
        match period_s {
            0 => Self::Months,
            86_400 => Self::Midnights,
            seconds => Self::Every(i64::from(seconds)),
        }
    }

    /// The captures from `from` to `to`, both included, in ascending order (seconds since 1970).
    pub(crate) fn captures(self, zone: &TimeZone, from: i64, to: i64) -> Captures {
        if from > to {
            return Captures::Steps { next: 0, step: 1, left: 0 };
        }
        match self {
            Self::Every(step) => {
                let first = from.div_euclid(step) + i64::from(from.rem_euclid(step) != 0);
                let left = usize::try_from(to.div_euclid(step) - first + 1).unwrap_or(0);
                Captures::Steps { next: first * step, step, left }
            }
            Self::Midnights => Self::listed(zone, from, to, date(zone, from), add_days),
            Self::Months => Self::listed(zone, from, to, date(zone, from).first_of_month(), add_months),
        }
    }

    /// The oldest of the last `depth` captures up to `now`.
    pub(crate) fn oldest(self, zone: &TimeZone, now: i64, depth: u32) -> i64 {
        let back = i64::from(depth) - 1;
        match self {
            Self::Every(step) => (now.div_euclid(step) - back) * step,
            Self::Midnights => midnight(zone, add_days(date(zone, now), -back)),
            Self::Months => midnight(zone, add_months(date(zone, now), -back)),
        }
    }

    fn listed(
        zone: &TimeZone,
        from: i64,
        to: i64,
        first: jiff::civil::Date,
        next: fn(jiff::civil::Date, i64) -> jiff::civil::Date,
    ) -> Captures {
        let times: Vec<i64> = (0..)
            .map(|count| midnight(zone, next(first, count)))
            .take_while(|&at| at <= to)
            .filter(|&at| at >= from)
            .collect();
        Captures::Listed(times.into_iter())
    }
}

/// Instants of captures, ascending.
#[derive(Debug, Clone)]
pub(crate) enum Captures {
    Steps { next: i64, step: i64, left: usize },
    Listed(vec::IntoIter<i64>),
}

impl Captures {
    /// The same captures and those of `others` that lie from `from` to `to`, in ascending order.
    pub(crate) fn with(self, others: impl IntoIterator<Item = i64>, from: i64, to: i64) -> Self {
        let mut others = others.into_iter().filter(|at| (from..=to).contains(at)).peekable();
        if others.peek().is_none() {
            return self;
        }
        let mut all: Vec<i64> = self.chain(others).collect();
        all.sort_unstable();
        all.dedup();
        Self::Listed(all.into_iter())
    }
}

impl Iterator for Captures {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        match self {
            Self::Steps { left: 0, .. } => None,
            Self::Steps { next, step, left } => {
                let at = *next;
                *next += *step;
                *left -= 1;
                Some(at)
            }
            Self::Listed(times) => times.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Self::Steps { left, .. } => *left,
            Self::Listed(times) => times.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Captures {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_include_both_ends() {
        let zone = TimeZone::UTC;
        let times = |from, to| Schedule::Every(900).captures(&zone, from, to).collect::<Vec<_>>();
        assert_eq!(times(900, 2700), [900, 1800, 2700]);
        assert_eq!(times(901, 2699), [1800]);
        assert_eq!(times(901, 1799), [] as [i64; 0]);
        assert_eq!(times(2700, 900), [] as [i64; 0]);
        assert_eq!(Schedule::Every(900).captures(&zone, 0, 86_399).len(), 96);
    }

    #[test]
    fn midnights_follow_the_clocks() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // From 2026-03-28T00:00+01:00 to 2026-03-31T00:00+02:00.
        let times: Vec<_> = Schedule::Midnights.captures(&zone, 1_774_652_400, 1_774_908_000).collect();
        assert_eq!(times, [1_774_652_400, 1_774_738_800, 1_774_821_600, 1_774_908_000]);
        assert_eq!(Schedule::Midnights.captures(&zone, 1_774_652_401, 1_774_907_999).len(), 2);
    }

    #[test]
    fn the_oldest_capture_is_depth_captures_back() {
        let zone = TimeZone::UTC;
        // 2026-03-15T12:00Z.
        let now = 1_773_576_000;
        for (schedule, depth) in
            [(Schedule::Every(900), 96), (Schedule::Midnights, 62), (Schedule::Months, 12)]
        {
            let oldest = schedule.oldest(&zone, now, depth);
            let kept = schedule.captures(&zone, oldest, now);
            assert_eq!(kept.len(), usize::try_from(depth).unwrap(), "{schedule:?}");
            assert_eq!(kept.clone().next(), Some(oldest));
        }
    }
}
