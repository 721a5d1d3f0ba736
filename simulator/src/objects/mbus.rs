//! M-Bus client, class 72: which device is on a channel.

use dlms::axdr::Data;
use dlms::{AttributeDescriptor, DataAccessResult};
use models::MBus;

use super::{ClientView, logical_name};
use crate::mbus::MBusDevice;

/// Class of the client.
pub(super) const CLASS: u16 = 72;
/// The letters KAM, of five bits each.
const MANUFACTURER: u16 = 0x2C2D;
const VERSION: u8 = 1;

impl ClientView<'_> {
    /// What the client of a channel shows; zeros where no device is on it.
    pub(super) fn mbus_client(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        let mut clients = self.meter.model().mbus.iter().flat_map(MBus::clients);
        let client = clients.find(|(_, name)| *name == attribute.instance);
        let (channel, name) = client.ok_or(DataAccessResult::ObjectUndefined)?;
        let device = self.meter.mbus_device(channel);
        Ok(match attribute.attribute {
            1 => logical_name(name),
            6 => Data::DoubleLongUnsigned(device.map_or(0, MBusDevice::identification)),
            7 => Data::LongUnsigned(device.map_or(0, |_| MANUFACTURER)),
            8 => Data::Unsigned(device.map_or(0, |_| VERSION)),
            9 => Data::Unsigned(device.map_or(0, |device| device.device_type)),
            _ => return Err(DataAccessResult::ObjectUndefined),
        })
    }
}
