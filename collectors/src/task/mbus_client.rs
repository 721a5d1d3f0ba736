use dlms::{AttributeDescriptor, Obis};

use super::numbers::numbers;
use crate::{Event, MBusChannel, MBusDevice, diagnosis::Setback, turn::Turn, value};

/// Interface class of the client of an M-Bus channel, and its attributes with number, maker, version and type of the device.
const MBUS_CLIENT: u16 = 72;
const DEVICE: [i8; 4] = [6, 7, 8, 9];

/// Reports which devices are on the M-Bus channels that the model has; a channel that the meter does not show is left out. Returns why one is not
/// known that it should show.
pub(super) async fn look_at_all(turn: &mut Turn<'_>) -> Result<Vec<Setback>, Setback> {
    let Some(mbus) = turn.station().model.mbus else { return Ok(Vec::new()) };
    let (mut channels, mut odd) = (Vec::new(), Vec::new());
    for (channel, client) in mbus.clients() {
        match look(turn, channel, client).await? {
            Ok(shown) => channels.extend(shown),
            Err(setback) => odd.push(setback),
        }
    }
    if !channels.is_empty() {
        turn.report(Event::MBus(channels)).await?;
    }
    Ok(odd)
}

/// Which device is on a channel, or why that is not known; `None` when the meter does not show it.
pub(super) async fn look(
    turn: &mut Turn<'_>,
    channel: u8,
    client: Obis,
) -> Result<Result<Option<MBusChannel>, Setback>, Setback> {
    let asked =
        DEVICE.map(|attribute| AttributeDescriptor { class_id: MBUS_CLIENT, instance: client, attribute });
    let numbers = match numbers(turn, &asked).await? {
        Ok(numbers) => numbers,
        Err(setback) if setback.is_absence() => return Ok(Ok(None)),
        Err(setback) => return Ok(Err(setback)),
    };
    let Some(device) = device(&numbers) else {
        return Ok(Err(value::unexpected(&asked[0], "a device of M-Bus")));
    };
    // Without a device on the channel all of it is 0 (Blue Book, M-Bus client).
    let device = Some(device).filter(|device| device.identification > 0 || device.manufacturer > 0);
    Ok(Ok(Some(MBusChannel { channel, device, read_at: turn.now() })))
}

/// What the numbers of a client say; `None` when one of them does not fit its place.
fn device(numbers: &[i64]) -> Option<MBusDevice> {
    let [identification, manufacturer, version, device_type] = *numbers else { return None };
    Some(MBusDevice {
        identification: identification.try_into().ok()?,
        manufacturer: manufacturer.try_into().ok()?,
        version: version.try_into().ok()?,
        device_type: device_type.try_into().ok()?,
    })
}
