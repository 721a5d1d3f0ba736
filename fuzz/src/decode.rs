//! What people are shown of any octets.

use dlms::decode::{Node, Secrets, decode};
use dlms::security::{Key, SystemTitle};

#[path = "../../wire/dlms/tests/vectors/apdu.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod any;

/// Nodes that an octet may be shown as: a value in a list with its type, in each of the levels of a compact array.
const NODES_PER_OCTET: usize = 24;

/// Type of a compact array.
const COMPACT_ARRAY: u8 = 0x13;

/// The tree is bounded by the octets, its places are inside them, and what the codec takes is read to its end.
pub fn run(octets: &[u8]) {
    let secrets = Secrets {
        encryption_key: Some(Key::new([0xE1; 16])),
        system_title: Some(SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E")),
        ..Secrets::default()
    };
    let decoded = decode(octets, &secrets);
    let nodes: usize = decoded.nodes.iter().map(|node| count(node, octets)).sum();
    assert!(nodes <= NODES_PER_OCTET * octets.len() + 64, "{nodes} nodes of {} octets", octets.len());
    if let Some(stop) = &decoded.stop {
        assert!(!stop.within.is_empty() || stop.offset <= octets.len());
    }
    // What an association is opened with stays closed to the codec of the APDU around it, and may be anything.
    let opening = matches!(octets.first(), Some(0x60..=0x63));
    // So do the items of a compact array, until somebody wants the value.
    let compact = octets.contains(&COMPACT_ARRAY);
    if !opening && !compact && any::Apdu::decode(octets).is_ok() {
        let stop = decoded.stop.filter(|stop| stop.within.is_empty());
        assert_eq!(stop, None, "the codec takes this, and a person is told that it makes no sense");
    }
}

/// Counts a node and all that is in it, and looks at its place.
fn count(node: &Node, octets: &[u8]) -> usize {
    if let Some(place) = &node.place {
        assert!(place.start <= place.end && place.end <= octets.len(), "{} at {place:?}", node.name);
    }
    let inside = match &node.value {
        dlms::decode::Value::Section(inside, _) => inside,
        _ => octets,
    };
    1 + node.children().iter().map(|child| count(child, inside)).sum::<usize>()
}
