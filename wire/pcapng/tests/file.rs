//! Files written and read; the octets of one, which tshark 4.0 and scapy 2.8 read as it says.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use pcapng::{Carrier, Error, File, Line, Packet, What, Writer, read};
use proptest::prelude::*;

fn written(file: &File) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::begin("headend", &mut out);
    for (place, line) in file.lines.iter().enumerate() {
        assert_eq!(writer.line(line, &mut out), place);
    }
    for Packet { line, at_us, what, octets } in &file.packets {
        writer.packet(*line, *at_us, *what, octets, &mut out);
    }
    out
}

fn line(carrier: Carrier, name: &str) -> Line {
    Line { carrier, name: name.to_owned() }
}

fn packet(line: usize, at_us: u64, what: What, octets: &[u8]) -> Packet {
    Packet { line, at_us, what, octets: octets.to_vec() }
}

fn sample() -> File {
    let lines = vec![
        line(Carrier::Tcp, "10.1.2.3:4059"),
        line(Carrier::Serial, "serial:///dev/ttyS0?baud=9600&parity=none"),
        line(Carrier::Udp, "udp://10.1.2.4:4059"),
    ];
    let packets = vec![
        packet(0, 1_767_225_600_000_000, What::Opened, &[]),
        packet(
            0,
            1_767_225_600_000_100,
            What::Sent,
            b"\0\x01\0\x10\0\x01\0\x0D\xC0\x01\xC1\0\x08\0\0\x01\0\0\xFF\x02\0",
        ),
        packet(0, 1_767_225_600_020_000, What::Received, b"\0\x01\0\x01\0\x10\0\x05\xC4\x01\xC1\0\0"),
        packet(1, 1_767_225_600_030_000, What::Opened, &[]),
        packet(1, 1_767_225_600_030_001, What::Sent, b"\x7E\xA0\x07\x03\x21\x93\x0F\x01\x7E"),
        packet(1, 1_767_225_600_090_000, What::Received, b"\x7E\xA0\x07\x21\x03\x73\x29\x0E\x7E"),
        packet(2, 1_767_225_600_100_000, What::Sent, b"\0\x01\0\x10\0\x01\0\x01\x62"),
        packet(2, 1_767_225_600_200_000, What::Received, b"\0\x01\0\x01\0\x10\0\x01\x63"),
    ];
    File { lines, packets }
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read(&written(&sample())), Ok(sample()));
}

#[test]
fn the_blocks_are_those_of_the_draft() {
    let file = File {
        lines: vec![line(Carrier::Udp, "m")],
        packets: vec![packet(0, 1 << 32 | 7, What::Sent, b"!")],
    };
    let expected = [
        // Section header: type, length, magic, version 1.0, section length, the program's name, end, length.
        &b"\x0A\x0D\x0D\x0A\x2C\0\0\0\x4D\x3C\x2B\x1A\x01\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..],
        b"\x04\0\x07\0headend\0\0\0\0\0\x2C\0\0\0",
        // Interface: type, length, IPv4, no limit, its name, end, length.
        b"\x01\0\0\0\x20\0\0\0\xE4\0\0\0\0\0\0\0\x02\0\x01\0m\0\0\0\0\0\0\0\x20\0\0\0",
        // Packet: type, length, interface, time, length on the line and here.
        b"\x06\0\0\0\x4C\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\0\x1D\0\0\0\x1D\0\0\0",
        // IPv4: 29 octets of UDP from one side to the other, with the check sum of the header.
        b"\x45\0\0\x1D\0\0\x40\0\x40\x11\xB6\xCC\xC0\0\x02\x01\xC0\0\x02\x02",
        // UDP: ports, length, check sum; the octet; padding.
        b"\xC0\0\x0F\xDB\0\x09\x8A\xFC!\0\0\0",
        // The direction: outbound; end, length.
        b"\x02\0\x04\0\x02\0\0\0\0\0\0\0\x4C\0\0\0",
    ];
    assert_eq!(written(&file), expected.concat());
}

#[test]
fn what_is_cut_off_damaged_or_foreign_is_named() {
    let whole = written(&sample());
    for length in 1..whole.len() {
        match read(&whole[..length]) {
            // Between two blocks it is a shorter file.
            Ok(file) => assert!(sample().packets.starts_with(&file.packets)),
            Err(error) => {
                assert!(matches!(error, Error::Damaged { .. } | Error::NoCapture), "{length}: {error:?}")
            }
        }
    }
    assert_eq!(read(b""), Err(Error::NoCapture));
    assert_eq!(read(b"\xD4\xC3\xB2\xA1\x02\0\x04\0\0\0\0\0"), Err(Error::NoCapture), "the older format");
    let mut foreign = written(&File { packets: vec![packet(0, 0, What::Sent, b"!")], ..sample() });
    let packet = foreign.len() - 60;
    foreign[packet] = 0x60;
    assert!(matches!(read(&foreign), Err(Error::Foreign { .. } | Error::Damaged { .. })));
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let what = prop_oneof![Just(What::Sent), Just(What::Received)];
    let octets = prop::collection::vec(any::<u8>(), 1..60);
    (0..3_usize, any::<u32>(), what, octets)
        .prop_map(|(line, at, what, octets)| packet(line, at.into(), what, &octets))
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(packets in prop::collection::vec(any_packet(), 0..20)) {
        let mut file = File { packets, ..sample() };
        // What no packet shows of a line is not in the file.
        file.lines[2].carrier = if file.packets.iter().any(|packet| packet.line == 2) { Carrier::Udp } else { Carrier::Tcp };
        prop_assert_eq!(read(&written(&file)), Ok(file));
    }

    #[test]
    fn no_octets_break_the_reader(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut octets = written(&sample());
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let _ = read(&octets);
    }
}
