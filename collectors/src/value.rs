//! What is made of single values.

use dlms::{
    AttributeDescriptor, DateTime, Obis,
    axdr::{Data, Number},
};

use crate::{Failure, Reason, diagnosis::Setback};

/// Longest text that is believed to be a name, in octets.
const TEXT_MAX: usize = 64;

/// The value of a data object (class 1).
pub(crate) const fn data(instance: Obis) -> AttributeDescriptor {
    AttributeDescriptor { class_id: 1, instance, attribute: 2 }
}

/// A name or number as text: strings without the spaces and zeros around them, octets that are no text in hexadecimal,
/// numbers in decimal.
pub fn text(data: &Data) -> Option<String> {
    let octets = match data {
        Data::OctetString(octets) | Data::VisibleString(octets) | Data::Utf8String(octets) => {
            octets.as_slice()
        }
        other => return integer(other).map(|number| number.to_string()),
    };
    name(octets)
}

/// A name as text: without the spaces and zeros around it, in hexadecimal when it is no text.
pub(crate) fn name(octets: &[u8]) -> Option<String> {
    let is_filler = |octet: &u8| *octet == 0 || octet.is_ascii_whitespace();
    let start = octets.iter().position(|octet| !is_filler(octet))?;
    let end = octets.iter().rposition(|octet| !is_filler(octet))?;
    let name = &octets[start..=end];
    if name.len() > TEXT_MAX {
        return None;
    }
    let printable = name.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' ');
    let hexadecimal = || octets.iter().map(|octet| format!("{octet:02X}")).collect();
    Some(if printable { name.iter().copied().map(char::from).collect() } else { hexadecimal() })
}

/// A whole number of any type; `None` for anything else, fractions included.
pub(crate) fn integer(data: &Data) -> Option<i64> {
    Number::of(data).filter(|number| number.exponent == 0).map(|number| number.mantissa)
}

/// A time, as octets or typed.
pub(crate) fn time(data: &Data) -> Option<DateTime> {
    match data {
        Data::OctetString(octets) => octets.as_slice().try_into().ok().map(DateTime::new),
        Data::DateTime(time) => Some(*time),
        _ => None,
    }
}

/// A whole number of the same type as `data`; `None` when it does not fit, or the type is no number.
pub(crate) fn like(data: &Data, number: i64) -> Option<Data> {
    Some(match data {
        Data::Integer(_) => Data::Integer(number.try_into().ok()?),
        Data::Long(_) => Data::Long(number.try_into().ok()?),
        Data::DoubleLong(_) => Data::DoubleLong(number.try_into().ok()?),
        Data::Long64(_) => Data::Long64(number),
        Data::Unsigned(_) => Data::Unsigned(number.try_into().ok()?),
        Data::Enum(_) => Data::Enum(number.try_into().ok()?),
        Data::LongUnsigned(_) => Data::LongUnsigned(number.try_into().ok()?),
        Data::DoubleLongUnsigned(_) => Data::DoubleLongUnsigned(number.try_into().ok()?),
        Data::Long64Unsigned(_) => Data::Long64Unsigned(number.try_into().ok()?),
        _ => return None,
    })
}

/// The meter has nothing to show in a place that it knows.
pub(crate) fn no_value() -> Setback {
    Setback::Refused {
        failure: Failure::new(
            Reason::MeterRefused,
            "The meter has no value there; check whether it measures that.",
        ),
        is_absence: true,
        may_pass: false,
    }
}

/// The meter answered with another type than the object can have.
pub(crate) fn unexpected(descriptor: &AttributeDescriptor, expected: &str) -> Setback {
    let AttributeDescriptor { class_id, instance, attribute } = descriptor;
    Setback::Final(Failure::new(
        Reason::MeterBrokeRules,
        format!(
            "Attribute {attribute} of {instance} (class {class_id}) is not {expected}; check that the meter's model is \
             the right one."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_people_know_them() {
        let octets = |octets: &[u8]| text(&Data::OctetString(octets.to_vec()));
        assert_eq!(octets(b"30000001").as_deref(), Some("30000001"));
        assert_eq!(octets(b"  KFM 12\0\0").as_deref(), Some("KFM 12"));
        assert_eq!(octets(&[0x00, 0x12, 0xAB]).as_deref(), Some("0012AB"));
        assert_eq!(text(&Data::DoubleLongUnsigned(4711)).as_deref(), Some("4711"));
        assert_eq!(octets(b"\0\0 "), None);
        assert_eq!(octets(&[b'A'; 65]), None);
        assert_eq!(text(&Data::NullData), None);
    }

    #[test]
    fn a_number_is_written_in_the_type_that_was_read() {
        assert_eq!(like(&Data::LongUnsigned(0), 65_535), Some(Data::LongUnsigned(65_535)));
        assert_eq!(like(&Data::LongUnsigned(0), 65_536), None);
        assert_eq!(like(&Data::Unsigned(0), -1), None);
        assert_eq!(like(&Data::Long(0), -1), Some(Data::Long(-1)));
        assert_eq!(like(&Data::Float32([0; 4]), 1), None);
    }

    #[test]
    fn fractions_and_numbers_that_do_not_fit_are_no_integers() {
        assert_eq!(integer(&Data::Long64Unsigned(u64::MAX)), None);
        assert_eq!(integer(&Data::Float32([0x41, 0, 0, 0])), Some(8));
        assert_eq!(integer(&Data::Float32([0x3F, 0, 0, 0])), None);
        assert_eq!(integer(&Data::Long(-2)), Some(-2));
    }
}
