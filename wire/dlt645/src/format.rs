use crate::Error;

/// Exact decimal: `mantissa` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The digits.
    pub mantissa: i64,
    /// Power of ten.
    pub exponent: i8,
}

/// How an item stands in the data: packed BCD, the last two digits first (DL/T 645-2007, annex A; `XXXXXX.XX` there is
/// `{ octets: 4, decimals: 2 }` here).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Octets, 1 to 8; two digits each.
    pub octets: u8,
    /// Digits behind the point.
    pub decimals: u8,
    /// Whether the highest bit is a sign.
    pub signed: bool,
}

impl Format {
    /// Reads a number from the start of `data`; `None` when the meter has none (every octet is `FF`). `offset` is where `data` begin
    /// in the data of the frame.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Value`] for a digit above 9.
    pub fn read(self, data: &[u8], offset: usize) -> Result<Option<Number>, Error> {
        const NONE: u8 = 0xFF;
        const SIGN: u8 = 0x80;
        let length = usize::from(self.octets.clamp(1, 8));
        let short = Error::Truncated { what: "a number", offset: offset + data.len() };
        let octets = data.get(..length).ok_or(short)?;
        if octets.iter().all(|octet| *octet == NONE) {
            return Ok(None);
        }
        let is_negative = self.signed && octets[length - 1] & SIGN != 0;
        let mut mantissa = 0_i64;
        for (position, octet) in octets.iter().enumerate().rev() {
            let octet = if is_negative && position == length - 1 { octet & !SIGN } else { *octet };
            for digit in [octet >> 4, octet & 0x0F] {
                if digit > 9 {
                    let got = u32::from(octet);
                    return Err(Error::Value { what: "a BCD octet", got, offset: offset + position });
                }
                // Sixteen digits fit into 64 bits.
                mantissa = mantissa * 10 + i64::from(digit);
            }
        }
        let mantissa = if is_negative { -mantissa } else { mantissa };
        Ok(Some(Number { mantissa, exponent: -i8::try_from(self.decimals).unwrap_or(i8::MAX) }))
    }

    /// Appends a number of as many units of the last digit; `None` when it has more digits than there is room for, or a sign that has no place.
    #[must_use]
    pub fn write(self, mantissa: i64, out: &mut Vec<u8>) -> Option<()> {
        let length = usize::from(self.octets.clamp(1, 8));
        let mut rest = mantissa.unsigned_abs();
        let mut octets = [0_u8; 8];
        for octet in &mut octets[..length] {
            let pair = (rest % 100) as u8;
            *octet = ((pair / 10) << 4) | (pair % 10);
            rest /= 100;
        }
        let sign = &mut octets[length - 1];
        if rest > 0 || (mantissa < 0 && !self.signed) || (self.signed && *sign & 0x80 != 0) {
            return None;
        }
        if mantissa < 0 {
            *sign |= 0x80;
        }
        out.extend_from_slice(&octets[..length]);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENERGY: Format = Format { octets: 4, decimals: 2, signed: false };
    const CURRENT: Format = Format { octets: 3, decimals: 3, signed: true };

    #[test]
    fn numbers_are_exact() {
        let number = |mantissa, exponent| Ok(Some(Number { mantissa, exponent }));
        assert_eq!(ENERGY.read(&[0x26, 0, 0, 0], 0), number(26, -2));
        assert_eq!(ENERGY.read(&[0x78, 0x56, 0x34, 0x12], 0), number(12_345_678, -2));
        assert_eq!(CURRENT.read(&[0x05, 0x00, 0x80], 0), number(-5, -3));
        assert_eq!(ENERGY.read(&[0xFF; 4], 0), Ok(None));
    }

    #[test]
    fn what_is_no_number_is_named_with_its_place() {
        assert_eq!(ENERGY.read(&[0; 3], 4), Err(Error::Truncated { what: "a number", offset: 7 }));
        let wrong = Error::Value { what: "a BCD octet", got: 0x3A, offset: 6 };
        assert_eq!(ENERGY.read(&[0, 0, 0x3A, 0], 4), Err(wrong));
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        let mut out = Vec::new();
        assert_eq!(ENERGY.write(100_000_000, &mut out), None);
        assert_eq!(ENERGY.write(-1, &mut out), None);
        assert_eq!(CURRENT.write(800_000, &mut out), None);
        assert_eq!(CURRENT.write(-799_999, &mut out), Some(()));
        assert_eq!(out, [0x99, 0x99, 0xF9]);
    }
}
