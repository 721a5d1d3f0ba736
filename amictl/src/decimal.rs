//! Exact decimals as text: digits are moved, never computed.

use ami_proto::v1::Decimal;

/// Exponents beyond this are written in scientific notation, so that a wrong one does not fill the screen with zeros.
const PLAIN_EXPONENT: u32 = 30;

/// `mantissa * 10^exponent` with as many digits after the point as the meter gave: 12000 and -3 are `12.000`.
pub(crate) fn text(value: &Decimal) -> String {
    let sign = if value.mantissa < 0 { "-" } else { "" };
    let digits = value.mantissa.unsigned_abs().to_string();
    let places = value.exponent.unsigned_abs() as usize;
    if value.exponent.unsigned_abs() > PLAIN_EXPONENT {
        return format!("{sign}{digits}e{}", value.exponent);
    }
    if value.exponent >= 0 {
        let zeros = if value.mantissa == 0 { 0 } else { places };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_moved() {
        for (mantissa, exponent, expected) in [
            (12_345, -3, "12.345"),
            (12_000, -3, "12.000"),
            (5, -3, "0.005"),
            (-5, -3, "-0.005"),
            (0, -2, "0.00"),
            (0, 3, "0"),
            (7, 0, "7"),
            (7, 3, "7000"),
            (-7, 1, "-70"),
            (i64::MIN, 0, "-9223372036854775808"),
            (i64::MAX, -19, "0.9223372036854775807"),
            (1, -100, "1e-100"),
            (1, 99, "1e99"),
        ] {
            assert_eq!(text(&Decimal { mantissa, exponent }), expected);
        }
    }
}
