use dlms::{AttributeDescriptor, ScalerUnit, Unit};

use crate::{diagnosis::Setback, turn::Turn, value};

/// Scaler 0, no unit.
pub(super) const NONE: ScalerUnit = ScalerUnit { scaler: 0, unit: Unit::NONE };

/// Scaler and unit of each attribute's value. An object that has none, or does not show it, counts: scaler 0, no unit.
pub(super) async fn read_all(
    turn: &mut Turn<'_>,
    of: &[AttributeDescriptor],
) -> Result<Vec<ScalerUnit>, Setback> {
    let asked: Vec<AttributeDescriptor> = of.iter().filter_map(attribute).collect();
    let mut found = turn.read_all(&asked).await?.into_iter();
    of.iter()
        .map(|value| match attribute(value).and_then(|descriptor| Some((descriptor, found.next()?))) {
            Some((descriptor, Ok(octets))) => decode(&descriptor, &octets),
            // It has none, or does not show it.
            Some((_, Err(_))) | None => Ok(NONE),
        })
        .collect()
}

/// The attribute with the scaler and unit of the value, when its class has one.
fn attribute(of: &AttributeDescriptor) -> Option<AttributeDescriptor> {
    let attribute = match of.class_id {
        3 | 4 => 3,
        5 => 4,
        _ => return None,
    };
    Some(AttributeDescriptor { attribute, ..*of })
}

fn decode(descriptor: &AttributeDescriptor, octets: &[u8]) -> Result<ScalerUnit, Setback> {
    ScalerUnit::decode(octets).map_err(|_| value::unexpected(descriptor, "scaler and unit"))
}
