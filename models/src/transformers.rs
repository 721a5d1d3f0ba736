use dlms::Obis;
use serde::{Deserialize, Serialize};

/// Objects with the ratios of the transformers in front of the meter, as somebody set them into it (IEC 62056-6-1, 7.3.4: `1.0.0.4.2` to `.6`). They are read
/// with its identity and written down with the time from which they hold. No value is multiplied by them. At least one of the two is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformers {
    /// Of the current transformers. Default: not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<RatioObjects>,
    /// Of the voltage transformers. Default: not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage: Option<RatioObjects>,
}

/// Data objects (class 1) with the two numbers of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatioObjects {
    /// The numerator.
    pub numerator: Obis,
    /// The denominator. Default: it is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<Obis>,
}

impl Transformers {
    /// The objects of both ratios.
    pub fn objects(&self) -> impl Iterator<Item = Obis> + use<> {
        let ratios = [self.current, self.voltage].into_iter().flatten();
        ratios.flat_map(|ratio| [Some(ratio.numerator), ratio.denominator].into_iter().flatten())
    }
}
