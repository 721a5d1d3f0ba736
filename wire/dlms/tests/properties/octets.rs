//! Octets of any kind: no decoder panics, and a stream may be cut anywhere.

use dlms::axdr::{Data, Reader, skip};
use dlms::wrapper::{HEADER_LENGTH, Splitter, frame};
use dlms::{DateTime, Error};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::apdu::Apdu;
use crate::{decoders, store};

const COMPACT_ARRAY: u8 = 19;

/// Every decoder sees the octets, and the two that walk over a value agree.
fn decode_as_everything(octets: &[u8]) {
    let _ = Apdu::decode(octets);
    for (_, decode) in decoders::all() {
        let _ = decode(octets);
    }
    if let Some(time) = octets.first_chunk() {
        let _ = DateTime::new(*time).unix_seconds();
    }
    walk(octets);
    // Behind the tag, where a value may begin.
    walk(octets.get(1..).unwrap_or_default());
}

/// What is built is as long as what is skipped. Only the contents of a compact array are skipped without a look.
fn walk(octets: &[u8]) {
    let (mut built, mut skipped) = (Reader::new(octets), Reader::new(octets));
    match (Data::read(&mut built), skip(&mut skipped)) {
        (Ok(value), Ok(())) => {
            assert_eq!(built.remaining(), skipped.remaining(), "{octets:02X?}");
            let mut again = Vec::new();
            value.encode(&mut again);
            assert_eq!(Data::decode(&again), Ok(value), "{octets:02X?}");
        }
        (Ok(value), Err(error)) => panic!("{octets:02X?}: {value:?}, but {error}"),
        (Err(error), Ok(())) => assert!(octets.contains(&COMPACT_ARRAY), "{octets:02X?}: {error}"),
        (Err(_), Err(_)) => {}
    }
}

/// Octets that look like types and lengths more often than chance would have it.
fn likely_octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![4 => 0_u8..34, 1 => 0x80_u8..0x85, 1 => any::<u8>()];
    let tag = proptest::sample::select(vec![
        0x00, 0x01, 0x02, 0x05, 0x06, 0x08, 0x0C, 0x0D, 0x0F, 0x13, 0x18, 0x60, 0x61, 0x62, 0x63, 0x68, 0x7E,
        0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7, 0xCC, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xDF, 0xE0, 0xE6,
    ]);
    (tag, vec(octet, 0..120)).prop_map(|(tag, rest)| [&[tag], rest.as_slice()].concat())
}

/// C-07: every vector of the file with one octet changed in every way that flips one bit or all of them. Of a long vector, a part of
/// the places.
#[test]
fn c_07_no_changed_octet_of_a_vector_breaks_a_decoder() {
    let vectors = store::all();
    assert!(vectors.len() > 200, "{} vectors", vectors.len());
    for vector in vectors {
        let mut octets = vector.octets;
        decode_as_everything(&octets);
        for at in (0..octets.len()).step_by(1 + octets.len() / 50) {
            let was = octets[at];
            for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF] {
                octets[at] = was ^ change;
                decode_as_everything(&octets);
            }
            octets[at] = was;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn c_07_no_octets_break_a_decoder(octets in vec(any::<u8>(), 0..200), likely in likely_octets()) {
        for octets in [octets, likely] {
            decode_as_everything(&octets);
            let (_, tree) = decoders::TREE;
            let _ = tree(&octets);
        }
    }
}

proptest! {
    #[test]
    fn a_stream_is_cut_anywhere(
        frames in vec((any::<u16>(), any::<u16>(), vec(any::<u8>(), 0..300)), 0..8),
        cuts in vec(any::<Index>(), 0..20),
        handed_out_late in any::<bool>(),
    ) {
        let mut stream = Vec::new();
        for (source, destination, apdu) in &frames {
            frame(*source, *destination, apdu, &mut stream).unwrap();
        }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();

        let mut splitter = Splitter::new(300);
        let mut received = Vec::new();
        let mut start = 0;
        for end in ends {
            splitter.push(&stream[start..end]);
            start = end;
            // With or without a look between two pieces.
            while !handed_out_late || end == stream.len() {
                let Some((header, apdu)) = splitter.next_frame().unwrap() else { break };
                prop_assert_eq!(usize::from(header.length), apdu.len());
                received.push((header.source, header.destination, apdu.to_vec()));
            }
        }
        prop_assert_eq!(received, frames);
        prop_assert_eq!(splitter.pending(), 0);
    }

    #[test]
    fn a_frame_above_the_limit_or_of_another_version_is_refused(limit in 0_u16..1000, above in 1_u16..1000, version in any::<u16>()) {
        let length = limit + above;
        let mut too_long = Vec::new();
        frame(1, 16, &vec![0; usize::from(length)], &mut too_long).unwrap();
        let mut splitter = Splitter::new(limit);
        // The header is enough to refuse it: nothing is gathered first.
        splitter.push(&too_long[..HEADER_LENGTH]);
        prop_assert_eq!(splitter.next_frame(), Err(Error::TooLong { what: "APDU", limit: usize::from(limit) }));

        let mut splitter = Splitter::new(u16::MAX);
        too_long[..2].copy_from_slice(&version.to_be_bytes());
        splitter.push(&too_long);
        match version {
            1 => prop_assert!(splitter.next_frame().unwrap().is_some()),
            got => {
                let refused = Error::Value { what: "version of the wrapper", got: u32::from(got) };
                prop_assert_eq!(splitter.next_frame(), Err(refused));
            }
        }
    }
}

#[test]
fn an_apdu_of_65536_octets_does_not_fit_into_a_frame() {
    let mut out = Vec::new();
    assert_eq!(frame(1, 16, &[0; 65_536], &mut out), Err(Error::TooLong { what: "APDU", limit: 65_535 }));
    assert!(out.is_empty());
}
