//! The load switch of a meter type.

use std::time::Duration;

use dlms::Obis;
use serde::{Deserialize, Serialize};

use crate::SwitchPlace;

/// The load switch (disconnect control, class 70, or what `at` says).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Logical name of the disconnect control, or of what stands for it. Default `0.0.96.3.10.255`.
    #[serde(default = "default_obis")]
    pub obis: Obis,
    /// How long the switch may take to move after the meter accepted the order. Default `"10s"`, at most 16 minutes.
    #[serde(default = "default_settle", with = "humantime_serde")]
    pub settle: Duration,
    /// Data object (class 1) that locks the switch after a tamper and releases it when set to 0. Default: none.
    #[serde(default)]
    pub tamper_lock: Option<Obis>,
    /// How it is moved and looked at where it is no disconnect control: in a language other than DLMS, such as `at.dlt645 = {}`, or as an object of the
    /// maker's, `at.dlms = { connected = 1, disconnected = 0 }`.
    #[serde(default, skip_serializing)]
    pub at: Option<SwitchPlace>,
}

/// A load switch that is a data object (class 1): it shows one of two numbers, and moves when it is set to the other. Which means what is to be seen at a
/// meter: a wrong model connects what is to be disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DlmsSwitch {
    /// The number that stands for a connected load.
    pub connected: u8,
    /// The number that stands for a disconnected one.
    pub disconnected: u8,
}

fn default_obis() -> Obis {
    Obis::new([0, 0, 96, 3, 10, 255])
}

fn default_settle() -> Duration {
    Duration::from_secs(10)
}
