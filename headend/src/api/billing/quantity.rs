//! What the objects of a meter are to billing, by their logical names (IEC 62056-6-1), and how two of their values are subtracted.

use ami_proto::v1::Decimal;
use dlms::Unit;

/// What an object is to billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// It counts up, so the difference of two of its values was consumed.
    Counter,
    /// The difference of counters in both directions: it may fall.
    Net,
    /// It counts what was consumed since the billing period began.
    OfPeriod,
    /// The maximum of a demand.
    Maximum,
    /// It holds something that is told at both ends without a difference: cumulative maxima, credit, money.
    Level,
}

/// Units of what counters of other media count: m³, l, kg, J, Wh.
const COUNTED: [Unit; 6] = [Unit(13), Unit(14), Unit(19), Unit(20), Unit(25), Unit(30)];
/// Units of demands: W, VA, var.
const POWER: [Unit; 3] = [Unit(27), Unit(28), Unit(29)];
/// Money.
const CURRENCY: Unit = Unit(10);

/// What the value of an object is to billing; `None` for what no bill asks for, such as voltages.
pub(super) fn quantity(obis: [u8; 6], unit: Unit) -> Option<Quantity> {
    let [a, _, c, d, _, _] = obis;
    let counts = COUNTED.contains(&unit);
    match (a, c, d) {
        _ if unit == CURRENCY => Some(Quantity::Level),
        // The sum of both directions less one of them (C = 16), else the time integral since the beginning.
        (1, 16, 8) => Some(Quantity::Net),
        (1, _, 8) => Some(Quantity::Counter),
        (1, _, 9) => Some(Quantity::OfPeriod),
        (1, _, 6) if POWER.contains(&unit) => Some(Quantity::Maximum),
        (1, _, 2) if POWER.contains(&unit) => Some(Quantity::Level),
        // Heat, cooling, gas, water.
        (4..=9, ..) if counts => Some(Quantity::Counter),
        // What an M-Bus device counts, by the standard and as one maker names it.
        (0, 24, 2) | (0, 128, 50) if counts => Some(Quantity::Counter),
        // Remaining energy of a prepayment meter, as the models name it.
        (0, 128, 19) if counts => Some(Quantity::Level),
        _ => None,
    }
}

/// Exactly `closing` less `opening`; `None` when that has more digits than a [`Decimal`] holds.
pub(super) fn difference(closing: Decimal, opening: Decimal) -> Option<Decimal> {
    let exponent = closing.exponent.min(opening.exponent);
    let raised = |value: Decimal| {
        let zeros = u32::try_from(value.exponent.checked_sub(exponent)?).ok()?;
        i128::from(value.mantissa).checked_mul(10_i128.checked_pow(zeros)?)
    };
    let mantissa = raised(closing)?.checked_sub(raised(opening)?)?;
    Some(Decimal { mantissa: i64::try_from(mantissa).ok()?, exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(mantissa: i64, exponent: i32) -> Decimal {
        Decimal { mantissa, exponent }
    }

    #[test]
    fn differences_are_exact_whatever_the_scalers_are() {
        for (closing, opening, expected) in [
            (decimal(1_234_567, -3), decimal(1_234_566, -3), Some(decimal(1, -3))),
            (decimal(2, 3), decimal(1_999_999, -3), Some(decimal(1, -3))),
            (decimal(1_999_999, -3), decimal(2, 3), Some(decimal(-1, -3))),
            (decimal(i64::MAX, 0), decimal(-1, 0), None),
            (decimal(i64::MAX, -7), decimal(i64::MAX, -7), Some(decimal(0, -7))),
            (decimal(1, 127), decimal(1, -128), None),
        ] {
            assert_eq!(difference(closing, opening), expected, "{closing:?} - {opening:?}");
        }
    }

    #[test]
    fn what_is_billed_is_known_by_its_name() {
        let of = |text: &str, unit: u8| {
            let obis: dlms::Obis = text.parse().unwrap();
            quantity(obis.octets(), Unit(unit))
        };
        for (text, unit, expected) in [
            ("1.0.1.8.0.255", 30, Some(Quantity::Counter)),
            ("1.0.2.8.4.255", 30, Some(Quantity::Counter)),
            ("1.0.16.8.0.255", 30, Some(Quantity::Net)),
            ("1.0.1.9.0.255", 30, Some(Quantity::OfPeriod)),
            ("1.0.1.6.0.255", 27, Some(Quantity::Maximum)),
            ("1.0.1.2.0.255", 27, Some(Quantity::Level)),
            ("0.0.128.19.0.255", 10, Some(Quantity::Level)),
            ("0.0.128.19.10.255", 30, Some(Quantity::Level)),
            ("7.0.3.0.0.255", 13, Some(Quantity::Counter)),
            ("0.2.24.2.1.255", 13, Some(Quantity::Counter)),
            ("1.0.32.7.0.255", 35, None),
            ("1.0.32.6.0.255", 35, None),
            ("1.0.1.4.0.255", 27, None),
            ("1.0.1.29.0.255", 30, None),
            ("7.0.42.0.0.255", 24, None),
        ] {
            assert_eq!(of(text, unit), expected, "{text}");
        }
    }
}
