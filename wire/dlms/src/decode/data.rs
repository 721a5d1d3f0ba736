use super::node::{Node, Value};
use super::notes;
use super::walk::{Stop, Walk};
use crate::axdr::{DEPTH_MAX, Data, TypeDescription, tag};
use crate::{DateTime, Error};

/// Reads one value as the fields of an element of this name, which is empty in a list.
pub(super) fn value(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    nested(walk, name, 0)
}

/// The parts of a date-time.
pub(super) fn decoded(time: DateTime) -> Vec<Node> {
    let parts = time.parts();
    let part = |name, value: Value| Node { name, place: None, value, note: String::new() };
    vec![
        part("year", parts.year.into()),
        part("month", parts.month.into()),
        part("day", parts.day.into()),
        part("dow", parts.day_of_week.into()),
        part("hour", parts.hour.into()),
        part("min", parts.minute.into()),
        part("sec", parts.second.into()),
        part("hundredths", parts.hundredths.into()),
        part("deviation", parts.deviation.into()),
        part("status", parts.status.into()),
    ]
}

/// Reads one value that stands `depth` levels deep.
fn nested(walk: &mut Walk<'_>, name: &'static str, depth: usize) -> Result<(), Stop> {
    walk.group(name, |walk| contents(walk, depth))
}

/// Reads a type and what follows it.
fn contents(walk: &mut Walk<'_>, depth: usize) -> Result<(), Stop> {
    let from = walk.at();
    match walk.rest().first() {
        Some(&tag::ARRAY) => elements(walk, "array", depth),
        Some(&tag::STRUCTURE) => elements(walk, "structure", depth),
        Some(&tag::COMPACT_ARRAY) => compact_array(walk),
        _ => {
            let data_type = walk.read("data", |reader| reader.u8())?;
            simple(walk, data_type, from)
        }
    }
}

/// Reads the elements of an array or a structure.
fn elements(walk: &mut Walk<'_>, name: &'static str, depth: usize) -> Result<(), Stop> {
    if depth >= DEPTH_MAX {
        return Err(walk.stop(name, Error::TooDeep { limit: DEPTH_MAX }));
    }
    let done = walk.list(name, |walk| {
        let count = walk.read(name, |reader| reader.u8().and_then(|_| reader.length()))?;
        (0..count).try_for_each(|_| nested(walk, "", depth + 1))
    });
    if let Some(list) = walk.last_mut() {
        notes::elements(list);
    }
    done
}

/// The type description is a value of its own; the contents are read by it, element by element.
fn compact_array(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("compact-array", |walk| {
        walk.read("compact-array", |reader| reader.u8())?;
        let from = walk.at();
        let item = walk.read("type of compact-array", TypeDescription::read)?;
        walk.add("type", from, described(&item));
        walk.list("items", |walk| {
            let length = walk.read("length of compact-array", |reader| reader.length())?;
            walk.within("compact-array", length, |walk| {
                while !walk.rest().is_empty() {
                    item_of(walk, &item)?;
                }
                Ok(())
            })
        })
    })
}

/// Reads one item of a compact array.
fn item_of(walk: &mut Walk<'_>, item: &TypeDescription) -> Result<(), Stop> {
    walk.group("", |walk| match item {
        TypeDescription::Array(count, element) => {
            walk.list("array", |walk| (0..*count).try_for_each(|_| item_of(walk, element)))
        }
        TypeDescription::Structure(elements) => {
            walk.list("structure", |walk| elements.iter().try_for_each(|element| item_of(walk, element)))
        }
        TypeDescription::Simple(data_type) => {
            let from = walk.at();
            simple(walk, *data_type, from)
        }
    })
}

/// A value that holds no other ones; its type's octet was at `from`, when it has one.
fn simple(walk: &mut Walk<'_>, data_type: u8, from: usize) -> Result<(), Stop> {
    let name = name_of(data_type);
    let data = walk.read(name, |reader| Data::read_simple(data_type, reader))?;
    let note = notes::simple(&data);
    let node = walk.add(name, from, shown(&data));
    node.note = note;
    if let Data::DateTime(time) = data {
        walk.derive("decoded", Value::Fields(decoded(time)));
    }
    Ok(())
}

/// A type without its values: its name, or what it is made of.
fn described(item: &TypeDescription) -> Value {
    let node = |name, value| Node { name, place: None, value, note: String::new() };
    match item {
        TypeDescription::Array(count, element) => {
            let parts = vec![node("count", (*count).into()), node("type", described(element))];
            Value::Fields(vec![node("array", Value::Fields(parts))])
        }
        TypeDescription::Structure(elements) => {
            let elements = elements.iter().map(|element| node("", described(element))).collect();
            Value::Fields(vec![node("structure", Value::List(elements))])
        }
        TypeDescription::Simple(data_type) => name_of(*data_type).into(),
    }
}

/// The standard's name of a type that holds no other values.
const fn name_of(data_type: u8) -> &'static str {
    match data_type {
        tag::NULL_DATA => "null-data",
        tag::BOOLEAN => "boolean",
        tag::BIT_STRING => "bit-string",
        tag::DOUBLE_LONG => "double-long",
        tag::DOUBLE_LONG_UNSIGNED => "double-long-unsigned",
        tag::OCTET_STRING => "octet-string",
        tag::VISIBLE_STRING => "visible-string",
        tag::UTF8_STRING => "utf8-string",
        tag::BCD => "bcd",
        tag::INTEGER => "integer",
        tag::LONG => "long",
        tag::UNSIGNED => "unsigned",
        tag::LONG_UNSIGNED => "long-unsigned",
        tag::LONG64 => "long64",
        tag::LONG64_UNSIGNED => "long64-unsigned",
        tag::ENUM => "enum",
        tag::FLOAT32 => "float32",
        tag::FLOAT64 => "float64",
        tag::DATE_TIME => "date-time",
        tag::DATE => "date",
        tag::TIME => "time",
        tag::DELTA_INTEGER => "delta-integer",
        tag::DELTA_LONG => "delta-long",
        tag::DELTA_DOUBLE_LONG => "delta-double-long",
        tag::DELTA_UNSIGNED => "delta-unsigned",
        tag::DELTA_LONG_UNSIGNED => "delta-long-unsigned",
        tag::DELTA_DOUBLE_LONG_UNSIGNED => "delta-double-long-unsigned",
        tag::DONT_CARE => "dont-care",
        _ => "data",
    }
}

/// A value that holds no other ones as it is shown.
fn shown(data: &Data) -> Value {
    match data {
        Data::Boolean(flag) => (*flag).into(),
        Data::BitString(bits) => {
            bits.iter().map(|bit| if bit { '1' } else { '0' }).collect::<String>().into()
        }
        Data::DoubleLong(number) | Data::DeltaDoubleLong(number) => (*number).into(),
        Data::DoubleLongUnsigned(number) | Data::DeltaDoubleLongUnsigned(number) => (*number).into(),
        Data::OctetString(octets) => octets.as_slice().into(),
        Data::VisibleString(octets) | Data::Utf8String(octets) => match str::from_utf8(octets) {
            Ok(text) => text.to_owned().into(),
            // What is no text is shown as it came.
            Err(_) => octets.as_slice().into(),
        },
        Data::Bcd(number) | Data::Unsigned(number) | Data::Enum(number) | Data::DeltaUnsigned(number) => {
            (*number).into()
        }
        Data::Integer(number) | Data::DeltaInteger(number) => (*number).into(),
        Data::Long(number) | Data::DeltaLong(number) => (*number).into(),
        Data::LongUnsigned(number) | Data::DeltaLongUnsigned(number) => (*number).into(),
        Data::Long64(number) => (*number).into(),
        Data::Long64Unsigned(number) => (*number).into(),
        Data::Float32(octets) => Value::Float(f32::from_be_bytes(*octets).into()),
        Data::Float64(octets) => Value::Float(f64::from_be_bytes(*octets)),
        Data::DateTime(time) => time.octets().as_slice().into(),
        Data::Date(octets) => octets.as_slice().into(),
        Data::Time(octets) => octets.as_slice().into(),
        Data::NullData | Data::DontCare | Data::Array(_) | Data::Structure(_) | Data::CompactArray(_) => {
            Value::Null
        }
    }
}
