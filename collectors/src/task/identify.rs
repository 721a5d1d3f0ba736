use dlms::axdr::Data;

use models::RatioObjects;

use crate::{Event, Ratio, Ratios, diagnosis::Setback, turn::Turn, value};

/// Reads serial number, logical device name and firmware version, and notes the system title that a ciphered association
/// proved. A meter without anything but a serial number is still identified. Then reads the ratios of transformers.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let identity = turn.station().model.identity.clone();
    let serial = turn.serial().await?;
    let names = [identity.logical_device_name, identity.firmware].map(value::data);
    let mut found = turn.read_all(&names).await?.into_iter().map(text);
    let logical_device_name = found.next().transpose()?.flatten();
    let firmware = found.next().transpose()?.flatten();
    let system_title = turn.server_title();
    turn.report(Event::Identity { serial, logical_device_name, firmware, system_title }).await?;
    ratios(turn).await
}

/// Reports the ratios of the transformers that the model names, when the meter shows one.
async fn ratios(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let Some(transformers) = turn.station().model.transformers else { return Ok(()) };
    let current = ratio(turn, transformers.current).await?;
    let voltage = ratio(turn, transformers.voltage).await?;
    if current.or(voltage).is_none() {
        return Ok(());
    }
    turn.report(Event::Ratios(Ratios { current, voltage, read_at: turn.now() })).await
}

/// A ratio; `None` when the meter does not have or show both numbers.
async fn ratio(turn: &mut Turn<'_>, objects: Option<RatioObjects>) -> Result<Option<Ratio>, Setback> {
    let Some(objects) = objects else { return Ok(None) };
    let numerator = value::data(objects.numerator);
    let denominator = objects.denominator.map(value::data);
    let asked: Vec<_> = [Some(numerator), denominator].into_iter().flatten().collect();
    let found = turn.read_all(&asked).await?;
    let mut numbers = Vec::with_capacity(found.len());
    for (descriptor, found) in asked.iter().zip(found) {
        let Ok(octets) = found else { return Ok(None) };
        let data = Data::decode(&octets).map_err(Setback::answer)?;
        let number = value::integer(&data);
        numbers.push(number.ok_or_else(|| value::unexpected(descriptor, "a whole number"))?);
    }
    let one_of = |place: usize| numbers.get(place).copied();
    Ok(one_of(0).map(|numerator| Ratio { numerator, denominator: one_of(1).unwrap_or(1) }))
}

/// A text; `None` when the meter does not have or show it, or when it is none.
fn text(found: Result<Vec<u8>, Setback>) -> Result<Option<String>, Setback> {
    let Ok(octets) = found else { return Ok(None) };
    Data::decode(&octets).map(|data| value::text(&data)).map_err(Setback::answer)
}
