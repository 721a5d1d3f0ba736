//! Opening and releasing an association (Green Book, 9.4.2; BER).

use super::apdu::apdu;
use super::context::Context;
use super::node::Value;
use super::parts::code;
use super::walk::{Stop, Walk};
use crate::Error;
use crate::error::AssociationResult;
use crate::security::SystemTitle;

/// Object identifiers of DLMS: all but the kind and the number behind it.
const ARC: [u8; 5] = [0x60, 0x85, 0x74, 0x05, 0x08];

/// Reads an association request.
pub(super) fn request(walk: &mut Walk<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    fields(walk, "aarq", |walk, tag| match tag {
        0xA6 => {
            let title = nested(walk, "calling-ap-title", 0x04)?;
            context.client = SystemTitle::try_from(title).ok().or(context.client);
            Ok(())
        }
        0xA7 => nested(walk, "calling-ae-qualifier", 0x04).map(drop),
        0xA8 => number(walk, "calling-ap-invocation-id"),
        0xA9 => number(walk, "calling-ae-invocation-id"),
        0xA2 => nested(walk, "called-ap-title", 0x04).map(drop),
        0xA3 => nested(walk, "called-ae-qualifier", 0x04).map(drop),
        0xA4 => number(walk, "called-ap-invocation-id"),
        0xA5 => number(walk, "called-ae-invocation-id"),
        0x8A => rest(walk, "acse-requirements"),
        0x8B => mechanism(walk),
        0xAC => authentication(walk),
        _ => common(walk, context, tag),
    })
}

/// Reads an association response.
pub(super) fn response(walk: &mut Walk<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    fields(walk, "aare", |walk, tag| match tag {
        0xA2 => {
            let from = walk.at();
            let octets = inside(walk, "result", 0x02)?;
            let result = AssociationResult::from(small(walk, "result", octets)?);
            walk.add("result", from, code(result.name(), result.code()));
            Ok(())
        }
        0xA3 => diagnostic(walk),
        0xA4 => {
            let title = nested(walk, "responding-ap-title", 0x04)?;
            context.server = SystemTitle::try_from(title).ok().or(context.server);
            Ok(())
        }
        0xA5 => nested(walk, "responding-ae-qualifier", 0x04).map(drop),
        0xA6 => number(walk, "responding-ap-invocation-id"),
        0xA7 => number(walk, "responding-ae-invocation-id"),
        0x88 => rest(walk, "acse-requirements"),
        0x89 => mechanism(walk),
        0xAA => authentication(walk),
        _ => common(walk, context, tag),
    })
}

/// Reads a release request or response: `name` is which.
pub(super) fn release(
    walk: &mut Walk<'_>,
    context: &mut Context<'_>,
    name: &'static str,
) -> Result<(), Stop> {
    fields(walk, name, |walk, tag| match tag {
        0x80 => {
            let from = walk.at();
            let octets = walk.rest();
            let reason = small(walk, "reason", octets)?;
            walk.read("reason", |reader| reader.u8())?;
            walk.add("reason", from, reason).note = match (reason, name) {
                (0, _) => "normal",
                (1, "rlrq") => "urgent",
                (1, _) => "not finished",
                (30, _) => "user defined",
                _ => "",
            }
            .to_owned();
            Ok(())
        }
        _ => common(walk, context, tag),
    })
}

/// Fields that several of the APDUs have, and those that nobody knows.
fn common(walk: &mut Walk<'_>, context: &mut Context<'_>, tag: u8) -> Result<(), Stop> {
    match tag {
        0x80 => rest(walk, "protocol-version"),
        0xA1 => {
            let from = walk.at();
            let octets = inside(walk, "application-context", 0x06)?;
            let name = match (octets.strip_prefix(&ARC), octets) {
                (Some([1, 1]), _) => "LN no ciphering".into(),
                (Some([1, 2]), _) => "SN no ciphering".into(),
                (Some([1, 3]), _) => "LN ciphering".into(),
                (Some([1, 4]), _) => "SN ciphering".into(),
                (_, octets) => Value::Octets(octets.to_vec()),
            };
            walk.add("application-context", from, name);
            Ok(())
        }
        0xBE => user_information(walk, context),
        _ => {
            rest(walk, "unknown-field")?;
            if let Some(node) = walk.last_mut() {
                node.note = format!("tag {tag:02X}");
            }
            Ok(())
        }
    }
}

/// Reads the fields of an APDU, one after the other.
fn fields(
    walk: &mut Walk<'_>,
    name: &'static str,
    mut each: impl FnMut(&mut Walk<'_>, u8) -> Result<(), Stop>,
) -> Result<(), Stop> {
    walk.group(name, |walk| {
        let length = walk.read(name, |reader| reader.u8().and_then(|_| reader.length()))?;
        walk.within(name, length, |walk| {
            while !walk.rest().is_empty() {
                let tag = walk.read(name, |reader| reader.u8())?;
                let length = walk.read(name, |reader| reader.length())?;
                walk.within(name, length, |walk| each(walk, tag))?;
            }
            Ok(())
        })
    })
}

/// Reads the initiate APDU inside, perhaps ciphered.
fn user_information(walk: &mut Walk<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let name = "user-information";
    let tag = walk.read(name, |reader| reader.u8())?;
    if tag != 0x04 {
        return Err(walk.stop(name, Error::Unexpected { tag }));
    }
    let length = walk.read(name, |reader| reader.length())?;
    let there = walk.rest();
    walk.derive("user-information-hex", &there[..length.min(there.len())]);
    let plaintext = std::mem::replace(&mut context.plaintext, "user-information-plaintext");
    let done = walk.group(name, |walk| walk.within(name, length, |walk| apdu(walk, context)));
    context.plaintext = plaintext;
    done
}

/// Reads the object identifier of an authentication mechanism.
fn mechanism(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let from = walk.at();
    let octets = walk.rest();
    walk.read("mechanism", |reader| reader.take(octets.len()))?;
    let name = match octets.strip_prefix(&ARC) {
        Some([2, id]) => MECHANISMS.get(usize::from(*id)).copied(),
        _ => None,
    };
    walk.add("mechanism", from, name.map_or_else(|| octets.into(), Value::from));
    Ok(())
}

/// Authentication mechanisms by number.
const MECHANISMS: [&str; 8] = [
    "lowest",
    "LLS",
    "HLS-manufacturer(2)",
    "HLS-MD5(3)",
    "HLS-SHA1(4)",
    "HLS-GMAC(5)",
    "HLS-SHA256(6)",
    "HLS-ECDSA(7)",
];

/// Reads a password or a challenge, and which kind of value it is.
fn authentication(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let from = walk.at();
    let choice = walk.read("authentication-value", |reader| reader.u8())?;
    let value = walk.read("authentication-value", |reader| reader.octets())?;
    walk.add("authentication-value", from, value);
    walk.derive("authentication-value-choice", &[choice][..]);
    Ok(())
}

/// Reads who says why an association was refused.
fn diagnostic(walk: &mut Walk<'_>) -> Result<(), Stop> {
    let name = "result-source-diagnostic";
    let from = walk.at();
    let source = walk.rest().first().copied().unwrap_or_default();
    let octets = inside(walk, name, source)?;
    let [0x02, 0x01, value] = octets else {
        return Err(walk.stop(name, Error::Length { what: name, expected: 3, got: octets.len() }));
    };
    let (source, diagnostic) = match source {
        0xA1 => ("acse-service-user", crate::Diagnostic::User(*value)),
        0xA2 => ("acse-service-provider", crate::Diagnostic::Provider(*value)),
        tag => return Err(walk.stop(name, Error::Unexpected { tag })),
    };
    let part = |name, value: Value| super::Node { name, place: None, value, note: String::new() };
    let fields = vec![part("source", source.into()), part("value", (*value).into())];
    walk.add(name, from, Value::Fields(fields)).note = format!("{value} from the {source}: {diagnostic}");
    Ok(())
}

/// Reads what is left as octets.
fn rest(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let octets = walk.rest();
    walk.read(name, |reader| reader.take(octets.len()))?;
    walk.add(name, from, octets);
    Ok(())
}

/// Reads an element whose contents are one field with this tag.
fn nested<'a>(walk: &mut Walk<'a>, name: &'static str, tag: u8) -> Result<&'a [u8], Stop> {
    let from = walk.at();
    let octets = inside(walk, name, tag)?;
    walk.add(name, from, octets);
    Ok(octets)
}

/// Reads a BER integer.
fn number(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let octets = inside(walk, name, 0x02)?;
    match octets {
        [number] => walk.add(name, from, *number),
        longer => walk.add(name, from, longer),
    };
    Ok(())
}

/// The contents of the one field with this tag.
fn inside<'a>(walk: &mut Walk<'a>, name: &'static str, expected: u8) -> Result<&'a [u8], Stop> {
    walk.read(name, |reader| match reader.u8()? {
        tag if tag == expected => reader.octets(),
        tag => Err(Error::Unexpected { tag }),
    })
}

/// A number of one octet.
fn small(walk: &Walk<'_>, name: &'static str, octets: &[u8]) -> Result<u8, Stop> {
    match octets {
        [number] => Ok(*number),
        _ => Err(walk.stop(name, Error::Length { what: name, expected: 1, got: octets.len() })),
    }
}
