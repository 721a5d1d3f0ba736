use std::collections::BTreeMap;

use serde::Deserialize;

use super::Problem;

/// Octets of a file at most.
const FILE_LIMIT: usize = 64 * 1024;

/// A tariff as people write it, in YAML or JSON. The struct is the manual: unknown keys are refused, and a name stands once.
///
/// What is in force at a time follows from the season of the date, its week, the day type of that day of the week and the last
/// switch of that day type; a special day has a day type of its own. All times are local times of the meter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name of the tariff; the meter shows it as the name of its calendar. Visible characters of ASCII, as many as the model allows.
    pub name: String,
    /// Rates by name, each with the number of its script: 1 to the number of rates of the model.
    pub rates: BTreeMap<String, u16>,
    /// Day types by name: the rates of a day in order of time. The first one begins at 00:00.
    pub day_types: BTreeMap<String, Vec<Switch>>,
    /// Weeks by name, which the meter shows. Every day of the week has one day type.
    pub weeks: BTreeMap<String, Week>,
    /// Seasons by name, which the meter shows; at least one.
    pub seasons: BTreeMap<String, Season>,
    /// Dates that have a day type of their own. Default: none; special days that the meter holds are removed.
    #[serde(default)]
    pub special_days: Vec<SpecialDay>,
    /// When the tariff comes into force: `now` (as soon as it is written), or a local time of the meter such as
    /// `"2027-01-01T00:00"`, not in the past.
    pub activation: String,
}

/// A rate that begins at a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Hours and minutes, such as `"06:00"`.
    pub from: String,
    /// Name of the rate.
    pub rate: String,
}

/// The day types of a week. A day is named by itself or with `weekdays` or `weekend`, never twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Week {
    /// Monday to Friday.
    pub weekdays: Option<String>,
    /// Saturday and Sunday.
    pub weekend: Option<String>,
    /// Monday.
    pub monday: Option<String>,
    /// Tuesday.
    pub tuesday: Option<String>,
    /// Wednesday.
    pub wednesday: Option<String>,
    /// Thursday.
    pub thursday: Option<String>,
    /// Friday.
    pub friday: Option<String>,
    /// Saturday.
    pub saturday: Option<String>,
    /// Sunday.
    pub sunday: Option<String>,
}

/// A part of the year. It lasts until the next season begins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Season {
    /// Month and day on which it begins each year, such as `"04-01"`.
    pub from: String,
    /// Name of the week.
    pub week: String,
}

/// A date with a day type of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialDay {
    /// Month and day for every year, such as `"12-25"`, or with the year, such as `"2027-03-29"`.
    pub date: String,
    /// Name of the day type.
    pub day_type: String,
}

impl File {
    /// Reads a file. JSON is YAML, too.
    ///
    /// # Errors
    /// What does not have the form of a tariff file, with its line; only the first such problem is known.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let problem = |problem| Problem { field: String::new(), problem };
        if text.len() > FILE_LIMIT {
            return Err(problem(format!("the file has {} octets, {FILE_LIMIT} are allowed", text.len())));
        }
        serde_saphyr::from_str(text).map_err(|error| problem(error.without_snippet().to_string()))
    }
}
