//! A type of meter that speaks DL/T 645.

mod profile;

use std::fmt;
use std::str::FromStr;

use dlt645::{Edition, Format, Identifier};
use serde::{Deserialize, Deserializer, de};

pub use profile::{Dlt645Frozen, Dlt645Profile, Dlt645Records, Dlt645Settled};

/// In the text of an item: the two digits in which the number of the sub-unit stands.
const SUBUNIT: &str = "NN";

/// How a type of meter speaks DL/T 645. A sub-unit either has an address of its own, or is named inside of items by `NN`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645 {
    /// Edition of the standard, 2007 or 1997.
    #[serde(deserialize_with = "edition")]
    pub edition: Edition,
    /// Item with the serial number: six octets of BCD, such as `"04000402"`. Default: none, nothing but the address is compared.
    #[serde(default)]
    pub serial: Option<ItemName>,
    /// Items of the clock. Default: the clock is not read.
    #[serde(default)]
    pub clock: Option<ClockItems>,
    /// Octets that wake the meter up before each request, 0 to 4. Default 4.
    #[serde(default = "default_wake_up")]
    pub wake_up: u8,
    /// Level of the password (`PA`) with which orders are given, 0 to 9. Default 2. The password itself is in the inventory: up to six digits.
    #[serde(default = "default_level")]
    pub level: u8,
    /// Number of the operator (`C0` to `C3`), up to eight digits. Default 0.
    #[serde(default)]
    pub operator: u32,
}

/// The items that make up a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockItems {
    /// Day of the week, day, month, year; such as `"04000101"`.
    pub date: ItemName,
    /// Second, minute, hour; such as `"04000102"`.
    pub time: ItemName,
}

/// An identifier as it is printed: eight hexadecimal digits from `DI3` to `DI0`, in the edition of 1997 four. `NN` in the place of one octet stands for the
/// number of the sub-unit, 0 for the meter itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemName {
    base: u32,
    octets: u8,
    /// Bits behind the octet of the sub-unit.
    subunit: Option<u8>,
}

/// Where a register is: packed BCD inside of an item, or a word of bits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645Place {
    /// The item; several registers may be in one, which is read once for all of them, such as `"0001FF00"`.
    pub item: ItemName,
    /// Octets of the number, 1 to 8; two digits each.
    pub octets: u8,
    /// Octets of the item in front of it. Default 0.
    #[serde(default)]
    pub offset: u16,
    /// Where one item holds the numbers of all sub-units: octets from one to the next. Default 0.
    #[serde(default)]
    pub step: u16,
    /// Whether the highest bit is a sign. Default false.
    #[serde(default)]
    pub signed: bool,
    /// Whether it is a word of bits, such as a status word, the lowest octet first; four octets at most. Default false: it is packed BCD.
    #[serde(default)]
    pub bits: bool,
}

/// How the load switch is moved and looked at. An order is sent to the meter's, or the sub-unit's, own address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645Switch {
    /// Status word of two octets that shows the switch. Default `"04000503"`.
    #[serde(default = "default_status")]
    pub status: ItemName,
    /// Bit that is set while the switch is open, 0 to 15. Default 4.
    #[serde(default = "default_open_bit")]
    pub open_bit: u8,
    /// Bit that is set once the switch is ordered to be open, 0 to 15. Default 6.
    #[serde(default = "default_ordered_bit")]
    pub ordered_bit: u8,
    /// What closes it. Default `"close"`.
    #[serde(default)]
    pub reconnect: Reconnect,
    /// Second octet of an order (`N2`): two hexadecimal digits, or `"NN"` where it names the sub-unit. Default `"00"`.
    #[serde(default)]
    pub n2: Part,
}

/// What closes a switch from afar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconnect {
    /// Direct close (1C).
    #[default]
    Close,
    /// Permission to close (1B); somebody at the meter does it.
    Permit,
}

/// One octet, which may be the number of the sub-unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Always this one.
    Fixed(u8),
    /// The number of the sub-unit.
    Subunit,
}

impl ItemName {
    /// The identifier for a sub-unit, or for the meter itself.
    pub fn of(self, subunit: Option<u8>) -> Identifier {
        let part = self.subunit.map_or(0, |shift| u32::from(subunit.unwrap_or_default()) << shift);
        Identifier(self.base | part)
    }

    /// Whether it names the sub-unit.
    pub(crate) const fn names_subunit(self) -> bool {
        self.subunit.is_some()
    }

    /// Octets of the identifier.
    pub(crate) const fn octets(self) -> u8 {
        self.octets
    }
}

impl Dlt645Place {
    /// Octets of the item in front of the number of a sub-unit, or of the meter itself.
    pub fn start(&self, subunit: Option<u8>) -> usize {
        usize::from(self.offset)
            + usize::from(self.step) * usize::from(subunit.unwrap_or(1).saturating_sub(1))
    }

    /// How the number is written.
    pub const fn format(&self) -> Format {
        Format { octets: self.octets, decimals: 0, signed: self.signed }
    }
}

impl Part {
    /// The octet for a sub-unit, or for the meter itself.
    pub fn of(self, subunit: Option<u8>) -> u8 {
        match self {
            Self::Fixed(octet) => octet,
            Self::Subunit => subunit.unwrap_or_default(),
        }
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl FromStr for ItemName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no item: eight hexadecimal digits, in 1997 four, two of which may be NN");
        if !matches!(text.len(), 4 | 8) || !text.is_ascii() {
            return Err(wrong());
        }
        let octets = u8::try_from(text.len() / 2).map_err(|_| wrong())?;
        let at = text.find(SUBUNIT).filter(|at| at % 2 == 0);
        let digits = at.map_or(text.to_owned(), |at| format!("{}00{}", &text[..at], &text[at + 2..]));
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let base = u32::from_str_radix(&digits, 16).map_err(|_| wrong())?;
        let subunit = at.and_then(|at| u8::try_from((text.len() - 2 - at) * 4).ok());
        Ok(Self { base, octets, subunit })
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in (0..self.octets).rev() {
            if self.subunit == Some(octet * 8) {
                f.write_str(SUBUNIT)?;
            } else {
                write!(f, "{:02X}", self.base >> (octet * 8) & 0xFF)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemName({self})")
    }
}

impl<'de> Deserialize<'de> for ItemName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            SUBUNIT => Ok(Self::Subunit),
            text if text.len() == 2 => {
                u8::from_str_radix(text, 16).map(Self::Fixed).map_err(de::Error::custom)
            }
            text => Err(de::Error::custom(format!("`{text}` is neither two hexadecimal digits nor NN"))),
        }
    }
}

fn edition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Edition, D::Error> {
    match u16::deserialize(deserializer)? {
        1997 => Ok(Edition::Of1997),
        2007 => Ok(Edition::Of2007),
        other => Err(de::Error::custom(format!("there is no edition {other}, only 1997 and 2007"))),
    }
}

fn default_wake_up() -> u8 {
    4
}

fn default_level() -> u8 {
    2
}

fn default_status() -> ItemName {
    ItemName { base: 0x0400_0503, octets: 4, subunit: None }
}

fn default_open_bit() -> u8 {
    4
}

fn default_ordered_bit() -> u8 {
    6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_names_the_sub_unit_where_nn_stands() {
        let item = |text: &str, subunit| text.parse::<ItemName>().unwrap().of(subunit).0;
        assert_eq!(item("00010000", Some(7)), 0x0001_0000);
        assert_eq!(item("000100NN", Some(39)), 0x0001_0027);
        assert_eq!(item("00NN0100", Some(1)), 0x0001_0100);
        assert_eq!(item("000100NN", None), 0x0001_0000);
        assert_eq!(item("90NN", Some(5)), 0x9005);
        for text in ["00010000", "000100NN", "NN010000", "9010", "B6NN"] {
            assert_eq!(text.parse::<ItemName>().unwrap().to_string(), text);
        }
        for wrong in
            ["", "0001", "0001000G", "000100N0", "0NN10000", "NNNN0000", "+0010000", "0001 000", "é010000"]
        {
            assert_eq!(wrong.parse::<ItemName>().is_ok(), wrong == "0001", "{wrong}");
        }
    }
}
