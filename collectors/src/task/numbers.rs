use dlms::{AttributeDescriptor, axdr::Data};

use crate::{diagnosis::Setback, turn::Turn, value};

/// Whole numbers; `None` when the meter does not have or show one of them.
pub(super) async fn numbers(
    turn: &mut Turn<'_>,
    asked: &[AttributeDescriptor],
) -> Result<Option<Vec<i64>>, Setback> {
    let found = turn.read_all(asked).await?;
    let mut numbers = Vec::with_capacity(found.len());
    for (descriptor, found) in asked.iter().zip(found) {
        let Ok(octets) = found else { return Ok(None) };
        let data = Data::decode(&octets).map_err(Setback::answer)?;
        let number = value::integer(&data);
        numbers.push(number.ok_or_else(|| value::unexpected(descriptor, "a whole number"))?);
    }
    Ok(Some(numbers))
}
