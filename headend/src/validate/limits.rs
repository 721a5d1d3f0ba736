//! What a value can be at all, whatever it follows.

use dlms::{Obis, Unit};
use models::Validation;

use super::counter::digits;

/// The highest and lowest numbers of the types of 32 and 64 bits: meters send them where there is no value.
const ENDS: [i64; 5] = [u32::MAX as i64, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];

/// Angles.
const DEGREE: Unit = Unit(8);
const AMPERE: Unit = Unit(33);

/// Whether a number stands for "no value".
pub fn is_no_value(value: i64, unit: Unit, scaler: i8, validation: &Validation) -> bool {
    ENDS.contains(&value) || validation.no_value.contains(&value) || is_short_end(value, unit, scaler)
}

/// How far a value may be from 0, in its own digits; `None` when nothing is known. `period_s` is that of the captures, 0 where there is none.
pub fn bound(obis: Obis, unit: Unit, scaler: i8, period_s: u32, validation: &Validation) -> Option<i64> {
    let power = i128::from(validation.max_power?);
    match obis.octets() {
        [1, ..] if is_power(unit) => Some(digits(power, 1, scaler)),
        // Energy of a capture period.
        [1, _, _, 29, ..] if matches!(unit.0, 30..=32) && period_s > 0 => {
            Some(digits(power * i128::from(period_s), 3600, scaler))
        }
        _ => None,
    }
}

pub(super) const fn is_power(unit: Unit) -> bool {
    matches!(unit.0, 27..=29)
}

/// Whether a number is the highest or lowest of 16 bits, in which most meters have angles, voltages, currents, frequencies and factors. What such a number can be
/// in earnest stands for itself: a current in thousandths needs more bits, an angle in hundredths is positive.
fn is_short_end(value: i64, unit: Unit, scaler: i8) -> bool {
    let is_short = matches!(unit.0, 8 | 33 | 35 | 44 | 255) && (unit != AMPERE || scaler > -3);
    let is_signed = unit != DEGREE || scaler > -2;
    is_short
        && (value == i64::from(u16::MAX)
            || value == i64::from(i16::MIN)
            || (value == i64::from(i16::MAX) && is_signed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VOLT: Unit = Unit(35);
    const NONE: Unit = Unit(255);

    #[test]
    fn the_ends_of_16_bits_are_no_value_where_most_meters_have_16_bits() {
        let plain = Validation::default();
        for value in [i64::from(u16::MAX), i64::from(i16::MAX), i64::from(i16::MIN)] {
            for (unit, scaler) in [(VOLT, -1), (AMPERE, -2), (NONE, -3), (DEGREE, -1), (Unit(44), -2)] {
                assert!(is_no_value(value, unit, scaler, &plain), "{value} {unit:?}");
            }
            for (unit, scaler) in [(Unit(30), 0), (Unit(27), 0), (AMPERE, -3), (Unit(13), -3)] {
                assert!(!is_no_value(value, unit, scaler, &plain), "{value} {unit:?}");
            }
        }
        assert!(!is_no_value(32_767, DEGREE, -2, &plain), "327.67 degrees");
    }

    proptest! {
        #[test]
        fn what_a_meter_can_measure_is_a_value(
            volts in 0_i64..=300, amperes in 0_i64..=120, degrees in 0_i64..360, hertz in 45_i64..=65, part in 0_i64..1000, decimals in 0_u8..=3
        ) {
            let (plain, scaler) = (Validation::default(), -i8::try_from(decimals).unwrap());
            // A voltage in hundredths and thousandths of a volt comes across 32767 where no meter is at home.
            for (whole, unit, most) in [(volts, VOLT, 2), (amperes, AMPERE, 3), (degrees, DEGREE, 2), (hertz, Unit(44), 3)] {
                let value = (whole * 1000 + part) / 10_i64.pow(3 - u32::from(decimals));
                prop_assert!(decimals > most || !is_no_value(value, unit, scaler, &plain), "{value} {unit:?} {scaler}");
            }
        }
    }
}
