//! When the clock of a meter may be moved: pure, from what it shows, the time, and what the meter captures when.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How long before and after the end of an interval no clock is moved: what was ordered may be on its way for a while.
const GUARD: SignedDuration = SignedDuration::from_secs(15);
/// How long before and after local midnight, at which days, months and bills end (DL/T 645 has five minutes).
const MIDNIGHT_GUARD: SignedDuration = SignedDuration::from_mins(10);
/// How long before and after the clocks of the zone change.
const CHANGE_GUARD: SignedDuration = SignedDuration::from_hours(1);
const DAY_S: i64 = 86_400;

/// Where the hands of a clock are, and where they belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move<'a> {
    /// What the meter shows.
    pub(super) shown: Timestamp,
    /// The time.
    pub(super) now: Timestamp,
    /// How long an order may be under way.
    pub(super) delay: SignedDuration,
    /// The zone of the meter.
    pub(super) zone: &'a TimeZone,
    /// Lengths of the intervals that the meter captures, in seconds; those of a day are in the midnights.
    pub(super) periods_s: &'a [u32],
    /// Whether it may jump over ends of intervals.
    pub(super) across: bool,
}

/// Why a clock is not moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bar {
    /// Not now: for a person, what is near.
    Near(&'static str),
    /// However long one waits, it would jump over the end of an interval of so many seconds.
    Crossed(u32),
}

impl Move<'_> {
    /// Whether the clock may be moved now.
    ///
    /// Where it stands, where it goes, and unless that was ordered everything in between has to be free of ends of intervals, midnights
    /// and changes of the zone.
    pub(super) fn check(&self) -> Result<(), Bar> {
        let (low, high) = (self.shown.min(self.now), self.shown.max(self.now));
        let spans: &[(Timestamp, Timestamp)] =
            if self.across { &[(low, low), (high, high)] } else { &[(low, high)] };
        let jump_s = high.duration_since(low).as_secs();
        let crossed =
            self.periods_s.iter().copied().chain([86_400]).find(|period| jump_s >= i64::from(*period));
        if let Some(period) = crossed.filter(|_| !self.across) {
            return Err(Bar::Crossed(period));
        }
        for &span in spans {
            if self.holds_midnight(self.widened(span, MIDNIGHT_GUARD)) {
                return Err(Bar::Near("midnight, at which days and bills end"));
            }
            if self.holds_change(self.widened(span, CHANGE_GUARD)) {
                return Err(Bar::Near("a change between winter and summer time"));
            }
            let near = self.widened(span, GUARD);
            if self.periods_s.iter().any(|period| self.holds_end(near, i64::from(*period))) {
                return Err(Bar::Near("the end of an interval of a profile"));
            }
        }
        Ok(())
    }

    fn widened(&self, (from, to): (Timestamp, Timestamp), guard: SignedDuration) -> (Timestamp, Timestamp) {
        let after = to.checked_add(guard).and_then(|to| to.checked_add(self.delay));
        (from.checked_sub(guard).unwrap_or(Timestamp::MIN), after.unwrap_or(Timestamp::MAX))
    }

    fn holds_midnight(&self, span: (Timestamp, Timestamp)) -> bool {
        self.holds_end(span, DAY_S)
    }

    /// Whether a multiple of the period, counted from local midnight, lies in a span.
    fn holds_end(&self, (from, to): (Timestamp, Timestamp), period_s: i64) -> bool {
        let local = |at: Timestamp| at.as_second() + i64::from(self.zone.to_offset(at).seconds());
        local(to).div_euclid(period_s) > (local(from) - 1).div_euclid(period_s)
    }

    fn holds_change(&self, (from, to): (Timestamp, Timestamp)) -> bool {
        self.zone.following(from).next().is_some_and(|change| change.timestamp() <= to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn check(shown: &str, now: &str, periods_s: &[u32], across: bool) -> Result<(), Bar> {
        let delay = SignedDuration::from_secs(1);
        let zone = berlin();
        Move { shown: at(shown), now: at(now), delay, zone: &zone, periods_s, across }.check()
    }

    const QUARTERS: &[u32] = &[900];

    #[test]
    fn a_clock_is_moved_within_an_interval_and_not_over_its_end() {
        let interval = Err(Bar::Near("the end of an interval of a profile"));
        for (shown, now, expected) in [
            ("2026-06-01T10:05:00Z", "2026-06-01T10:05:20Z", Ok(())),
            ("2026-06-01T10:05:00Z", "2026-06-01T10:02:00Z", Ok(())),
            ("2026-06-01T10:14:50Z", "2026-06-01T10:15:10Z", interval.clone()),
            ("2026-06-01T10:15:10Z", "2026-06-01T10:14:50Z", interval.clone()),
            ("2026-06-01T10:14:30Z", "2026-06-01T10:14:50Z", interval.clone()),
            ("2026-06-01T10:15:02Z", "2026-06-01T10:15:10Z", interval.clone()),
            ("2026-06-01T10:05:00Z", "2026-06-01T10:20:00Z", Err(Bar::Crossed(900))),
            ("2025-01-01T00:00:00Z", "2026-06-01T10:20:00Z", Err(Bar::Crossed(900))),
        ] {
            assert_eq!(check(shown, now, QUARTERS, false), expected, "{shown} {now}");
        }
        assert_eq!(check("2026-06-01T10:05:00Z", "2026-06-01T10:20:00Z", &[3600], false), Ok(()));
        assert_eq!(check("2026-06-01T10:05:00Z", "2026-06-01T10:20:00Z", &[], false), Ok(()));
    }

    #[test]
    fn what_was_ordered_jumps_but_neither_from_nor_to_the_end_of_an_interval() {
        assert_eq!(check("2025-01-01T10:05:00Z", "2026-06-01T10:20:00Z", QUARTERS, true), Ok(()));
        for (shown, now) in [
            ("2025-01-01T10:05:00Z", "2026-06-01T10:29:55Z"),
            ("2025-01-01T10:14:55Z", "2026-06-01T10:20:00Z"),
            ("2025-01-01T10:05:00Z", "2026-06-01T21:55:00Z"),
        ] {
            assert!(matches!(check(shown, now, QUARTERS, true), Err(Bar::Near(_))), "{shown} {now}");
        }
    }

    #[test]
    fn no_clock_is_moved_at_local_midnight_or_when_the_zone_changes() {
        let midnight = Err(Bar::Near("midnight, at which days and bills end"));
        let change = Err(Bar::Near("a change between winter and summer time"));
        for (shown, now, expected) in [
            ("2026-05-31T21:51:00Z", "2026-05-31T21:51:10Z", midnight.clone()),
            ("2026-05-31T22:08:00Z", "2026-05-31T22:08:10Z", midnight.clone()),
            ("2026-05-31T21:48:00Z", "2026-05-31T21:48:10Z", Ok(())),
            ("2026-03-29T00:20:00Z", "2026-03-29T00:20:10Z", change.clone()),
            ("2026-10-25T01:40:00Z", "2026-10-25T01:40:10Z", change.clone()),
            ("2026-10-25T02:20:00Z", "2026-10-25T02:20:10Z", Ok(())),
        ] {
            assert_eq!(check(shown, now, QUARTERS, false), expected, "{shown} {now}");
        }
    }

    proptest! {
        /// Whatever is allowed without an order leaves both times in the same interval of every profile.
        #[test]
        fn what_is_allowed_stays_in_its_interval(
            now in 1_767_225_600_i64..1_798_761_600,
            ahead in -2000_i64..2000,
            period in prop::sample::select(vec![60_u32, 300, 900, 1800, 3600]),
        ) {
            let stamp = |second| Timestamp::from_second(second).unwrap();
            let zone = TimeZone::get("Asia/Kathmandu").unwrap();
            let both = Move {
                shown: stamp(now + ahead), now: stamp(now), delay: SignedDuration::ZERO, zone: &zone, periods_s: &[period], across: false,
            };
            let interval = |second: i64| (second + 20_700).div_euclid(i64::from(period));
            if both.check().is_ok() {
                prop_assert_eq!(interval(now), interval(now + ahead));
            }
        }
    }
}
