//! Tag, length, contents: BER with one-octet tags and definite lengths.

use crate::Error;
use crate::axdr::{Reader, write_length, write_octets};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
const USER_INFORMATION: u8 = 0xBE;

/// Appends one field.
pub(super) fn field(tag: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_octets(contents, out);
}

/// Appends a field whose contents are one field.
pub(super) fn nested(tag: u8, inner: u8, contents: &[u8], out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(contents.len() + 4);
    field(inner, contents, &mut body);
    field(tag, &body, out);
}

/// Appends user-information: the octets of an xDLMS APDU.
pub(super) fn user_information(octets: &[u8], out: &mut Vec<u8>) {
    nested(USER_INFORMATION, OCTET_STRING, octets, out);
}

/// Wraps the fields of an APDU with its tag.
pub(super) fn wrap(tag: u8, fields: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_length(fields.len(), out);
    out.extend_from_slice(fields);
}

/// The fields of an APDU with `expected` as its tag, in their order.
pub(super) fn fields<'a>(
    octets: &'a [u8],
    expected: u8,
    mut each: impl FnMut(u8, &'a [u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = Reader::new(octets);
    let tag = reader.u8()?;
    if tag != expected {
        return Err(Error::Unexpected { tag });
    }
    let mut fields = Reader::new(reader.octets()?);
    reader.finish()?;
    while fields.remaining() > 0 {
        let tag = fields.u8()?;
        each(tag, fields.octets()?)?;
    }
    Ok(())
}

/// The contents of the one field with tag `inner` that fills `octets`.
pub(super) fn inside(octets: &[u8], inner: u8) -> Result<&[u8], Error> {
    let mut reader = Reader::new(octets);
    let tag = reader.u8()?;
    if tag != inner {
        return Err(Error::Unexpected { tag });
    }
    let contents = reader.octets()?;
    reader.finish()?;
    Ok(contents)
}

/// A number of one octet.
pub(super) fn small(octets: &[u8], what: &'static str) -> Result<u8, Error> {
    match octets {
        [number] => Ok(*number),
        _ => Err(Error::Length { what, expected: 1, got: octets.len() }),
    }
}

/// What user-information holds.
pub(super) fn read_user_information(contents: &[u8]) -> Result<&[u8], Error> {
    inside(contents, OCTET_STRING)
}

/// Whether a field is user-information.
pub(super) const fn is_user_information(tag: u8) -> bool {
    tag == USER_INFORMATION
}
