//! The ACCESS service (Green Book, 9.3.5 and 9.5).

use super::data;
use super::parts::{
    access_result, action_result, attribute, list, long_invoke, method, no_choice, time_or_none, values,
};
use super::walk::{Stop, Walk};

/// Reads an access-request.
pub(super) fn request(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("access-request", |walk| {
        walk.read("access-request", |reader| reader.u8())?;
        long_invoke(walk)?;
        time_or_none(walk, "date-time")?;
        list(walk, "specifications", specification)?;
        values(walk, "data")
    })
}

/// Reads an access-response.
pub(super) fn response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("access-response", |walk| {
        walk.read("access-response", |reader| reader.u8())?;
        long_invoke(walk)?;
        time_or_none(walk, "date-time")?;
        if walk.read("specifications", |reader| reader.flag())? {
            list(walk, "specifications", specification)?;
        }
        values(walk, "data")?;
        list(walk, "results", |walk| match walk.read("choice", |reader| reader.u8())? {
            1 => access_result(walk, "get"),
            2 => access_result(walk, "set"),
            3 => action_result(walk, "action"),
            other => Err(no_choice(walk, "choice of an access result", other)),
        })
    })
}

/// Reads what is asked for.
fn specification(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match walk.read("choice", |reader| reader.u8())? {
        1 => walk.group("get", attribute),
        2 => walk.group("set", attribute),
        3 => walk.group("action", method),
        4 => walk.group("get-with-selection", selected),
        5 => walk.group("set-with-selection", selected),
        other => Err(no_choice(walk, "choice of an access specification", other)),
    }
}

/// Reads an attribute and which part of it.
fn selected(walk: &mut Walk<'_>) -> Result<(), Stop> {
    attribute(walk)?;
    walk.keep("selector", |reader| reader.u8())?;
    data::value(walk, "parameters")
}
