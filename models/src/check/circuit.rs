//! What holds for the circuits of a household.

use std::ops::RangeInclusive;

use super::Check;
use crate::{Error, Model};

const CIRCUITS: RangeInclusive<u8> = 1..=9;

impl Check<'_> {
    /// A circuit from the second on is reached like a household, and nothing but its switch is controlled.
    pub(super) fn circuit(&self, model: &Model) -> Result<(), Error> {
        self.that(CIRCUITS.contains(&model.last_circuit), "last_circuit", || {
            format!("is {}, must be {} to {}", model.last_circuit, CIRCUITS.start(), CIRCUITS.end())
        })?;
        let is_reached = model.subunits > 0 && !model.names_subunits() && model.switch.is_some();
        self.that(!model.is_only_switched() || is_reached, "last_circuit", || {
            "needs sub-units with an address of their own, and a switch".into()
        })?;
        let is_controlled = model.clearing.is_some()
            || model.credit.is_some()
            || model.load.is_some()
            || model.parameters().next().is_some();
        self.that(!model.is_only_switched() || !is_controlled, "last_circuit", || {
            "is of circuits that can only be switched: leave out `clearing`, `credit`, `load`, `times` and `set`".into()
        })
    }
}
