use super::compact::{TypeDescription, check_depth, skip_contents};
use super::{DEPTH_MAX, Reader, tag};
use crate::Error;

/// Steps over one value and builds nothing. What [`Data::read`](super::Data::read) accepts is accepted here with the same length; of a compact
/// array only the type description and the length of its contents are looked at, and the number of values has no limit.
///
/// # Errors
/// [`Error::Truncated`], [`Error::DataType`] for a type that the standard does not define, [`Error::TooDeep`], [`Error::Value`] for a compact
/// array whose items could be more than their octets pay for.
pub fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    nested(reader, 0)
}

fn nested(reader: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
    match reader.u8()? {
        tag::ARRAY | tag::STRUCTURE if depth < DEPTH_MAX => {
            (0..reader.length()?).try_for_each(|_| nested(reader, depth + 1))
        }
        tag::ARRAY | tag::STRUCTURE => Err(Error::TooDeep { limit: DEPTH_MAX }),
        tag::COMPACT_ARRAY => {
            check_depth(depth)?;
            TypeDescription::check(reader)?;
            reader.octets().map(drop)
        }
        simple => skip_contents(simple, reader),
    }
}
