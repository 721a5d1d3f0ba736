//! Capture files: any octets, and whatever can be captured.

use pcapng::{Carrier, File, Line, Packet, What, Writer, read};

/// Fewest octets of a block with a packet.
const BLOCK_MIN: usize = 32;

/// A file is refused or read within its length, and what is written is read.
pub fn run(octets: &[u8]) {
    if let Ok(file) = read(octets) {
        assert!(file.packets.len() <= octets.len() / BLOCK_MIN);
        let kept: usize = file.packets.iter().map(|packet| packet.octets.len()).sum();
        assert!(kept <= octets.len());
    }
    let file = File { lines: lines(), packets: packets(octets) };
    let mut out = Vec::new();
    let mut writer = Writer::begin("fuzz", &mut out);
    for line in &file.lines {
        writer.line(line, &mut out);
    }
    for Packet { line, at_us, what, octets } in &file.packets {
        writer.packet(*line, *at_us, *what, octets, &mut out);
    }
    assert_eq!(read(&out).map(|file| file.packets), Ok(file.packets));
}

/// One line for each carrier.
fn lines() -> Vec<Line> {
    let carriers = [Carrier::Tcp, Carrier::Udp, Carrier::Serial];
    carriers.map(|carrier| Line { carrier, name: format!("{carrier:?}") }).into()
}

/// What an input says was captured: line and direction, time, length, octets.
fn packets(mut octets: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let [place, at, length, rest @ ..] = octets {
        let (some, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        octets = behind;
        let what = match place >> 6 {
            _ if some.is_empty() => What::Opened,
            0 | 1 => What::Sent,
            _ => What::Received,
        };
        packets.push(Packet {
            line: usize::from(place % 3),
            at_us: u64::from(*at) << (place % 56),
            what,
            octets: some.to_vec(),
        });
    }
    packets
}
