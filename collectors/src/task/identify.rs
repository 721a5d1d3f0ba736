use dlms::Obis;

use crate::{Event, diagnosis::Setback, turn::Turn, value};

/// Reads serial number, logical device name and firmware version, and notes the system title that a ciphered association
/// proved. A meter without anything but a serial number is still identified.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let identity = turn.station().model.identity.clone();
    let serial = turn.serial().await?;
    let logical_device_name = optional_text(turn, identity.logical_device_name).await?;
    let firmware = optional_text(turn, identity.firmware).await?;
    let system_title = turn.server_title();
    turn.report(Event::Identity { serial, logical_device_name, firmware, system_title }).await
}

async fn optional_text(turn: &mut Turn<'_>, obis: Obis) -> Result<Option<String>, Setback> {
    match turn.read(&value::data(obis)).await {
        Ok(found) => Ok(value::text(&found)),
        Err(setback) if setback.is_absence() => Ok(None),
        Err(setback) => Err(setback),
    }
}
