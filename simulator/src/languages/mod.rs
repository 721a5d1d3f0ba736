//! Meters as stations of a bus in the languages other than DLMS, a file for each.
//!
//! What they answer stands in the model, as it does for the head-end: a register is where the model says, an order comes as the model says.

mod device;
mod dlt645;
mod modbus;
mod mode_c;

use std::sync::Arc;

use models::Language;

use crate::Meter;
use crate::bus::Station;
use device::Device;
pub(crate) use device::password;

/// The stations of some meters of a fleet on one line; none for those that speak DLMS.
pub(crate) fn stations(meters: &[Arc<Meter>], speed: u32) -> Vec<Box<dyn Station>> {
    let devices = Device::all(meters).filter(|device| !device.is_silent());
    devices.filter_map(|device| station(device, speed)).collect()
}

fn station(device: Device, speed: u32) -> Option<Box<dyn Station>> {
    Some(match device.language().clone() {
        Language::Dlms | Language::Gdw376(_) => return None,
        Language::Dlt645(spec) => Box::new(dlt645::Dlt645Station::new(device, spec, speed)),
        Language::Iec62056_21(spec) => Box::new(mode_c::ModeCStation::new(device, spec, speed)),
        Language::Modbus(spec) => Box::new(modbus::ModbusStation::new(device, spec, speed)),
    })
}
