use dlms::{AttributeDescriptor, ScalerUnit, Unit};

use crate::{diagnosis::Setback, turn::Turn, value};

/// Scaler and unit of the attribute's value. An object that has none, or does not show it, counts: scaler 0, no unit.
pub(super) async fn read(turn: &mut Turn<'_>, of: &AttributeDescriptor) -> Result<ScalerUnit, Setback> {
    let plain = ScalerUnit { scaler: 0, unit: Unit::NONE };
    let attribute = match of.class_id {
        3 | 4 => 3,
        5 => 4,
        _ => return Ok(plain),
    };
    let descriptor = AttributeDescriptor { attribute, ..*of };
    match turn.read_octets(&descriptor).await {
        Ok(octets) => {
            ScalerUnit::decode(&octets).map_err(|_| value::unexpected(&descriptor, "scaler and unit"))
        }
        Err(setback) if setback.is_absence() => Ok(plain),
        Err(setback) => Err(setback),
    }
}
