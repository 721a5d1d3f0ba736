use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Digits of a text at most; with them nothing below overflows.
const DIGITS_MAX: usize = 18;

/// An exact decimal, as people write it: `12.50`. Numbers that are the same are equal, however they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// Does not end in a zero.
    mantissa: i64,
    /// Power of ten.
    exponent: i8,
}

/// A text that is no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("up to {DIGITS_MAX} digits are expected, with a sign and a point where needed, such as 12.50")]
pub struct NoDecimal;

impl Decimal {
    /// `mantissa` times ten to the power of `exponent`.
    pub const fn new(mantissa: i64, exponent: i8) -> Self {
        if mantissa == 0 {
            return Self { mantissa, exponent: 0 };
        }
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        while mantissa % 10 == 0 && exponent < i8::MAX {
            mantissa /= 10;
            exponent += 1;
        }
        Self { mantissa, exponent }
    }

    /// The number in units of ten to the power of `exponent`; `None` when it has finer digits, or does not fit.
    pub const fn in_units_of(self, exponent: i8) -> Option<i64> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let zeros = self.exponent as i16 - exponent as i16;
        if zeros < 0 {
            return None;
        }
        match 10_i64.checked_pow(zeros.unsigned_abs() as u32) {
            Some(factor) => self.mantissa.checked_mul(factor),
            None => None,
        }
    }

    /// The sum; `None` when it has more digits than are counted exactly.
    pub fn plus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.in_units_of(exponent)?.checked_add(other.in_units_of(exponent)?)?;
        Some(Self::new(sum, exponent))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        let apart = i16::from(self.exponent) - i16::from(other.exponent);
        let raised = |mantissa: i64| {
            let factor = 10_i128.checked_pow(u32::from(apart.unsigned_abs()))?;
            i128::from(mantissa).checked_mul(factor)
        };
        // What is too large to be raised is farther from zero than any other mantissa.
        signs.then_with(|| match apart {
            0 => self.mantissa.cmp(&other.mantissa),
            1.. => raised(self.mantissa)
                .map_or(self.mantissa.cmp(&0), |mantissa| mantissa.cmp(&i128::from(other.mantissa))),
            _ => raised(other.mantissa)
                .map_or(0.cmp(&other.mantissa), |mantissa| i128::from(self.mantissa).cmp(&mantissa)),
        })
    }
}

impl FromStr for Decimal {
    type Err = NoDecimal;

    fn from_str(text: &str) -> Result<Self, NoDecimal> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
        let is_ended = digits.ends_with('.') || whole.is_empty();
        if is_ended || !is_plain(whole) || !is_plain(decimals) || whole.len() + decimals.len() > DIGITS_MAX {
            return Err(NoDecimal);
        }
        let mantissa: i64 = format!("{whole}{decimals}").parse().map_err(|_| NoDecimal)?;
        let exponent = -i8::try_from(decimals.len()).map_err(|_| NoDecimal)?;
        Ok(Self::new(if text.starts_with('-') { -mantissa } else { mantissa }, exponent))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let text = match usize::from(self.exponent.unsigned_abs()) {
            0 => digits,
            zeros if self.exponent > 0 => digits + &"0".repeat(zeros),
            decimals => {
                let padded = format!("{digits:0>width$}", width = decimals + 1);
                let (whole, fraction) = padded.split_at(padded.len() - decimals);
                format!("{whole}.{fraction}")
            }
        };
        f.pad_integral(self.mantissa >= 0, "", &text)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_differently_is_the_same_number() {
        for (text, same, shown) in [
            ("12.50", "12.5", "12.5"),
            ("1000", "1000.000", "1000"),
            ("-0.050", "-0.05", "-0.05"),
            ("-0", "0.0", "0"),
        ] {
            assert_eq!(decimal(text), decimal(same));
            assert_eq!(decimal(text).to_string(), shown);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "-", ".", "1.", ".5", "+1", "1e3", "1,5", " 1", "1.2.3", "1234567890123456789"] {
            assert_eq!(text.parse::<Decimal>(), Err(NoDecimal), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_compared_and_counted_exactly() {
        let ascending = ["-999999999999999999", "-0.2", "-0.10", "0", "0.00000000000000001", "9.9", "10"];
        assert!(ascending.map(decimal).is_sorted());
        assert!(
            Decimal::new(1, 127) > Decimal::new(9, -128) && Decimal::new(-1, 127) < Decimal::new(-9, -128)
        );
        assert_eq!(decimal("12.5").in_units_of(-2), Some(1250));
        assert_eq!(decimal("12.5").in_units_of(0), None);
        assert_eq!(decimal("1200").in_units_of(2), Some(12));
        assert_eq!(decimal("10").in_units_of(-18), None);
        assert_eq!(decimal("0").in_units_of(-128), Some(0));
    }

    #[test]
    fn numbers_are_added_exactly_or_not_at_all() {
        for (one, other, sum) in
            [("12.5", "0.05", "12.55"), ("20000", "5000", "25000"), ("-1", "0.9", "-0.1")]
        {
            assert_eq!(decimal(one).plus(decimal(other)), Some(decimal(sum)));
        }
        assert_eq!(decimal("100000000000000000").plus(decimal("0.00000000000000001")), None);
        assert_eq!(Decimal::new(i64::MAX, 0).plus(Decimal::new(1, 0)), None);
    }
}
