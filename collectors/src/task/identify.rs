use dlms::{AttributeDescriptor, axdr::Data};
use models::RatioObjects;

use crate::{Event, MBusChannel, MBusDevice, Ratio, Ratios, diagnosis::Setback, turn::Turn, value};

/// Interface class of the client of an M-Bus channel, and its attributes with number, maker, version and type of the device.
const MBUS_CLIENT: u16 = 72;
const DEVICE: [i8; 4] = [6, 7, 8, 9];

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
    mbus(turn).await
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

/// Reports which devices are on the M-Bus channels that the model has; a channel that the meter does not show is left out.
async fn mbus(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let Some(mbus) = turn.station().model.mbus else { return Ok(()) };
    let mut channels = Vec::new();
    for (channel, instance) in mbus.clients() {
        let asked =
            DEVICE.map(|attribute| AttributeDescriptor { class_id: MBUS_CLIENT, instance, attribute });
        let Some(numbers) = numbers(turn, &asked).await? else { continue };
        let device = device(&numbers).ok_or_else(|| value::unexpected(&asked[0], "a device of M-Bus"))?;
        // Without a device on the channel all of it is 0 (Blue Book, M-Bus client).
        let device = Some(device).filter(|device| device.identification > 0 || device.manufacturer > 0);
        channels.push(MBusChannel { channel, device, read_at: turn.now() });
    }
    if channels.is_empty() {
        return Ok(());
    }
    turn.report(Event::MBus(channels)).await
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

/// Whole numbers; `None` when the meter does not have or show one of them.
async fn numbers(turn: &mut Turn<'_>, asked: &[AttributeDescriptor]) -> Result<Option<Vec<i64>>, Setback> {
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

/// A text; `None` when the meter does not have or show it, or when it is none.
fn text(found: Result<Vec<u8>, Setback>) -> Result<Option<String>, Setback> {
    let Ok(octets) = found else { return Ok(None) };
    Data::decode(&octets).map(|data| value::text(&data)).map_err(Setback::answer)
}
