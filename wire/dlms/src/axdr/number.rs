use super::Data;

/// Exact decimal: `mantissa` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The digits.
    pub mantissa: i64,
    /// Power of ten.
    pub exponent: i8,
}

impl Number {
    /// A whole number.
    pub const fn whole(mantissa: i64) -> Self {
        Self { mantissa, exponent: 0 }
    }

    /// The number that a value is; `None` for what is no number, is not finite, or has no room. A float is the shortest decimal that stands for
    /// its bits and no others: nothing is calculated with it, and nothing is lost.
    pub fn of(data: &Data) -> Option<Self> {
        Some(match data {
            Data::Integer(n) => Self::whole(i64::from(*n)),
            Data::Long(n) => Self::whole(i64::from(*n)),
            Data::DoubleLong(n) => Self::whole(i64::from(*n)),
            Data::Long64(n) => Self::whole(*n),
            Data::Unsigned(n) | Data::Enum(n) => Self::whole(i64::from(*n)),
            Data::LongUnsigned(n) => Self::whole(i64::from(*n)),
            Data::DoubleLongUnsigned(n) => Self::whole(i64::from(*n)),
            Data::Long64Unsigned(n) => Self::whole(i64::try_from(*n).ok()?),
            Data::Boolean(truth) => Self::whole(i64::from(*truth)),
            Data::Bcd(digits) => {
                let (high, low) = (digits >> 4, digits & 0x0F);
                (high <= 9 && low <= 9).then(|| Self::whole(i64::from(high * 10 + low)))?
            }
            Data::Float32(octets) => Self::shortest(&format!("{:e}", f32::from_be_bytes(*octets)))?,
            Data::Float64(octets) => Self::shortest(&format!("{:e}", f64::from_be_bytes(*octets)))?,
            _ => return None,
        })
    }

    /// The number in units of ten to the power of `exponent`; `None` when it has finer digits, or does not fit.
    pub fn in_units_of(self, exponent: i8) -> Option<i64> {
        let zeros = i16::from(self.exponent) - i16::from(exponent);
        match (self.mantissa, u32::try_from(zeros)) {
            (0, _) => Some(0),
            (mantissa, Ok(zeros)) => mantissa.checked_mul(10_i64.checked_pow(zeros)?),
            (mantissa, Err(_)) => {
                let unit = 10_i64.checked_pow(zeros.unsigned_abs().into())?;
                (mantissa % unit == 0).then_some(mantissa / unit)
            }
        }
    }

    /// Digits with a power of ten, such as `1.234e2`; `None` for `NaN` and `inf`.
    fn shortest(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once('e')?;
        let (first, others) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa: i64 = format!("{first}{others}").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(others.len()).ok()?;
        // What has room as a whole number is written as one.
        let whole =
            u32::try_from(exponent).ok().and_then(|zeros| mantissa.checked_mul(10_i64.checked_pow(zeros)?));
        match whole {
            Some(whole) => Some(Self::whole(whole)),
            None => Some(Self { mantissa, exponent: exponent.try_into().ok()? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(octets: [u8; 4]) -> Option<(i64, i8)> {
        Number::of(&Data::Float32(octets)).map(|Number { mantissa, exponent }| (mantissa, exponent))
    }

    #[test]
    fn a_float_is_the_decimal_that_the_meter_shows() {
        assert_eq!(single([0x41, 0x20, 0, 0]), Some((10, 0)));
        assert_eq!(single([0x42, 0xF6, 0xCC, 0xCD]), Some((1234, -1)));
        assert_eq!(single([0x3D, 0xCC, 0xCC, 0xCD]), Some((1, -1)));
        assert_eq!(single([0xBF, 0xC0, 0, 0]), Some((-15, -1)));
        assert_eq!(single([0x80, 0, 0, 0]), Some((0, 0)));
        // 3.4028235e38 and 1e-45.
        assert_eq!(single([0x7F, 0x7F, 0xFF, 0xFF]), Some((34_028_235, 31)));
        assert_eq!(single([0, 0, 0, 1]), Some((1, -45)));
        let double = |octets| Number::of(&Data::Float64(octets));
        let tenth = Number { mantissa: 1, exponent: -1 };
        assert_eq!(double([0x3F, 0xB9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9A]), Some(tenth));
    }

    #[test]
    fn what_is_no_number_or_has_no_room_is_none() {
        assert_eq!(single([0x7F, 0xC0, 0, 0]), None);
        assert_eq!(single([0xFF, 0x80, 0, 0]), None);
        // 5e-324: its power of ten has no room.
        assert_eq!(Number::of(&Data::Float64([0, 0, 0, 0, 0, 0, 0, 1])), None);
        assert_eq!(Number::of(&Data::Long64Unsigned(u64::MAX)), None);
        assert_eq!(Number::of(&Data::Bcd(0x1A)), None);
        assert_eq!(Number::of(&Data::Bcd(0x42)), Some(Number::whole(42)));
        assert_eq!(Number::of(&Data::NullData), None);
        assert_eq!(Number::of(&Data::OctetString(vec![1])), None);
    }

    #[test]
    fn a_number_is_counted_in_units_that_it_is_a_multiple_of() {
        let counted = |mantissa, exponent| Number { mantissa, exponent }.in_units_of(-9);
        assert_eq!(counted(2304, -1), Some(230_400_000_000));
        assert_eq!(counted(-15, -10), None);
        assert_eq!(counted(-150, -10), Some(-15));
        assert_eq!(counted(9_223_372_036, 0), Some(9_223_372_036_000_000_000));
        assert_eq!(counted(9_223_372_037, 0), None);
        assert_eq!((counted(0, 100), counted(0, -100)), (Some(0), Some(0)));
        assert_eq!((counted(1, 127), counted(1, -128)), (None, None));
    }

    proptest! {
        /// Nothing is lost: the decimal reads back as the same bits.
        #[test]
        fn a_decimal_reads_back_as_its_float(bits in any::<u32>()) {
            if let Some((mantissa, exponent)) = single(bits.to_be_bytes()) {
                let back: f32 = format!("{mantissa}e{exponent}").parse().unwrap();
                prop_assert!(back.to_bits() == bits || bits == 1 << 31, "{bits:08X}");
            }
        }
    }
}
