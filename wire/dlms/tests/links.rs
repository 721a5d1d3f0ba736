//! The small links: the gateway's prefix, M-Bus, the header of the power line. Each against byte vectors, cut, and against octets of any kind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::gateway::{Direction, Prefix};
use dlms::llc::PlcHeader;
use dlms::mbus::{Receiver, Segment};
use dlms::wrapper::{HEADER_LENGTH, Splitter};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use store::{Vector, hex, octets};

fn group(name: &str) -> Vec<Vector> {
    let vectors: Vec<Vector> = store::all().into_iter().filter(|vector| vector.group == name).collect();
    assert!(!vectors.is_empty(), "no vector of {name}");
    vectors
}

#[test]
fn gateway() {
    for vector in group("gateway") {
        let id = &vector.id;
        let inside = match vector.kind.as_str() {
            "wrapper" => &vector.octets[HEADER_LENGTH..],
            _ => &vector.octets[..],
        };
        assert!(Prefix::is_in_front_of(inside), "{id}");
        let prefix = Prefix::read(inside).unwrap();
        let name = match prefix.direction {
            Direction::ToDevice => "gateway-request",
            Direction::FromDevice => "gateway-response",
        };
        let fields = json!({
            "network-id": prefix.network,
            "physical-device-address": hex(prefix.address),
            "user-data": hex(&inside[prefix.length()..]),
        });
        assert_eq!(fields, vector.expected[name], "{id}");
        let mut again = Vec::new();
        prefix.encode(&mut again).unwrap();
        assert_eq!(again, &inside[..prefix.length()], "{id}");
        for end in 0..prefix.length() {
            assert_eq!(Prefix::read(&inside[..end]), Err(Error::Truncated), "{id} cut at {end}");
        }
        if vector.kind == "wrapper" {
            let mut splitter = Splitter::new(u16::MAX);
            splitter.push(&vector.octets);
            assert_eq!(splitter.next_frame().unwrap().unwrap().1, inside, "{id}");
        }
    }
    // The clock of the meter "123456", as it is asked for through a gateway.
    let asked = octets("E60006313233343536C001C100080000010000FF0200");
    assert_eq!(Prefix::read(&asked).unwrap().address, b"123456");
    assert_eq!(Prefix::read(&[0xC0, 1]), Err(Error::Unexpected { tag: 0xC0 }));
    assert!(!Prefix::is_in_front_of(&[]));
    let long = Prefix { direction: Direction::ToDevice, network: 0, address: &[0; 256] };
    assert_eq!(
        long.encode(&mut Vec::new()),
        Err(Error::TooLong { what: "address behind the gateway", limit: 255 })
    );
}

#[test]
fn the_header_of_the_power_line() {
    let apdu = [0xC0, 1];
    let header = PlcHeader { destination: 1, source: 16 };
    let octets = [&header.octets(), apdu.as_slice()].concat();
    assert_eq!(octets[..3], [0x90, 1, 16]);
    assert_eq!(PlcHeader::split(&octets), Ok((header, apdu.as_slice())));
    assert_eq!(PlcHeader::split(&octets[..2]), Err(Error::Truncated));
    let other = Error::Value { what: "control octet of the LLC", got: 0xE6 };
    assert_eq!(PlcHeader::split(&[0xE6, 0xE6, 0]), Err(other));
}

#[test]
fn m_bus() {
    for vector in group("mbus-transport") {
        let id = &vector.id;
        let frames = vector.context["frames"].as_array().unwrap();
        let frames: Vec<Vec<u8>> = frames.iter().map(|frame| octets(frame.as_str().unwrap())).collect();
        for (frame, expected) in frames.iter().zip(vector.expected["frames"].as_array().unwrap()) {
            check_segment(id, frame, expected);
        }
        let whole = octets(vector.expected["reassembled-apdu"].as_str().unwrap());
        let noisy = [&[0x68, 0x10, 0x10, 0x68, 0xE5], vector.octets.as_slice(), &[0x16]].concat();
        for stream in [vector.octets.clone(), noisy] {
            for cut in 0..stream.len() {
                let (mut receiver, mut found) = (Receiver::new(), Vec::new());
                for piece in [&stream[..cut], &stream[cut..]] {
                    receiver.push(piece);
                    while let Some(apdu) = receiver.next_apdu() {
                        found.push(apdu.to_vec());
                    }
                }
                assert_eq!(found, std::slice::from_ref(&whole), "{id} cut at {cut}");
            }
        }
        // The first, the second alone, and both again: one APDU is whole.
        let mut receiver = Receiver::new();
        receiver.push(&[&frames[0], &frames[0], &frames[1], &frames[1]].map(Vec::as_slice).concat());
        assert_eq!(receiver.next_apdu(), Some(whole.clone().as_mut_slice()), "{id}");
        assert_eq!(receiver.next_apdu(), None, "{id}");
    }
}

fn check_segment(id: &str, frame: &[u8], expected: &Value) {
    let segment = Segment::decode(frame).unwrap();
    let fields = json!({
        "L": frame[1],
        "C": hex(&[segment.control]),
        "A": hex(&[segment.address]),
        "CI": hex(&[segment.number | if segment.is_last { 0x10 } else { 0 }]),
        "STSAP": hex(&[segment.source]),
        "DTSAP": hex(&[segment.destination]),
        "checksum": hex(&frame[frame.len() - 2..frame.len() - 1]),
    });
    assert_eq!(&fields, expected, "{id}");
    let mut again = Vec::new();
    segment.encode(&mut again).unwrap();
    assert_eq!(hex(&again), hex(frame), "{id}");
    let mut damaged = frame.to_vec();
    for at in 0..frame.len() {
        assert_eq!(Segment::decode(&frame[..at]), Err(Error::Truncated), "{id} cut at {at}");
        for bit in 0..8 {
            damaged[at] ^= 1 << bit;
            assert!(Segment::decode(&damaged).is_err(), "{id}: bit {bit} of octet {at}");
            damaged[at] ^= 1 << bit;
        }
    }
}

proptest! {
    #[test]
    fn segments_of_every_size_come_whole(
        apdus in vec(vec(vec(any::<u8>(), 0..=250), 1..=16), 1..4),
        garbage in vec(any::<u8>().prop_filter("no start", |octet| *octet != 0x68), 0..30),
    ) {
        let mut stream = garbage.clone();
        for segments in &apdus {
            for (number, octets) in segments.iter().enumerate() {
                let is_last = number + 1 == segments.len();
                let number = number as u8;
                Segment { control: 0x53, address: 0xFF, number, is_last, source: 1, destination: 0x67, octets }
                    .encode(&mut stream)
                    .unwrap();
                stream.extend_from_slice(&garbage);
            }
        }
        let (mut receiver, mut found) = (Receiver::new(), Vec::new());
        for piece in stream.chunks(1000) {
            receiver.push(piece);
            while let Some(apdu) = receiver.next_apdu() {
                found.push(apdu.to_vec());
            }
        }
        let whole: Vec<Vec<u8>> = apdus.iter().map(|segments| segments.concat()).collect();
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn no_octets_break_a_link(octets in vec(any::<u8>(), 0..300)) {
        let _ = (Prefix::read(&octets), PlcHeader::split(&octets), Segment::decode(&octets));
        let mut receiver = Receiver::new();
        receiver.push(&octets);
        while receiver.next_apdu().is_some() {}
    }
}
