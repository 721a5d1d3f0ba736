//! What a counter can show: never less than before, never more than can have flowed since.
//!
//! One implausible value alone does not say which is wrong, it or the one before. It is flagged and remembered; the next one decides: when it fits what was
//! trusted before, the value in between was a slip; when it goes on from there, the counter was restarted or had jumped, and is trusted from then on.

use crate::store::FlagRule;

/// Seconds of an hour.
const HOUR_S: i128 = 3600;
const MICROSECOND: i128 = 1_000_000;

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Microseconds since 1970.
    pub ts: i64,
    /// The meter's own integer.
    pub value: i64,
}

/// What is known of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The most units an hour that can flow; `None` when that is not known.
    pub max_power: Option<u64>,
    /// Values times ten to the power of the scaler are in the unit.
    pub scaler: i8,
    /// Where it begins anew with 0.
    pub modulus: i64,
}

/// What the next value of a counter is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace {
    /// The last plausible value.
    pub(super) base: Point,
    /// A later one that was not, and that nothing has confirmed or refuted yet.
    pub(super) suspect: Option<Point>,
}

/// What a rule has to say about a value: rule, what the value was compared with, how far it may be from that.
pub(super) type Verdict = (FlagRule, i64, Option<i64>);

impl Counter {
    /// Takes the next value in. Values that are not later than what is trusted are left alone.
    pub(super) fn step(&self, trace: Option<Trace>, point: Point) -> (Trace, Option<Verdict>) {
        let trusted = Trace { base: point, suspect: None };
        let Some(trace) = trace else { return (trusted, None) };
        let base = trace.base;
        if point.ts <= base.ts {
            return (trace, None);
        }
        if self.follows(base, point) {
            return (trusted, None);
        }
        if point.value < base.value && self.rolled_over(base, point) {
            return (trusted, Some((FlagRule::RolledOver, base.value, Some(self.modulus))));
        }
        let doubted = Trace { base, suspect: Some(point) };
        if point.value == 0 {
            return (doubted, Some((FlagRule::Zero, base.value, None)));
        }
        if trace.suspect.is_some_and(|suspect| suspect.ts < point.ts && self.follows(suspect, point)) {
            let restarted = point.value < base.value;
            return (trusted, restarted.then_some((FlagRule::Restarted, base.value, None)));
        }
        if point.value > base.value {
            return (doubted, Some((FlagRule::Spike, base.value, self.bound(base, point))));
        }
        (doubted, Some((FlagRule::Decreased, base.value, None)))
    }

    /// Whether a counter that shows the first can show the second later.
    fn follows(&self, from: Point, to: Point) -> bool {
        let advance = i128::from(to.value) - i128::from(from.value);
        advance >= 0 && self.bound(from, to).is_none_or(|bound| advance <= i128::from(bound))
    }

    /// Whether what came to the value before reached the end of the counter and went on behind it.
    fn rolled_over(&self, from: Point, to: Point) -> bool {
        if !(0..self.modulus).contains(&from.value) || to.value < 0 {
            return false;
        }
        let advance = i128::from(self.modulus) - i128::from(from.value) + i128::from(to.value);
        // Where nothing is known of the power, only what was near the end can have reached it.
        let bound = self.bound(from, to).unwrap_or(self.modulus / 100);
        advance <= i128::from(bound)
    }

    /// How far it can advance between two instants, in its own digits, the last one of which may be cut off.
    pub(super) fn bound(&self, from: Point, to: Point) -> Option<i64> {
        let passed = i128::from(to.ts) - i128::from(from.ts);
        self.max_power
            .map(|power| digits(i128::from(power).saturating_mul(passed), HOUR_S * MICROSECOND, self.scaler))
    }
}

/// `numerator / denominator` units in digits of the scaler, rounded up, and one digit more.
pub(super) fn digits(numerator: i128, denominator: i128, scaler: i8) -> i64 {
    let shift = 10_i128.saturating_pow(u32::from(scaler.unsigned_abs()));
    let (numerator, denominator) = if scaler < 0 {
        (numerator.saturating_mul(shift), denominator)
    } else {
        (numerator, denominator.saturating_mul(shift))
    };
    // Both are positive: rounding up by adding cannot turn round.
    let whole = numerator.saturating_add(denominator - 1) / denominator;
    i64::try_from(whole.saturating_add(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUARTER: i64 = 900_000_000;

    /// Ten kilowatts, in Wh: 2,500 in a quarter of an hour, and a digit.
    const COUNTER: Counter = Counter { max_power: Some(10_000), scaler: 0, modulus: 100_000_000 };

    /// What the rules say about values that follow each other every quarter of an hour.
    fn said(counter: Counter, values: &[i64]) -> Vec<Option<FlagRule>> {
        let mut trace = None;
        let points = (0_i64..).zip(values).map(|(n, value)| Point { ts: n * QUARTER, value: *value });
        points
            .map(|point| {
                let (next, verdict) = counter.step(trace, point);
                trace = Some(next);
                verdict.map(|(rule, ..)| rule)
            })
            .collect()
    }

    #[test]
    fn a_slip_is_flagged_and_what_follows_it_is_not() {
        use FlagRule::{Decreased, Spike, Zero};
        assert_eq!(said(COUNTER, &[7000, 7100, 0, 7200, 7300]), [None, None, Some(Zero), None, None]);
        assert_eq!(said(COUNTER, &[7000, 0, 0, 7200]), [None, Some(Zero), Some(Zero), None]);
        assert_eq!(said(COUNTER, &[7000, 900, 7200, 7300]), [None, Some(Decreased), None, None]);
        assert_eq!(said(COUNTER, &[7000, 90_000, 7200, 7300]), [None, Some(Spike), None, None]);
    }

    #[test]
    fn what_stays_is_trusted_again() {
        use FlagRule::{Decreased, Restarted, Spike, Zero};
        assert_eq!(said(COUNTER, &[7000, 5, 9, 12]), [None, Some(Decreased), Some(Restarted), None]);
        assert_eq!(said(COUNTER, &[7000, 0, 9, 12]), [None, Some(Zero), Some(Restarted), None]);
        assert_eq!(said(COUNTER, &[7000, 90_000, 90_100, 90_200]), [None, Some(Spike), None, None]);
    }

    #[test]
    fn a_counter_that_comes_to_its_end_begins_anew() {
        let values = [99_999_000, 99_999_900, 700, 900];
        assert_eq!(said(COUNTER, &values), [None, None, Some(FlagRule::RolledOver), None]);
        let unknown = Counter { max_power: None, ..COUNTER };
        assert_eq!(said(unknown, &values), [None, None, Some(FlagRule::RolledOver), None]);
        assert_eq!(said(unknown, &[5_000_000, 700]), [None, Some(FlagRule::Decreased)]);
    }

    #[test]
    fn the_bound_is_what_can_have_flowed() {
        let point = |ts, value| Point { ts, value };
        let (from, to) = (point(0, 0), point(QUARTER, 0));
        assert_eq!(COUNTER.bound(from, to), Some(2501));
        assert_eq!(Counter { scaler: -3, ..COUNTER }.bound(from, to), Some(2_500_001));
        assert_eq!(Counter { scaler: 3, ..COUNTER }.bound(from, to), Some(4), "2.5 kWh, rounded up, and one");
        assert_eq!(said(COUNTER, &[0, 2501]), [None, None]);
        assert_eq!(said(COUNTER, &[0, 2502]), [None, Some(FlagRule::Spike)]);
        let most = Counter { max_power: Some(u64::MAX), scaler: i8::MIN, modulus: i64::MAX };
        assert_eq!(most.bound(point(i64::MIN, 0), point(i64::MAX, 0)), Some(i64::MAX));
    }

    proptest! {
        #[test]
        fn what_an_honest_meter_counts_is_never_flagged(
            start in 0_i64..1_000_000_000, steps in proptest::collection::vec(0_i64..=2500, 1..50)
        ) {
            let modulus = 100_000_000;
            let sums = steps.iter().scan(start, |sum, step| { *sum += step; Some(*sum % modulus) });
            let values: Vec<i64> = sums.collect();
            for (index, rule) in said(COUNTER, &values).into_iter().enumerate() {
                let honest = rule.is_none() || (rule == Some(FlagRule::RolledOver) && values[index] < values[index - 1]);
                prop_assert!(honest, "{rule:?} at {index} of {values:?}");
            }
        }

        #[test]
        fn no_values_break_it_and_one_slip_flags_nothing_else(
            values in proptest::collection::vec(any::<i64>(), 1..20), slip in any::<i64>(), place in 1_usize..9,
            power in proptest::option::of(any::<u64>()), scaler in any::<i8>()
        ) {
            said(Counter { max_power: power, scaler, modulus: i64::MAX }, &values);
            let mut honest: Vec<i64> = (0..10).map(|n| 50_000 + n * 100).collect();
            honest[place] = slip;
            let rules = said(COUNTER, &honest);
            prop_assert!(rules.iter().enumerate().all(|(at, rule)| at == place || rule.is_none()), "{rules:?}");
        }
    }
}
