//! The tariff of a meter: what is ordered, and what it holds.

use dlms::{
    DateTime, Error,
    axdr::Data,
    cosem::{
        Form,
        activity_calendar::{self, Calendar, Forms},
        special_days::{self, SpecialDay},
    },
};
use jiff::civil;

use crate::Terms;

/// An order to bring a tariff into the meter and into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushTariff {
    /// The calendar that is to rule.
    pub calendar: Calendar,
    /// The special days that are to hold with it. Ignored where the model has no table for them.
    pub special_days: Vec<SpecialDay>,
    /// When it comes into force.
    pub activation: Activation,
    /// When, and what is known.
    pub terms: Terms,
}

/// When a tariff comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// As soon as the meter holds it.
    Now,
    /// At a local time of the meter.
    At(civil::DateTime),
}

/// The objects of a meter's tariff as they were read: encoded values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TariffObjects {
    /// Name, seasons, weeks and days of the active calendar.
    pub active: [Vec<u8>; 4],
    /// The same of the passive calendar.
    pub passive: [Vec<u8>; 4],
    /// When the passive calendar becomes the active one.
    pub activation_time: Vec<u8>,
    /// The special days; `None` when the model has no table for them.
    pub special_days: Option<Vec<u8>>,
}

/// What the objects of a meter's tariff say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTariff {
    /// The calendar that rules.
    pub active: Calendar,
    /// The calendar that waits.
    pub passive: Calendar,
    /// When the passive calendar becomes the active one; parts may be unspecified.
    pub activation_time: DateTime,
    /// The special days.
    pub special_days: Vec<SpecialDay>,
    /// How the passive calendar writes times.
    pub(crate) forms: Forms,
    /// How the time of activation is written.
    pub(crate) activation_form: Form,
    /// How special days are written.
    pub(crate) special_form: Form,
}

impl HeldTariff {
    /// A time of activation that never comes.
    pub const NEVER: DateTime =
        DateTime::new([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0, 0xFF]);

    /// Takes the objects apart. Where they do not show how the meter writes times, that is `otherwise`.
    ///
    /// # Errors
    /// Those of the decoders of [`activity_calendar`] and [`special_days`].
    pub fn decode(objects: &TariffObjects, otherwise: Form) -> Result<Self, Error> {
        let (active, forms) = Calendar::decode(&decoded(&objects.active)?, otherwise)?;
        // A passive calendar that was never written shows nothing, the active one does.
        let shown = if forms.days == forms.seasons { forms.days } else { otherwise };
        let (passive, forms) = Calendar::decode(&decoded(&objects.passive)?, shown)?;
        let (activation_time, activation_form) = match Data::decode(&objects.activation_time)? {
            Data::NullData => (Self::NEVER, otherwise),
            Data::OctetString(octets) if octets.is_empty() => (Self::NEVER, Form::Octets),
            time => activity_calendar::date_time(&time)?,
        };
        let (special_days, special_form) = match &objects.special_days {
            Some(octets) => special_days::decode(&Data::decode(octets)?, otherwise)?,
            None => (Vec::new(), otherwise),
        };
        Ok(Self { active, passive, activation_time, special_days, forms, activation_form, special_form })
    }

    /// When the passive calendar becomes the active one by the meter's clock, such as `2027-01-01 00:00`; `*` for parts that are not
    /// specified. `None` when that never comes.
    pub fn activation_text(&self) -> Option<String> {
        let parts = self.activation_time.parts();
        let two = |part| if part == 0xFF { "*".to_owned() } else { format!("{part:02}") };
        let date = match parts.year {
            None if (parts.month, parts.day) == (0xFF, 0xFF) => return None,
            None => "*".to_owned(),
            Some(year) => format!("{year:04}"),
        };
        Some(format!(
            "{date}-{}-{} {}:{}",
            two(parts.month),
            two(parts.day),
            two(parts.hour),
            two(parts.minute)
        ))
    }
}

fn decoded(octets: &[Vec<u8>; 4]) -> Result<[Data; 4], Error> {
    let [name, seasons, weeks, days] = octets.each_ref().map(|octets| Data::decode(octets));
    Ok([name?, seasons?, weeks?, days?])
}
