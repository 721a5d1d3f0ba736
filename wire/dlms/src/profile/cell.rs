//! One element of a row, straight from its octets. Data types: Blue Book, 4.1.5.

use crate::axdr::{self, Reader};
use crate::{DateTime, Error};

const NULL_DATA: u8 = 0;
const BOOLEAN: u8 = 3;
const BIT_STRING: u8 = 4;
const DOUBLE_LONG: u8 = 5;
const DOUBLE_LONG_UNSIGNED: u8 = 6;
const OCTET_STRING: u8 = 9;
const BCD: u8 = 13;
const INTEGER: u8 = 15;
const LONG: u8 = 16;
const UNSIGNED: u8 = 17;
const LONG_UNSIGNED: u8 = 18;
const LONG64: u8 = 20;
const LONG64_UNSIGNED: u8 = 21;
const ENUM: u8 = 22;
const DATE_TIME: u8 = 25;
const DELTA_INTEGER: u8 = 28;
const DELTA_LONG: u8 = 29;
const DELTA_DOUBLE_LONG: u8 = 30;
const DELTA_UNSIGNED: u8 = 31;
const DELTA_LONG_UNSIGNED: u8 = 32;
const DELTA_DOUBLE_LONG_UNSIGNED: u8 = 33;

/// A time: octet-string of 12 octets or typed date-time; `None` for null-data.
pub(super) fn clock(reader: &mut Reader<'_>, column: usize) -> Result<Option<DateTime>, Error> {
    let tag = reader.u8()?;
    let octets = match tag {
        NULL_DATA => return Ok(None),
        DATE_TIME => reader.take(12)?,
        OCTET_STRING => {
            let length = reader.length()?;
            reader.take(length)?
        }
        _ => return Err(Error::Cell { column, tag }),
    };
    let wrong = Error::Length { what: "capture time", expected: 12, got: octets.len() };
    let octets: &[u8; 12] = octets.try_into().map_err(|_| wrong)?;
    DateTime::decode(octets).map(Some)
}

/// A status word: bit-string of up to 32 bits or a number; `None` for null-data.
pub(super) fn status(reader: &mut Reader<'_>, column: usize) -> Result<Option<u32>, Error> {
    let tag = reader.u8()?;
    let value = match tag {
        NULL_DATA => return Ok(None),
        BIT_STRING => return bits(reader).map(Some),
        _ => integer(reader, tag, column, None)?,
    };
    u32::try_from(value).map(Some).map_err(|_| Error::ValueRange { column })
}

/// A number as the meter counts it; `None` for null-data. `last` is what a delta adds to.
pub(super) fn value(reader: &mut Reader<'_>, column: usize, last: Option<i64>) -> Result<Option<i64>, Error> {
    match reader.u8()? {
        NULL_DATA => Ok(None),
        tag => integer(reader, tag, column, last).map(Some),
    }
}

/// Any element, unread.
pub(super) fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    axdr::skip(reader)
}

fn integer(reader: &mut Reader<'_>, tag: u8, column: usize, last: Option<i64>) -> Result<i64, Error> {
    let plain = match tag {
        BOOLEAN => i64::from(reader.u8()? != 0),
        UNSIGNED | ENUM | DELTA_UNSIGNED => i64::from(reader.u8()?),
        LONG_UNSIGNED | DELTA_LONG_UNSIGNED => i64::from(reader.u16()?),
        DOUBLE_LONG_UNSIGNED | DELTA_DOUBLE_LONG_UNSIGNED => i64::from(reader.u32()?),
        INTEGER | DELTA_INTEGER => i64::from(reader.u8()?.cast_signed()),
        LONG | DELTA_LONG => i64::from(reader.u16()?.cast_signed()),
        DOUBLE_LONG | DELTA_DOUBLE_LONG => i64::from(reader.u32()?.cast_signed()),
        LONG64 => reader.u64()?.cast_signed(),
        BCD => two_digits(reader.u8()?).ok_or(Error::ValueRange { column })?,
        LONG64_UNSIGNED => i64::try_from(reader.u64()?).map_err(|_| Error::ValueRange { column })?,
        _ => return Err(Error::Cell { column, tag }),
    };
    if (DELTA_INTEGER..=DELTA_DOUBLE_LONG_UNSIGNED).contains(&tag) {
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
