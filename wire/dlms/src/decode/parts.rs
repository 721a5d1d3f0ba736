//! What the services have in common: who asks, for what, and how it ended.

use super::data;
use super::notes;
use super::walk::{Stop, Walk};
use crate::apdu::{InvokeId, LongInvokeId};
use crate::cosem::dictionary::Class;
use crate::error::{ActionResult, DataAccessResult};
use crate::{DateTime, Error, Obis};

/// Octets of a date-time.
const TIME: usize = 12;

/// Refuses a choice that the standard does not define; it was the octet just read.
pub(super) fn no_choice(walk: &Walk<'_>, what: &'static str, choice: u8) -> Stop {
    let offset = walk.at().saturating_sub(1);
    Stop { offset, within: "", field: what, error: Error::Value { what, got: choice.into() } }
}

/// Reads an invoke-id-and-priority.
pub(super) fn invoke(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let from = walk.at();
    let octet = walk.read("invoke-id", |reader| reader.u8())?;
    let invoke = InvokeId::new(octet);
    let (class, priority) = (class(invoke.is_confirmed()), priority(invoke.is_high()));
    walk.add("invoke-id", from, invoke.id()).note = format!("{class}, {priority} priority");
    walk.derive("service-class", class);
    walk.derive("priority", priority);
    walk.derive("self-descriptive", octet & 0x10 != 0);
    walk.derive("raw", &[octet][..]);
    Ok(())
}

/// Reads a long-invoke-id-and-priority.
pub(super) fn long_invoke(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let from = walk.at();
    let number = walk.read("long-invoke-id", |reader| reader.u32())?;
    let invoke = LongInvokeId::new(number);
    let (class, priority) = (class(invoke.is_confirmed()), priority(invoke.is_high()));
    walk.add("long-invoke-id", from, invoke.id()).note = format!("{class}, {priority} priority");
    let option = if invoke.breaks_on_error() { "break-on-error" } else { "continue-on-error" };
    walk.derive("self-descriptive", invoke.is_self_descriptive());
    walk.derive("processing-option", option);
    walk.derive("service-class", class);
    walk.derive("priority", priority);
    walk.derive("raw", &number.to_be_bytes()[..]);
    Ok(())
}

/// Reads an attribute descriptor.
pub(super) fn attribute(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let class = object(walk)?;
    let attribute = walk.keep("attribute", |reader| reader.u8().map(u8::cast_signed))?;
    let name = class.and_then(|class| class.attribute(attribute)).map(|attribute| attribute.name);
    annotate(walk, name);
    Ok(())
}

/// Reads a method descriptor.
pub(super) fn method(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let class = object(walk)?;
    let method = walk.keep("method", |reader| reader.u8().map(u8::cast_signed))?;
    annotate(walk, class.and_then(|class| class.method(method)));
    Ok(())
}

/// Reads class and logical name; returns the class, when it is known.
fn object(walk: &mut Walk<'_>) -> Result<Option<&'static Class>, Stop> {
    let class = Class::of(walk.keep("class", |reader| reader.u16())?);
    annotate(walk, class.map(|class| class.name));
    let from = walk.at();
    let obis = Obis::new(walk.read("obis", |reader| reader.array())?);
    walk.add("obis", from, obis.to_string()).note = obis.name().unwrap_or_default();
    Ok(class)
}

/// Gives the element that was kept last a name for people.
fn annotate(walk: &mut Walk<'_>, name: Option<&str>) {
    if let (Some(node), Some(name)) = (walk.last_mut(), name) {
        node.note = name.to_owned();
    }
}

/// Reads an optional access selection.
pub(super) fn selection(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let from = walk.at();
    if !walk.read("access-selection", |reader| reader.flag())? {
        walk.add("access-selection", from, None::<bool>);
        return Ok(());
    }
    walk.group("access-selection", |walk| {
        walk.keep("selector", |reader| reader.u8())?;
        data::value(walk, "parameters")
    })
}

/// Reads an attribute descriptor with its optional selection.
pub(super) fn selected(walk: &mut Walk<'_>) -> Result<(), Stop> {
    attribute(walk)?;
    selection(walk)
}

/// Reads a list: its count, and every element as fields.
pub(super) fn list(
    walk: &mut Walk<'_>,
    name: &'static str,
    mut element: impl FnMut(&mut Walk<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    walk.list(name, |walk| {
        let count = walk.read(name, |reader| reader.length())?;
        (0..count).try_for_each(|_| walk.group("", &mut element))
    })
}

/// Reads a list of values.
pub(super) fn values(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    walk.list(name, |walk| {
        let count = walk.read(name, |reader| reader.length())?;
        (0..count).try_for_each(|_| data::value(walk, ""))
    })
}

/// Reads a piece of a long value with its number.
pub(super) fn block(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    walk.group(name, |walk| {
        block_place(walk)?;
        raw_data(walk)
    })
}

/// Reads whether a block is the last one, and its number.
pub(super) fn block_place(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.keep("last-block", |reader| reader.u8().map(|flag| flag != 0))?;
    walk.keep("block-number", |reader| reader.u32())?;
    Ok(())
}

/// Reads a piece of a long value.
pub(super) fn raw_data(walk: &mut Walk<'_>) -> Result<(), Stop> {
    octets(walk, "raw-data").map(drop)
}

/// Reads a length and as many octets.
pub(super) fn octets<'a>(walk: &mut Walk<'a>, name: &'static str) -> Result<&'a [u8], Stop> {
    let from = walk.at();
    let octets = walk.read(name, |reader| reader.octets())?;
    walk.add(name, from, octets);
    Ok(octets)
}

/// Reads a value, or why there is none.
pub(super) fn result(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match walk.read("result", |reader| reader.u8())? {
        0 => data::value(walk, "data"),
        1 => access_result(walk, "data-access-result"),
        choice => Err(no_choice(walk, "choice of a result", choice)),
    }
}

/// Reads a data-access-result.
pub(super) fn access_result(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let result = DataAccessResult::from(walk.read(name, |reader| reader.u8())?);
    walk.add(name, from, code(result.name(), result.code()));
    Ok(())
}

/// Reads an action-result.
pub(super) fn action_result(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let result = ActionResult::from(walk.read(name, |reader| reader.u8())?);
    walk.add(name, from, code(result.name(), result.code()));
    Ok(())
}

/// The name of a code, or its number when the standard has no name for it.
pub(super) fn code(name: &'static str, code: u8) -> super::Value {
    if name.is_empty() { code.into() } else { name.into() }
}

/// Reads an octet-string that holds a date-time or nothing.
pub(super) fn time_or_none(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    // Some meters put the type of an octet-string in front of its length.
    let typed = walk.rest().starts_with(&[9, TIME as u8]);
    let octets = walk.read(name, |reader| {
        if typed {
            reader.u8()?;
        }
        reader.octets()
    })?;
    match <[u8; TIME]>::try_from(octets) {
        Ok(octets) => time(walk, name, from, DateTime::new(octets)),
        Err(_) if octets.is_empty() => {
            walk.add(name, from, None::<bool>);
        }
        Err(_) => {
            let error = Error::Length { what: "date-time", expected: TIME, got: octets.len() };
            return Err(Stop { offset: from, within: "", field: name, error });
        }
    }
    Ok(())
}

/// Keeps a date-time that reaches from `from` to here.
pub(super) fn time(walk: &mut Walk<'_>, name: &'static str, from: usize, time: DateTime) {
    walk.add(name, from, super::Value::Fields(data::decoded(time))).note = notes::date_time(time);
}

/// The word for a request's class of service.
const fn class(confirmed: bool) -> &'static str {
    if confirmed { "confirmed" } else { "unconfirmed" }
}

/// The word for a request's priority.
const fn priority(high: bool) -> &'static str {
    if high { "high" } else { "normal" }
}
