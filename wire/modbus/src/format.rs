use crate::Error;

/// Exact decimal: `mantissa` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The digits.
    pub mantissa: i64,
    /// Power of ten, 0 or less.
    pub exponent: i8,
}

/// How registers hold a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number from 0.
    Unsigned,
    /// A whole number in two's complement.
    Signed,
    /// Packed decimal digits.
    Bcd,
    /// IEEE 754 with 32 bits. Its number is the shortest decimal that stands for these bits and no others: nothing is calculated with it, and nothing is lost.
    Float,
}

/// The order of the octets `A B C D`, of which `A` is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `A B C D`, as the standard has it inside of a register.
    Abcd,
    /// `C D A B`: the lowest register first.
    Cdab,
    /// `B A D C`: the lower octet of each register first.
    Badc,
    /// `D C B A`.
    Dcba,
}

/// How an item stands in its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Registers: 1, 2 or 4; 2 for a float.
    pub registers: u8,
    /// What they hold.
    pub kind: Kind,
    /// In which order.
    pub order: Order,
}

impl Format {
    /// Octets of the item, at most eight.
    pub const fn octets(self) -> usize {
        match self.registers {
            0 | 1 => 2,
            2 | 3 => 4,
            _ => 8,
        }
    }

    /// Reads the number at the start of `octets`, the higher octet of each register first.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Value`] for a digit above 9, for more than 64 bits with sign hold, and for what is no finite number.
    pub fn read(self, octets: &[u8]) -> Result<Number, Error> {
        let length = self.octets();
        let short = Error::Truncated { expected: length, got: octets.len() };
        let raw = octets.get(..length).ok_or(short)?;
        let mut ordered = [0; 8];
        let ordered = &mut ordered[..length];
        ordered.copy_from_slice(raw);
        self.arrange(ordered);
        let bits = ordered.iter().fold(0_u64, |bits, octet| (bits << 8) | u64::from(*octet));
        let wrong = |what| Error::Value { what, got: u16::from_be_bytes([raw[0], raw[1]]) };
        let whole = |mantissa| Number { mantissa, exponent: 0 };
        match self.kind {
            Kind::Unsigned => i64::try_from(bits).map(whole).map_err(|_| wrong("a number of 64 bits")),
            Kind::Signed => Ok(whole(match length {
                2 => i64::from(bits as u16 as i16),
                4 => i64::from(bits as u32 as i32),
                _ => bits as i64,
            })),
            Kind::Bcd => digits(ordered).map(whole).ok_or_else(|| wrong("a BCD register")),
            // The format has 32 bits, whatever was asked for.
            Kind::Float => decimal(&f32::from_bits(bits as u32)).ok_or_else(|| wrong("a float register")),
        }
    }

    /// Appends the number that reads back as this one; `None` when there is none, as there is no room for it or the format cannot hold it.
    #[must_use]
    pub fn write(self, number: Number, out: &mut Vec<u8>) -> Option<()> {
        let length = self.octets();
        let mantissa = number.mantissa;
        let bits: u64 = match self.kind {
            _ if number.exponent != 0 && self.kind != Kind::Float => return None,
            Kind::Unsigned => u64::try_from(mantissa).ok()?,
            Kind::Signed => mantissa as u64,
            Kind::Bcd => {
                let text = u64::try_from(mantissa).ok()?.to_string();
                u64::from_str_radix(&text, 16).ok()?
            }
            Kind::Float => {
                let float: f32 = format!("{mantissa}e{}", number.exponent).parse().ok()?;
                u64::from(float.to_bits())
            }
        };
        let mut octets = bits.to_be_bytes();
        let octets = &mut octets[8 - length..];
        self.arrange(octets);
        // What was cut off, or rounded, does not read back.
        if self.read(octets).ok()? != number {
            return None;
        }
        out.extend_from_slice(octets);
        Some(())
    }

    /// Turns the order on the wire into the highest octet first, and back.
    fn arrange(self, octets: &mut [u8]) {
        if matches!(self.order, Order::Cdab | Order::Dcba) {
            octets.reverse();
        }
        if matches!(self.order, Order::Cdab | Order::Badc) {
            octets.chunks_exact_mut(2).for_each(|register| register.swap(0, 1));
        }
    }
}

fn digits(octets: &[u8]) -> Option<i64> {
    octets.iter().try_fold(0_i64, |number, octet| {
        let (high, low) = (octet >> 4, octet & 0x0F);
        // Sixteen digits fit into 64 bits.
        (high <= 9 && low <= 9).then(|| number * 100 + i64::from(high * 10 + low))
    })
}

/// The shortest decimal that reads back as the same bits; `None` when it is not finite or has more digits than fit.
fn decimal(float: &f32) -> Option<Number> {
    if !float.is_finite() {
        return None;
    }
    let text = float.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let mantissa = format!("{whole}{decimals}").parse().ok()?;
    Some(Number { mantissa, exponent: -i8::try_from(decimals.len()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(mantissa: i64) -> Number {
        Number { mantissa, exponent: 0 }
    }

    fn format(registers: u8, kind: Kind, order: Order) -> Format {
        Format { registers, kind, order }
    }

    #[test]
    fn orders_are_told_apart() {
        for (order, octets) in [
            (Order::Abcd, [0x00, 0x01, 0xE2, 0x40]),
            (Order::Cdab, [0xE2, 0x40, 0x00, 0x01]),
            (Order::Badc, [0x01, 0x00, 0x40, 0xE2]),
            (Order::Dcba, [0x40, 0xE2, 0x01, 0x00]),
        ] {
            let format = format(2, Kind::Unsigned, order);
            assert_eq!(format.read(&octets), Ok(whole(123_456)), "{order:?}");
            let mut written = Vec::new();
            assert_eq!(format.write(whole(123_456), &mut written), Some(()));
            assert_eq!(written, octets, "{order:?}");
        }
    }

    #[test]
    fn each_kind_is_exact() {
        let abcd = |registers, kind| format(registers, kind, Order::Abcd);
        assert_eq!(abcd(1, Kind::Signed).read(&[0xFF, 0xFE]), Ok(whole(-2)));
        assert_eq!(abcd(2, Kind::Signed).read(&[0xFF, 0xFF, 0xFF, 0xFE]), Ok(whole(-2)));
        assert_eq!(abcd(2, Kind::Bcd).read(&[0x00, 0x12, 0x34, 0x56]), Ok(whole(123_456)));
        assert_eq!(abcd(4, Kind::Unsigned).read(&[0, 0, 0, 1, 0, 0, 0, 0]), Ok(whole(1 << 32)));
        // 123.4 and 0.1 have no end in binary: what is read is what the meter shows.
        let float = abcd(2, Kind::Float);
        assert_eq!(float.read(&[0x42, 0xF6, 0xCC, 0xCD]), Ok(Number { mantissa: 1234, exponent: -1 }));
        assert_eq!(float.read(&[0x3D, 0xCC, 0xCC, 0xCD]), Ok(Number { mantissa: 1, exponent: -1 }));
        assert_eq!(float.read(&[0xBF, 0xC0, 0x00, 0x00]), Ok(Number { mantissa: -15, exponent: -1 }));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let abcd = |registers, kind| format(registers, kind, Order::Abcd);
        let value = |what, got| Err(Error::Value { what, got });
        assert_eq!(abcd(2, Kind::Float).read(&[0x7F, 0xC0, 0, 0]), value("a float register", 0x7FC0));
        assert_eq!(abcd(1, Kind::Bcd).read(&[0x1A, 0]), value("a BCD register", 0x1A00));
        assert_eq!(abcd(4, Kind::Unsigned).read(&[0xFF; 8]), value("a number of 64 bits", 0xFFFF));
        assert_eq!(abcd(2, Kind::Signed).read(&[0, 1]), Err(Error::Truncated { expected: 4, got: 2 }));
        let mut out = Vec::new();
        assert_eq!(abcd(1, Kind::Unsigned).write(whole(65_536), &mut out), None);
        assert_eq!(abcd(1, Kind::Bcd).write(whole(10_000), &mut out), None);
        assert_eq!(abcd(2, Kind::Float).write(whole(16_777_217), &mut out), None);
        assert!(out.is_empty());
    }
}
