use super::compact::{check_depth, check_type_depth, is_string};
use super::{DEPTH_MAX, Reader, fixed_length, tag};
use crate::Error;

/// Steps over one value and builds nothing. What [`Data::read`](super::Data::read) accepts is accepted here with the same length; of a compact
/// array only the type description and the length of its contents are looked at.
///
/// # Errors
/// [`Error::Truncated`], [`Error::DataType`] for a type that the standard does not define, [`Error::TooDeep`].
pub fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    nested(reader, 0)
}

fn nested(reader: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
    let data_type = reader.u8()?;
    if let Some(length) = fixed_length(data_type) {
        return reader.take(length).map(drop);
    }
    match data_type {
        tag::OCTET_STRING | tag::VISIBLE_STRING | tag::UTF8_STRING => reader.octets().map(drop),
        tag::BIT_STRING => {
            let bits = reader.length()?;
            reader.take(bits.div_ceil(8)).map(drop)
        }
        tag::ARRAY | tag::STRUCTURE if depth < DEPTH_MAX => {
            for _ in 0..reader.length()? {
                nested(reader, depth + 1)?;
            }
            Ok(())
        }
        tag::ARRAY | tag::STRUCTURE => Err(Error::TooDeep { limit: DEPTH_MAX }),
        tag::COMPACT_ARRAY => {
            check_depth(depth)?;
            type_description(reader, 0)?;
            reader.octets().map(drop)
        }
        got => Err(Error::DataType { expected: "a value", got }),
    }
}

fn type_description(reader: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
    check_type_depth(depth)?;
    match reader.u8()? {
        tag::ARRAY => {
            reader.u16()?;
            type_description(reader, depth + 1)
        }
        tag::STRUCTURE => {
            for _ in 0..reader.length()? {
                type_description(reader, depth + 1)?;
            }
            Ok(())
        }
        simple if fixed_length(simple).is_some() || is_string(simple) => Ok(()),
        got => Err(Error::DataType { expected: "a type of compact-array items", got }),
    }
}
