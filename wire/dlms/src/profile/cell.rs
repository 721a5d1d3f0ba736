//! One element of a row, straight from its octets. Data types: Blue Book, 4.1.5. The type stands in front of the element, or in
//! the header of a compact array.

use super::FLOAT_EXPONENT;
use crate::axdr::{Data, Number, Reader, TypeDescription, tag};
use crate::{DateTime, Error};

/// A time: octet-string of 12 octets or typed date-time; `None` for null-data.
#[inline]
pub(super) fn clock(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    column: usize,
) -> Result<Option<DateTime>, Error> {
    let Some(octets) = octets_of_time(reader, typed, column)? else { return Ok(None) };
    let wrong = Error::Length { what: "capture time", expected: 12, got: octets.len() };
    Ok(Some(DateTime::new(octets.try_into().map_err(|_| wrong)?)))
}

/// The time at which a value occurred: the same, or an empty octet-string for a value that never occurred.
#[inline]
pub(super) fn time(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    column: usize,
) -> Result<Option<DateTime>, Error> {
    let mut ahead = reader.clone();
    if octets_of_time(&mut ahead, typed, column)?.is_some_and(<[u8]>::is_empty) {
        *reader = ahead;
        return Ok(Some(DateTime::UNSPECIFIED));
    }
    clock(reader, typed, column)
}

fn octets_of_time<'a>(
    reader: &mut Reader<'a>,
    typed: Option<&TypeDescription>,
    column: usize,
) -> Result<Option<&'a [u8]>, Error> {
    match data_type(reader, typed)? {
        tag::NULL_DATA => Ok(None),
        tag::DATE_TIME => reader.take(12).map(Some),
        tag::OCTET_STRING => reader.octets().map(Some),
        other => Err(Error::Cell { column, tag: other }),
    }
}

/// A status word: bit-string of up to 32 bits or a number; `None` for null-data.
#[inline]
pub(super) fn status(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    column: usize,
) -> Result<Option<u32>, Error> {
    let data_type = data_type(reader, typed)?;
    let value = match data_type {
        tag::NULL_DATA => return Ok(None),
        tag::BIT_STRING => return bits(reader).map(Some),
        _ => integer(reader, data_type, column, None)?,
    };
    u32::try_from(value).map(Some).map_err(|_| Error::ValueRange { column })
}

/// A number as the meter counts it; `None` for null-data. `last` is what a delta adds to.
#[inline]
pub(super) fn value(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    column: usize,
    last: Option<i64>,
) -> Result<Option<i64>, Error> {
    match data_type(reader, typed)? {
        tag::NULL_DATA => Ok(None),
        data_type => integer(reader, data_type, column, last).map(Some),
    }
}

/// Whether a float comes next.
#[inline]
pub(super) fn is_float(reader: &Reader<'_>, typed: Option<&TypeDescription>) -> bool {
    matches!(data_type(&mut reader.clone(), typed), Ok(tag::FLOAT32 | tag::FLOAT64))
}

/// A float, or a whole number among floats, in units of ten to the power of [`FLOAT_EXPONENT`]; `None` for null-data.
pub(super) fn float(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    column: usize,
) -> Result<Option<i64>, Error> {
    let data_type = data_type(reader, typed)?;
    let float = match data_type {
        tag::NULL_DATA => return Ok(None),
        tag::FLOAT32 => Data::Float32(reader.array()?),
        tag::FLOAT64 => Data::Float64(reader.array()?),
        _ => Data::Long64(integer(reader, data_type, column, None)?),
    };
    // Infinite, or none: what the column has instead of numbers.
    let number = Number::of(&float).ok_or(Error::Cell { column, tag: data_type })?;
    number.in_units_of(FLOAT_EXPONENT).map(Some).ok_or(Error::ValueRange { column })
}

/// A string; `None` for null-data.
pub(super) fn text(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    column: usize,
) -> Result<Option<Vec<u8>>, Error> {
    match data_type(reader, typed)? {
        tag::NULL_DATA => Ok(None),
        tag::OCTET_STRING | tag::VISIBLE_STRING | tag::UTF8_STRING => {
            let length = reader.length()?;
            reader.take(length).map(|octets| Some(octets.to_vec()))
        }
        data_type => Err(Error::Cell { column, tag: data_type }),
    }
}

/// The type of an element: the next octet, unless the header had it.
#[inline]
fn data_type(reader: &mut Reader<'_>, typed: Option<&TypeDescription>) -> Result<u8, Error> {
    match typed {
        None => reader.u8(),
        Some(TypeDescription::Simple(data_type)) => Ok(*data_type),
        Some(TypeDescription::Array(..)) => Ok(tag::ARRAY),
        Some(TypeDescription::Structure(_)) => Ok(tag::STRUCTURE),
    }
}

#[inline]
fn integer(reader: &mut Reader<'_>, data_type: u8, column: usize, last: Option<i64>) -> Result<i64, Error> {
    let plain = match data_type {
        tag::BOOLEAN => i64::from(reader.u8()? != 0),
        tag::UNSIGNED | tag::ENUM | tag::DELTA_UNSIGNED => i64::from(reader.u8()?),
        tag::LONG_UNSIGNED | tag::DELTA_LONG_UNSIGNED => i64::from(reader.u16()?),
        tag::DOUBLE_LONG_UNSIGNED | tag::DELTA_DOUBLE_LONG_UNSIGNED => i64::from(reader.u32()?),
        tag::INTEGER | tag::DELTA_INTEGER => i64::from(reader.u8()?.cast_signed()),
        tag::LONG | tag::DELTA_LONG => i64::from(reader.u16()?.cast_signed()),
        tag::DOUBLE_LONG | tag::DELTA_DOUBLE_LONG => i64::from(reader.u32()?.cast_signed()),
        tag::LONG64 => reader.u64()?.cast_signed(),
        tag::BCD => two_digits(reader.u8()?).ok_or(Error::ValueRange { column })?,
        tag::LONG64_UNSIGNED => i64::try_from(reader.u64()?).map_err(|_| Error::ValueRange { column })?,
        _ => return Err(Error::Cell { column, tag: data_type }),
    };
    if (tag::DELTA_INTEGER..=tag::DELTA_DOUBLE_LONG_UNSIGNED).contains(&data_type) {
        return last.and_then(|last| last.checked_add(plain)).ok_or(Error::ValueRange { column });
    }
    Ok(plain)
}

/// Two decimal digits, one in each half of the octet.
fn two_digits(octet: u8) -> Option<i64> {
    let (tens, ones) = (octet >> 4, octet & 0x0F);
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// The bits of a bit-string as a number, first bit most significant.
fn bits(reader: &mut Reader<'_>) -> Result<u32, Error> {
    let bits = reader.length()?;
    if bits > 32 {
        return Err(Error::TooLong { what: "status bit-string", limit: 32 });
    }
    let octets = reader.take(bits.div_ceil(8))?;
    let all = octets.iter().fold(0u64, |all, octet| all << 8 | u64::from(*octet));
    Ok(u32::try_from(all >> (octets.len() * 8 - bits)).unwrap_or_default())
}
