//! Which APDU it is, by its tag.

use super::context::Context;
use super::node::{Node, Value};
use super::parts::octets;
use super::walk::{Stop, Walk};
use super::{access, acse, ciase, initiate, protection, services, short_name, unasked};
use crate::Error;

/// Reads one APDU.
pub(super) fn apdu(walk: &mut Walk<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let Some(&tag) = walk.rest().first() else { return Err(walk.stop("apdu", Error::Truncated)) };
    match tag {
        0x01 => {
            initiate::request(walk)?;
            context.learn_key(walk.last());
            Ok(())
        }
        0x08 => initiate::response(walk),
        0x05 => short_name::read_request(walk),
        0x06 => short_name::write_request(walk, "write-request"),
        0x16 => short_name::write_request(walk, "unconfirmed-write-request"),
        0x0C => short_name::read_response(walk),
        0x0D => short_name::write_response(walk),
        0x18 => short_name::information_report(walk),
        0x0E => unasked::service_error(walk),
        0x0F => unasked::data_notification(walk),
        0x10 => unasked::data_notification_confirm(walk),
        0x19..=0x1F | 0x39 => ciase::apdu(walk, tag),
        0x60 => acse::request(walk, context),
        0x61 => acse::response(walk, context),
        0x62 => acse::release(walk, context, "rlrq"),
        0x63 => acse::release(walk, context, "rlre"),
        0xC0 => services::get_request(walk),
        0xC1 => services::set_request(walk),
        0xC2 => unasked::event_notification(walk),
        0xC3 => services::action_request(walk),
        0xC4 => services::get_response(walk),
        0xC5 => services::set_response(walk),
        0xC7 => services::action_response(walk),
        0xD8 => unasked::exception(walk),
        0xD9 => access::request(walk),
        0xDA => access::response(walk),
        0xDB => protection::general(walk, context, "general-glo-ciphering"),
        0xDC => protection::general(walk, context, "general-ded-ciphering"),
        0xDD => protection::general_ciphering(walk, context),
        0xDF => protection::general_signing(walk, context),
        0xE0 => block_transfer(walk),
        0xE6 => gateway(walk, context, "gateway-request"),
        0xE7 => gateway(walk, context, "gateway-response"),
        _ => match CIPHERED.iter().find(|(ciphered, _)| *ciphered == tag) {
            Some((_, name)) => protection::service(walk, context, name),
            None => Err(walk.stop("apdu", Error::Unexpected { tag })),
        },
    }
}

/// Whether an APDU may start with this octet.
pub(super) fn is_tag(tag: u8) -> bool {
    let plain = matches!(
        tag,
        0x01 | 0x05 | 0x06 | 0x08 | 0x0C..=0x10 | 0x16 | 0x18 | 0x60..=0x63 | 0xC0..=0xC5 | 0xC7 | 0xD8..=0xDD | 0xDF | 0xE0
            | 0xE6 | 0xE7
    );
    plain || CIPHERED.iter().any(|(ciphered, _)| *ciphered == tag)
}

/// Whether an APDU of this name protects another one.
pub(super) fn is_protection(name: &str) -> bool {
    name.starts_with("general-glo")
        || name.starts_with("general-ded")
        || name.starts_with("glo-")
        || name.starts_with("ded-")
        || name == "general-ciphering"
        || name == "general-signing"
}

/// Reads a block of a general block transfer (Green Book, 9.3.4).
fn block_transfer(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("general-block-transfer", |walk| {
        walk.read("general-block-transfer", |reader| reader.u8())?;
        let from = walk.at();
        let control = walk.read("block-control", |reader| reader.u8())?;
        walk.add("last-block", from, control & 0x80 != 0).note = format!(
            "streaming {}, window {}",
            if control & 0x40 != 0 { "on" } else { "off" },
            control & 0x3F
        );
        walk.derive("streaming", control & 0x40 != 0);
        walk.derive("window", control & 0x3F);
        walk.keep("block-number", |reader| reader.u16())?;
        walk.keep("block-number-ack", |reader| reader.u16())?;
        octets(walk, "block-data").map(drop)
    })?;
    if let Some(node) = walk.last_mut() {
        node.note = in_short(node);
    }
    Ok(())
}

/// A block in one line.
fn in_short(block: &Node) -> String {
    let number = |name| match block.child(name).map(|child| &child.value) {
        Some(Value::Number(number)) => *number,
        _ => 0,
    };
    let length = match block.child("block-data").map(|child| &child.value) {
        Some(Value::Octets(octets)) => octets.len(),
        _ => 0,
    };
    let control = block.child("last-block");
    let last =
        if control.is_some_and(|child| child.value == Value::Flag(true)) { ", the last one" } else { "" };
    let control = control.map_or("", |child| child.note.as_str());
    let (block, acknowledged) = (number("block-number"), number("block-number-ack"));
    format!("block {block}{last}, {length} octets, acknowledges {acknowledged}, {control}")
}

/// Reads the prefix of a gateway, and the APDU behind it (Green Book, 10.10).
fn gateway(walk: &mut Walk<'_>, context: &mut Context<'_>, name: &'static str) -> Result<(), Stop> {
    walk.group(name, |walk| {
        walk.read(name, |reader| reader.u8())?;
        walk.keep("network-id", |reader| reader.u8())?;
        octets(walk, "physical-device-address")?;
        let behind = walk.rest();
        walk.derive("user-data", behind);
        Ok(())
    })?;
    walk.group("user-apdu", |walk| apdu(walk, context))
}

/// Tags of the services that are ciphered by themselves, and the names of these APDUs.
const CIPHERED: [(u8, &str); 32] = [
    (0x21, "glo-initiate-request"),
    (0x25, "glo-read-request"),
    (0x26, "glo-write-request"),
    (0x28, "glo-initiate-response"),
    (0x2C, "glo-read-response"),
    (0x2D, "glo-write-response"),
    (0x2E, "glo-confirmed-service-error"),
    (0x36, "glo-unconfirmed-write-request"),
    (0x38, "glo-information-report-request"),
    (0x41, "ded-initiate-request"),
    (0x45, "ded-read-request"),
    (0x46, "ded-write-request"),
    (0x48, "ded-initiate-response"),
    (0x4C, "ded-read-response"),
    (0x4D, "ded-write-response"),
    (0x4E, "ded-confirmed-service-error"),
    (0x56, "ded-unconfirmed-write-request"),
    (0x58, "ded-information-report-request"),
    (0xC8, "glo-get-request"),
    (0xC9, "glo-set-request"),
    (0xCA, "glo-event-notification-request"),
    (0xCB, "glo-action-request"),
    (0xCC, "glo-get-response"),
    (0xCD, "glo-set-response"),
    (0xCF, "glo-action-response"),
    (0xD0, "ded-get-request"),
    (0xD1, "ded-set-request"),
    (0xD2, "ded-event-notification-request"),
    (0xD3, "ded-action-request"),
    (0xD4, "ded-get-response"),
    (0xD5, "ded-set-response"),
    (0xD7, "ded-action-response"),
];
