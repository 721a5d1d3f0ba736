//! What an S-FSK network says about itself (IEC 61334-4-511, CIASE). System titles have six octets there.

use super::walk::{Stop, Walk};
use crate::Error;

/// Octets of a system title on an S-FSK network.
const TITLE: usize = 6;

/// Reads one APDU with this tag.
pub(super) fn apdu(walk: &mut Walk<'_>, tag: u8) -> Result<(), Stop> {
    match tag {
        0x19 => walk.group("ping-request", |walk| named(walk, "system-title-server")),
        0x1A => walk.group("ping-response", |walk| named(walk, "system-title-server")),
        0x1C => walk.group("register", register),
        0x1D => walk.group("discover-request", |walk| {
            start(walk)?;
            walk.keep("response-probability", |reader| reader.u8())?;
            walk.keep("allowed-time-slots", |reader| reader.u16())?;
            walk.keep("discover-report-initial-credit", |reader| reader.u8())?;
            walk.keep("ic-equal-credit", |reader| reader.u8()).map(drop)
        }),
        0x1E => walk.group("discover-report", discover_report),
        0x1F => walk.group("repeater-call", |walk| {
            start(walk)?;
            walk.keep("max-adr-mac", |reader| reader.u16())?;
            walk.keep("nb-tslot-for-new", |reader| reader.u8())?;
            walk.keep("reception-threshold", |reader| reader.u8()).map(drop)
        }),
        0x39 => walk.group("clear-alarm", |walk| {
            start(walk)?;
            walk.keep("alarm-id", |reader| reader.u8()).map(drop)
        }),
        tag => Err(walk.stop("apdu", Error::Unexpected { tag })),
    }
}

/// Reads what new stations are told.
fn register(walk: &mut Walk<'_>) -> Result<(), Stop> {
    named(walk, "active-initiator")?;
    super::parts::list(walk, "list", |walk| {
        title(walk, "new-system-title")?;
        walk.keep("mac-address", |reader| reader.u16()).map(drop)
    })
}

/// Reads who answered.
fn discover_report(walk: &mut Walk<'_>) -> Result<(), Stop> {
    start(walk)?;
    super::parts::list(walk, "system-titles", |walk| title(walk, "system-title"))?;
    if walk.read("alarm-id", |reader| reader.flag())? {
        walk.keep("alarm-id", |reader| reader.u8())?;
    }
    Ok(())
}

/// Reads an APDU that names one station.
fn named(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    start(walk)?;
    title(walk, name)
}

/// Steps over the tag of the APDU.
fn start(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.read("tag", |reader| reader.u8()).map(drop)
}

/// Reads a system title.
fn title(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let octets: [u8; TITLE] = walk.read(name, |reader| reader.array())?;
    walk.add(name, from, &octets[..]);
    Ok(())
}
