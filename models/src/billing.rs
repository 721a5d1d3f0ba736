//! How a type of meter ends a billing period, and resets its maximum demands, from afar.

use std::time::Duration;

use dlms::Obis;
use serde::{Deserialize, Serialize};

/// What ends a billing period or resets maximum demands. Whether it happened is seen by a counter, so that it is never ordered twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Ends the billing period: the meter freezes its registers in its billing profile and begins a new period. Of DLMS. Default: it cannot.
    #[serde(default)]
    pub close: Option<Script>,
    /// Resets the maximum demands. In DL/T 645 the language has an order of its own for it, and its script is left out: `reset_demand = {}`. Default: it
    /// cannot.
    #[serde(default)]
    pub reset_demand: Option<Script>,
    /// What counts both: with DLMS a data object (class 1), with other languages a register of the model. Default `0.0.0.1.0.255`, the billing period counter
    /// of the standard.
    #[serde(default = "default_counter")]
    pub counter: Obis,
    /// Data object (class 1) with the time at which it last happened, such as `0.0.0.1.2.255`. Of DLMS. Default: none.
    #[serde(default)]
    pub last: Option<Obis>,
    /// How long the meter may take until its counter shows it. Default `"10s"`, at most 5 minutes.
    #[serde(default = "default_settle", with = "humantime_serde")]
    pub settle: Duration,
}

/// A script of a script table (class 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The table. Default `0.0.10.0.1.255`, the MDI reset / end of billing period script table of the standard.
    #[serde(default = "default_table")]
    pub table: Obis,
    /// Identifier of the script, at least 1. Default 1.
    #[serde(default = "default_script")]
    pub script: u16,
}

impl Default for Script {
    fn default() -> Self {
        Self { table: default_table(), script: default_script() }
    }
}

fn default_counter() -> Obis {
    Obis::new([0, 0, 0, 1, 0, 255])
}

fn default_table() -> Obis {
    Obis::new([0, 0, 10, 0, 1, 255])
}

fn default_script() -> u16 {
    1
}

fn default_settle() -> Duration {
    Duration::from_secs(10)
}
