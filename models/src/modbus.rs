//! A type of meter that speaks Modbus RTU.

use modbus::{Format, Kind, Order, Table};
use serde::{Deserialize, Deserializer, de};

/// How a type of meter speaks Modbus RTU. Places count from 0, as on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modbus {
    /// Registers with the serial number, as a whole number. Default: none, nothing is compared.
    #[serde(default)]
    pub serial: Option<ModbusPlace>,
}

/// Where a number is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModbusPlace {
    /// `"holding"` or `"input"`.
    #[serde(deserialize_with = "table")]
    pub table: Table,
    /// Its first register.
    pub register: u16,
    /// How many registers it has: 1, 2 or 4. Default 2.
    #[serde(default = "default_registers")]
    pub registers: u8,
    /// `"unsigned"`, `"signed"`, `"bcd"` or `"float"`. Default `"unsigned"`.
    #[serde(default = "default_kind", deserialize_with = "kind")]
    pub kind: Kind,
    /// `"abcd"`, `"cdab"`, `"badc"` or `"dcba"`: the order of octets, `a` being the highest. Default `"abcd"`.
    #[serde(default = "default_order", deserialize_with = "order")]
    pub order: Order,
    /// Registers from one sub-unit to the next. Default 0.
    #[serde(default)]
    pub step: u16,
}

/// How the load switch is moved and looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModbusSwitch {
    /// What is written to move it: in `"coils"` or `"holding"`.
    pub order: ModbusState,
    /// What shows where it is, in any of the tables. Default: what is written.
    #[serde(default)]
    pub state: Option<ModbusState>,
}

/// A bit or register that stands for the switch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModbusState {
    /// `"coils"`, `"discrete"`, `"holding"` or `"input"`.
    #[serde(deserialize_with = "table")]
    pub table: Table,
    /// Its place.
    pub place: u16,
    /// Places from one sub-unit to the next. Default 0.
    #[serde(default)]
    pub step: u16,
    /// Its value when the switch is open: of a bit 0 or 1. Default 0.
    #[serde(default)]
    pub open: u16,
    /// Its value when the switch is closed. Default 1.
    #[serde(default = "default_closed")]
    pub closed: u16,
}

impl ModbusPlace {
    /// The first register of a sub-unit, or of the meter itself.
    pub fn first(&self, subunit: Option<u8>) -> u16 {
        stepped(self.register, self.step, subunit)
    }

    /// How the number is written.
    pub const fn format(&self) -> Format {
        Format { registers: self.registers, kind: self.kind, order: self.order }
    }
}

impl ModbusState {
    /// The place of a sub-unit, or of the meter itself.
    pub fn at(&self, subunit: Option<u8>) -> u16 {
        stepped(self.place, self.step, subunit)
    }
}

/// A model is refused in which this does not fit.
fn stepped(first: u16, step: u16, subunit: Option<u8>) -> u16 {
    first.saturating_add(step.saturating_mul(u16::from(subunit.unwrap_or(1).saturating_sub(1))))
}

fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
    named(
        deserializer,
        &[
            ("coils", Table::Coils),
            ("discrete", Table::DiscreteInputs),
            ("holding", Table::HoldingRegisters),
            ("input", Table::InputRegisters),
        ],
    )
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    named(
        deserializer,
        &[("unsigned", Kind::Unsigned), ("signed", Kind::Signed), ("bcd", Kind::Bcd), ("float", Kind::Float)],
    )
}

fn order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Order, D::Error> {
    named(
        deserializer,
        &[("abcd", Order::Abcd), ("cdab", Order::Cdab), ("badc", Order::Badc), ("dcba", Order::Dcba)],
    )
}

fn named<'de, D: Deserializer<'de>, T: Copy>(deserializer: D, names: &[(&str, T)]) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    names.iter().find(|(name, _)| *name == text).map(|(_, named)| *named).ok_or_else(|| {
        let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        de::Error::custom(format!("`{text}` is none of {}", known.join(", ")))
    })
}

fn default_registers() -> u8 {
    2
}

fn default_kind() -> Kind {
    Kind::Unsigned
}

fn default_order() -> Order {
    Order::Abcd
}

fn default_closed() -> u16 {
    1
}
