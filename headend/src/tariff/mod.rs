//! Tariffs: from the file that people write to what a meter is sent.
//!
//! [`File`] is the form of the file, [`File::check`] holds it against what a model of meter takes and gives all problems at once, each with the
//! path of its field; a [`Tariff`] is what came through: an activity calendar, special days and when they come into force.
//! Nothing here speaks with a meter or knows the time.

mod check;
mod file;
mod moment;

use std::fmt;

use collectors::{Activation, PushTariff, Terms};
use dlms::cosem::activity_calendar::Calendar;
use dlms::cosem::special_days::SpecialDay;

pub use file::File;

/// A tariff that a model of meter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    calendar: Calendar,
    special_days: Vec<SpecialDay>,
    activation: Activation,
    day_types: Vec<String>,
}

/// A part of a tariff file that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, such as `day_types.workday[2].from`; empty when the file as a whole cannot be read.
    pub field: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

impl Tariff {
    /// The calendar.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The special days; none when there are none.
    pub fn special_days(&self) -> &[SpecialDay] {
        &self.special_days
    }

    /// When it comes into force.
    pub const fn activation(&self) -> Activation {
        self.activation
    }

    /// The order to bring it into a meter.
    pub fn push(self, terms: Terms) -> PushTariff {
        let Self { calendar, special_days, activation, day_types: _ } = self;
        PushTariff { calendar, special_days, activation, terms }
    }

    /// The names of the day types; the first one has the number 1 in the calendar.
    pub fn day_types(&self) -> &[String] {
        &self.day_types
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.problem),
            field => write!(f, "{field}: {}", self.problem),
        }
    }
}
