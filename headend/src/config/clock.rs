//! The part of the configuration that is about clocks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[clock]`: the clocks of meters, and of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Look at the clock of a meter once with every association that reads something, which costs one exchange. Default true.
    pub measure: bool,
    /// How far the clock of a meter may be off before it counts as wrong. Default 10s, from 2s to 1h.
    #[serde(with = "humantime_serde")]
    pub tolerance: Duration,
    /// Put clocks right that are wrong, without anybody ordering it: those whose model says how, once a day at most, and never over the end
    /// of an interval. Default false: somebody orders it.
    pub synchronise: bool,
    /// How far the clock of this machine may be from that of the database; beyond it no meter is set by it. Default 2s, from 100ms to 1m.
    #[serde(with = "humantime_serde")]
    pub trust: Duration,
    /// How long measurements are kept. Default 400days, from 1day to 3650days. The latest one of each meter stays.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            measure: true,
            tolerance: Duration::from_secs(10),
            synchronise: false,
            trust: Duration::from_secs(2),
            keep: Duration::from_secs(400 * 24 * 60 * 60),
        }
    }
}
