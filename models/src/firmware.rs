use std::time::Duration;

use dlms::Obis;
use serde::{Deserialize, Serialize};

use crate::Model;

/// How the meter takes new firmware (image transfer, class 18). A model without this section cannot be updated.
/// Which version runs is shown by [`Identity::firmware`](crate::Identity::firmware).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// The image transfer object (class 18); normally `0.0.44.0.0.255`.
    pub image_transfer: Obis,
    /// The single action schedule (class 22) that activates an image at a time, normally `0.0.15.0.2.255`. Default: none,
    /// the meter activates an image only at once.
    #[serde(default)]
    pub activation_schedule: Option<Obis>,
    /// Largest image block in octets that is sent; a meter that wants larger ones is not updated. Default 2048, 16 to 65536.
    #[serde(default = "default_max_block_size")]
    pub max_block_size: u32,
    /// What the meter does with the blocks it has when a transfer of the same image is initiated again.
    /// Default `"discards_blocks"`.
    #[serde(default)]
    pub second_initiate: SecondInitiate,
    /// How long the meter may take to verify an image, such as `"10m"`; 1 second to 6 hours. Default 10 minutes.
    #[serde(default = "default_verify_within", with = "humantime_serde")]
    pub verify_within: Duration,
    /// How long the meter may take to activate an image, its restart included, such as `"15m"`; 1 second to 6 hours.
    /// Default 15 minutes.
    #[serde(default = "default_activate_within", with = "humantime_serde")]
    pub activate_within: Duration,
}

/// What a meter does when the transfer of the image that it is receiving is initiated again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondInitiate {
    /// It begins anew: every block has to be sent again.
    #[default]
    DiscardsBlocks,
    /// It goes on: the blocks that it has stay.
    KeepsBlocks,
}

impl Model {
    /// Whether it can be given new firmware from afar: by image transfer, or, a concentrator, as a file.
    pub fn takes_firmware(&self) -> bool {
        self.firmware.is_some()
            || self.concentrator.as_ref().is_some_and(|concentrator| concentrator.upgrades)
    }
}

fn default_max_block_size() -> u32 {
    2048
}

fn default_verify_within() -> Duration {
    Duration::from_secs(10 * 60)
}

fn default_activate_within() -> Duration {
    Duration::from_secs(15 * 60)
}
