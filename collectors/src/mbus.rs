use jiff::Timestamp;

/// What a meter shows of one of its M-Bus channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MBusChannel {
    /// The channel, counted from 1.
    pub channel: u8,
    /// The device on it; `None` when there is none.
    pub device: Option<MBusDevice>,
    /// Our time when it had been read.
    pub read_at: Timestamp,
}

/// What a device of M-Bus says that it is (EN 13757-3: the fixed header of its data).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MBusDevice {
    /// Its number, eight digits in BCD.
    pub identification: u32,
    /// Its maker: three letters of five bits.
    pub manufacturer: u16,
    /// The maker's version of it.
    pub version: u8,
    /// What it measures: 3 gas, 4 heat, 6 warm water, 7 water, …
    pub device_type: u8,
}

impl MBusDevice {
    /// The number as it is printed on the device: eight digits.
    pub fn number(&self) -> String {
        format!("{:08X}", self.identification)
    }

    /// What the sub-unit with its series is called: maker, number, version and type, which nobody else has all of.
    pub fn serial(&self) -> String {
        format!("{}-{}-{:02X}-{:02X}", self.maker(), self.number(), self.version, self.device_type)
    }

    /// The letters of the maker, such as `KAM`.
    pub fn maker(&self) -> String {
        let letter = |shift: u32| char::from((self.manufacturer >> shift & 0x1F) as u8 + b'@');
        [10, 5, 0].map(letter).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_maker_are_those_on_the_device() {
        // Kamstrup is 0x2C2D (FLAG association).
        let device =
            MBusDevice { identification: 0x0123_4567, manufacturer: 0x2C2D, version: 1, device_type: 4 };
        assert_eq!((device.number().as_str(), device.maker().as_str()), ("01234567", "KAM"));
        assert_eq!(device.serial(), "KAM-01234567-01-04");
    }
}
