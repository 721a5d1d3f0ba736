//! `[retention]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[retention]`: how long what meters said is kept. Old captures go by whole months.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How long readings are kept, with their revisions, flags and sums. Longer than `plan.horizon`, so that nothing is read again that was forgotten, at most
    /// 36500days. Default: none, for ever.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub readings: Option<Duration>,
    /// How long events are kept after they were stored. From 1day to 36500days. Default: none, for ever.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub events: Option<Duration>,
}
