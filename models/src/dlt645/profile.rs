//! Where the captures of a profile are in DL/T 645.

use dlt645::{CLASS_OCTETS, Identifier};
use serde::Deserialize;

use super::{Dlt645Place, ItemName};

/// How a meter that speaks DL/T 645 keeps what a profile captured. Columns say with `at.dlt645` where they are in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Dlt645Profile {
    /// Load records, asked for by their time.
    Records(Dlt645Records),
    /// Snapshots that were taken by the clock or by an order, each with its time; counted from the last one back.
    Frozen(Dlt645Frozen),
    /// Snapshots of the ends of settlement periods; counted from the last one back. When they were taken follows from the days of settlement and
    /// the meter's clock, because the meter keeps no time with them.
    Settled(Dlt645Settled),
}

/// Load records (DL/T 645-2007, annex B).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645Records {
    /// Item of the records from a given time on: `"06000001"` for all classes, `"06010001"` to `"06060001"` for one. A column names the item of
    /// its class, and its octets there.
    pub item: ItemName,
    /// Item of the interval, two octets of minutes, such as `"04000A05"`. It is read with the columns and counts instead of `period_s`. Default: the meter is
    /// not asked.
    #[serde(default)]
    pub interval: Option<ItemName>,
    /// Records that are asked for at once, 1 to 50. Default 8.
    #[serde(default = "default_at_once")]
    pub at_once: u8,
}

/// Snapshots with a time (DL/T 645-2007, annex A, table A.6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645Frozen {
    /// Item of the time of the last one: minute, hour, day, month, year; such as `"05060001"`. A column names the item of the last one, too.
    pub time: ItemName,
    /// What the identifier of the one before has more. Default 1.
    #[serde(default = "default_step")]
    pub step: u16,
    /// Whether they are taken when that is ordered (function 16). Default false: they are taken by the clock.
    #[serde(default)]
    pub ordered: bool,
}

/// Snapshots of settlement periods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645Settled {
    /// Items of the days of settlement: hour and day of the month, 9999 for none; such as `["04000B01"]`, at most three.
    pub days: Vec<ItemName>,
    /// What the identifier of the one before has more: 1 in 2007, `0x0400` in 1997. Default 1.
    #[serde(default = "default_step")]
    pub step: u16,
}

impl Dlt645Profile {
    /// What the identifier of a snapshot has more than that of the snapshot after it; `None` of load records, which have times and no numbers.
    pub const fn step(&self) -> Option<u16> {
        match self {
            Self::Records(_) => None,
            Self::Frozen(Dlt645Frozen { step, .. }) | Self::Settled(Dlt645Settled { step, .. }) => {
                Some(*step)
            }
        }
    }
}

impl Dlt645Records {
    /// Item of the oldest records.
    pub fn oldest(&self) -> Identifier {
        Identifier(self.item.of(None).0 - 1)
    }

    /// Item of the last records.
    pub fn last(&self) -> Identifier {
        Identifier(self.item.of(None).0 + 1)
    }

    /// The class that is asked for, 1 to 6; `None` for all.
    pub fn class(&self) -> Option<u8> {
        Some(self.item.class()).filter(|class| *class > 0)
    }
}

impl ItemName {
    /// The identifier of what is so many snapshots back, when those of two that follow each other are `step` apart.
    pub fn back(self, snapshots: u32, step: u16) -> Identifier {
        Identifier(self.base.wrapping_add(snapshots.wrapping_mul(step.into())))
    }

    /// Of an item of load records: the class, 1 to 6, or 0 for all of them.
    pub const fn class(self) -> u8 {
        (self.base >> 16) as u8
    }
}

impl Dlt645Place {
    /// The octets of a column in its class of a load record.
    pub fn inside<'a>(&self, classes: &[&'a [u8]]) -> Option<&'a [u8]> {
        let class = classes.get(usize::from(self.item.class()).checked_sub(1)?)?;
        class.get(usize::from(self.offset)..)
    }

    /// Whether a class of load records has room for it.
    pub(crate) fn fits_class(&self) -> bool {
        let octets = usize::from(self.item.class()).checked_sub(1).and_then(|class| CLASS_OCTETS.get(class));
        octets.is_some_and(|octets| self.offset + u16::from(self.octets) <= u16::from(*octets))
    }
}

fn default_at_once() -> u8 {
    8
}

fn default_step() -> u16 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_counted_back() {
        let item = |text: &str| text.parse::<ItemName>().unwrap();
        assert_eq!(item("05060101").back(0, 1), Identifier(0x0506_0101));
        assert_eq!(item("05060101").back(61, 1), Identifier(0x0506_013E));
        assert_eq!(item("9410").back(1, 0x0400), Identifier(0x9810));
        assert_eq!(item("06040001").class(), 4);
    }
}
