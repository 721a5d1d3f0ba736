//! HDLC frames (IEC 62056-46), as many as there are, with noise between them.

use super::messages::Message;
use super::node::{Node, Value};
use super::walk::{Stop, Walk};
use crate::Error;
use crate::hdlc::{Address, Control, FLAG, Function, check_sequence};

/// Octets of a check sequence.
const CHECK: usize = 2;
/// LLC header in front of an APDU: destination and source access point, and a quality octet.
const LLC: [[u8; 3]; 2] = [[0xE6, 0xE6, 0x00], [0xE6, 0xE7, 0x00]];

/// What the frames brought.
pub(super) struct Frames {
    /// One node for each frame, and for noise between them.
    pub(super) nodes: Vec<Node>,
    /// The messages that they carried.
    pub(super) messages: Vec<Message>,
    /// What stands beside a single frame: its negotiation or its LLC header.
    pub(super) beside: Vec<Node>,
    /// Where the first frame that cannot be read stops.
    pub(super) stop: Option<Stop>,
}

/// A message whose segments are coming in.
struct Open {
    addresses: Vec<u8>,
    octets: Vec<u8>,
    /// Offset of the first segment's information field, and whether it is the only one.
    place: Option<usize>,
}

/// Whether a frame starts here.
pub(super) fn is_frame(octets: &[u8]) -> bool {
    matches!(octets, [FLAG, format, ..] if format & 0xF0 == 0xA0)
}

/// Reads frames from the octet with this offset to the end.
pub(super) fn frames(octets: &[u8], from: usize) -> Frames {
    let mut all = Frames { nodes: Vec::new(), messages: Vec::new(), beside: Vec::new(), stop: None };
    let mut open: Vec<Open> = Vec::new();
    let mut at = from;
    while at < octets.len() {
        if octets[at] == FLAG && octets.get(at + 1).is_none_or(|next| *next == FLAG) {
            at += 1;
            continue;
        }
        if !is_frame(&octets[at..]) {
            let next = (at + 1..octets.len()).find(|next| octets[*next] == FLAG).unwrap_or(octets.len());
            let mut walk = Walk::new(&octets[at..next], at);
            // What is left is taken whole.
            if walk.read("noise", |reader| reader.take(next - at)).is_ok() {
                walk.add("noise", at, &octets[at..next]).note = "no frame".to_owned();
            }
            all.nodes.push(derived("", Value::Fields(walk.into_nodes())));
            at = next;
            continue;
        }
        at = all.frame(octets, at + 1, &mut open);
    }
    all
}

impl Frames {
    /// Reads the frame whose format field is at `at`; returns the offset of the flag behind it.
    fn frame(&mut self, octets: &[u8], at: usize, open: &mut Vec<Open>) -> usize {
        let length = octets
            .get(at..at + 2)
            .map_or(2, |format| usize::from(format[0] & 0x07) << 8 | usize::from(format[1]));
        let end = (at + length.max(2)).min(octets.len());
        let mut walk = Walk::new(&octets[at..end], at);
        let mut frame = Frame::default();
        let mut done = walk.group("hdlc", |walk| frame.read(walk));
        if done.is_ok() && at + length > octets.len() {
            done = Err(Walk::new(&[], octets.len()).stop("hdlc", Error::Truncated));
        }
        if let (None, Err(stop)) = (&self.stop, done) {
            self.stop = Some(stop);
        }
        if let Some(node) = walk.last_mut() {
            node.note = frame.in_short(node);
        }
        self.nodes.extend(walk.into_nodes());
        if let Some(place) = frame.information {
            let information = &octets[place..end - CHECK];
            self.information(&frame, information, place, open);
        }
        end
    }

    /// Takes a frame's information field: a negotiation, or a segment of a message.
    fn information(&mut self, frame: &Frame, information: &[u8], place: usize, open: &mut Vec<Open>) {
        if matches!(frame.kind, "SNRM" | "UA") {
            self.beside.extend(negotiation(information, place));
            return;
        }
        if !matches!(frame.kind, "I" | "UI") {
            return;
        }
        let known = open.iter().position(|message| message.addresses == frame.addresses);
        let mut message = known.map_or_else(
            || Open { addresses: frame.addresses.clone(), octets: Vec::new(), place: Some(place) },
            |at| Open { place: None, ..open.remove(at) },
        );
        let first = message.octets.is_empty();
        let llc = LLC.iter().any(|llc| first && information.starts_with(llc));
        let header = if llc { LLC[0].len() } else { 0 };
        message.octets.extend_from_slice(&information[header..]);
        message.place = message.place.map(|place| place + header);
        if llc {
            let place = Some(place..place + header);
            self.beside.push(Node { place, ..derived("llc", &information[..header]) });
        }
        match frame.segmented {
            true => open.push(message),
            false => self.messages.push(Message { octets: message.octets, place: message.place }),
        }
    }
}

/// One frame.
#[derive(Default)]
struct Frame {
    segmented: bool,
    kind: &'static str,
    /// Destination and source as they came.
    addresses: Vec<u8>,
    /// Offset of the information field, when there is one.
    information: Option<usize>,
}

impl Frame {
    /// Reads a frame from its format to its check sequence.
    fn read(&mut self, walk: &mut Walk<'_>) -> Result<(), Stop> {
        let whole = walk.rest();
        let from = walk.at();
        let format: [u8; 2] = walk.read("format", |reader| reader.array())?;
        self.segmented = format[0] & 0x08 != 0;
        let length = u16::from_be_bytes(format) & 0x07FF;
        let segmented = if self.segmented { ", more segments follow" } else { "" };
        walk.add("format", from, &format[..]).note = format!("{length} octets{segmented}");
        walk.derive("segmented", self.segmented);
        walk.derive("length", length);
        let before = walk.rest();
        address(walk, "dst")?;
        address(walk, "src")?;
        self.addresses = before[..before.len() - walk.rest().len()].to_vec();
        self.control(walk)?;
        if walk.rest().len() > CHECK {
            let header = &whole[..whole.len() - walk.rest().len()];
            check(walk, "hcs", "hcs-valid", header)?;
            let from = walk.at();
            let length = walk.rest().len().saturating_sub(CHECK);
            let information = walk.read("info", |reader| reader.take(length))?;
            walk.derive("info", information);
            self.information = (length > 0).then_some(from);
        }
        let body = &whole[..whole.len().saturating_sub(CHECK)];
        check(walk, "fcs", "fcs-valid", body)
    }

    /// The frame in one line.
    fn in_short(&self, frame: &Node) -> String {
        let note = |name: &str| frame.child(name).map_or("", |field| field.note.as_str());
        let mut text = format!("{} → {}, {}", note("src"), note("dst"), note("control"));
        for name in ["hcs", "fcs"] {
            if note(name).starts_with("wrong") {
                text += &format!(", {name} {}", note(name));
            }
        }
        text
    }

    /// Reads the control octet.
    fn control(&mut self, walk: &mut Walk<'_>) -> Result<(), Stop> {
        let from = walk.at();
        let octet = walk.read("control", |reader| reader.u8())?;
        let Control { function, poll } = Control::new(octet);
        self.kind = kind(function);
        let (send, receive) = match function {
            Function::Information { send, receive } => (Some(send), Some(receive)),
            Function::ReceiveReady { receive }
            | Function::ReceiveNotReady { receive }
            | Function::Reject { receive } => (None, Some(receive)),
            _ => (None, None),
        };
        let mut note = self.kind.to_owned();
        note.extend(send.map(|send| format!(", N(S) {send}")));
        note.extend(receive.map(|receive| format!(", N(R) {receive}")));
        note.extend(poll.then_some(", P/F"));
        walk.add("control", from, &[octet][..]).note = note;
        walk.derive("type", self.kind);
        for (name, number) in [("ns", send), ("nr", receive)] {
            if let Some(number) = number {
                walk.derive(name, number);
            }
        }
        walk.derive("pf", u8::from(poll));
        Ok(())
    }
}

/// The standard's word for what a frame is for.
const fn kind(function: Function) -> &'static str {
    match function {
        Function::Information { .. } => "I",
        Function::ReceiveReady { .. } => "RR",
        Function::ReceiveNotReady { .. } => "RNR",
        Function::Reject { .. } => "REJ",
        Function::SetNormalResponseMode => "SNRM",
        Function::Disconnect => "DISC",
        Function::UnnumberedAcknowledge => "UA",
        Function::DisconnectedMode => "DM",
        Function::FrameReject => "FRMR",
        Function::UnnumberedInformation => "UI",
        Function::Other(_) => "unknown",
    }
}

/// Reads an address of one, two or four octets.
fn address(walk: &mut Walk<'_>, name: &'static str) -> Result<(), Stop> {
    let from = walk.at();
    let (address, length) = walk.read(name, |reader| {
        let rest = reader.rest();
        let (address, behind) = Address::split(rest).ok_or(Error::Truncated)?;
        let length = rest.len() - behind.len();
        reader.take(length)?;
        Ok((address, length as u8))
    })?;
    let (upper, lower) = (address.logical(), address.physical());
    let fields = vec![derived("len", length), derived("upper", upper), derived("lower", lower)];
    walk.add(name, from, Value::Fields(fields)).note = match lower {
        Some(lower) => format!("{upper}/{lower}"),
        None => upper.to_string(),
    };
    Ok(())
}

/// Reads a check sequence over `octets`; a wrong one is said and does not end anything.
fn check(walk: &mut Walk<'_>, name: &'static str, valid: &'static str, octets: &[u8]) -> Result<(), Stop> {
    let from = walk.at();
    let came: [u8; CHECK] = walk.read(name, |reader| reader.array())?;
    let owed = check_sequence(octets).to_le_bytes();
    let node = walk.add(name, from, &came[..]);
    if owed == came {
        node.note = "valid".to_owned();
    } else {
        node.note = format!("wrong, {:02X}{:02X} would be right", owed[0], owed[1]);
        walk.derive(valid, false);
    }
    Ok(())
}

/// What SNRM and UA say about lengths and windows, each from the sender's side.
fn negotiation(information: &[u8], place: usize) -> Option<Node> {
    let mut walk = Walk::new(information, place);
    let [0x81, 0x80, ..] = information else { return None };
    walk.group("negotiation", |walk| {
        let length = walk.read("negotiation", |reader| reader.array::<2>().and_then(|_| reader.u8()))?;
        walk.within("negotiation", length.into(), |walk| {
            while !walk.rest().is_empty() {
                let from = walk.at();
                let parameter = walk.read("negotiation", |reader| reader.u8())?;
                let octets = walk.read("negotiation", |reader| {
                    let length = reader.u8()?;
                    reader.take(length.into())
                })?;
                let name = match parameter {
                    5 => "max-info-tx",
                    6 => "max-info-rx",
                    7 => "window-tx",
                    8 => "window-rx",
                    _ => "unknown-parameter",
                };
                match octets.len() {
                    0..=4 => walk.add(
                        name,
                        from,
                        octets.iter().fold(0u32, |all, octet| all << 8 | u32::from(*octet)),
                    ),
                    _ => walk.add(name, from, octets),
                };
            }
            Ok(())
        })
    })
    .ok()?;
    walk.into_nodes().pop()
}

/// An element that was derived from others.
fn derived(name: &'static str, value: impl Into<Value>) -> Node {
    Node { name, place: None, value: value.into(), note: String::new() }
}
