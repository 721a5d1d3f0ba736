//! GET, SET and ACTION (Green Book, 9.3 and 9.5).

use super::data;
use super::parts::{
    access_result, action_result, attribute, block, block_place, invoke, list, method, no_choice, raw_data,
    result, selected, selection, values,
};
use super::walk::{Stop, Walk};
use crate::Error;

/// Reads a GET request.
pub(super) fn get_request(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match choice(walk, "get-request")? {
        1 => service(walk, "get-request-normal", selected),
        2 => service(walk, "get-request-next", number),
        3 => service(walk, "get-request-with-list", |walk| list(walk, "list", selected)),
        other => Err(wrong(walk, "choice of GET request", other)),
    }
}

/// Reads a GET response.
pub(super) fn get_response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match choice(walk, "get-response")? {
        1 => service(walk, "get-response-normal", result),
        2 => service(walk, "get-response-with-datablock", |walk| {
            block_place(walk)?;
            match walk.read("result", |reader| reader.u8())? {
                0 => raw_data(walk),
                1 => access_result(walk, "data-access-result"),
                other => Err(no_choice(walk, "choice of data block", other)),
            }
        }),
        3 => service(walk, "get-response-with-list", |walk| list(walk, "results", result)),
        other => Err(wrong(walk, "choice of GET response", other)),
    }
}

/// Reads a SET request.
pub(super) fn set_request(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match choice(walk, "set-request")? {
        1 => service(walk, "set-request-normal", |walk| {
            selected(walk)?;
            data::value(walk, "value")
        }),
        2 => service(walk, "set-request-with-first-datablock", |walk| {
            attribute(walk)?;
            selection(walk)?;
            block(walk, "datablock")
        }),
        3 => service(walk, "set-request-with-datablock", |walk| block(walk, "datablock")),
        4 => service(walk, "set-request-with-list", |walk| {
            list(walk, "list", selected)?;
            values(walk, "values")
        }),
        5 => service(walk, "set-request-with-list-and-first-datablock", |walk| {
            list(walk, "list", selected)?;
            block(walk, "datablock")
        }),
        other => Err(wrong(walk, "choice of SET request", other)),
    }
}

/// Reads a SET response.
pub(super) fn set_response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match choice(walk, "set-response")? {
        1 => service(walk, "set-response-normal", |walk| access_result(walk, "result")),
        2 => service(walk, "set-response-datablock", number),
        3 => service(walk, "set-response-last-datablock", |walk| {
            access_result(walk, "result")?;
            number(walk)
        }),
        4 => service(walk, "set-response-last-datablock-with-list", |walk| {
            access_results(walk)?;
            number(walk)
        }),
        5 => service(walk, "set-response-with-list", access_results),
        other => Err(wrong(walk, "choice of SET response", other)),
    }
}

/// Reads an ACTION request.
pub(super) fn action_request(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match choice(walk, "action-request")? {
        1 => service(walk, "action-request-normal", |walk| {
            method(walk)?;
            optional(walk, "parameters", data::value)
        }),
        2 => service(walk, "action-request-next-pblock", number),
        3 => service(walk, "action-request-with-list", |walk| {
            list(walk, "list", method)?;
            values(walk, "parameters")
        }),
        4 => service(walk, "action-request-with-first-pblock", |walk| {
            method(walk)?;
            block(walk, "pblock")
        }),
        5 => service(walk, "action-request-with-list-and-first-pblock", |walk| {
            list(walk, "list", method)?;
            block(walk, "pblock")
        }),
        6 => service(walk, "action-request-with-pblock", |walk| block(walk, "pblock")),
        other => Err(wrong(walk, "choice of ACTION request", other)),
    }
}

/// Reads an ACTION response.
pub(super) fn action_response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match choice(walk, "action-response")? {
        1 => service(walk, "action-response-normal", returned),
        2 => service(walk, "action-response-with-pblock", |walk| block(walk, "pblock")),
        3 => service(walk, "action-response-with-list", |walk| list(walk, "list", returned)),
        4 => service(walk, "action-response-next-pblock", number),
        other => Err(wrong(walk, "choice of ACTION response", other)),
    }
}

/// The choice behind the tag, which both stay unread.
fn choice(walk: &Walk<'_>, field: &'static str) -> Result<u8, Stop> {
    walk.rest().get(1).copied().ok_or_else(|| walk.stop(field, Error::Truncated))
}

/// Refuses a choice that the standard does not define.
fn wrong(walk: &Walk<'_>, what: &'static str, choice: u8) -> Stop {
    Stop { offset: walk.at() + 1, ..walk.stop(what, Error::Value { what, got: choice.into() }) }
}

/// Reads tag, choice and invoke-id, and then what is particular to the service.
fn service(
    walk: &mut Walk<'_>,
    name: &'static str,
    read: impl FnOnce(&mut Walk<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    walk.group(name, |walk| {
        walk.read(name, |reader| reader.array::<2>())?;
        invoke(walk)?;
        read(walk)
    })
}

/// Reads an element behind its usage flag; absent, it is kept as nothing.
fn optional(
    walk: &mut Walk<'_>,
    name: &'static str,
    read: impl FnOnce(&mut Walk<'_>, &'static str) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let from = walk.at();
    if walk.read(name, |reader| reader.flag())? {
        return read(walk, name);
    }
    walk.add(name, from, None::<bool>);
    Ok(())
}

/// Reads the number of the block that was received last.
fn number(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.keep("block-number", |reader| reader.u32()).map(drop)
}

/// Reads what came of a method, and what it returned. Some meters leave out the usage flag when nothing follows, some the choice in front
/// of a value.
fn returned(walk: &mut Walk<'_>) -> Result<(), Stop> {
    action_result(walk, "result")?;
    if walk.rest().is_empty() {
        return Ok(());
    }
    optional(walk, "return-parameters", |walk, name| {
        walk.group(name, |walk| match walk.rest().first() {
            Some(2..) => data::value(walk, "data"),
            _ => result(walk),
        })
    })
}

/// Reads the results of writing a list.
fn access_results(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.list("results", |walk| {
        let count = walk.read("results", |reader| reader.length())?;
        (0..count).try_for_each(|_| access_result(walk, ""))
    })
}
