use dlms::axdr::Data;
use models::RatioObjects;

use super::{Done, mbus_client, numbers::numbers};
use crate::{Event, Ratio, Ratios, diagnosis::Setback, turn::Turn, value};

/// Reads serial number, logical device name and firmware version, and notes the system title that a ciphered association
/// proved. A meter without anything but a serial number is still identified. Then it reads the
/// ratios of transformers, and what is on channels of M-Bus: what of these makes no sense is told with the end of the work.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<Done, Setback> {
    let identity = turn.station().model.identity.clone();
    let serial = turn.serial().await?;
    let names = [identity.logical_device_name, identity.firmware].map(value::data);
    let mut found = turn.read_all(&names).await?.into_iter().map(text);
    let logical_device_name = found.next().transpose()?.flatten();
    let firmware = found.next().transpose()?.flatten();
    let system_title = turn.server_title();
    turn.report(Event::Identity { serial, logical_device_name, firmware, system_title }).await?;
    let mut odd = ratios(turn).await?;
    odd.extend(mbus_client::look_at_all(turn).await?);
    let odd: Vec<String> = odd.iter().map(|setback| turn.explain(setback).detail).collect();
    Ok(Done { note: (!odd.is_empty()).then(|| odd.join(" ")), ..Done::default() })
}

/// Reports the ratios of the transformers that the model names, when the meter shows one. Returns why one is not known that it should show.
async fn ratios(turn: &mut Turn<'_>) -> Result<Vec<Setback>, Setback> {
    let Some(transformers) = turn.station().model.transformers else { return Ok(Vec::new()) };
    let (mut odd, mut found) = (Vec::new(), Vec::new());
    for objects in [transformers.current, transformers.voltage] {
        let ratio = ratio(turn, objects).await?;
        found.push(ratio.unwrap_or_else(|setback| {
            odd.push(setback);
            None
        }));
    }
    if let [current, voltage] = found[..]
        && current.or(voltage).is_some()
    {
        turn.report(Event::Ratios(Ratios { current, voltage, read_at: turn.now() })).await?;
    }
    Ok(odd)
}

/// A ratio, or why it is not known; `None` when the meter does not have or show both numbers.
async fn ratio(
    turn: &mut Turn<'_>,
    objects: Option<RatioObjects>,
) -> Result<Result<Option<Ratio>, Setback>, Setback> {
    let Some(objects) = objects else { return Ok(Ok(None)) };
    let both: Vec<_> = [Some(objects.numerator), objects.denominator].into_iter().flatten().collect();
    let asked: Vec<_> = both.into_iter().map(value::data).collect();
    Ok(match numbers(turn, &asked).await?.as_deref() {
        Ok([numerator]) => Ok(Some(Ratio { numerator: *numerator, denominator: 1 })),
        Ok([numerator, denominator]) => Ok(Some(Ratio { numerator: *numerator, denominator: *denominator })),
        Ok(_) => Ok(None),
        Err(setback) if setback.is_absence() => Ok(None),
        Err(setback) => Err(setback.clone()),
    })
}

/// A text; `None` when the meter does not have or show it, or when it is none.
fn text(found: Result<Vec<u8>, Setback>) -> Result<Option<String>, Setback> {
    let Ok(octets) = found else { return Ok(None) };
    Data::decode(&octets).map(|data| value::text(&data)).map_err(Setback::answer)
}
