//! Interface classes (Blue Book, 4): what their attributes and methods mean, between a [`Data`] and a value that says it.
//!
//! One file for each class that somebody uses. Nothing here speaks with a meter.
//!
//! Decoding takes what meters send: names as any kind of string, numbers of any width, dates and times as octet-strings or as typed values.
//! Encoding writes the standard's own types, dates and times in the [`Form`] that the meter itself used.

pub mod activity_calendar;
pub mod association;
pub mod dictionary;
mod difference;
pub mod disconnect_control;
pub mod image_transfer;
pub mod security_setup;
pub mod single_action_schedule;
pub mod special_days;

pub use difference::Difference;

use crate::axdr::Data;
use crate::{DateTime, Error, Obis};

/// How a meter writes the dates and times inside an attribute. What is set is written as it was read: some meters refuse the other form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As octet-string, which the Blue Book asks for.
    #[default]
    Octets,
    /// As date-time, date or time.
    Typed,
}

impl Form {
    /// The form that a date-time has; everything but a value of its own type counts as octets.
    pub const fn of(data: &Data) -> Self {
        match data {
            Data::DateTime(_) => Self::Typed,
            _ => Self::Octets,
        }
    }

    /// A date-time in this form.
    pub fn date_time(self, time: DateTime) -> Data {
        match self {
            Self::Octets => Data::OctetString(time.octets().to_vec()),
            Self::Typed => Data::DateTime(time),
        }
    }
}

/// The elements of a structure that must have exactly `N`.
pub(crate) fn structure<'a, const N: usize>(
    data: &'a Data,
    what: &'static str,
) -> Result<&'a [Data; N], Error> {
    let Data::Structure(elements) = data else { return Err(unexpected(data, what)) };
    let wrong = Error::Length { what, expected: N, got: elements.len() };
    elements.as_slice().try_into().map_err(|_| wrong)
}

/// The elements of an array.
pub(crate) fn array<'a>(data: &'a Data, what: &'static str) -> Result<&'a [Data], Error> {
    match data {
        Data::Array(elements) => Ok(elements),
        other => Err(unexpected(other, what)),
    }
}

/// A double-long-unsigned.
fn double_long_unsigned(data: &Data, what: &'static str) -> Result<u32, Error> {
    match data {
        Data::DoubleLongUnsigned(value) => Ok(*value),
        other => Err(unexpected(other, what)),
    }
}

/// An octet-string.
fn octets<'a>(data: &'a Data, what: &'static str) -> Result<&'a [u8], Error> {
    match data {
        Data::OctetString(octets) => Ok(octets),
        other => Err(unexpected(other, what)),
    }
}

/// The octets of a string of any kind.
fn text<'a>(data: &'a Data, what: &'static str) -> Result<&'a [u8], Error> {
    match data {
        Data::OctetString(octets) | Data::VisibleString(octets) | Data::Utf8String(octets) => Ok(octets),
        other => Err(unexpected(other, what)),
    }
}

/// An octet-string of exactly `N` octets.
fn fixed<const N: usize>(data: &Data, what: &'static str) -> Result<[u8; N], Error> {
    let octets = octets(data, what)?;
    octets.try_into().map_err(|_| Error::Length { what, expected: N, got: octets.len() })
}

/// The logical name of another object.
pub(crate) fn logical_name(data: &Data) -> Result<Obis, Error> {
    fixed(data, "logical name").map(Obis::new)
}

/// A number without sign, of any width, that fits `T`.
pub(crate) fn number<T: TryFrom<u32>>(data: &Data, what: &'static str) -> Result<T, Error> {
    let number = match data {
        Data::Unsigned(number) | Data::Enum(number) => u32::from(*number),
        Data::LongUnsigned(number) => u32::from(*number),
        Data::DoubleLongUnsigned(number) => *number,
        other => return Err(unexpected(other, what)),
    };
    T::try_from(number).map_err(|_| Error::Value { what, got: number })
}

/// Another type came than the one that `what` names.
fn unexpected(data: &Data, what: &'static str) -> Error {
    Error::DataType { expected: what, got: data.data_type() }
}
