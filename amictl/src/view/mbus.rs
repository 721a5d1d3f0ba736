//! Devices on the M-Bus channels of a meter.

use ami_proto::v1::MBusDevice;
use serde::Serialize;

use super::given;
use crate::time;

/// A device with the time for which it was on a channel.
#[derive(Debug, Serialize)]
pub(crate) struct MBusRow {
    channel: u32,
    since: String,
    before: Option<String>,
    read_at: String,
    identification: Option<String>,
    manufacturer: Option<String>,
    version: u32,
    device_type: u32,
    job_id: i64,
    part_serial: Option<String>,
}

impl MBusRow {
    /// Everything but the job on one line.
    pub(crate) fn text(&self) -> String {
        let device = match (&self.part_serial, &self.manufacturer, &self.identification) {
            (Some(serial), ..) => format!("{serial} ({})", medium(self.device_type)),
            (None, Some(maker), Some(number)) => {
                format!("{maker} {number} version {} ({})", self.version, medium(self.device_type))
            }
            _ => "no device".to_owned(),
        };
        let begun = match &self.before {
            Some(before) => format!("exchanged between {before} and {}", self.since),
            None => format!("first seen {}", self.since),
        };
        format!("channel {}: {device}, {begun}, last seen {}", self.channel, self.read_at)
    }
}

impl From<MBusDevice> for MBusRow {
    fn from(device: MBusDevice) -> Self {
        Self {
            channel: device.channel,
            since: time::text(device.since.as_ref()),
            before: given(time::text(device.before.as_ref())),
            read_at: time::text(device.read_at.as_ref()),
            identification: given(device.identification),
            manufacturer: given(device.manufacturer),
            version: device.version,
            device_type: device.device_type,
            job_id: device.job_id,
            part_serial: given(device.part_serial),
        }
    }
}

/// What a device measures (EN 13757-3, device types).
fn medium(device_type: u32) -> String {
    let word = match device_type {
        1 => "oil",
        2 => "electricity",
        3 => "gas",
        4 => "heat",
        5 => "steam",
        6 => "warm water",
        7 => "water",
        8 => "heat cost",
        0x0A | 0x0B => "cooling",
        0x0C => "heat, inlet",
        0x0D => "heat and cooling",
        0x16 => "cold water",
        other => return format!("type {other}"),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_line_says_which_device_is_where_since_when() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let device = MBusDevice {
            channel: 2,
            since: at(86_400),
            before: at(0),
            read_at: at(86_400),
            identification: "01234567".into(),
            manufacturer: "KAM".into(),
            version: 1,
            device_type: 7,
            job_id: 3,
            part_serial: "KAM-01234567-01-07".into(),
        };
        let exchanged =
            "exchanged between 1970-01-01T00:00:00Z and 1970-01-02T00:00:00Z, last seen 1970-01-02T00:00:00Z";
        assert_eq!(
            MBusRow::from(device.clone()).text(),
            format!("channel 2: KAM-01234567-01-07 (water), {exchanged}")
        );
        let gone = MBusDevice {
            identification: String::new(),
            manufacturer: String::new(),
            part_serial: String::new(),
            ..device
        };
        assert_eq!(MBusRow::from(gone).text(), format!("channel 2: no device, {exchanged}"));
    }
}
