use crate::axdr::{Reader, tag, write_length};
use crate::{Error, Obis};

/// What one column of a profile records (attribute 3 `capture_objects`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureObject {
    /// Interface class of the object.
    pub class_id: u16,
    /// Logical name of the object.
    pub instance: Obis,
    /// Attribute captured; 0 for all of them.
    pub attribute: i8,
    /// Element of the attribute captured, from 1; 0 for the whole of it.
    pub data_index: u16,
}

/// What a column means to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The time of the capture (clock, attribute 2).
    Clock,
    /// A status word of the capture.
    Status,
    /// A number.
    Value,
    /// A floating-point number. No captured attribute is one by itself: the rows show it. It stands for the shortest decimal that has its bits, and is
    /// counted in units of ten to the power of [`FLOAT_EXPONENT`](super::FLOAT_EXPONENT).
    Float,
    /// A string of octets or letters. No captured attribute is one by itself: whoever knows the profile says so.
    Text,
    /// The time at which a value of the row occurred.
    Time,
    /// Something else; skipped, whatever its type.
    Ignored,
}

impl Column {
    /// Whether it holds numbers.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Value | Self::Float)
    }

    /// The meaning of each column of a profile. Where no clock is captured, the time of the end of a billing period is that of the row.
    pub fn of_all<'a>(objects: impl IntoIterator<Item = &'a CaptureObject>) -> Vec<Self> {
        let objects: Vec<&CaptureObject> = objects.into_iter().collect();
        let mut columns: Vec<Self> = objects.iter().map(|object| Self::of(object)).collect();
        if !columns.contains(&Self::Clock)
            && let Some(place) = objects.iter().position(|object| is_end_of_billing(object))
        {
            columns[place] = Self::Clock;
        }
        columns
    }

    /// The meaning of a captured attribute: 8/x/2 is the clock, 0.b.96.10.x the status, an attribute
    /// that by its class is no number (logical name, scaler and unit, all attributes at once) is ignored, the
    /// capture time of an extended register, such as a maximum, is a time, as is that of the end of a billing period (0.b.0.1.2.255), the rest are
    /// values.
    pub fn of(object: &CaptureObject) -> Self {
        let [a, _, c, d, _, _] = object.instance.octets();
        match (object.class_id, object.attribute) {
            (8, 2) => Self::Clock,
            (4, 5) => Self::Time,
            _ if is_end_of_billing(object) => Self::Time,
            (_, 0 | 1) | (3 | 4, 3) | (5, 4) | (5, 6 | 7) | (8, _) => Self::Ignored,
            (_, 2) if (a, c, d) == (0, 96, 10) => Self::Status,
            _ => Self::Value,
        }
    }
}

/// Whether it is the time at which a billing period ended (Blue Book, 6.2.1), which is the value of a plain object.
fn is_end_of_billing(object: &CaptureObject) -> bool {
    let [a, _, names @ ..] = object.instance.octets();
    matches!((object.class_id, object.attribute), (1 | 3 | 4, 2)) && (a, names) == (0, [0, 1, 2, 255])
}

impl CaptureObject {
    /// Decodes a single capture object, such as attribute 6 `sort_object`: `structure{long-unsigned, octet-string, integer, long-unsigned}`.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`], [`Error::Truncated`] or [`Error::Trailing`] when the octets are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let object = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(object)
    }

    /// Appends the `structure{long-unsigned, octet-string(6), integer, long-unsigned}`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::STRUCTURE, 4, tag::LONG_UNSIGNED]);
        out.extend_from_slice(&self.class_id.to_be_bytes());
        out.extend_from_slice(&[tag::OCTET_STRING, 6]);
        out.extend_from_slice(&self.instance.octets());
        out.extend_from_slice(&[tag::INTEGER, self.attribute.cast_unsigned(), tag::LONG_UNSIGNED]);
        out.extend_from_slice(&self.data_index.to_be_bytes());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        expect(reader, tag::STRUCTURE, "capture object (structure)")?;
        let elements = reader.length()?;
        if elements != 4 {
            return Err(Error::Length { what: "capture object", expected: 4, got: elements });
        }
        expect(reader, tag::LONG_UNSIGNED, "class (long-unsigned)")?;
        let class_id = reader.u16()?;
        expect(reader, tag::OCTET_STRING, "logical name (octet-string)")?;
        let length = reader.length()?;
        let name = reader.take(length)?;
        let wrong = Error::Length { what: "logical name", expected: 6, got: length };
        let instance = Obis::new(name.try_into().map_err(|_| wrong)?);
        expect(reader, tag::INTEGER, "attribute (integer)")?;
        let attribute = reader.u8()?.cast_signed();
        expect(reader, tag::LONG_UNSIGNED, "data index (long-unsigned)")?;
        let data_index = reader.u16()?;
        Ok(Self { class_id, instance, attribute, data_index })
    }
}

/// Decodes attribute 3 `capture_objects`: `array of structure{long-unsigned, octet-string(6),
/// integer, long-unsigned}`.
///
/// # Errors
/// [`Error::DataType`], [`Error::Truncated`] or [`Error::Trailing`] when the octets are anything else.
pub fn decode_list(bytes: &[u8]) -> Result<Vec<CaptureObject>, Error> {
    let mut reader = Reader::new(bytes);
    expect(&mut reader, tag::ARRAY, "array of capture objects")?;
    let count = reader.length()?;
    let mut objects = Vec::new();
    for _ in 0..count {
        objects.push(CaptureObject::read(&mut reader)?);
    }
    reader.finish()?;
    Ok(objects)
}

/// Appends attribute 3 `capture_objects` to `out`.
pub fn encode_list(objects: &[CaptureObject], out: &mut Vec<u8>) {
    out.push(tag::ARRAY);
    write_length(objects.len(), out);
    objects.iter().for_each(|object| object.encode(out));
}

fn expect(reader: &mut Reader<'_>, data_type: u8, expected: &'static str) -> Result<(), Error> {
    match reader.u8()? {
        got if got == data_type => Ok(()),
        got => Err(Error::DataType { expected, got }),
    }
}
