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
}

impl Default for Validation {
    fn default() -> Self {
        Self { max_power: None, counter_modulus: 1 << 32, no_value: Vec::new() }
    }
}
