use dlms::{AttributeDescriptor, axdr::Data};

use crate::{diagnosis::Setback, turn::Turn, value};

/// Whole numbers, or why one of them is not known: the meter refuses it, has no value there, or has something else there.
pub(super) async fn numbers(
    turn: &mut Turn<'_>,
    asked: &[AttributeDescriptor],
) -> Result<Result<Vec<i64>, Setback>, Setback> {
    let found = turn.read_all(asked).await?;
    Ok(asked.iter().zip(found).map(|(descriptor, found)| number(descriptor, &found?)).collect())
}

fn number(descriptor: &AttributeDescriptor, octets: &[u8]) -> Result<i64, Setback> {
    match Data::decode(octets).map_err(Setback::answer)? {
        Data::NullData => Err(value::no_value()),
        data => value::integer(&data).ok_or_else(|| value::unexpected(descriptor, "a whole number")),
    }
}
