use dlms::Obis;
use serde::{Deserialize, Serialize};

/// The model of the devices that are on channels, which the head-end puts into the inventory by itself.
pub const MBUS_DEVICE: &str = "mbus-device";

/// Channels of M-Bus, each with a client (class 72) that shows which device is on it (Blue Book, M-Bus client). What they show is read with the identity of the
/// meter, so that a device that is exchanged is seen, and with each read of the channel's own profile (`0.n.24.3.0.255`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MBus {
    /// How many there are, 1 to 16.
    pub channels: u8,
    /// The client; its second group is the channel, counted from 1. Default `0.0.24.1.0.255`.
    #[serde(default = "default_client")]
    pub client: Obis,
}

impl MBus {
    /// Each channel with its client.
    pub fn clients(&self) -> impl Iterator<Item = (u8, Obis)> + use<> {
        let [a, _, c, d, e, f] = self.client.octets();
        (1..=self.channels).map(move |channel| (channel, Obis::new([a, channel, c, d, e, f])))
    }

    /// The channel whose profile this is: `0.n.24.3.0.255` holds what the device on channel n measures (IEC 62056-6-1, abstract objects for M-Bus). `None` for
    /// every other profile.
    pub const fn channel(profile: Obis) -> Option<u8> {
        match profile.octets() {
            [0, channel @ 1..=255, 24, 3, 0, 255] => Some(channel),
            _ => None,
        }
    }
}

const fn default_client() -> Obis {
    Obis::new([0, 0, 24, 1, 0, 255])
}
