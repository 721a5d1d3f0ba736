use dlms::{AttributeDescriptor, Obis};

use super::numbers::numbers;
use crate::{Event, MBusChannel, MBusDevice, diagnosis::Setback, turn::Turn, value};

/// Interface class of the client of an M-Bus channel, and its attributes with number, maker, version and type of the device.
const MBUS_CLIENT: u16 = 72;
const DEVICE: [i8; 4] = [6, 7, 8, 9];

/// Reports which devices are on the M-Bus channels that the model has; a channel that the meter does not show is left out.
pub(super) async fn look_at_all(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let Some(mbus) = turn.station().model.mbus else { return Ok(()) };
    let mut channels = Vec::new();
    for (channel, client) in mbus.clients() {
        channels.extend(look(turn, channel, client).await?);
    }
    if channels.is_empty() {
        return Ok(());
    }
    turn.report(Event::MBus(channels)).await
}

/// Which device is on a channel; `None` when the meter does not show that.
pub(super) async fn look(
    turn: &mut Turn<'_>,
    channel: u8,
    client: Obis,
) -> Result<Option<MBusChannel>, Setback> {
    let asked =
        DEVICE.map(|attribute| AttributeDescriptor { class_id: MBUS_CLIENT, instance: client, attribute });
    let Some(numbers) = numbers(turn, &asked).await? else { return Ok(None) };
    let device = device(&numbers).ok_or_else(|| value::unexpected(&asked[0], "a device of M-Bus"))?;
    // Without a device on the channel all of it is 0 (Blue Book, M-Bus client).
    let device = Some(device).filter(|device| device.identification > 0 || device.manufacturer > 0);
    Ok(Some(MBusChannel { channel, device, read_at: turn.now() }))
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
