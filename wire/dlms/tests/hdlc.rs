//! HDLC frames against byte vectors: each decodes to the fields that stand beside it, encodes again to the same octets, and is
//! refused when it is cut or changed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stand outside the test functions"
)]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::hdlc::{
    Address, AddressError, AddressSize, Assembly, Control, Frame, FrameError, Function, MAX_INFORMATION,
    Settings, Splitter, check_sequence,
};
use dlms::llc;
use serde_json::{Value, json};
use store::{Vector, hex, octets};

fn address(address: Address) -> Value {
    json!({ "len": address.size() as u8, "upper": address.logical(), "lower": address.physical() })
}

fn name(function: Function) -> &'static str {
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
        Function::Other(_) => "other",
    }
}

/// A frame in the words of the file; `octets` with the flags.
fn render(frame: &Frame<'_>, octets: &[u8]) -> Value {
    let mut fields = json!({
        "format": hex(&octets[1..3]),
        "segmented": frame.segmented,
        "length": octets.len() - 2,
        "dst": address(frame.destination),
        "src": address(frame.source),
        "control": hex(&[frame.control.octet()]),
        "fcs": hex(&octets[octets.len() - 3..octets.len() - 1]),
        "type": name(frame.control.function),
        "pf": u8::from(frame.control.poll),
    });
    let mut add = |name: &str, value| fields.as_object_mut().unwrap().insert(name.to_owned(), value);
    match frame.control.function {
        Function::Information { send, receive } => {
            add("ns", json!(send));
            add("nr", json!(receive));
        }
        Function::ReceiveReady { receive } => {
            add("nr", json!(receive));
        }
        _ => {}
    }
    if !frame.information.is_empty() {
        let header = octets.len() - 3 - frame.information.len();
        add("hcs", json!(hex(&octets[header - 2..header])));
        add("info", json!(hex(frame.information)));
    }
    fields
}

/// One frame: its fields, encoded again, and as a stream finds it.
fn check_frame(id: &str, octets: &[u8], expected: &Value) {
    let frame = Frame::decode(&octets[1..octets.len() - 1]).unwrap_or_else(|error| panic!("{id}: {error}"));
    let mut rendered = render(&frame, octets);
    if expected.get("info").is_none() {
        // Of long frames the file has no information.
        rendered.as_object_mut().unwrap().remove("info");
    }
    assert_eq!(&rendered, expected, "{id}");
    let mut again = Vec::new();
    frame.encode(&mut again).unwrap();
    assert_eq!(hex(&again), hex(octets), "{id}");

    let mut splitter = Splitter::new();
    for octet in &octets[..octets.len() - 1] {
        splitter.push(&[*octet]);
        assert_eq!(splitter.next_frame(), None, "{id}");
    }
    splitter.push(&octets[octets.len() - 1..]);
    assert_eq!(splitter.next_frame(), Some(frame), "{id}");
    assert_eq!(splitter.next_frame(), None, "{id}");
    assert_eq!(splitter.bad_frames(), Default::default(), "{id}");
    check_damage(id, octets);
}

/// C-02: no bit of a frame may change, and none of its octets be missing.
fn check_damage(id: &str, octets: &[u8]) {
    let mut damaged = octets.to_vec();
    for at in 1..octets.len() - 1 {
        for bit in 0..8 {
            damaged[at] ^= 1 << bit;
            assert!(Frame::decode(&damaged[1..damaged.len() - 1]).is_err(), "{id}: bit {bit} of octet {at}");
            damaged[at] ^= 1 << bit;
        }
    }
    for end in 1..octets.len() - 1 {
        assert!(Frame::decode(&octets[1..end]).is_err(), "{id} cut at {end}");
    }
}

/// The frames of a vector, put together to the APDU beside them.
fn check_frames(vector: &Vector) {
    let id = &vector.id;
    let frames: Vec<Vec<u8>> = vector.context["frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hex| octets(hex.as_str().unwrap()))
        .collect();
    for (frame, expected) in frames.iter().zip(vector.expected["frames"].as_array().unwrap()) {
        check_frame(id, frame, expected);
    }
    let mut splitter = Splitter::new();
    splitter.push(&frames.concat());
    let (mut assembly, mut apdus) = (Assembly::new(), Vec::new());
    while let Some(frame) = splitter.next_frame() {
        let carries =
            matches!(frame.control.function, Function::Information { .. } | Function::UnnumberedInformation);
        if carries && assembly.add(&frame).unwrap() {
            apdus.push(hex(assembly.apdu()));
        }
    }
    match vector.expected.get("gbt-blocks") {
        None => assert_eq!(json!(apdus), json!([vector.expected["reassembled-apdu"]]), "{id}"),
        // Every block of the transfer is an APDU, though only the first has an LLC header.
        Some(blocks) => {
            assert_eq!(apdus.len(), blocks.as_array().unwrap().len(), "{id}");
            assert!(apdus.iter().all(|apdu| apdu.starts_with("E0")), "{id}");
        }
    }
}

#[test]
fn every_vector_with_frames() {
    let mut checked = 0;
    for vector in store::all() {
        match vector.kind.as_str() {
            "hdlc-frame" => check_frame(&vector.id, &vector.octets, &vector.expected["hdlc"]),
            "hdlc-frames" => check_frames(&vector),
            _ => continue,
        }
        checked += 1;
    }
    println!("{checked} vectors");
    assert!(checked > 25, "{checked}");
}

#[test]
fn what_stations_negotiate() {
    let mut checked = 0;
    for vector in store::all() {
        let Some(expected) = vector.expected.get("negotiation") else { continue };
        let frame = Frame::decode(&vector.octets[1..vector.octets.len() - 1]).unwrap();
        let settings = Settings::decode(frame.information).unwrap();
        let told = json!({
            "max-info-tx": settings.max_info_transmit,
            "max-info-rx": settings.max_info_receive,
            "window-tx": settings.window_transmit,
            "window-rx": settings.window_receive,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&told[name], value, "{}: {name}", vector.id);
        }
        checked += 1;
    }
    assert!(checked >= 5, "{checked}");
}

/// The APDU of a vector stands behind the LLC header of its frame.
#[test]
fn the_llc_header_comes_off() {
    for vector in store::all().iter().filter(|vector| vector.expected.get("llc").is_some()) {
        let frame = Frame::decode(&vector.octets[1..vector.octets.len() - 1]).unwrap();
        let length = llc::length(frame.information);
        assert_eq!(vector.expected["llc"], hex(&frame.information[..length]), "{}", vector.id);
    }
    assert_eq!(llc::length(&[0xE6, 0x00, 0x02, 0x30, 0x31, 0xC0]), 0, "a request through a gateway has none");
}

#[test]
fn what_is_wrong_with_a_frame_has_a_name() {
    let whole = octets("A00802232193BD64");
    let with = |at: usize, octet: u8| {
        let mut changed = whole.clone();
        changed[at] = octet;
        Frame::decode(&changed).unwrap_err()
    };
    assert_eq!(with(0, 0xB0), FrameError::Format);
    assert_eq!(with(1, 0x0A), FrameError::HeaderCheck);
    assert_eq!(with(1, 0x06), FrameError::Length { told: 6, got: 8 });
    assert_eq!(with(5, 0x92), FrameError::FrameCheck);
    let odd = octets("A00A0202032193BD6464");
    assert_eq!(Frame::decode(&odd), Err(FrameError::Address), "three octets are no address");
    let carrying = store::octets("A0199575546835E6E600C0018100080000010000FF01000DFD");
    let mut changed = carrying.clone();
    changed[4] ^= 1;
    assert_eq!(Frame::decode(&changed), Err(FrameError::HeaderCheck));
    changed = carrying;
    changed[12] ^= 1;
    assert_eq!(Frame::decode(&changed), Err(FrameError::FrameCheck));
    assert_eq!(Frame::decode(&[]), Err(FrameError::Length { told: 0, got: 0 }));
    // A header with its check sequence and one octet behind it: no room for another one.
    let mut short = octets("A009022321937E");
    short[1] = 9;
    short.truncate(6);
    short.extend(check_sequence(&short).to_le_bytes());
    short.push(0);
    assert_eq!(Frame::decode(&short), Err(FrameError::Length { told: 9, got: 9 }));
}

#[test]
fn the_longest_frame_has_2047_octets() {
    let four = Address::sized(0x3FFF, Some(0x3FFF), AddressSize::Four).unwrap();
    let control = Control::new(0x13);
    for (address, most) in [(four, MAX_INFORMATION + 2), (Address::client(16).unwrap(), MAX_INFORMATION + 8)]
    {
        let carried = vec![0x7E; most + 1];
        let frame = |information| Frame {
            destination: address,
            source: address,
            control,
            segmented: true,
            information,
        };
        let mut octets = vec![1];
        frame(&carried[..most]).encode(&mut octets).unwrap();
        assert_eq!(octets.len(), 1 + 2047 + 2);
        assert_eq!(Frame::decode(&octets[2..octets.len() - 1]), Ok(frame(&carried[..most])));
        let too_long = Error::TooLong { what: "frame", limit: 2047 };
        assert_eq!(frame(&carried).encode(&mut octets), Err(too_long));
        assert_eq!(octets.len(), 1 + 2047 + 2, "nothing is appended");
    }
}

#[test]
fn numbers_that_are_no_address_are_refused() {
    let above = |got, limit| Err(AddressError::TooGreat { got, limit });
    assert_eq!(Address::client(128), above(128, 127));
    assert_eq!(Address::server(128, None), above(128, 127));
    assert_eq!(Address::server(1, Some(0x4000)), above(0x4000, 0x3FFF));
    assert_eq!(Address::sized(1, Some(200), AddressSize::Two), above(200, 127));
    assert_eq!(Address::sized(1, None, AddressSize::Four), Err(AddressError::Size));
    assert_eq!(Address::sized(1, Some(17), AddressSize::One), Err(AddressError::Size));
    for octets in 0..=u8::MAX {
        let size = AddressSize::try_from(octets).map(|size| size as u8);
        let refused = Err(AddressError::Octets { got: octets });
        assert_eq!(size, if matches!(octets, 1 | 2 | 4) { Ok(octets) } else { refused });
    }
    let sizes = [
        (Some(17), AddressSize::Two),
        (Some(125), AddressSize::Two),
        (Some(126), AddressSize::Four),
        (Some(127), AddressSize::Four),
        (Some(200), AddressSize::Four),
        (None, AddressSize::One),
    ];
    for (physical, size) in sizes {
        assert_eq!(Address::server(1, physical).unwrap().size(), size);
    }
    assert_eq!(Address::server(300, Some(17)).unwrap().to_string(), "300/17");
    for (physical, size, is_calling, is_broadcast) in [
        (126, AddressSize::Two, true, false),
        (127, AddressSize::Two, false, true),
        (126, AddressSize::Four, false, false),
        (127, AddressSize::Four, false, false),
        (0x3FFE, AddressSize::Four, true, false),
        (0x3FFF, AddressSize::Four, false, true),
    ] {
        let address = Address::sized(1, Some(physical), size).unwrap();
        assert_eq!((address.is_calling(), address.is_broadcast()), (is_calling, is_broadcast), "{address:?}");
        let other = Address::server(1, Some(17)).unwrap();
        assert_eq!(address.is_answered_by(other), is_calling || is_broadcast, "{address:?}");
    }
}
