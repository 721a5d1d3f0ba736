//! How a type of meter watches what its household draws.

use dlms::Obis;
use serde::Deserialize;

use crate::{Model, Register};

/// A meter that cuts a load off by itself: one that comes on at once and only heats, as a stove does (malignant), or more than the limit. It closes again by itself,
/// until it was cut off for its limit so often that it is locked. In languages other than DLMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Register with the step of power, all of it resistive, from which a load is malignant. It can be set; 0 watches for none.
    pub malignant_step: Obis,
    /// Register with the highest power. It can be set; 0 limits nothing.
    pub limit: Obis,
    /// Register that counts how often the household was cut off for its limit. With 0 written into it the switch closes by force, and it counts anew.
    pub trips: Obis,
    /// With how many trips the switch stays open until it is closed by force; at least 1.
    pub locked_after: u8,
}

impl Load {
    /// The register of a model that counts trips.
    pub fn counter<'a>(&self, model: &'a Model) -> Option<&'a Register> {
        model.registers.iter().find(|register| register.obis == self.trips)
    }
}
