use dlms::axdr::Data;

use crate::{Event, diagnosis::Setback, turn::Turn, value};

/// Reads serial number, logical device name and firmware version, and notes the system title that a ciphered association
/// proved. A meter without anything but a serial number is still identified.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let identity = turn.station().model.identity.clone();
    let serial = turn.serial().await?;
    let names = [identity.logical_device_name, identity.firmware].map(value::data);
    let mut found = turn.read_all(&names).await?.into_iter().map(text);
    let logical_device_name = found.next().transpose()?.flatten();
    let firmware = found.next().transpose()?.flatten();
    let system_title = turn.server_title();
    turn.report(Event::Identity { serial, logical_device_name, firmware, system_title }).await
}

/// A text; `None` when the meter does not have or show it, or when it is none.
fn text(found: Result<Vec<u8>, Setback>) -> Result<Option<String>, Setback> {
    let Ok(octets) = found else { return Ok(None) };
    Data::decode(&octets).map(|data| value::text(&data)).map_err(Setback::answer)
}
