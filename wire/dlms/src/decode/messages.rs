//! From the octets that a link carried to APDUs, and from pieces of long values to the values.

use super::apdu::{apdu, is_protection, is_tag};
use super::context::Context;
use super::node::{Node, Value};
use super::walk::{Stop, Walk};
use super::{data, parts};

/// Octets that a link delivered as one message.
pub(super) struct Message {
    pub(super) octets: Vec<u8>,
    /// Where they stand in the octets that came, when they stand in one place there.
    pub(super) place: Option<usize>,
}

/// One APDU and what was inside its protections.
#[derive(Clone)]
pub(super) struct Found {
    /// The APDU; more than one node only for those with a prefix.
    nodes: Vec<Node>,
    after: Vec<Node>,
    /// Its octets, when they had to be put together.
    joined: Option<Vec<u8>>,
}

/// How the APDUs came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// By themselves.
    None,
    /// In frames of a link.
    Link,
}

/// Reads the APDUs of one message, of which a link carries one, and bare octets any number.
pub(super) fn read(
    message: Message,
    carrier: Carrier,
    context: &mut Context<'_>,
) -> (Vec<Found>, Option<Stop>) {
    let Message { octets, place } = message;
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let offset = place.unwrap_or(0);
        let mut walk = Walk::new(&octets[at..], offset + at);
        let mut done = apdu(&mut walk, context);
        at = walk.at() - offset;
        let more = carrier == Carrier::None && octets.get(at).is_some_and(|tag| is_tag(*tag));
        if done.is_ok() && !more {
            done = walk.finish("apdu");
        }
        let nodes = walk.into_nodes();
        let joined = place.is_none().then(|| octets.clone());
        found.push(Found { nodes, after: std::mem::take(&mut context.after), joined });
        match done {
            Ok(()) if more => {}
            Ok(()) => return (found, None),
            Err(stop) if place.is_none() && stop.within.is_empty() => {
                return (found, Some(Stop { within: " of the APDU that was put together", ..stop }));
            }
            Err(stop) => return (found, Some(stop)),
        }
    }
}

/// Arranges what was found: one APDU stands by itself, several in a list, and what their pieces make together behind them.
pub(super) fn arrange(
    found: Vec<Found>,
    carrier: Carrier,
    context: &mut Context<'_>,
) -> (Vec<Node>, Option<Stop>) {
    let (mut behind, stop) = together(&found, context);
    let transfer = found.iter().all(Found::is_transfer);
    let blocks = if carrier == Carrier::Link { "gbt-blocks" } else { "blocks" };
    let mut nodes = match <[Found; 1]>::try_from(found) {
        Ok([found]) if transfer && carrier == Carrier::Link => vec![block_list(blocks, vec![found])],
        Ok([found]) => found.alone(carrier),
        Err(found) if transfer => vec![block_list(blocks, found)],
        Err(found) => {
            let list = found.into_iter().map(|found| Node { name: "", ..found.fields("") });
            vec![derived("apdus", Value::List(list.collect()))]
        }
    };
    nodes.append(&mut behind);
    (nodes, stop)
}

/// What several APDUs make together: the APDU of a general block transfer, or a long value.
pub(super) fn together(found: &[Found], context: &mut Context<'_>) -> (Vec<Node>, Option<Stop>) {
    let mut nodes = Vec::new();
    let mut stop = None;
    for octets in transferred(found, &mut nodes) {
        nodes.push(derived("reassembled-apdu", octets.as_slice()));
        let (mut inside, stopped) = read(Message { octets, place: None }, Carrier::Link, context);
        nodes.extend(
            inside
                .drain(..)
                .flat_map(|found| found.alone(Carrier::Link))
                .filter(|node| node.name != "reassembled-apdu"),
        );
        stop = stop.or(stopped);
    }
    for octets in long_values(found) {
        nodes.push(derived("concatenated-raw-data", octets.as_slice()));
        let (value, stopped) = long_value(octets);
        nodes.push(value);
        stop = stop.or(stopped);
    }
    (nodes, stop)
}

impl Found {
    /// Whether it is a block of a general block transfer.
    fn is_transfer(&self) -> bool {
        self.nodes.first().is_some_and(|node| node.name == "general-block-transfer")
    }

    /// As fields of this name.
    fn fields(self, name: &'static str) -> Node {
        let fields = self.nodes.into_iter().chain(self.after).collect();
        let value = match self.joined {
            Some(octets) => Value::Section(octets, fields),
            None => Value::Fields(fields),
        };
        derived(name, value)
    }

    /// As the only APDU there is.
    pub(super) fn alone(mut self, carrier: Carrier) -> Vec<Node> {
        let protected = self.nodes.first().is_some_and(|node| is_protection(node.name));
        let prefixed = self.nodes.first().is_some_and(|node| node.name.starts_with("gateway-"));
        let after = std::mem::take(&mut self.after);
        let mut nodes = Vec::new();
        match carrier {
            _ if prefixed => nodes.append(&mut self.nodes),
            Carrier::Link => {
                nodes.extend(self.joined.as_deref().map(|octets| derived("reassembled-apdu", octets)));
                nodes.push(self.fields("apdu"));
            }
            Carrier::None if protected => nodes.push(self.fields("outer")),
            Carrier::None => nodes.append(&mut self.nodes),
        }
        nodes.extend(after);
        nodes
    }
}

/// The blocks of a general block transfer in a list.
fn block_list(name: &'static str, found: Vec<Found>) -> Node {
    let blocks = found.into_iter().flat_map(|found| found.nodes).map(|node| Node { name: "", ..node });
    derived(name, Value::List(blocks.collect()))
}

/// The APDUs of the general block transfers that are complete; of the others a remark is left.
fn transferred(found: &[Found], remarks: &mut Vec<Node>) -> Vec<Vec<u8>> {
    let mut open: Vec<(i128, Vec<u8>)> = Vec::new();
    let mut complete = Vec::new();
    for node in found.iter().filter(|found| found.is_transfer()).flat_map(|found| &found.nodes) {
        let (Some(number), Some(Value::Octets(octets))) =
            (number(node, "block-number"), node.child("block-data").map(|child| &child.value))
        else {
            continue;
        };
        if octets.is_empty() {
            continue;
        }
        let at = match open.iter().position(|(next, _)| *next == number) {
            Some(at) => at,
            None if number == 1 => {
                open.push((1, Vec::new()));
                open.len() - 1
            }
            None => continue,
        };
        open[at].0 += 1;
        open[at].1.extend_from_slice(octets);
        if flag(node, "last-block") {
            complete.push(open.remove(at).1);
        }
    }
    for (next, _) in open {
        let mut remark = derived("incomplete", next.to_string());
        remark.note = format!("block {next} of the general block transfer is not among the octets");
        remarks.push(remark);
    }
    complete
}

/// The long values whose pieces are all there, from the first to the last.
fn long_values(found: &[Found]) -> Vec<Vec<u8>> {
    let (mut open, mut complete): (Option<Vec<u8>>, _) = (None, Vec::new());
    for found in found {
        let inner = found.after.iter().find(|node| node.name == "inner");
        let Some(service) = inner.map_or(found.nodes.first(), |inner| inner.children().first()) else {
            continue;
        };
        let holder = service.child("datablock").or(service.child("pblock")).unwrap_or(service);
        let Some(Value::Octets(octets)) = holder.child("raw-data").map(|child| &child.value) else {
            continue;
        };
        // Some meters count from 0. What begins in the middle cannot be put together.
        if open.is_none() && !matches!(number(holder, "block-number"), Some(0 | 1)) {
            continue;
        }
        let value = open.get_or_insert_with(Vec::new);
        value.extend_from_slice(octets);
        if flag(holder, "last-block") {
            complete.extend(open.take());
        }
    }
    complete
}

/// A value that came in pieces: one value, or a list of results.
fn long_value(octets: Vec<u8>) -> (Node, Option<Stop>) {
    let mut walk = Walk::new(&octets, 0);
    let done = data::value(&mut walk, "data").and_then(|()| walk.finish("data"));
    let mut nodes = walk.into_nodes();
    let mut stop = None;
    if let Err(stopped) = done {
        let mut walk = Walk::new(&octets, 0);
        let listed = parts::list(&mut walk, "results", parts::result).and_then(|()| walk.finish("results"));
        match listed {
            Ok(()) => nodes = walk.into_nodes(),
            Err(_) => stop = Some(Stop { within: " of the value that was put together", ..stopped }),
        }
    }
    let node = nodes.pop().unwrap_or_else(|| derived("data", Value::Null));
    let fields = match node.value {
        Value::Fields(fields) => fields,
        list => vec![Node { name: node.name, place: node.place, value: list, note: node.note }],
    };
    (derived("data", Value::Section(octets, fields)), stop)
}

/// The number that a field holds.
fn number(node: &Node, name: &str) -> Option<i128> {
    match node.child(name)?.value {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// Whether a field is there and true.
fn flag(node: &Node, name: &str) -> bool {
    node.child(name).is_some_and(|child| child.value == Value::Flag(true))
}

/// An element that was derived from others.
fn derived(name: &'static str, value: impl Into<Value>) -> Node {
    Node { name, place: None, value: value.into(), note: String::new() }
}
