//! What an S-FSK network says about itself (IEC 61334-4-511, CIASE). System titles have six octets there, and eight where HDLC is spoken.

use super::walk::{Stop, Walk};
use crate::Error;

/// Reads one APDU with this tag.
pub(super) fn apdu(walk: &mut Walk<'_>, tag: u8) -> Result<(), Stop> {
    let titles = title_length(walk.rest());
    match tag {
        0x19 => walk.group("ping-request", |walk| named(walk, "system-title-server", titles)),
        0x1A => walk.group("ping-response", |walk| named(walk, "system-title-server", titles)),
        0x1C => walk.group("register", |walk| register(walk, titles)),
        0x1D => walk.group("discover-request", |walk| {
            start(walk)?;
            walk.keep("response-probability", |reader| reader.u8())?;
            walk.keep("allowed-time-slots", |reader| reader.u16())?;
            walk.keep("discover-report-initial-credit", |reader| reader.u8())?;
            walk.keep("ic-equal-credit", |reader| reader.u8()).map(drop)
        }),
        0x1E => walk.group("discover-report", |walk| discover_report(walk, titles)),
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
fn register(walk: &mut Walk<'_>, titles: usize) -> Result<(), Stop> {
    named(walk, "active-initiator", titles)?;
    super::parts::list(walk, "list", |walk| {
        title(walk, "new-system-title", titles)?;
        walk.keep("mac-address", |reader| reader.u16()).map(drop)
    })
}

/// Reads who answered.
fn discover_report(walk: &mut Walk<'_>, titles: usize) -> Result<(), Stop> {
    start(walk)?;
    super::parts::list(walk, "system-titles", |walk| title(walk, "system-title", titles))?;
    if walk.read("alarm-id", |reader| reader.flag())? {
        walk.keep("alarm-id", |reader| reader.u8())?;
    }
    Ok(())
}

/// Reads an APDU that names one station.
fn named(walk: &mut Walk<'_>, name: &'static str, length: usize) -> Result<(), Stop> {
    start(walk)?;
    title(walk, name, length)
}

/// Steps over the tag of the APDU.
fn start(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.read("tag", |reader| reader.u8()).map(drop)
}

/// Reads a system title.
fn title(walk: &mut Walk<'_>, name: &'static str, length: usize) -> Result<(), Stop> {
    let from = walk.at();
    let octets = walk.read(name, |reader| reader.take(length))?;
    walk.add(name, from, octets);
    Ok(())
}

/// Octets of the system titles in an APDU, which only its own length tells.
fn title_length(apdu: &[u8]) -> usize {
    let has_eight = match apdu {
        [0x19 | 0x1A, title @ ..] => title.len() >= 8,
        // Behind the initiator as many titles, each with an address, as the octet behind it says.
        [0x1C, rest @ ..] => rest.get(8).is_some_and(|count| rest.len() == 9 + 10 * usize::from(*count)),
        // Behind the titles one or two octets.
        [0x1E, count, rest @ ..] => rest.len() > 8 * usize::from(*count),
        _ => false,
    };
    if has_eight { 8 } else { 6 }
}
