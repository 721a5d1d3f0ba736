//! DLMS on wired M-Bus (EN 13757-1 and -3): long frames with a transport layer.

use super::messages::Message;
use super::node::{Node, Value};
use super::walk::{Stop, Walk};
use crate::Error;
use crate::mbus::{START, STOP, sum};

/// Octets of a long frame beside those that its length counts: two starts, two lengths, checksum, stop.
const AROUND: usize = 6;

/// Whether a long frame starts here.
pub(super) fn is_frame(octets: &[u8]) -> bool {
    matches!(octets, [START, a, b, START, ..] if a == b)
}

/// Reads frames from the octet with this offset to the end: a node for each, and the messages that they carried.
pub(super) fn frames(octets: &[u8], from: usize) -> (Vec<Node>, Vec<Message>, Option<Stop>) {
    let (mut nodes, mut messages, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = from;
    while is_frame(&octets[at..]) {
        let length = usize::from(octets[at + 1]);
        let end = (at + length + AROUND).min(octets.len());
        let mut walk = Walk::new(&octets[at..end], at);
        let mut carried = None;
        let done = walk.group("", |walk| {
            carried = Some(frame(walk, length)?);
            Ok(())
        });
        nodes.extend(walk.into_nodes());
        if let Err(stop) = done {
            return (nodes, messages, Some(stop));
        }
        if let Some((last, carried)) = carried {
            open.extend_from_slice(carried);
            if last {
                messages.push(Message { octets: std::mem::take(&mut open), place: None });
            }
        }
        at = end;
    }
    let rest = Walk::new(&octets[at..], at);
    (nodes, messages, rest.finish("frame").err())
}

/// Reads one frame; returns whether it is the last one of a message, and the piece of it.
fn frame<'a>(walk: &mut Walk<'a>, length: usize) -> Result<(bool, &'a [u8]), Stop> {
    let from = walk.at();
    walk.read("frame", |reader| reader.array::<4>())?;
    walk.add("L", from, length as u8);
    let counted = walk.rest();
    for name in ["C", "A"] {
        octet(walk, name)?;
    }
    let transport = octet(walk, "CI")?;
    if let Some(node) = walk.last_mut() {
        let last = if transport & 0x10 != 0 { ", the last one" } else { "" };
        node.note = format!("segment {}{last}", transport & 0x0F);
    }
    for name in ["STSAP", "DTSAP"] {
        octet(walk, name)?;
    }
    let piece = length.saturating_sub(5);
    let carried = walk.read("segment", |reader| reader.take(piece))?;
    let from = walk.at();
    let checksum = walk.read("checksum", |reader| reader.u8())?;
    let owed = sum(&counted[..length.min(counted.len())]);
    walk.add("checksum", from, &[checksum][..]).note =
        if checksum == owed { "valid".to_owned() } else { format!("wrong, {owed:02X} would be right") };
    match walk.read("stop", |reader| reader.u8())? {
        STOP => Ok((transport & 0x10 != 0, carried)),
        tag => Err(walk.stop("stop", Error::Unexpected { tag })),
    }
}

/// Reads one octet of a header.
fn octet(walk: &mut Walk<'_>, name: &'static str) -> Result<u8, Stop> {
    let from = walk.at();
    let octet = walk.read(name, |reader| reader.u8())?;
    walk.add(name, from, Value::from(&[octet][..]));
    Ok(octet)
}
