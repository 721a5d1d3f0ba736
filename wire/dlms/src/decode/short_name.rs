//! Reading and writing by short names (Green Book, 9.3.14 to 9.3.16 and 9.5).

use super::data;
use super::parts::{access_result, list, no_choice, octets, values};
use super::walk::{Stop, Walk};

/// Reads a read-request.
pub(super) fn read_request(walk: &mut Walk<'_>) -> Result<(), Stop> {
    tag(walk, "read-request")?;
    list(walk, "read-request", variable)
}

/// Reads a read-response.
pub(super) fn read_response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    tag(walk, "read-response")?;
    list(walk, "read-response", |walk| match walk.read("choice", |reader| reader.u8())? {
        0 => data::value(walk, "data"),
        1 => access_result(walk, "data-access-error"),
        2 => walk.group("data-block-result", |walk| {
            block_place(walk)?;
            octets(walk, "raw-data").map(drop)
        }),
        3 => walk.keep("block-number", |reader| reader.u16()).map(drop),
        other => Err(no_choice(walk, "choice of read-response", other)),
    })
}

/// Reads a write-request, confirmed or not: `name` is which.
pub(super) fn write_request(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    walk.group(name, |walk| {
        tag(walk, name)?;
        list(walk, "variables", variable)?;
        values(walk, "data")
    })
}

/// Reads a write-response.
pub(super) fn write_response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    tag(walk, "write-response")?;
    list(walk, "write-response", |walk| match walk.read("choice", |reader| reader.u8())? {
        0 => {
            walk.derive("success", None::<bool>);
            Ok(())
        }
        1 => access_result(walk, "data-access-error"),
        2 => walk.keep("block-number", |reader| reader.u16()).map(drop),
        other => Err(no_choice(walk, "choice of write-response", other)),
    })
}

/// Reads an information-report.
pub(super) fn information_report(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("information-report-request", |walk| {
        tag(walk, "information-report-request")?;
        if walk.read("current-time", |reader| reader.flag())? {
            let from = walk.at();
            let text = walk.read("current-time", |reader| reader.octets())?;
            // A GeneralizedTime: characters.
            walk.add("current-time", from, String::from_utf8_lossy(text).into_owned());
        }
        list(walk, "variables", variable)?;
        values(walk, "data")
    })
}

/// Reads what is to be read or written.
fn variable(walk: &mut Walk<'_>) -> Result<(), Stop> {
    match walk.read("choice", |reader| reader.u8())? {
        2 => variable_name(walk),
        4 => walk.group("parameterized-access", |walk| {
            variable_name(walk)?;
            walk.keep("selector", |reader| reader.u8())?;
            data::value(walk, "parameter")
        }),
        5 => walk
            .group("block-number-access", |walk| walk.keep("block-number", |reader| reader.u16()).map(drop)),
        6 => walk.group("read-data-block-access", |walk| {
            block_place(walk)?;
            octets(walk, "raw-data").map(drop)
        }),
        7 => walk.group("write-data-block-access", block_place),
        other => Err(no_choice(walk, "choice of a variable", other)),
    }
}

/// Whether a block is the last one, and its number, which is shorter than with logical names.
fn block_place(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.keep("last-block", |reader| reader.u8().map(|flag| flag != 0))?;
    walk.keep("block-number", |reader| reader.u16()).map(drop)
}

/// Reads a short name.
fn variable_name(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let from = walk.at();
    let name = walk.read("variable-name", |reader| reader.u16())?;
    walk.add("variable-name", from, format!("{name:04X}"));
    Ok(())
}

/// Steps over the tag of the APDU.
fn tag(walk: &mut Walk<'_>, field: &'static str) -> Result<(), Stop> {
    walk.read(field, |reader| reader.u8()).map(drop)
}
