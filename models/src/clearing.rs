//! How a type of meter is cleared from afar.

use std::time::Duration;

use dlms::Obis;
use serde::Deserialize;

use crate::{Model, Register};

/// What a meter has counted, and what remains of its credit, begins anew at nothing. Of DL/T 645-2007, which has an order for it. Whether it happened is seen by the registers that are named here; they are read and
/// kept before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clearing {
    /// Whether the meter may be cleared as a whole, with all its sub-units. Default false.
    #[serde(default)]
    pub whole: bool,
    /// Whether a sub-unit, such as a household, may be cleared on its own: it has an address of its own then, because the order names nobody else. Default false.
    #[serde(default)]
    pub subunit: bool,
    /// Registers that only rise, such as energies: each is cleared when it shows less than before. At least one.
    pub counters: Vec<Obis>,
    /// Registers that fall as well, such as what remains of a credit: each is cleared when it shows nothing. Default: none.
    #[serde(default)]
    pub accounts: Vec<Obis>,
    /// How long the meter may take until its registers show it. Default `"10s"`, at most 5 minutes.
    #[serde(default = "default_settle", with = "humantime_serde")]
    pub settle: Duration,
}

impl Clearing {
    /// Whether this may be cleared on its own: a sub-unit, or the meter as a whole.
    pub const fn admits(&self, subunit: Option<u8>) -> bool {
        match subunit {
            Some(_) => self.subunit,
            None => self.whole,
        }
    }

    /// Whether a register is one that only rises.
    pub fn is_counter(&self, obis: Obis) -> bool {
        self.counters.contains(&obis)
    }

    /// The registers of a model that this names.
    pub fn registers<'a>(&self, model: &'a Model) -> Vec<&'a Register> {
        let is_named = |obis| self.is_counter(obis) || self.accounts.contains(&obis);
        model.registers.iter().filter(|register| is_named(register.obis)).collect()
    }
}

fn default_settle() -> Duration {
    Duration::from_secs(10)
}
