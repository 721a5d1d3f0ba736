use serde::{Deserialize, Serialize};

/// How the clock is put right from afar (class 8). A model without this section is not synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSync {
    /// Whether it is moved by seconds (method 6, `shift_time`), up to a quarter of an hour. Default true; one that refuses is set.
    #[serde(default = "yes")]
    pub shift: bool,
    /// Whether its time can be set (attribute 2). Default true.
    #[serde(default = "yes")]
    pub set: bool,
}

const fn yes() -> bool {
    true
}
