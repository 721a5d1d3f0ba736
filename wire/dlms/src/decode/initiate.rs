//! What opens the application context (Green Book, 9.5).

use super::node::{Node, Value};
use super::parts::octets;
use super::walk::{Stop, Walk};
use crate::Conformance;

/// Reads an initiate-request.
pub(super) fn request(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("initiate-request", |walk| {
        walk.read("initiate-request", |reader| reader.u8())?;
        if walk.read("dedicated-key", |reader| reader.flag())? {
            octets(walk, "dedicated-key")?;
        }
        let from = walk.at();
        let allowed = walk.read("response-allowed", |reader| match reader.flag()? {
            true => reader.u8().map(|flag| flag != 0),
            false => Ok(true),
        })?;
        walk.add("response-allowed", from, allowed);
        quality(walk, "proposed-qos")?;
        walk.keep("proposed-dlms-version", |reader| reader.u8())?;
        conformance(walk, "proposed-conformance")?;
        walk.keep("client-max-receive-pdu-size", |reader| reader.u16()).map(drop)
    })
}

/// Reads an initiate-response.
pub(super) fn response(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("initiate-response", |walk| {
        walk.read("initiate-response", |reader| reader.u8())?;
        quality(walk, "negotiated-qos")?;
        walk.keep("negotiated-dlms-version", |reader| reader.u8())?;
        conformance(walk, "negotiated-conformance")?;
        walk.keep("server-max-receive-pdu-size", |reader| reader.u16())?;
        let from = walk.at();
        let name: [u8; 2] = walk.read("vaa-name", |reader| reader.array())?;
        walk.add("vaa-name", from, &name[..]).note = match name {
            [0x00, 0x07] => "logical names".to_owned(),
            [0xFA, 0x00] => "short names".to_owned(),
            _ => String::new(),
        };
        Ok(())
    })
}

/// Reads an optional quality of service, which DLMS does not use.
fn quality(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    if walk.read(name, |reader| reader.flag())? {
        walk.keep(name, |reader| reader.u8())?;
    }
    Ok(())
}

/// Reads the services that one side offers.
fn conformance(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let conformance = walk.read(name, Conformance::read)?;
    let names: Vec<&str> = conformance.names().collect();
    walk.add(name, from, &conformance.octets()[..]).note = names.join(", ");
    let bit = |name: &'static str| Node { name: "", place: None, value: name.into(), note: String::new() };
    walk.derive("conformance-bits", Value::List(names.into_iter().map(bit).collect()));
    Ok(())
}
