use dlms::{Obis, cosem::Form};
use serde::{Deserialize, Serialize};

/// How the meter takes a tariff (activity calendar, class 20; special days, class 11). A model without this section takes none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// The activity calendar (class 20); normally `0.0.13.0.0.255`.
    pub calendar: Obis,
    /// The special days table (class 11); normally `0.0.11.0.0.255`. Default: none, tariffs have no special days.
    #[serde(default)]
    pub special_days_table: Option<Obis>,
    /// The script table (class 9) whose scripts switch the rates; normally `0.0.10.0.100.255`. Script n switches to rate n.
    pub script_table: Obis,
    /// Rates that the meter tells apart, 1 to 255.
    pub rates: u16,
    /// Seasons of a calendar at most, 1 to 255.
    pub seasons: u16,
    /// Weeks of a calendar at most, 1 to 255.
    pub weeks: u16,
    /// Types of day of a calendar at most, 1 to 255.
    pub day_types: u16,
    /// Times on one day at which the rate may change at most, the one at 00:00 included; 1 to 255.
    pub switches_per_day: u16,
    /// Special days at most, 0 to 1000; 0 exactly when there is no table. Default 0.
    #[serde(default)]
    pub special_days: u16,
    /// Octets of the longest name of a calendar, season or week, 1 to 64.
    pub name_octets: u16,
    /// How dates and times are written where the meter holds none to show it. Default `"octets"`, as the standard has it.
    #[serde(default, with = "crate::form")]
    pub dates: Form,
}
