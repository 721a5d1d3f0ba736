//! A register that was read on its own: against its values before, and against the captures of a profile that holds it, too.

use super::Numbers;
use super::counter::{Counter, Point};
use super::plan::pow10;
use crate::store::FlagRule;

/// What the rules say of a value that comes after others.
pub fn follow(
    counter: Counter,
    before: impl Iterator<Item = Point>,
    now: Point,
) -> Option<(FlagRule, Numbers)> {
    let trace = before.fold(None, |trace, point| Some(counter.step(trace, point).0));
    let (rule, reference, bound) = counter.step(trace, now).1?;
    let (value, reference) = (Some(now.value), Some(reference));
    Some((rule, Numbers { value, reference, bound, scaler: counter.scaler }))
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

#[cfg(test)]
mod tests {
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
                .map(|(rule, numbers)| (rule, numbers.reference))
        };
        assert_eq!(said(&[], 5), None);
        assert_eq!(said(&[7000, 7100], 7100), None);
        assert_eq!(said(&[7000, 0], 7100), None, "the slip in between does not count");
        assert_eq!(said(&[7000, 7100], 7050), Some((FlagRule::Decreased, Some(7100))));
    }

    #[test]
    fn what_is_on_the_other_side_of_it_says_nothing() {
        let register = (Point { ts: 5, value: 10 }, 0);
        assert_eq!(against_captures(register, (point(6, 99), point(4, 1)), 0), None);
        assert_eq!(against_captures(register, (None, None), 0), None);
    }
}
