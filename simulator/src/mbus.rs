//! Devices on the M-Bus channels of meters.

/// What the devices on the channels are at first, again from the beginning where there are more: gas, water, heat, warm water.
const TYPES: [u8; 4] = [3, 7, 4, 6];
/// Numbers have eight digits.
const NUMBERS: u64 = 100_000_000;
/// 2020-01-01, in seconds since 1970: when every device was made.
const MADE: i64 = 1_577_836_800;
/// What devices had counted then is less than this.
const BEGINS: u32 = 1_000_000;

/// A device on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MBusDevice {
    /// Its number, up to eight digits.
    pub number: u32,
    /// What it measures, by EN 13757-3.
    pub device_type: u8,
}

impl MBusDevice {
    /// The device that is on a channel at first.
    pub(crate) fn first(serial_number: u64, channel: u8) -> Self {
        let number = (serial_number * 10 + u64::from(channel)) % NUMBERS;
        let device_type = TYPES[usize::from(channel.saturating_sub(1)) % TYPES.len()];
        Self { number: u32::try_from(number).unwrap_or_default(), device_type }
    }

    /// What it has counted at an instant (seconds since 1970), in the last digit of its display: one each second, from another number on for each device.
    pub fn total(self, at: i64) -> u32 {
        (self.number % BEGINS).saturating_add(u32::try_from(at - MADE).unwrap_or_default())
    }

    /// The number in BCD, as it goes over the line.
    pub(crate) fn identification(self) -> u32 {
        let digit = |place: u32| (self.number / 10_u32.pow(place) % 10) << (4 * place);
        (0..8).map(digit).sum()
    }
}
