//! A type of meter that speaks IEC 62056-21.

use serde::Deserialize;

/// How a type of meter speaks IEC 62056-21, mode C. The speed of an optical head changes to the one that the meter proposes; other lines have one speed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iec62056_21 {
    /// How data sets are got. Default `"read_out"`.
    #[serde(default)]
    pub read: ReadBy,
    /// Data set with the serial number, such as `"0.0.0"`. Default: none, nothing is compared.
    #[serde(default)]
    pub serial: Option<String>,
    /// Data sets of the clock. Default: the clock is not read.
    #[serde(default)]
    pub clock: Option<ClockSets>,
    /// Digits of the device address in the request message, with zeros in front. Default 0: as many as it has.
    #[serde(default)]
    pub address_digits: u8,
    /// Whether characters have seven bits and even parity, as the standard has it. On lines with eight bits and no parity the parity is made, and taken away, in
    /// between. Default true; false for eight bits and no parity.
    #[serde(default = "default_parity")]
    pub parity: bool,
}

/// How data sets are got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadBy {
    /// All at once, in the read-out.
    #[default]
    ReadOut,
    /// One by one in programming mode (`R1`), behind the password of the inventory where there is one.
    Programming,
}

/// The data sets that make up a clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSets {
    /// Year, month, day: six digits, whatever stands between them; such as `"0.9.2"`.
    pub date: String,
    /// Hour, minute, second: six digits, whatever stands between them; such as `"0.9.1"`.
    pub time: String,
}

/// Where a register is: a value of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iec62056_21Place {
    /// Name of the data set, such as `"1.8.0"` or `"1.8.0*01"`.
    pub set: String,
    /// Which of its values, counted from 0. Default 0.
    #[serde(default)]
    pub value: u8,
}

fn default_parity() -> bool {
    true
}
