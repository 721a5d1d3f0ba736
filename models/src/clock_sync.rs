use serde::{Deserialize, Serialize};

/// How the clock is put right from afar (class 8; with DL/T 645 by a broadcast, or by writing its items). A model without this section is not synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSync {
    /// Whether it is moved by seconds (method 6, `shift_time`), up to a quarter of an hour. With DL/T 645: whether
    /// it heeds the time that everybody on its line is told, once a day and up to five minutes. Default true; one that refuses is set.
    #[serde(default = "yes")]
    pub shift: bool,
    /// Whether its time can be set (attribute 2; with DL/T 645 the items of its clock are written, behind the password). Default true.
    #[serde(default = "yes")]
    pub set: bool,
}

const fn yes() -> bool {
    true
}
