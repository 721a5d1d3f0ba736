use std::str::FromStr;

/// Exact decimal: `mantissa` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The digits.
    pub mantissa: i64,
    /// Power of ten, 0 or less.
    pub exponent: i8,
}

/// A text that is no number, or one with more than eighteen digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no number")]
pub struct NoNumber;

impl FromStr for Number {
    type Err = NoNumber;

    /// `000123.45`, `-1`, `+0.5`; blanks around it are passed over.
    fn from_str(text: &str) -> Result<Self, NoNumber> {
        const DIGITS_MAX: usize = 18;
        let text = text.trim_matches(' ');
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = !(whole.is_empty() && decimals.is_empty())
            && whole.bytes().chain(decimals.bytes()).all(|octet| octet.is_ascii_digit());
        let significant = whole.trim_start_matches('0').len() + decimals.len();
        if !is_number || significant > DIGITS_MAX {
            return Err(NoNumber);
        }
        let digits = whole.bytes().chain(decimals.bytes());
        let mantissa = digits.fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        let exponent = i8::try_from(decimals.len()).map_err(|_| NoNumber)?;
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent: -exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::{NoNumber, Number};

    #[test]
    fn decimals_are_kept() {
        let number = |mantissa, exponent| Ok(Number { mantissa, exponent });
        assert_eq!("000123.45".parse(), number(12_345, -2));
        assert_eq!("-0.5".parse(), number(-5, -1));
        assert_eq!(" 12.0 ".parse(), number(120, -1));
        assert_eq!("+7".parse(), number(7, 0));
        for wrong in ["", ".", "1.2.3", "1e5", "- 1", "0x1", "1234567890123456789"] {
            assert_eq!(wrong.parse::<Number>(), Err(NoNumber), "{wrong}");
        }
    }
}
