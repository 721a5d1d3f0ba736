//! Activity calendar (class 20, Blue Book 4.5.5): which rate is in force, by season, day of the week and time of day.
//!
//! The meter holds two of them: the active one rules, the passive one waits to be activated. A day is a list of actions, each of which runs
//! a script from its time on; by custom the script's number is that of the rate.

use super::{Form, array, fixed, logical_name, number, structure, text};
use crate::axdr::Data;
use crate::{AttributeDescriptor, DateTime, Error, MethodDescriptor, Obis};

/// Interface class.
pub const CLASS_ID: u16 = 20;
/// Attribute 10: when the passive calendar becomes the active one, as a date-time.
pub const ACTIVATION_TIME: i8 = 10;
/// Method 1: makes the passive calendar the active one at once.
const ACTIVATE: i8 = 1;

/// Which of the two calendars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one in force; attributes 2 to 5.
    Active,
    /// The one that waits; attributes 6 to 9.
    Passive,
}

/// A calendar: the four attributes of a side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Its name.
    pub name: Vec<u8>,
    /// When which week is in force.
    pub seasons: Vec<Season>,
    /// Which day is which.
    pub weeks: Vec<Week>,
    /// What happens on a day.
    pub days: Vec<Day>,
}

/// How a meter writes the times of a calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// The start of a season.
    pub seasons: Form,
    /// The time of an action.
    pub days: Form,
}

/// From when on a week is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Season {
    /// Its name.
    pub name: Vec<u8>,
    /// When it begins; unspecified parts fit any, so a year that is not specified means every year.
    pub start: DateTime,
    /// Name of its week.
    pub week: Vec<u8>,
}

/// The days of a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Week {
    /// Its name.
    pub name: Vec<u8>,
    /// Number of the [`Day`] for Monday to Sunday.
    pub days: [u8; 7],
}

/// What happens on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its number.
    pub id: u8,
    /// What happens, by time.
    pub actions: Vec<Action>,
}

/// A script that runs at a time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// Hour, minute, second, hundredths.
    pub start: [u8; 4],
    /// Logical name of the script table (class 9).
    pub script: Obis,
    /// Number of the script in it.
    pub selector: u16,
}

impl Side {
    /// The attributes of name, seasons, weeks and days, in the calendar `instance`.
    pub fn attributes(self, instance: Obis) -> [AttributeDescriptor; 4] {
        let first = match self {
            Self::Active => 2,
            Self::Passive => 6,
        };
        [0, 1, 2, 3].map(|offset| AttributeDescriptor {
            class_id: CLASS_ID,
            instance,
            attribute: first + offset,
        })
    }
}

/// The attribute with the time of activation, in the calendar `instance`.
pub const fn activation_time(instance: Obis) -> AttributeDescriptor {
    AttributeDescriptor { class_id: CLASS_ID, instance, attribute: ACTIVATION_TIME }
}

/// The method that activates the passive calendar, in the calendar `instance`; its parameter is integer 0.
pub const fn activate(instance: Obis) -> MethodDescriptor {
    MethodDescriptor { class_id: CLASS_ID, instance, method: ACTIVATE }
}

impl Calendar {
    /// Decodes the attributes of one side, in the order of [`Side::attributes`], and tells how the meter writes times; where they show
    /// none, because they are empty, that is `otherwise`. Null-data counts as empty.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`] or [`Error::Value`] when an attribute is anything else.
    pub fn decode([name, seasons, weeks, days]: &[Data; 4], otherwise: Form) -> Result<(Self, Forms), Error> {
        let (mut season_form, mut day_form) = (None, None);
        let calendar = Self {
            name: match name {
                Data::NullData => Vec::new(),
                name => text(name, "calendar name")?.to_vec(),
            },
            seasons: list(seasons, "seasons", |data| season(data, &mut season_form))?,
            weeks: list(weeks, "weeks", week)?,
            days: list(days, "days", |data| day(data, &mut day_form))?,
        };
        let forms = Forms { seasons: season_form.unwrap_or(otherwise), days: day_form.unwrap_or(otherwise) };
        Ok((calendar, forms))
    }

    /// The attributes of one side, in the order of [`Side::attributes`].
    pub fn encode(&self, forms: Forms) -> [Data; 4] {
        [
            Data::OctetString(self.name.clone()),
            Data::Array(self.seasons.iter().map(|season| season.encode(forms.seasons)).collect()),
            Data::Array(self.weeks.iter().map(Week::encode).collect()),
            Data::Array(self.days.iter().map(|day| day.encode(forms.days)).collect()),
        ]
    }
}

/// A date-time, and the form that it has.
///
/// # Errors
/// [`Error::DataType`] or [`Error::Length`] when it is anything else.
pub fn date_time(data: &Data) -> Result<(DateTime, Form), Error> {
    Ok((DateTime::of(data, "date-time")?, Form::of(data)))
}

impl Season {
    fn encode(&self, form: Form) -> Data {
        Data::Structure(vec![
            Data::OctetString(self.name.clone()),
            form.date_time(self.start),
            Data::OctetString(self.week.clone()),
        ])
    }
}

impl Week {
    fn encode(&self) -> Data {
        let mut elements = vec![Data::OctetString(self.name.clone())];
        elements.extend(self.days.map(Data::Unsigned));
        Data::Structure(elements)
    }
}

impl Day {
    fn encode(&self, form: Form) -> Data {
        let actions = self.actions.iter().map(|action| action.encode(form)).collect();
        Data::Structure(vec![Data::Unsigned(self.id), Data::Array(actions)])
    }
}

impl Action {
    fn encode(&self, form: Form) -> Data {
        let start = match form {
            Form::Octets => Data::OctetString(self.start.to_vec()),
            Form::Typed => Data::Time(self.start),
        };
        let script = Data::OctetString(self.script.octets().to_vec());
        Data::Structure(vec![start, script, Data::LongUnsigned(self.selector)])
    }
}

fn list<T>(
    data: &Data,
    expected: &'static str,
    element: impl FnMut(&Data) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    match data {
        // A calendar that was never written.
        Data::NullData => Ok(Vec::new()),
        _ => array(data, expected)?.iter().map(element).collect(),
    }
}

fn season(data: &Data, form: &mut Option<Form>) -> Result<Season, Error> {
    let [name, start, week] = structure(data, "season")?;
    let (start, found) = date_time(start)?;
    form.get_or_insert(found);
    Ok(Season { name: text(name, "season name")?.to_vec(), start, week: text(week, "week name")?.to_vec() })
}

fn week(data: &Data) -> Result<Week, Error> {
    let [name, days @ ..] = structure::<8>(data, "week")?;
    let mut ids = [0; 7];
    for (id, day) in ids.iter_mut().zip(days) {
        *id = number(day, "day number")?;
    }
    Ok(Week { name: text(name, "week name")?.to_vec(), days: ids })
}

fn day(data: &Data, form: &mut Option<Form>) -> Result<Day, Error> {
    let [id, actions] = structure(data, "day")?;
    let actions = list(actions, "actions of a day", |data| action(data, form))?;
    Ok(Day { id: number(id, "day number")?, actions })
}

fn action(data: &Data, form: &mut Option<Form>) -> Result<Action, Error> {
    let [start, script, selector] = structure(data, "action of a day")?;
    let (start, found) = match start {
        Data::Time(start) => (*start, Form::Typed),
        other => (fixed(other, "time of day")?, Form::Octets),
    };
    form.get_or_insert(found);
    Ok(Action { start, script: logical_name(script)?, selector: number(selector, "script number")? })
}
