//! Tag, length, contents: BER with one-octet tags and definite lengths.

use crate::Error;
use crate::axdr::{Reader, write_length, write_octets};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
const USER_INFORMATION: u8 = 0xBE;
/// The choice `charstring` of an authentication value: passwords and challenges.
pub(super) const CHARACTERS: u8 = 0x80;
/// ACSE requirements: authentication functional unit, one bit.
pub(super) const AUTHENTICATION_UNIT: [u8; 2] = [0x07, 0x80];

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

#[cfg(test)]
mod tests {
    use super::{OCTET_STRING, fields, inside};
    use crate::Error;

    #[test]
    fn a_field_inside_a_field_fills_it() {
        assert_eq!(inside(&[OCTET_STRING, 2, 7, 8], OCTET_STRING), Ok(&[7, 8][..]));
        assert_eq!(inside(&[OCTET_STRING, 1, 7, 8], OCTET_STRING), Err(Error::Trailing { left: 1 }));
        assert_eq!(inside(&[OCTET_STRING, 3, 7, 8], OCTET_STRING), Err(Error::Truncated));
        assert_eq!(inside(&[0x80, 2, 7, 8], OCTET_STRING), Err(Error::Unexpected { tag: 0x80 }));
    }

    #[test]
    fn the_fields_of_an_apdu_fill_it() {
        let seen = |octets: &[u8]| {
            let mut seen = Vec::new();
            fields(octets, 0x60, |tag, contents| {
                seen.push((tag, contents.to_vec()));
                Ok(())
            })
            .map(|()| seen)
        };
        assert_eq!(seen(&[0x60, 5, 0x80, 1, 9, 0x8A, 0]), Ok(vec![(0x80, vec![9]), (0x8A, vec![])]));
        assert_eq!(seen(&[0x60, 5, 0x80, 2, 9, 0x8A, 0]), Err(Error::Truncated));
        assert_eq!(seen(&[0x60, 4, 0x80, 1, 9, 0x8A, 0]), Err(Error::Trailing { left: 1 }));
        assert_eq!(seen(&[0x61, 0]), Err(Error::Unexpected { tag: 0x61 }));
    }
}
