//! Special days table (class 11, Blue Book 4.5.3): dates on which another day of the [activity calendar](super::activity_calendar) is in
//! force than that of the week. There is one table, without a passive side.

use super::{Form, array, fixed, number, structure};
use crate::axdr::Data;
use crate::{AttributeDescriptor, Error, Obis};

/// Interface class.
pub const CLASS_ID: u16 = 11;

/// A date with its own day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialDay {
    /// Number of the entry.
    pub index: u16,
    /// Year (two octets), month, day, day of week; unspecified parts fit any, so a year 0xFFFF means every year.
    pub date: [u8; 5],
    /// Number of the day that is in force.
    pub day: u8,
}

/// The attribute with the entries, in the table `instance`.
pub const fn entries(instance: Obis) -> AttributeDescriptor {
    AttributeDescriptor { class_id: CLASS_ID, instance, attribute: 2 }
}

/// Decodes the entries and tells how the meter writes dates; where there is no entry to see it, that is `otherwise`.
///
/// # Errors
/// [`Error::DataType`], [`Error::Length`] or [`Error::Value`] when the attribute is anything else.
pub fn decode(data: &Data, otherwise: Form) -> Result<(Vec<SpecialDay>, Form), Error> {
    let mut form = None;
    let mut entry = |data: &Data| {
        let [index, date, day] = structure(data, "special day")?;
        let (date, found) = match date {
            Data::Date(date) => (*date, Form::Typed),
            other => (fixed(other, "date")?, Form::Octets),
        };
        form.get_or_insert(found);
        Ok(SpecialDay { index: number(index, "entry number")?, date, day: number(day, "day number")? })
    };
    let days = array(data, "special days")?.iter().map(&mut entry).collect::<Result<_, Error>>()?;
    Ok((days, form.unwrap_or(otherwise)))
}

/// The entries as an attribute.
pub fn encode(days: &[SpecialDay], form: Form) -> Data {
    let entry = |day: &SpecialDay| {
        let date = match form {
            Form::Octets => Data::OctetString(day.date.to_vec()),
            Form::Typed => Data::Date(day.date),
        };
        Data::Structure(vec![Data::LongUnsigned(day.index), date, Data::Unsigned(day.day)])
    };
    Data::Array(days.iter().map(entry).collect())
}
