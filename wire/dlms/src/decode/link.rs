//! What kind of link the octets come from.

use super::apdu::is_tag;
use super::context::Context;
use super::messages::{Carrier, Found, Message, arrange, read as read_apdus, together};
use super::node::{Node, Value};
use super::walk::{Stop, Walk};
use super::{data, hdlc, mbus};
use crate::wrapper::{HEADER_LENGTH, Header};
use crate::{DateTime, Error};

/// What was found, and where it stopped.
type Outcome = (Vec<Node>, Option<Stop>);

/// Recognises what starts at this offset, and reads it to the end.
pub(super) fn read(octets: &[u8], from: usize, context: &mut Context<'_>) -> Outcome {
    let here = &octets[from..];
    match here {
        _ if hdlc::is_frame(here) => frames(octets, from, context),
        _ if is_wrapper(here) => wrapped(octets, from, context),
        _ if mbus::is_frame(here) => mbus_frames(octets, from, context),
        _ if acknowledgement(here).is_some() => mode_e(octets, from, context),
        [0xE6, 0xE6 | 0xE7, 0x00, tag, ..] if is_tag(*tag) => llc(octets, from, "llc", context),
        [0x90, _, _, tag, ..] if is_tag(*tag) => llc(octets, from, "llc-61334", context),
        _ => bare(octets, from, context),
    }
}

/// An APDU by itself, or a value by itself; what fits is taken.
fn bare(octets: &[u8], from: usize, context: &mut Context<'_>) -> Outcome {
    let message = Message { octets: octets[from..].to_vec(), place: Some(from) };
    let (found, stop) = read_apdus(message, Carrier::None, context);
    let Some(stop) = stop else { return arrange(found, Carrier::None, context) };
    if let Some(nodes) = value(octets, from) {
        return (nodes, None);
    }
    // Noise in front of a frame is common where a line was tapped.
    let frame = (from + 1..octets.len()).find(|at| hdlc::is_frame(&octets[*at..]));
    if stop.offset == from && frame.is_some() {
        return frames(octets, from, context);
    }
    let (nodes, _) = arrange(found, Carrier::None, context);
    (nodes, Some(stop))
}

/// A value of any type, or the twelve octets of a date-time, when nothing else is there.
fn value(octets: &[u8], from: usize) -> Option<Vec<Node>> {
    let mut walk = Walk::new(&octets[from..], from);
    if data::value(&mut walk, "data").and_then(|()| walk.finish("data")).is_ok() {
        return Some(walk.into_nodes());
    }
    let time = DateTime::new(octets[from..].try_into().ok()?);
    let mut walk = Walk::new(&octets[from..], from);
    walk.read("decoded", |reader| reader.array::<12>()).ok()?;
    super::parts::time(&mut walk, "decoded", from, time);
    Some(walk.into_nodes())
}

/// HDLC frames, and the APDUs that they carried.
fn frames(octets: &[u8], from: usize, context: &mut Context<'_>) -> Outcome {
    let hdlc::Frames { nodes: mut frames, messages, mut beside, mut stop } = hdlc::frames(octets, from);
    let mut nodes = Vec::new();
    if frames.len() == 1 {
        nodes.append(&mut frames);
        nodes.append(&mut beside);
    } else {
        let list = frames.into_iter().map(|frame| Node { name: "", ..frame }).collect();
        nodes.push(derived("frames", Value::List(list)));
    }
    let (mut found, stopped) = carried(messages, context);
    stop = stop.or(stopped);
    if !found.is_empty() {
        let (apdus, stopped) = arrange(std::mem::take(&mut found), Carrier::Link, context);
        nodes.extend(apdus);
        stop = stop.or(stopped);
    }
    (nodes, stop)
}

/// M-Bus frames, and the APDUs that they carried.
fn mbus_frames(octets: &[u8], from: usize, context: &mut Context<'_>) -> Outcome {
    let (frames, messages, mut stop) = mbus::frames(octets, from);
    let mut nodes = vec![derived("frames", Value::List(frames))];
    let (found, stopped) = carried(messages, context);
    stop = stop.or(stopped);
    if !found.is_empty() {
        let (apdus, stopped) = arrange(found, Carrier::Link, context);
        nodes.extend(apdus);
        stop = stop.or(stopped);
    }
    (nodes, stop)
}

/// The APDUs of all messages; one that stops does not keep the others from being read.
fn carried(messages: Vec<Message>, context: &mut Context<'_>) -> (Vec<Found>, Option<Stop>) {
    let (mut found, mut stop) = (Vec::new(), None);
    for message in messages {
        let (apdus, stopped) = read_apdus(message, Carrier::Link, context);
        found.extend(apdus);
        stop = stop.or(stopped);
    }
    (found, stop)
}

/// Whether a wrapper PDU starts here.
fn is_wrapper(octets: &[u8]) -> bool {
    matches!(octets.first_chunk::<HEADER_LENGTH>().map(Header::decode), Some(Ok(_)))
        && octets.get(HEADER_LENGTH).is_none_or(|tag| is_tag(*tag))
}

/// One wrapper PDU stands by itself, several in a list.
fn wrapped(octets: &[u8], from: usize, context: &mut Context<'_>) -> Outcome {
    let (mut pdus, mut stop, mut at) = (Vec::new(), None, from);
    let mut pieces = Vec::new();
    while at < octets.len() {
        let mut walk = Walk::new(&octets[at..], at);
        let (mut nodes, length) = match header(&mut walk) {
            Ok(length) => (walk.into_nodes(), length),
            Err(stopped) => {
                stop = stop.or(Some(stopped));
                pdus.push((at, octets.len(), walk.into_nodes()));
                break;
            }
        };
        let start = at + HEADER_LENGTH;
        let end = (start + length).min(octets.len());
        let message = Message { octets: octets[start..end].to_vec(), place: Some(start) };
        let (found, stopped) = read_apdus(message, Carrier::Link, context);
        if start + length > octets.len() {
            let short = Walk::new(&[], octets.len()).stop("wrapper", Error::Truncated);
            stop = stop.or(Some(short));
        }
        stop = stop.or(stopped);
        for found in found {
            pieces.push(found.clone());
            nodes.extend(found.alone(Carrier::Link));
        }
        pdus.push((at, end, nodes));
        at = end;
    }
    let (behind, stopped) = together(&pieces, context);
    let mut nodes = match <[(usize, usize, Vec<Node>); 1]>::try_from(pdus) {
        Ok([(_, _, nodes)]) => nodes,
        Err(pdus) => {
            let list = pdus.into_iter().map(|(at, end, nodes)| {
                let place = Some(at..end);
                Node { place, ..derived("", Value::Fields(nodes)) }
            });
            vec![derived("pdus", Value::List(list.collect()))]
        }
    };
    nodes.extend(behind);
    (nodes, stop.or(stopped))
}

/// Reads the header of a wrapper PDU; returns how many octets follow.
fn header(walk: &mut Walk<'_>) -> Result<usize, Stop> {
    let mut length = 0;
    walk.group("wrapper", |walk| {
        walk.keep("version", |reader| reader.u16())?;
        walk.keep("source-wport", |reader| reader.u16())?;
        walk.keep("destination-wport", |reader| reader.u16())?;
        length = walk.keep("length", |reader| reader.u16())?;
        Ok(())
    })?;
    Ok(length.into())
}

/// The three octets in front of an APDU, and the APDU.
fn llc(octets: &[u8], from: usize, name: &'static str, context: &mut Context<'_>) -> Outcome {
    let start = from + 3;
    let mut nodes = vec![Node { place: Some(from..start), ..derived(name, &octets[from..start]) }];
    let message = Message { octets: octets[start..].to_vec(), place: Some(start) };
    let (found, stop) = read_apdus(message, Carrier::Link, context);
    let (apdus, stopped) = arrange(found, Carrier::Link, context);
    nodes.extend(apdus);
    (nodes, stop.or(stopped))
}

/// The acknowledgement of IEC 62056-21: its six characters without their parity bits.
fn acknowledgement(octets: &[u8]) -> Option<[u8; 6]> {
    let characters = octets.first_chunk::<6>()?.map(|octet| octet & 0x7F);
    matches!(characters, [0x06, b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'\r', b'\n']).then_some(characters)
}

/// The acknowledgement that hands an optical port over to HDLC, and what follows.
fn mode_e(octets: &[u8], from: usize, context: &mut Context<'_>) -> Outcome {
    let Some(characters) = acknowledgement(&octets[from..]) else { return bare(octets, from, context) };
    let digit = |at: usize| {
        let place = Some(from + at..from + at + 1);
        (place, Value::from(char::from(characters[at]).to_string()))
    };
    let mut nodes = vec![Node { place: Some(from..from + 1), ..derived("ack", true) }];
    for (at, name) in [(1, "protocol-control"), (2, "baud-id"), (3, "mode-control")] {
        let (place, value) = digit(at);
        nodes.push(Node { name, place, value, note: String::new() });
    }
    let end = from + characters.len();
    if octets[from..end] != characters {
        nodes.push(derived("ack-7bit", &characters[..]));
    }
    if end == octets.len() {
        return (nodes, None);
    }
    let (rest, stop) = read(octets, end, context);
    nodes.extend(rest);
    (nodes, stop)
}

/// An element that was derived from others.
fn derived(name: &'static str, value: impl Into<Value>) -> Node {
    Node { name, place: None, value: value.into(), note: String::new() }
}
