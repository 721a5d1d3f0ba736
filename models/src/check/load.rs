//! What holds for the control of loads.

use super::{Check, is_alone};
use crate::{Error, Model};

impl Check<'_> {
    /// Both thresholds are set like every parameter; the counter is written to close the switch, and by nothing else.
    pub(super) fn load(&self, model: &Model) -> Result<(), Error> {
        let Some(load) = model.load else { return Ok(()) };
        self.that(model.switch.is_some(), "load", || "needs a switch that it opens".into())?;
        for (key, obis) in [("load.malignant_step", load.malignant_step), ("load.limit", load.limit)] {
            let is_set = model.parameters().any(|(register, _)| register.obis == obis);
            self.that(is_set, key, || "must be a register of the model that can be set".into())?;
        }
        let counts = load.counter(model).is_some_and(|register| {
            register.at.is_some() && register.scaler == 0 && register.set.is_none() && is_alone(register)
        });
        self.that(counts, "load.trips", || {
            "must be a register of the model with the scaler 0, that is not set, in a place of its own, and not of DLMS".into()
        })?;
        self.that(load.locked_after > 0, "load.locked_after", || "must be at least 1".into())
    }
}
