//! What a counter can show: never less than before, never more than can have flowed since.
//!
//! One implausible value alone does not say which is wrong, it or the one before. It is flagged and remembered; the next one decides: when it fits what was
//! trusted before, the value in between was a slip; when it goes on from there, the counter was restarted or had jumped, and is trusted from then on. What was
//! trusted before that stays known until it counts: a counter that showed nothing for a while goes on from where it was.
//!
//! Where nothing is known of the power, any advance is plausible when it comes. That it was none shows in the value after it, which is back where the counter
//! was before: then the flag is about the earlier value.

use crate::store::FlagRule;

/// Seconds of an hour.
const HOUR_S: i128 = 3600;
const MICROSECOND: i128 = 1_000_000;
/// A value is a slip when it is so many times as far from the value before it as the one behind it is.
const FAR: i128 = 100;

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
    /// A later one is a suspect: it was not plausible, and nothing has confirmed or refuted it yet. An earlier one is the last that was trusted before the
    /// counter showed what `base` shows.
    pub(super) other: Option<Point>,
}

/// What a rule has to say about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) rule: FlagRule,
    /// The value that it is about: the one that came, or the one before it.
    pub(super) about: Point,
    /// What it was compared with.
    pub(super) reference: i64,
    /// How far it may be from that.
    pub(super) bound: Option<i64>,
}

impl Trace {
    /// The implausible value that waits to be confirmed.
    pub(super) fn suspect(&self) -> Option<Point> {
        self.other.filter(|other| other.ts > self.base.ts)
    }

    /// What was trusted before the counter showed what it shows now.
    fn former(&self) -> Option<Point> {
        self.other.filter(|other| other.ts < self.base.ts)
    }

    /// The same for a capture that has no part in what was trusted before.
    pub(super) fn without_former(self) -> Self {
        Self { other: self.suspect(), ..self }
    }

    /// What is trusted when a plausible value came.
    fn then(&self, point: Point) -> Self {
        let stays = point.value == self.base.value;
        Self { base: point, other: if stays { self.former() } else { Some(self.base) } }
    }
}

impl Counter {
    /// Takes the next value in. Values that are not later than what is trusted are left alone.
    pub(super) fn step(&self, trace: Option<Trace>, point: Point) -> (Trace, Option<Verdict>) {
        let Some(trace) = trace else { return (Trace { base: point, other: None }, None) };
        let base = trace.base;
        if point.ts <= base.ts {
            return (trace, None);
        }
        if self.follows(base, point) {
            return (trace.then(point), None);
        }
        if let Some(former) = trace.former() {
            if former.value > base.value && self.follows(former, point) {
                return (Trace { base: point, other: None }, None);
            }
            if self.slipped(former, base, point) {
                let slip =
                    Verdict { rule: FlagRule::Spike, about: base, reference: former.value, bound: None };
                return (Trace { base: point, other: Some(former) }, Some(slip));
            }
        }
        let said = |rule, bound| Some(Verdict { rule, about: point, reference: base.value, bound });
        if point.value < base.value && self.rolled_over(base, point) {
            return (Trace { base: point, other: None }, said(FlagRule::RolledOver, Some(self.modulus)));
        }
        if trace.suspect().is_some_and(|suspect| suspect.ts < point.ts && self.follows(suspect, point)) {
            let restarted = point.value < base.value;
            let goes_on = Trace { base: point, other: Some(base) };
            return (goes_on, restarted.then(|| said(FlagRule::Restarted, None)).flatten());
        }
        let doubted = Trace { base, other: Some(point) };
        match point.value {
            0 => (doubted, said(FlagRule::Zero, None)),
            value if value > base.value => (doubted, said(FlagRule::Spike, self.bound(base, point))),
            _ => (doubted, said(FlagRule::Decreased, None)),
        }
    }

    /// Whether a value that was believed because nothing is known of the power is shown to be none by the next one: that is back at what was there before.
    fn slipped(&self, former: Point, slip: Point, point: Point) -> bool {
        let from_former = |point: Point| i128::from(point.value) - i128::from(former.value);
        let came = from_former(point);
        self.max_power.is_none() && came >= 0 && from_former(slip) > FAR * came.max(1)
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
                verdict.map(|verdict| verdict.rule)
            })
            .collect()
    }

    /// The same, at the values that it is about.
    fn about(counter: Counter, values: &[i64]) -> Vec<Option<FlagRule>> {
        let (mut trace, mut flags) = (None, vec![None; values.len()]);
        for (n, value) in (0_i64..).zip(values) {
            let (next, verdict) = counter.step(trace, Point { ts: n * QUARTER, value: *value });
            trace = Some(next);
            if let Some(verdict) = verdict {
                flags[usize::try_from(verdict.about.ts / QUARTER).unwrap()] = Some(verdict.rule);
            }
        }
        flags
    }

    #[test]
    fn a_slip_is_flagged_and_what_follows_it_is_not() {
        use FlagRule::{Decreased, Spike, Zero};
        assert_eq!(said(COUNTER, &[7000, 7100, 0, 7200, 7300]), [None, None, Some(Zero), None, None]);
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
    fn a_counter_that_stays_at_nothing_was_restarted_and_one_that_comes_back_was_not() {
        use FlagRule::{Restarted, Spike, Zero};
        let cleared = [None, Some(Zero), Some(Restarted), None, None, None];
        assert_eq!(said(COUNTER, &[7000, 0, 0, 0, 0, 3]), cleared);
        assert_eq!(said(Counter { max_power: None, ..COUNTER }, &[7000, 0, 0, 0, 0, 3]), cleared);
        assert_eq!(said(COUNTER, &[7000, 0, 0, 0, 7200, 7300]), cleared, "it goes on from where it was");
        assert_eq!(said(COUNTER, &[7000, 0, 0, 3, 7200])[4], Some(Spike), "by then it is another counter");
    }

    #[test]
    fn where_no_power_is_known_the_value_behind_a_slip_shows_that_it_was_one() {
        let unknown = Counter { max_power: None, ..COUNTER };
        let slip = [None, Some(FlagRule::Spike), None, None];
        assert_eq!(about(unknown, &[12_000, 9_000_000, 12_001, 12_002]), slip);
        assert_eq!(about(unknown, &[12_000, 99_999_990, 12_001, 12_002]), slip, "and came to no end");
        assert_eq!(about(unknown, &[0, 9_000_000, 0, 0]), slip, "export that never was");
        use FlagRule::{Decreased, Restarted};
        let fell = [None, None, Some(Decreased), Some(Restarted)];
        assert_eq!(about(unknown, &[12_000, 12_500, 12_300, 12_400]), fell, "either may be wrong");
        assert_eq!(about(unknown, &[12_000, 12_500, 10, 11]), fell, "another meter");
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
            start in 0_i64..1_000_000_000, steps in proptest::collection::vec(0_i64..=2500, 1..50), is_known in any::<bool>()
        ) {
            let counter = Counter { max_power: COUNTER.max_power.filter(|_| is_known), ..COUNTER };
            let modulus = 100_000_000;
            let sums = steps.iter().scan(start, |sum, step| { *sum += step; Some(*sum % modulus) });
            let values: Vec<i64> = sums.collect();
            for (index, rule) in said(counter, &values).into_iter().enumerate() {
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

        #[test]
        fn a_slip_that_is_far_off_is_all_that_is_flagged_without_a_known_power(
            slip in prop_oneof![i64::MIN..50_000, 1_000_000..99_000_000_i64], place in 2_usize..9
        ) {
            let mut honest: Vec<i64> = (0..10).map(|n| 50_000 + n * 100).collect();
            honest[place] = slip;
            let flags = about(Counter { max_power: None, ..COUNTER }, &honest);
            prop_assert!(flags.iter().enumerate().all(|(at, rule)| rule.is_some() == (at == place)), "{flags:?}");
        }
    }
}
