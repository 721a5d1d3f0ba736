//! The part of the configuration that lets lines fail on purpose.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[collector.faults]`: lets all lines of this process fail, so that it can be seen what becomes of it; each part in a million of what is sent or
/// arrives at once. The program says so in its log for as long as it is set. Default: absent, and lines fail only by themselves.
///
/// Over the wrapper without ciphering, where nothing could tell a wrong octet from a right one, nothing is changed, and over TCP nothing is lost or
/// doubled either: no wrong value comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Where chance begins. Default 1.
    pub seed: u64,
    /// What vanishes. Default 0, up to 1000000, as for all parts.
    pub loss_ppm: u32,
    /// What arrives twice.
    pub duplication_ppm: u32,
    /// What arrives with a wrong bit.
    pub corruption_ppm: u32,
    /// What is late.
    pub delay_ppm: u32,
    /// How late at most. Default 1s, up to 10m.
    #[serde(with = "humantime_serde")]
    pub delay_max: Duration,
    /// What silences its line for good, without closing it.
    pub half_open_ppm: u32,
    /// What arrives in parts.
    pub split_ppm: u32,
    /// What arrives together with the next.
    pub merge_ppm: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 1,
            loss_ppm: 0,
            duplication_ppm: 0,
            corruption_ppm: 0,
            delay_ppm: 0,
            delay_max: Duration::from_secs(1),
            half_open_ppm: 0,
            split_ppm: 0,
            merge_ppm: 0,
        }
    }
}

impl From<Faults> for collectors::Faults {
    fn from(faults: Faults) -> Self {
        let Faults {
            seed,
            loss_ppm,
            duplication_ppm,
            corruption_ppm,
            delay_ppm,
            delay_max,
            half_open_ppm,
            split_ppm,
            merge_ppm,
        } = faults;
        Self {
            seed,
            loss_ppm,
            duplication_ppm,
            corruption_ppm,
            delay_ppm,
            delay_max,
            half_open_ppm,
            split_ppm,
            merge_ppm,
        }
    }
}
