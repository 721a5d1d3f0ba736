//! What a parameter may be set to.

use dlms::Unit;
use serde::Deserialize;

use crate::{Decimal, Language, Model, Register};

/// What a register may be set to, in its unit, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The least value, as a text: `"0"`.
    pub least: Decimal,
    /// The most, as a text: `"5000"`.
    pub most: Decimal,
}

/// A value that a parameter cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// It is less or more than the model allows.
    #[error("{value} is out of bounds: {least} to {most}{} are allowed", unit_of(*.unit))]
    Range {
        /// The value.
        value: Decimal,
        /// The least value.
        least: Decimal,
        /// The most.
        most: Decimal,
        /// The unit of all three.
        unit: Unit,
    },
    /// It has finer digits than the meter.
    #[error("{value} is too fine: the meter counts in steps of {step}{}", unit_of(*.unit))]
    Step {
        /// The value.
        value: Decimal,
        /// What the last digit of the meter is worth.
        step: Decimal,
        /// The unit of both.
        unit: Unit,
    },
}

impl Bounds {
    /// Whether a register of a model may have a value. What the last digit of a meter that speaks DLMS is worth is known to that meter alone.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn admit(self, model: &Model, register: &Register, value: Decimal) -> Result<(), OutOfBounds> {
        let (Self { least, most }, unit) = (self, register.unit);
        if !(least..=most).contains(&value) {
            return Err(OutOfBounds::Range { value, least, most, unit });
        }
        // A data set of IEC 62056-21 is written with the digits that it shows.
        let step_is_known = matches!(model.language, Language::Dlt645(_)) || register.is_whole();
        if step_is_known && value.in_units_of(register.scaler).is_none() {
            return Err(OutOfBounds::Step { value, step: Decimal::new(1, register.scaler), unit });
        }
        Ok(())
    }
}

fn unit_of(unit: Unit) -> String {
    if unit == Unit::NONE { String::new() } else { format!(" {}", unit.symbol()) }
}
