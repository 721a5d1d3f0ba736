use dlms::{AttributeDescriptor, ScalerUnit};

use crate::{Failure, Reason, diagnosis::Setback, turn::Turn, value};

/// Scaler and unit of each attribute's value: scaler 0 and no unit where its class has none. What the meter refuses to show is what the model states, and
/// where that states nothing an error in its place: without it the value may be off by powers of ten.
pub(super) async fn read_all(
    turn: &mut Turn<'_>,
    of: &[AttributeDescriptor],
) -> Result<Vec<Result<ScalerUnit, Setback>>, Setback> {
    let asked: Vec<AttributeDescriptor> = of.iter().filter_map(attribute).collect();
    let mut found = turn.read_all(&asked).await?.into_iter();
    let each = of.iter().map(|value| {
        match attribute(value).and_then(|descriptor| Some((descriptor, found.next()?))) {
            Some((descriptor, Ok(octets))) => decode(&descriptor, &octets),
            Some((descriptor, Err(refusal))) => {
                let stated = turn.station().model.stated_scaler(descriptor.instance);
                stated.ok_or_else(|| unknown(turn, &descriptor, &refusal))
            }
            None => Ok(ScalerUnit::NONE),
        }
    });
    Ok(each.collect())
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

/// Why nothing can be made of a value.
fn unknown(turn: &Turn<'_>, descriptor: &AttributeDescriptor, refusal: &Setback) -> Setback {
    let AttributeDescriptor { class_id, attribute, .. } = descriptor;
    let why = turn.explain(refusal).detail;
    let detail = format!(
        "Its value is not used, because scaler and unit (attribute {attribute} of class {class_id}) are not shown and it may be off by powers of \
         ten; state them in the model (`scalers`) if the datasheet does. {why}"
    );
    Setback::Final(Failure::new(Reason::MeterRefused, detail))
}
