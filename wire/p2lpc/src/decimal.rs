use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Most digits of a number.
const DIGITS_MAX: usize = 18;

/// A number exactly as it was written: no float is in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: i64,
    decimals: u8,
}

impl Decimal {
    /// `digits` with the decimal point in front of the last `decimals`, at most 18, of them.
    pub const fn new(digits: i64, decimals: u8) -> Option<Self> {
        if decimals as usize > DIGITS_MAX || digits.unsigned_abs() >= 10_u64.pow(DIGITS_MAX as u32) {
            return None;
        }
        Some(Self { digits, decimals })
    }

    /// The whole number n for which n·10^exponent is this number; `None` when there is none, or it does not fit.
    pub fn scaled(self, exponent: i8) -> Option<i64> {
        let shift = -(i32::from(self.decimals) + i32::from(exponent));
        let factor = 10_i64.checked_pow(shift.unsigned_abs());
        match (self.digits, factor) {
            (0, _) => Some(0),
            (digits, Some(factor)) if shift >= 0 => digits.checked_mul(factor),
            (digits, Some(factor)) => (digits % factor == 0).then_some(digits / factor),
            (_, None) => None,
        }
    }
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = Error::Value { what: "a value" };
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (-1, unsigned),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let point = unsigned.len() > whole.len();
        let is_number = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
        let fits = !whole.is_empty()
            && point != fraction.is_empty()
            && is_number(whole)
            && is_number(fraction)
            && whole.len() + fraction.len() <= DIGITS_MAX;
        if !fits {
            return Err(unknown);
        }
        let digits: i64 = [whole, fraction].concat().parse().map_err(|_| unknown.clone())?;
        let decimals = u8::try_from(fraction.len()).map_err(|_| unknown.clone())?;
        Self::new(sign * digits, decimals).ok_or(unknown)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.decimals);
        let digits = format!("{:0width$}", self.digits.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let sign = if self.digits < 0 { "-" } else { "" };
        let point = if decimals > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_scaled_exactly_or_not_at_all() {
        let value: Decimal = "0000031.184".parse().unwrap();
        assert_eq!(value.to_string(), "31.184");
        assert_eq!(value.scaled(-3), Some(31_184));
        assert_eq!(value.scaled(-5), Some(3_118_400));
        assert_eq!(value.scaled(-2), None);
        assert_eq!("-0.50".parse::<Decimal>().unwrap().scaled(-1), Some(-5));
        assert_eq!("1000".parse::<Decimal>().unwrap().scaled(3), Some(1));
        assert_eq!("0".parse::<Decimal>().unwrap().scaled(127), Some(0));
        assert_eq!("1".parse::<Decimal>().unwrap().scaled(-128), None);
        assert_eq!("999999999999999999".parse::<Decimal>().unwrap().scaled(-2), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", "-", ".5", "5.", "1,5", "1e3", "0x1F", " 1", "1.2.3", "--1", "NaN", "1234567890123456789"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(Error::Value { what: "a value" }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(digits in -999_999_999_999_999_999_i64..1_000_000_000_000_000_000, decimals in 0_u8..9) {
            let value = Decimal::new(digits, decimals).unwrap();
            prop_assume!(digits.unsigned_abs() > 0);
            prop_assert_eq!(value.to_string().parse::<Decimal>().unwrap().scaled(-(decimals as i8)), Some(digits));
        }
    }
}
