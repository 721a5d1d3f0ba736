//! A register that was read on its own: against its values before, and against the captures of a profile that holds it, too.

use dlms::Obis;
use models::Validation;

use super::Numbers;
use super::counter::{Counter, Point, Verdict};
use super::plan::{modulus, pow10};
use super::sums::sums;
use crate::store::FlagRule;

/// Microseconds in which a value was read at the latest before it was there: of several that came with one answer, or one after the other, nobody knows more.
const ANSWERED: i128 = 300_000_000;
/// Microseconds of an hour.
const HOUR: i128 = 3_600_000_000;

/// A register that was read, for what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its logical name.
    pub obis: Obis,
    /// Its value times ten to the power of the scaler is in the unit.
    pub scaler: i8,
    /// Its value when the answer was there.
    pub point: Point,
}

/// What the rules say of a value that comes after others: which rule, about which of them, and its numbers.
pub fn follow(
    counter: Counter,
    before: impl Iterator<Item = Point>,
    now: Point,
) -> Option<(FlagRule, Point, Numbers)> {
    let trace = before.fold(None, |trace, point| Some(counter.step(trace, point).0));
    let Verdict { rule, about, reference, bound } = counter.step(trace, now).1?;
    let (value, reference) = (Some(about.value), Some(reference));
    Some((rule, about, Numbers { value, reference, bound, scaler: counter.scaler }))
}

/// The registers of one read that do not add up, by their places: those with the sum. What can have flowed while they were read is no difference, so it has to be
/// known.
pub fn against_each_other(shown: &[Shown], validation: &Validation) -> Vec<(usize, Numbers)> {
    let Some(power) = validation.max_power else { return Vec::new() };
    let columns: Vec<_> =
        shown.iter().enumerate().map(|(slot, shown)| (slot, shown.obis, shown.scaler)).collect();
    let point = |slot: usize| shown.get(slot).map(|shown| shown.point);
    let sums = sums(&columns).into_iter().filter_map(|sum| {
        let times = || sum.slots().filter_map(point).map(|point| i128::from(point.ts));
        let passed = times().max()? - times().min()? + ANSWERED;
        let slack = i128::from(power).saturating_mul(passed) / HOUR + 1;
        let slack = i64::try_from(slack).unwrap_or(i64::MAX);
        let numbers = sum.check(|slot| point(slot).map(|point| point.value), modulus(validation), slack)?;
        Some((sum.total.slot, numbers))
    });
    sums.collect()
}

/// Compares a register with the captures of the same object around it: what was counted before is not more, what was counted after not less. `scaler` is that
/// of the register, `captured` that of the column; the last digit of the coarser one may be cut off.
pub fn against_captures(
    (register, scaler): (Point, i8),
    (before, after): (Option<Point>, Option<Point>),
    captured: i8,
) -> Option<Numbers> {
    let finest = scaler.min(captured);
    let digits = |value: i64, scaler: i8| i128::from(value).saturating_mul(pow10(scaler.abs_diff(finest)));
    let value = digits(register.value, scaler);
    let bound = pow10(scaler.max(captured).abs_diff(finest));
    let too_low = before.filter(|before| {
        before.ts <= register.ts && digits(before.value, captured).saturating_sub(bound) > value
    });
    let too_high = after.filter(|after| {
        after.ts >= register.ts && digits(after.value, captured).saturating_add(bound) < value
    });
    let reference = too_low.or(too_high)?;
    let stored = |value: i128| i64::try_from(value).ok();
    Some(Numbers {
        value: stored(value),
        reference: stored(digits(reference.value, captured)),
        bound: stored(bound),
        scaler: finest,
    })
}

/// What the captures of interval energies around two values of a register hold, in their own digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Energy of the intervals that lie between the two values for certain; `None` when there are none.
    pub within: Option<i64>,
    /// Energy of all intervals that may have a part between the two values; `None` when it is not known of each.
    pub around: Option<i64>,
    /// How many those are.
    pub count: i64,
    /// Scaler of the column.
    pub scaler: i8,
}

/// Compares how far a register came with the energies of the intervals meanwhile: not less than those that lie between its two values, and not more than all that
/// touch them. The last digit of each interval and of both values may be cut off.
pub fn against_intervals((before, now, scaler): (i64, i64, i8), intervals: Intervals) -> Option<Numbers> {
    let finest = scaler.min(intervals.scaler);
    let digits = |value: i64, scaler: i8| i128::from(value).saturating_mul(pow10(scaler.abs_diff(finest)));
    let (before, now) = (digits(before, scaler), digits(now, scaler));
    let cut = digits(1, intervals.scaler).saturating_mul(intervals.count.max(0).into());
    let bound = cut.saturating_add(digits(1, scaler));
    let energy = |energy: i64| before.saturating_add(digits(energy, intervals.scaler));
    let advance = now.saturating_sub(before);
    if advance < 0 {
        return None;
    }
    let too_low = intervals.within.map(energy).filter(|least| now < least.saturating_sub(bound));
    let too_high = intervals.around.map(energy).filter(|most| now > most.saturating_add(bound));
    let stored = |value: i128| i64::try_from(value).ok();
    Some(Numbers {
        value: stored(now),
        reference: stored(too_low.or(too_high)?),
        bound: stored(bound),
        scaler: finest,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(ts: i64, value: i64) -> Option<Point> {
        Some(Point { ts, value })
    }

    fn compared(register: i64, before: i64, after: i64, captured: i8) -> Option<(i64, i64, i64)> {
        let register = Point { ts: 5, value: register };
        let numbers = against_captures((register, 0), (point(1, before), point(9, after)), captured)?;
        Some((numbers.value?, numbers.reference?, numbers.bound?))
    }

    #[test]
    fn a_register_lies_between_the_captures_around_it() {
        assert_eq!(compared(7050, 7000, 7100, 0), None);
        assert_eq!(compared(6998, 7000, 7100, 0), Some((6998, 7000, 1)));
        assert_eq!(compared(7102, 7000, 7100, 0), Some((7102, 7100, 1)));
        assert_eq!(compared(7999, 7, 7, 3), None, "kilowatt-hours are cut off");
        assert_eq!(compared(8001, 7, 7, 3), Some((8001, 7000, 1000)));
    }

    #[test]
    fn a_register_follows_its_values_before() {
        let counter = Counter { max_power: None, scaler: 0, modulus: 1 << 32 };
        let said = |values: &[i64], now| {
            let points = (0_i64..).zip(values).map(|(ts, value)| Point { ts, value: *value });
            follow(counter, points, Point { ts: 9, value: now })
                .map(|(rule, about, numbers)| (rule, about.ts, numbers.reference))
        };
        assert_eq!(said(&[], 5), None);
        assert_eq!(said(&[7000, 7100], 7100), None);
        assert_eq!(said(&[7000, 0], 7100), None, "the slip in between does not count");
        assert_eq!(said(&[7000, 7100], 7050), Some((FlagRule::Decreased, 9, Some(7100))));
        assert_eq!(
            said(&[7000, 9_000_000], 7001),
            Some((FlagRule::Spike, 1, Some(7000))),
            "of the one before"
        );
        assert_eq!(said(&[7000, 0], 0), Some((FlagRule::Restarted, 9, Some(7000))));
        assert_eq!(said(&[7000, 0, 0], 0), None);
    }

    #[test]
    fn registers_of_one_read_add_up_but_for_what_flowed_meanwhile() {
        let validation = Validation { max_power: Some(12_000), ..Validation::default() };
        let read = |names: [&str; 3], values: [i64; 3], minutes: i64, validation: &Validation| {
            let shown = names.into_iter().zip(values).zip([0, 0, minutes]).map(|((name, value), minute)| {
                let point = Point { ts: minute * 60_000_000, value };
                Shown { obis: name.parse().unwrap(), scaler: 0, point }
            });
            let off = against_each_other(&shown.collect::<Vec<_>>(), validation);
            off.first().map(|(slot, numbers)| (*slot, numbers.value, numbers.reference))
        };
        let algebra = ["1.0.1.8.0.255", "1.0.2.8.0.255", "1.0.15.8.0.255"];
        // A kilowatt-hour in five minutes, and another when the sum was asked for five minutes later.
        assert_eq!(read(algebra, [10_000, 500, 11_500], 0, &validation), None);
        assert_eq!(read(algebra, [10_000, 500, 12_500], 5, &validation), None);
        assert_eq!(
            read(algebra, [10_000, 500, 12_500], 0, &validation),
            Some((2, Some(12_500), Some(10_500)))
        );
        assert_eq!(read(algebra, [10_000, 500, 99_999], 0, &Validation::default()), None, "nobody knows");
        let rates = ["1.0.1.8.0.255", "1.0.1.8.1.255", "1.0.1.8.2.255"];
        assert_eq!(read(rates, [10_000, 1, 2], 0, &validation), None);
        assert_eq!(
            read(rates, [10_000, 9_000, 9_000], 0, &validation),
            Some((0, Some(10_000), Some(18_000)))
        );
    }

    #[test]
    fn a_register_comes_as_far_as_the_intervals_meanwhile() {
        let intervals = Intervals { within: Some(900), around: Some(1100), count: 10, scaler: 0 };
        let compared = |now, intervals| {
            let numbers = against_intervals((5000, now, 0), intervals)?;
            Some((numbers.value?, numbers.reference?, numbers.bound?))
        };
        assert_eq!(compared(6000, intervals), None);
        assert_eq!(compared(5889, intervals), None, "each interval may be cut off");
        assert_eq!(compared(5888, intervals), Some((5888, 5900, 11)));
        assert_eq!(compared(6112, intervals), Some((6112, 6100, 11)));
        assert_eq!(compared(9999, Intervals { around: None, ..intervals }), None, "one is missing");
        assert_eq!(compared(5000, Intervals { within: None, ..intervals }), None, "they are too close");
        assert_eq!(compared(17, intervals), None, "a fall is another matter");
    }

    proptest! {
        #[test]
        fn an_honest_meter_is_never_flagged(
            energies in proptest::collection::vec(0_i64..100_000, 20..120), start in 0_i64..1 << 40, from in 0_usize..8, to in 12_usize..20,
            coarse in 0_i8..4, coarser in 0_i8..4, part in 0_i64..100
        ) {
            // In units of a hundredth, read somewhere within an interval at both ends.
            let unit = |scaler: i8| 100 * 10_i64.pow(scaler.unsigned_abs().into());
            let at = |n: usize| start + energies[..n].iter().sum::<i64>() + energies[n] * part / 100;
            let (before, now) = (at(from) / unit(coarse), at(to) / unit(coarse));
            let sum = |range: &[i64]| Some(range.iter().map(|energy| energy / unit(coarser)).sum());
            let (within, around) = (sum(&energies[from + 1..to]), sum(&energies[from..=to]));
            let count = i64::try_from(to - from + 1).unwrap();
            let intervals = Intervals { within, around, count, scaler: coarser };
            prop_assert_eq!(against_intervals((before, now, coarse), intervals), None);
        }
    }

    #[test]
    fn what_is_on_the_other_side_of_it_says_nothing() {
        let register = (Point { ts: 5, value: 10 }, 0);
        assert_eq!(against_captures(register, (point(6, 99), point(4, 1)), 0), None);
        assert_eq!(against_captures(register, (None, None), 0), None);
    }
}
