//! What a person wants to know beside the bare values: the time that octets stand for, the object that a logical name means, a number with
//! its unit.

use super::node::{Node, Value};
use crate::axdr::Data;
use crate::cosem::dictionary::Class;
use crate::{DateTime, Obis, Parts, Unit};

/// Powers of ten that a note writes out.
const SCALERS: std::ops::RangeInclusive<i128> = -12..=12;

/// The note to a value by itself.
pub(super) fn simple(data: &Data) -> String {
    match data {
        Data::OctetString(octets) => octet_string(octets),
        Data::DateTime(time) => date_time(*time),
        Data::Date([y1, y2, month, day, day_of_week]) => {
            date(&parts([*y1, *y2, *month, *day, *day_of_week], [0xFF; 4]))
        }
        Data::Time(octets) => time(&parts([0xFF; 5], *octets)),
        _ => String::new(),
    }
}

/// Completes the notes of the elements of an array or a structure by what stands beside them.
pub(super) fn elements(list: &mut Node) {
    let Value::List(elements) = &mut list.value else { return };
    for at in 0..elements.len() {
        if let Some(object) = capture_object(&elements[at])
            && let Some(node) = elements[at].only_child_mut()
        {
            node.note = object;
        }
        let Some(unit) = scaler_unit(&elements[at]) else { continue };
        if let Some(node) = elements[at].only_child_mut() {
            node.note = match unit {
                (scaler, Unit::NONE) => format!("×10^{scaler}"),
                (0, unit) => format!("×1 {unit}"),
                (scaler, unit) => format!("×10^{scaler} {unit}"),
            };
        }
        // A register in a push: its value stands in front of its scaler and unit.
        if let Some(node) = at.checked_sub(1).and_then(|before| elements[before].only_child_mut())
            && let Value::Number(number) = node.value
        {
            node.note = scaled(number, unit);
        }
    }
    pushed(elements);
}

/// What a push says about its own elements: the list of its objects is the first of them.
fn pushed(elements: &mut [Node]) {
    let Some((list, values)) = elements.split_first_mut() else { return };
    let [array] = list.children() else { return };
    let objects: Vec<String> = array.children().iter().filter_map(capture_object).collect();
    if array.name != "array" || objects.len() != values.len() + 1 {
        return;
    }
    for (value, object) in values.iter_mut().zip(&objects[1..]) {
        if let Some(node) = value.only_child_mut() {
            node.note =
                if node.note.is_empty() { object.clone() } else { format!("{}; {object}", node.note) };
        }
    }
}

/// The object, when the element is the definition of one: class, logical name, attribute, index.
fn capture_object(element: &Node) -> Option<String> {
    let [structure] = element.children() else { return None };
    let simple = |element: &Node| match element.children() {
        [simple] => Some((simple.name, simple.value.clone())),
        _ => None,
    };
    let [class, instance, attribute, index, ..] = structure.children() else { return None };
    match (structure.name, simple(class)?, simple(instance)?, simple(attribute)?, simple(index)?) {
        (
            "structure",
            ("long-unsigned", Value::Number(class)),
            ("octet-string", Value::Octets(instance)),
            ("integer", Value::Number(attribute)),
            ("long-unsigned", Value::Number(index)),
        ) => {
            let name = object(Obis::new(instance.try_into().ok()?));
            let class = Class::of(u16::try_from(class).ok()?);
            let attribute = match class.and_then(|class| class.attribute(i8::try_from(attribute).ok()?)) {
                Some(known) => format!("{attribute} {}", known.name),
                None => attribute.to_string(),
            };
            let part = if index == 0 { String::new() } else { format!(", element {index}") };
            Some(format!("{name}, attribute {attribute}{part}"))
        }
        _ => None,
    }
}

/// A date and time as people write it.
pub(super) fn date_time(moment: DateTime) -> String {
    let parts = moment.parts();
    let mut text = format!("{} {}", date(&parts), time(&parts));
    if let Some(deviation) = parts.deviation {
        // The standard counts from local time to UTC, people from UTC to local time.
        let (sign, minutes) =
            if deviation <= 0 { ('+', -i32::from(deviation)) } else { ('-', deviation.into()) };
        text += &format!(" {sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
    let flags = [
        (0x80, "daylight saving"),
        (0x01, "invalid"),
        (0x02, "doubtful"),
        (0x04, "other clock base"),
        (0x08, "invalid status"),
    ];
    for (_, flag) in flags.iter().filter(|(bit, _)| parts.status != 0xFF && parts.status & bit != 0) {
        text += ", ";
        text += flag;
    }
    text
}

/// What octets may be: a date-time, a logical name, characters. Empty when they look like none of these.
fn octet_string(octets: &[u8]) -> String {
    if let Ok(octets) = <[u8; 12]>::try_from(octets) {
        let time = DateTime::new(octets);
        if is_plausible(&time.parts()) {
            return date_time(time);
        }
    }
    if let Ok(groups) = <[u8; 6]>::try_from(octets)
        && (groups[5] == 255 || groups[0] <= 1)
    {
        return object(Obis::new(groups));
    }
    match str::from_utf8(octets) {
        Ok(text) if octets.len() > 1 && text.chars().all(|char| !char.is_control()) => format!("{text:?}"),
        _ => String::new(),
    }
}

/// A logical name in digits and, when it has one, by the name of its object.
pub(super) fn object(obis: Obis) -> String {
    match obis.name() {
        Some(name) => format!("{obis} {name}"),
        None => obis.to_string(),
    }
}

/// Whether twelve octets are likely to be a date-time.
fn is_plausible(parts: &Parts) -> bool {
    let year = parts.year.is_none_or(|year| (1970..2200).contains(&year));
    let month = matches!(parts.month, 1..=12 | 0xFD..=0xFF);
    let day = matches!(parts.day, 1..=31 | 0xFD..=0xFF);
    let clock = matches!(parts.hour, 0..=23 | 0xFF) && matches!(parts.minute, 0..=59 | 0xFF);
    let deviation = parts.deviation.is_none_or(|deviation| (-720..=840).contains(&deviation));
    year && month && day && clock && deviation && matches!(parts.day_of_week, 0..=7 | 0xFF)
}

/// The parts of a date and a time that came apart.
fn parts(date: [u8; 5], time: [u8; 4]) -> Parts {
    let ([y1, y2, month, day, day_of_week], [hour, minute, second, hundredths]) = (date, time);
    DateTime::new([y1, y2, month, day, day_of_week, hour, minute, second, hundredths, 0x80, 0, 0xFF]).parts()
}

/// A date, with stars for what is not specified.
fn date(parts: &Parts) -> String {
    let year = parts.year.map_or("****".to_owned(), |year| format!("{year:04}"));
    let month = match parts.month {
        0xFD => "end of daylight saving".to_owned(),
        0xFE => "begin of daylight saving".to_owned(),
        month => two(month),
    };
    let day = match parts.day {
        0xFD => "second last day".to_owned(),
        0xFE => "last day".to_owned(),
        day => two(day),
    };
    format!("{year}-{month}-{day}")
}

/// A time of day, with hundredths when there are some.
fn time(parts: &Parts) -> String {
    let mut text = format!("{}:{}:{}", two(parts.hour), two(parts.minute), two(parts.second));
    if !matches!(parts.hundredths, 0 | 0xFF) {
        text += &format!(".{:02}", parts.hundredths);
    }
    text
}

/// A part of a date or a time; stars for one that is not specified.
fn two(part: u8) -> String {
    if part == 0xFF { "**".to_owned() } else { format!("{part:02}") }
}

/// The scaler and the unit, when the element is a structure of exactly these.
fn scaler_unit(element: &Node) -> Option<(i128, Unit)> {
    let [structure] = element.children() else { return None };
    let [scaler, unit] = structure.children() else { return None };
    let ([scaler], [unit]) = (scaler.children(), unit.children()) else { return None };
    match (structure.name, scaler.name, unit.name, &scaler.value, &unit.value) {
        ("structure", "integer", "enum", Value::Number(scaler), Value::Number(unit)) => {
            Some((*scaler, Unit(u8::try_from(*unit).ok()?)))
        }
        _ => None,
    }
}

/// The number times ten to the power of the scaler, digit by digit.
fn scaled(number: i128, (scaler, unit): (i128, Unit)) -> String {
    let places = usize::try_from(-scaler).unwrap_or(0);
    let zeros = usize::try_from(scaler).unwrap_or(0);
    if !SCALERS.contains(&scaler) {
        return format!("{number}×10^{scaler} {unit}").trim_end().to_owned();
    }
    let digits = format!("{:0>width$}{}", number.unsigned_abs(), "0".repeat(zeros), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if number < 0 { "-" } else { "" };
    let point = if places == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{date_time, octet_string, scaled};
    use crate::{DateTime, Unit};

    #[test]
    fn numbers_keep_every_digit() {
        let unit = Unit(30);
        for (number, scaler, text) in [
            (0, 0, "0 Wh"),
            (2301, -1, "230.1 Wh"),
            (-5, -3, "-0.005 Wh"),
            (7, 3, "7000 Wh"),
            (i128::from(u64::MAX), -3, "18446744073709551.615 Wh"),
            (1, 100, "1×10^100 Wh"),
        ] {
            assert_eq!(scaled(number, (scaler, unit)), text);
        }
        assert_eq!(scaled(4, (0, Unit::NONE)), "4");
    }

    #[test]
    fn times_are_written_as_people_do() {
        let summer = [0x07, 0xE5, 7, 19, 1, 15, 46, 35, 0, 0xFF, 0x88, 0x80];
        assert_eq!(date_time(DateTime::new(summer)), "2021-07-19 15:46:35 +02:00, daylight saving");
        let any_year = [0xFF, 0xFF, 0xFE, 0xFE, 7, 2, 0, 0, 0xFF, 0x80, 0, 0xFF];
        assert_eq!(octet_string(&any_year), "****-begin of daylight saving-last day 02:00:00");
    }

    #[test]
    fn octets_are_named_only_when_they_look_like_it() {
        assert_eq!(octet_string(b"KFM1200200000001"), "\"KFM1200200000001\"");
        assert_eq!(octet_string(&[0x12, 0x5A, 0x85, 0x91]), "");
        assert_eq!(octet_string(&[0xFF; 12]), "****-**-** **:**:** +00:01");
    }
}
