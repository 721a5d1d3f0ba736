//! What stands around a meter: the transformers in front of it, and the devices on its M-Bus channels. Somebody may change them while it runs.

use std::collections::BTreeMap;

use models::MBus;

use crate::FleetConfig;
use crate::mbus::MBusDevice;
use crate::meter::Meter;
use crate::ratios::Ratios;

/// What a meter knows of it.
#[derive(Debug)]
pub(crate) struct Around {
    ratios: Ratios,
    /// What was on each channel from when on, in seconds since 1970.
    mbus: BTreeMap<u8, BTreeMap<i64, Option<MBusDevice>>>,
}

impl Around {
    /// What is around a meter of a fleet at first: a device on each channel that the model has.
    pub(crate) fn new(config: &FleetConfig, number: u32) -> Self {
        let serial_number = config.serial_base + u64::from(number);
        let channels = config.model.mbus.iter().flat_map(MBus::clients);
        let mbus = channels.map(|(channel, _)| {
            (channel, BTreeMap::from([(i64::MIN, Some(MBusDevice::first(serial_number, channel)))]))
        });
        Self { ratios: Ratios::default(), mbus: mbus.collect() }
    }
}

impl Meter {
    /// The ratios of the transformers in front of it. What it measures is on their secondary side.
    pub fn ratios(&self) -> Ratios {
        self.act(|state, _| state.around.ratios)
    }

    /// Sets other ratios, as somebody who changed the transformers.
    pub fn set_ratios(&self, ratios: Ratios) {
        self.act(|state, _| state.around.ratios = ratios);
    }

    /// The device on one of its M-Bus channels, counted from 1.
    pub fn mbus_device(&self, channel: u8) -> Option<MBusDevice> {
        self.mbus_device_at(channel, i64::MAX)
    }

    /// Puts another device on an M-Bus channel, or takes away the one that is there. What it captured before stays as it is.
    pub fn set_mbus_device(&self, channel: u8, device: Option<MBusDevice>) {
        self.act(|state, now| state.around.mbus.entry(channel).or_default().insert(now.as_second(), device));
    }

    /// What the device on a channel had counted at an instant (seconds since 1970); 0 without a device.
    pub(crate) fn mbus_total(&self, channel: u8, at: i64) -> u32 {
        self.mbus_device_at(channel, at).map_or(0, |device| device.total(at))
    }

    fn mbus_device_at(&self, channel: u8, at: i64) -> Option<MBusDevice> {
        self.act(|state, _| {
            let devices = state.around.mbus.get(&channel)?;
            devices.range(..at).next_back().and_then(|(_, device)| *device)
        })
    }
}
