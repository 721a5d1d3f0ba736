use dlms::axdr::Data;
use models::RatioObjects;

use super::{mbus_client, numbers::numbers};
use crate::{Event, Ratio, Ratios, diagnosis::Setback, turn::Turn, value};

/// Reads serial number, logical device name and firmware version, and notes the system title that a ciphered association
/// proved. A meter without anything but a serial number is still identified. Then it reads the
/// ratios of transformers, and what is on channels of M-Bus.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let identity = turn.station().model.identity.clone();
    let serial = turn.serial().await?;
    let names = [identity.logical_device_name, identity.firmware].map(value::data);
    let mut found = turn.read_all(&names).await?.into_iter().map(text);
    let logical_device_name = found.next().transpose()?.flatten();
    let firmware = found.next().transpose()?.flatten();
    let system_title = turn.server_title();
    turn.report(Event::Identity { serial, logical_device_name, firmware, system_title }).await?;
    ratios(turn).await?;
    mbus_client::look_at_all(turn).await
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
    let both: Vec<_> = [Some(objects.numerator), objects.denominator].into_iter().flatten().collect();
    let asked: Vec<_> = both.into_iter().map(value::data).collect();
    Ok(match numbers(turn, &asked).await?.as_deref() {
        Some([numerator]) => Some(Ratio { numerator: *numerator, denominator: 1 }),
        Some([numerator, denominator]) => Some(Ratio { numerator: *numerator, denominator: *denominator }),
        _ => None,
    })
}

/// A text; `None` when the meter does not have or show it, or when it is none.
fn text(found: Result<Vec<u8>, Setback>) -> Result<Option<String>, Setback> {
    let Ok(octets) = found else { return Ok(None) };
    Data::decode(&octets).map(|data| value::text(&data)).map_err(Setback::answer)
}
