use std::fmt;

use crate::Error;
use crate::axdr::{Data, Number};

/// A unit of measurement by its number (Blue Book, 4.3.2, table of units).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(pub u8);

impl Unit {
    /// No unit, a count.
    pub const NONE: Self = Self(255);

    /// The symbol; empty for a count and for numbers without a symbol.
    pub fn symbol(self) -> &'static str {
        SYMBOLS.iter().find(|(number, _)| *number == self.0).map_or("", |(_, symbol)| symbol)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

/// What an integer of a register means: value times ten to the power of `scaler`, in `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalerUnit {
    /// Power of ten.
    pub scaler: i8,
    /// Unit.
    pub unit: Unit,
}

impl ScalerUnit {
    /// Scaler 0, no unit.
    pub const NONE: Self = Self { scaler: 0, unit: Unit::NONE };

    /// Reads a `scal_unit_type`: a structure of integer and enum, for which meters take other whole numbers, too; null-data of an object without
    /// any is [`NONE`](Self::NONE).
    ///
    /// # Errors
    /// [`Error::DataType`] for another structure or numbers without room; those of [`Data::decode`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let data = Data::decode(octets)?;
        let wrong = Error::DataType { expected: "scaler and unit", got: data.data_type() };
        let parts = match &data {
            Data::NullData => return Ok(Self::NONE),
            Data::Structure(parts) => parts.as_slice(),
            _ => &[],
        };
        let [scaler, unit] = parts else { return Err(wrong) };
        let whole =
            |data| Number::of(data).filter(|number| number.exponent == 0).map(|number| number.mantissa);
        let scaler = whole(scaler).and_then(|scaler| i8::try_from(scaler).ok());
        let unit = whole(unit).and_then(|unit| u8::try_from(unit).ok());
        scaler.zip(unit).map(|(scaler, unit)| Self { scaler, unit: Unit(unit) }).ok_or(wrong)
    }

    /// Appends it as a `scal_unit_type`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Data::Structure(vec![Data::Integer(self.scaler), Data::Enum(self.unit.0)]).encode(out);
    }
}

const SYMBOLS: &[(u8, &str)] = &[
    (1, "a"),
    (2, "mo"),
    (3, "wk"),
    (4, "d"),
    (5, "h"),
    (6, "min"),
    (7, "s"),
    (8, "°"),
    (9, "°C"),
    (10, "currency"),
    (11, "m"),
    (12, "m/s"),
    (13, "m³"),
    (14, "m³"),
    (15, "m³/h"),
    (16, "m³/h"),
    (17, "m³/d"),
    (18, "m³/d"),
    (19, "l"),
    (20, "kg"),
    (21, "N"),
    (22, "Nm"),
    (23, "Pa"),
    (24, "bar"),
    (25, "J"),
    (26, "J/h"),
    (27, "W"),
    (28, "VA"),
    (29, "var"),
    (30, "Wh"),
    (31, "VAh"),
    (32, "varh"),
    (33, "A"),
    (34, "C"),
    (35, "V"),
    (36, "V/m"),
    (37, "F"),
    (38, "Ω"),
    (39, "Ωm"),
    (40, "Wb"),
    (41, "T"),
    (42, "A/m"),
    (43, "H"),
    (44, "Hz"),
    (45, "1/Wh"),
    (46, "1/varh"),
    (47, "1/VAh"),
    (48, "V²h"),
    (49, "A²h"),
    (50, "kg/s"),
    (51, "S"),
    (52, "K"),
    (53, "1/V²h"),
    (54, "1/A²h"),
    (55, "1/m³"),
    (56, "%"),
    (57, "Ah"),
    (60, "Wh/m³"),
    (61, "J/m³"),
    (62, "mol%"),
    (63, "g/m³"),
    (64, "Pa s"),
    (65, "J/kg"),
    (66, "g/cm²"),
    (67, "atm"),
    (70, "dBm"),
    (71, "dBµV"),
    (72, "dB"),
    (128, "in"),
    (129, "ft"),
    (130, "lb"),
    (131, "°F"),
    (132, "°R"),
    (133, "in²"),
    (134, "ft²"),
    (135, "ac"),
    (136, "in³"),
    (137, "ft³"),
    (138, "ac ft"),
    (139, "gal (imp)"),
    (140, "gal (US)"),
    (141, "lbf"),
    (142, "psi"),
    (143, "lb/ft³"),
    (144, "lb/(ft s)"),
    (145, "ft²/s"),
    (146, "Btu"),
    (147, "thm (EC)"),
    (148, "thm (US)"),
    (149, "Btu/lb"),
    (150, "Btu/ft³"),
    (151, "ft³"),
    (152, "ft/s"),
    (153, "ft³/s"),
    (154, "ft³/min"),
    (155, "ft³/h"),
    (156, "ft³/d"),
    (157, "ac ft/s"),
    (158, "ac ft/min"),
    (159, "ac ft/h"),
    (160, "ac ft/d"),
    (161, "gal (imp)"),
    (162, "gal (imp)/s"),
    (163, "gal (imp)/min"),
    (164, "gal (imp)/h"),
    (165, "gal (imp)/d"),
    (166, "gal (US)"),
    (167, "gal (US)/s"),
    (168, "gal (US)/min"),
    (169, "gal (US)/h"),
    (170, "gal (US)/d"),
    (171, "Btu/s"),
    (172, "Btu/min"),
    (173, "Btu/h"),
    (174, "Btu/d"),
];

#[cfg(test)]
mod tests {
    use super::{ScalerUnit, Unit};

    #[test]
    fn scaler_and_unit_of_an_energy_register() {
        let octets = [0x02, 0x02, 0x0F, 0xFD, 0x16, 0x1E];
        let decoded = ScalerUnit::decode(&octets).unwrap();
        assert_eq!((decoded.scaler, decoded.unit.symbol()), (-3, "Wh"));
        let mut again = Vec::new();
        decoded.encode(&mut again);
        assert_eq!(again, octets);
        assert_eq!(Unit::NONE.symbol(), "");
        assert!(ScalerUnit::decode(&[0x02, 0x01, 0x0F, 0xFD]).is_err());
        assert!(ScalerUnit::decode(&[0x0F, 0xFD]).is_err());
    }

    #[test]
    fn scaler_and_unit_are_whole_numbers_of_any_type_or_none() {
        assert_eq!(ScalerUnit::decode(&[0x02, 0x02, 0x0F, 0xFD, 0x11, 0x1E]).unwrap().unit, Unit(30));
        assert_eq!(ScalerUnit::decode(&[0x02, 0x02, 0x10, 0xFF, 0xFE, 0x16, 0x1E]).unwrap().scaler, -2);
        assert_eq!(ScalerUnit::decode(&[0x00]), Ok(ScalerUnit::NONE));
        assert!(ScalerUnit::decode(&[0x02, 0x02, 0x11, 0xFD, 0x16, 0x1E]).is_err(), "253 is no scaler");
        assert!(ScalerUnit::decode(&[0x02, 0x02, 0x00, 0x16, 0x1E]).is_err());
    }
}
