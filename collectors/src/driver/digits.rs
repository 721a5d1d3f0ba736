//! Numbers and units as meters of IEC 62056-21 write them.

use dlms::Unit;
use models::Decimal;

/// A number with as many digits as `text` has, of which the last is worth ten to the power of `last`; `None` when it has no room there.
pub(super) fn like(text: &str, wanted: Decimal, last: i8) -> Option<String> {
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let mantissa = wanted.in_units_of(last)?;
    let width = text.bytes().filter(u8::is_ascii_digit).count();
    let digits = format!("{:0width$}", mantissa.unsigned_abs());
    if digits.len() > width {
        return None;
    }
    let sign = if mantissa < 0 { "-" } else { "" };
    let (whole, fraction) = digits.split_at(width.checked_sub(decimals)?);
    let point = if decimals > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// What ten is to be raised to for a unit as a meter writes it; `None` when it is another one than the model's.
pub(super) fn power_of(text: &str, unit: Unit) -> Option<i8> {
    let plain = plain(unit.symbol());
    let is_unit = |text: &str| {
        let is = |symbol: &str| text.eq_ignore_ascii_case(symbol);
        !text.is_empty() && (is(unit.symbol()) || is(&plain))
    };
    if is_unit(text) {
        return Some(0);
    }
    // A thousand of what has an exponent is not what a prefix says.
    let (prefix, rest) = text.split_at_checked(1).filter(|_| !unit.symbol().contains(['²', '³']))?;
    let power = match prefix {
        "k" | "K" => 3,
        "M" => 6,
        "G" => 9,
        "m" => -3,
        _ => return None,
    };
    is_unit(rest).then_some(power)
}

/// A symbol in the characters that a meter has: cubic metres are `m3`, degrees Celsius `C`.
fn plain(symbol: &str) -> String {
    let plain = |character| match character {
        '²' => Some('2'),
        '³' => Some('3'),
        '°' => None,
        other => Some(other),
    };
    symbol.chars().filter_map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_with_their_prefix() {
        let unit = |symbol: &str| (1..u8::MAX).map(Unit).find(|unit| unit.symbol() == symbol).unwrap();
        for (text, symbol, power) in [
            ("kWh", "Wh", Some(3)),
            ("KWH", "Wh", Some(3)),
            ("V", "V", Some(0)),
            ("A", "A", Some(0)),
            ("mA", "A", Some(-3)),
            ("kvarh", "Wh", None),
            ("furlong", "Wh", None),
            ("k", "Wh", None),
            ("m3", "m³", Some(0)),
            ("m³", "m³", Some(0)),
            ("m3", "m", None),
            ("mm3", "m³", None),
            ("C", "°C", Some(0)),
            ("m3/h", "m³/h", Some(0)),
            ("", "Wh", None),
        ] {
            assert_eq!(power_of(text, unit(symbol)), power, "{text}");
        }
        assert_eq!(power_of("", Unit::NONE), None);
    }

    #[test]
    fn a_value_is_written_with_the_digits_that_the_meter_shows() {
        let like = |text, wanted: &str, last| like(text, wanted.parse().unwrap(), last);
        assert_eq!(like("000012.34", "56700", 1).as_deref(), Some("000056.70"));
        assert_eq!(like("0012", "7", 0).as_deref(), Some("0007"));
        assert_eq!(like("00.10", "-0.05", -2).as_deref(), Some("-00.05"));
        assert_eq!(like("0012", "7.5", 0), None);
        assert_eq!(like("0012", "12345", 0), None);
    }
}
