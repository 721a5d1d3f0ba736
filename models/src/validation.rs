//! What values of a type of meter can be.

use serde::{Deserialize, Serialize};

/// What is plausible of the meter's values. Readings that are not are stored all the same, and flagged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validation {
    /// The most power that can flow through the meter over a capture period, active, reactive or apparent, in W, var or VA, with a margin; on the
    /// secondary side where transformers stand in front of it. Counters must not advance faster, and powers must not be higher. Default: none, neither is
    /// checked; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_power: Option<u64>,
    /// The number at which counters begin anew with 0, in the meter's own digits. Default 4294967296, that of 32 bits; at least 1000.
    pub counter_modulus: u64,
    /// Numbers that stand for "no value" in any column, in the meter's own digits, beside those that all meters have (the highest and lowest
    /// of the types with 32 and 64 bits). At most 16. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_value: Vec<i64>,
    /// What bits of the status word of a capture (`0.b.96.10.e.255`) mean, such as `{ bit = 2, means = "data_not_valid" }`; each bit once, so at most 32.
    /// Default: none, the word is stored and says nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusBit>,
}

/// A bit of the status word of captures that says something is doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusBit {
    /// Which one, from 0 to 31, the least significant first.
    pub bit: u8,
    /// What is so when it is set.
    pub means: StatusMeaning,
}

/// What the status word of a capture may say. Bits that say nothing doubtful, such as that of summer time, have no meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusMeaning {
    /// The meter has a critical error.
    DeviceError,
    /// The clock is not valid.
    ClockInvalid,
    /// What was captured is not for use without a look at it.
    DataNotValid,
    /// The clock was set within the capture period.
    ClockAdjusted,
    /// The supply was gone within the capture period.
    PowerDown,
}

impl Default for Validation {
    fn default() -> Self {
        Self { max_power: None, counter_modulus: 1 << 32, no_value: Vec::new(), status: Vec::new() }
    }
}
