//! Interface classes (Blue Book, 4): what their attributes and methods mean, between a [`Data`] and a value that says it.
//!
//! One file for each class that somebody uses. Nothing here speaks with a meter.

pub mod image_transfer;

use crate::Error;
use crate::axdr::Data;

/// The elements of a structure that must have exactly `N`.
fn structure<'a, const N: usize>(data: &'a Data, what: &'static str) -> Result<&'a [Data; N], Error> {
    let Data::Structure(elements) = data else { return Err(unexpected(data, what)) };
    let wrong = Error::Length { what, expected: N, got: elements.len() };
    elements.as_slice().try_into().map_err(|_| wrong)
}

/// The elements of an array.
fn array<'a>(data: &'a Data, what: &'static str) -> Result<&'a [Data], Error> {
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

/// Another type came than the one that `what` names.
fn unexpected(data: &Data, what: &'static str) -> Error {
    Error::DataType { expected: what, got: data.data_type() }
}
