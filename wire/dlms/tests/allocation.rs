//! A hostile length costs nothing: what a decoder allocates is a small multiple of the octets that came, whatever they claim.
//!
//! One test only, so that no other allocates at the same time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[path = "common/decoders.rs"]
mod decoders;

use std::alloc::System;

use decoders::Decoder;
use dlms::Error;
use dlms::axdr::Data;
use dlms::decode::{Node, Secrets, decode};
use dlms::wrapper::{self, Splitter};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that may be allocated for no octets at all.
const ANYWAY: usize = 65_536;
/// Octets that may be allocated for each octet of what is refused.
const REFUSED: usize = 4;
/// Octets that may be allocated for each octet that came. One octet is enough for a value, which in a tree takes `size_of::<Data>()`;
/// a vector grows to twice what it needs; in a compact array one octet is enough for a value and three structures around it.
const PER_OCTET: usize = 6 * size_of::<Data>();
/// The same for the tree that people are shown: in a compact array a list and its one element for each of three structures, and the value.
const PER_OCTET_OF_TREE: usize = 9 * size_of::<Node>();
/// Octets of the long inputs: as many as one APDU can have.
const LONG: usize = 65_535;

/// Octets that `decode` allocated in all, freed ones included, and what it returned.
fn allocated<T>(decode: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(ALLOCATOR);
    let decoded = decode();
    (region.change().bytes_allocated, decoded)
}

/// `prefix`, then `pattern` as often as it fits.
fn filled(prefix: &[u8], pattern: &[u8]) -> Vec<u8> {
    let rest = (LONG - prefix.len()) / pattern.len();
    [prefix, &pattern.repeat(rest)].concat()
}

/// Values of a few octets that claim to hold much, or to be deeper than anything.
fn bombs() -> Vec<Vec<u8>> {
    let lengths: [&[u8]; 6] = [
        &[0x84, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x84, 0x7F, 0xFF, 0xFF, 0xFF],
        &[0x84, 0xFF, 0xFF, 0xFF, 0xF9],
        &[0x83, 0xFF, 0xFF, 0xFF],
        &[0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xF9],
    ];
    let types: [&[u8]; 12] = [
        &[1],
        &[2],
        &[4],
        &[9],
        &[10],
        &[12],
        &[19, 17],
        &[19, 2],
        &[19, 1, 0xFF, 0xFF, 1, 0xFF, 0xFF, 17],
        &[19, 2, 2, 17, 1, 0xFF, 0xFF, 0],
        &[19, 2, 1, 17],
        &[1, 2, 1],
    ];
    let lies = types.iter().flat_map(|data_type| lengths.map(|length| [data_type, length, &[0; 3]].concat()));
    let others: [&[u8]; 4] = [
        // Compact arrays of rows without columns: no number of them uses up the octets.
        &[19, 2, 0, 4, 0, 0, 0, 0],
        &[19, 2, 0, 0x82, 0xFF, 0xFF],
        &[19, 1, 0xFF, 0xFF, 2, 0, 4, 0, 0, 0, 0],
        &[19, 1, 0, 0, 17, 4, 0, 0, 0, 0],
    ];
    let deep = [&[2, 1][..], &[1, 1], &[1, 0x84, 0, 0, 0, 1]].map(|level| level.repeat(30_000));
    lies.chain(others.map(<[u8]>::to_vec)).chain(deep).collect()
}

/// A value where each service has one.
fn carried(value: &[u8]) -> Vec<Vec<u8>> {
    let fronts: [&[u8]; 9] = [
        &[0xC4, 1, 0xC1, 0],
        &[0xC4, 3, 0xC1, 1, 0],
        &[0xC7, 1, 0xC1, 0, 1, 0],
        &[0xDA, 0, 0, 0, 1, 0, 0, 1],
        &[0x0C, 1, 0],
        &[0x0F, 0, 0, 0, 1, 0],
        &[0xC2, 0, 0, 3, 1, 0, 1, 8, 0, 255, 2],
        &[0xC1, 1, 0xC1, 0, 3, 1, 0, 1, 8, 0, 255, 2, 0],
        &[0xC0, 1, 0xC1, 0, 7, 1, 0, 99, 1, 0, 255, 2, 1, 1],
    ];
    fronts.iter().map(|front| [front, value].concat()).collect()
}

/// Messages whose own lengths lie, and those that carry a value that does.
fn messages() -> Vec<Vec<u8>> {
    let fronts: [&[u8]; 26] = [
        &[0xC0, 3, 0xC1],
        &[0xC1, 4, 0xC1],
        &[0xC3, 3, 0xC1],
        &[0xC3, 5, 0xC1],
        &[0xC4, 2, 0xC1, 0, 0, 0, 0, 1, 0],
        &[0xC4, 3, 0xC1],
        &[0xC5, 5, 0xC1],
        &[0xC7, 3, 0xC1],
        &[0xD9, 0, 0, 0, 1, 0],
        &[0xDA, 0, 0, 0, 1, 0],
        &[0x05],
        &[0x06],
        &[0x0C],
        &[0x0D],
        &[0x0C, 1, 2, 0, 0, 1],
        &[0x0F, 0, 0, 0, 1],
        // General blocks, with a window and without.
        &[0xE0, 0x81, 0, 1, 0, 0],
        &[0xE0, 0x7F, 0, 1, 0, 0],
        // Ciphered, for one peer and in general; signed.
        &[0xCC],
        &[0xDB, 8, 0x4D, 0x4D, 0x4D, 0, 0, 0xBC, 0x61, 0x4E],
        &[0xDB],
        &[0xDD, 8, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0xDD, 0, 0, 0, 0, 0, 1, 0, 0],
        &[0xDF, 8, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0xDF, 0, 0, 0, 0, 0],
        // A certificate.
        &[0x30, 0x82, 1, 0, 0x30],
    ];
    let lengths: [&[u8]; 3] = [&[0x84, 0xFF, 0xFF, 0xFF, 0xFF], &[0x84, 0x7F, 0xFF, 0xFF, 0xFF], &[0xF9]];
    let ber: [&[u8]; 6] = [
        &[0x60, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xF9],
        &[0x61, 0xF9, 0, 0],
        &[0x60, 0x0A, 0xA1, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 6, 7, 0x60, 0x85],
        &[0x61, 0x0A, 0xBE, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 4, 7, 8, 0],
        &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
    ];
    // Links: a long frame whose rest never comes, an M-Bus frame, a gateway.
    let links: [&[u8]; 5] = [
        &[0x7E, 0xA7, 0xFF, 3, 0x21, 0x73],
        &[0x7E, 0xAF, 0xFF, 3, 0x21, 0x73, 0, 0, 0x7E],
        &[0, 1, 0, 1, 0, 16, 0xFF, 0xFF, 0xC4],
        &[0x68, 0xFF, 0xFF, 0x68, 0x53, 0xFF, 0, 1, 0x67],
        &[0xE6, 0, 0xFF, 1],
    ];
    let services = fronts.iter().flat_map(|front| lengths.map(|length| [front, length, &[0; 3]].concat()));
    let carried = bombs().into_iter().flat_map(|bomb| carried(&bomb));
    services.chain(ber.map(<[u8]>::to_vec)).chain(links.map(<[u8]>::to_vec)).chain(carried).collect()
}

/// Inputs as long as an APDU that make as much as they can out of every octet.
fn greedy() -> Vec<Vec<u8>> {
    let count = |octets: usize| u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes();
    let [high, low] = count(LONG - 4);
    let [half_high, half_low] = count((LONG - 4) / 2);
    let [contents_high, contents_low] = count(LONG - 11);
    vec![
        // As many values of one octet as there are octets.
        filled(&[1, 0x82, high, low], &[0]),
        // Empty arrays, and arrays of one value.
        filled(&[1, 0x82, half_high, half_low], &[1, 0]),
        filled(&[1, 0x82, half_high / 2, half_low], &[1, 1, 0, 0]),
        // Rows of a profile, with and without a type in each cell.
        filled(&[1, 0x82, half_high, half_low], &[2, 1, 0]),
        filled(&[19, 2, 1, 17, 0x82, contents_high, contents_low + 4], &[42]),
        // Sixteen levels, each of which claims everything that is left.
        filled(&[], &[1, 0x82, 0x7F, 0xFF]),
        filled(&[1, 0x82, 0x20, 0x00], &[&[1, 1].repeat(14)[..], &[0]].concat()),
        // Compact arrays: three levels around each octet, and one long item.
        filled(&[19, 2, 1, 2, 1, 2, 1, 17, 0x82, contents_high, contents_low], &[42]),
        filled(&[19, 1, 0, 1, 1, 0, 1, 1, 0, 1, 17, 0x82, contents_high, contents_low - 3], &[42]),
        filled(&[19, 1, contents_high, contents_low, 17, 0x82, contents_high, contents_low], &[42]),
        // Lists of the services.
        filled(&[0xC5, 5, 0xC1, 0x82, high, low - 2], &[3]),
        filled(&[0xC4, 3, 0xC1, 0x82, half_high, half_low - 1], &[1, 3]),
        filled(&[0xC4, 3, 0xC1, 0x82, half_high, half_low - 1], &[0, 0]),
        filled(&[0x0C, 0x82, 4, 0], &[1, 3]),
        filled(&[0x0D, 0x82, 4, 0], &[0]),
        filled(&[0xDA, 0, 0, 0, 1, 0, 0, 0x82, 4, 0], &[0]),
        // Frames: empty ones, noise, and beginnings.
        filled(&[], &[0x7E]),
        filled(&[], &[0x7E, 0xA7, 0xFF, 3]),
        filled(&[], &[0, 1, 0, 1, 0, 16, 0, 0]),
        filled(&[], &[0x68, 5, 5, 0x68, 0x53, 0xFF, 0x10, 1, 0x67, 0xCA, 0x16]),
    ]
}

/// Each of these decoders refuses the octets.
fn refused(octets: &[u8], decoders: impl Iterator<Item = Decoder>) {
    for (name, is_taken) in decoders {
        assert!(!is_taken(octets), "{name} takes {:02X?}", &octets[..octets.len().min(40)]);
    }
}

/// What these decoders allocate stays below so much for each octet; returns the most for one.
fn costs(octets: &[u8], decoders: impl Iterator<Item = Decoder>, per_octet: usize) -> usize {
    let mut dearest = 0;
    for (name, decode) in decoders {
        let (cost, _) = allocated(|| decode(octets));
        let start = &octets[..octets.len().min(40)];
        assert!(cost <= ANYWAY + octets.len() * per_octet, "{name}: {cost} octets for {start:02X?}…");
        dearest = dearest.max(cost / octets.len());
    }
    dearest
}

/// Room of what people are shown.
fn tree(octets: &[u8]) -> usize {
    let secrets = Secrets::default();
    let region = Region::new(ALLOCATOR);
    let _decoded = decode(octets, &secrets);
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

/// C-07: lengths and levels that lie are refused by every decoder, for next to nothing; and whatever else comes, memory stays a small multiple of it.
#[test]
fn c_07_no_decoder_allocates_more_than_its_octets_justify() {
    let (bombs, messages) = (bombs(), messages());
    for bomb in &bombs {
        refused(bomb, decoders::VALUES.into_iter());
    }
    for lie in &messages {
        refused(lie, decoders::APDUS.into_iter().chain(decoders::PROTECTED).chain(decoders::LINKS));
    }
    for lie in bombs.iter().chain(&messages) {
        costs(lie, decoders::all().chain([decoders::TREE]), REFUSED);
    }
    let mut dearest = 0;
    for input in greedy() {
        dearest = dearest.max(costs(&input, decoders::all(), PER_OCTET));
        let tree = tree(&input);
        assert!(tree <= ANYWAY + input.len() * PER_OCTET_OF_TREE, "{tree} octets for {:02X?}…", &input[..40]);
    }
    println!("at most {dearest} octets for each that came; a value has {}", size_of::<Data>());
    // The inputs reach what they are made for: a tree of all their octets.
    assert!(dearest >= size_of::<Data>());

    // A header that announces more than the limit is refused, and one within the limit reserves nothing.
    let mut splitter = Splitter::new(1024);
    let (cost, ()) = allocated(|| {
        splitter.push(&[0, 1, 0, 1, 0, 16, 0x04, 0x00]);
        assert_eq!(splitter.next_frame(), Ok(None));
        let mut refused = Splitter::new(1024);
        refused.push(&[0, 1, 0, 1, 0, 16, 0xFF, 0xFF]);
        assert_eq!(refused.next_frame(), Err(Error::TooLong { what: "APDU", limit: 1024 }));
    });
    assert!(cost <= 8 * wrapper::HEADER_LENGTH, "{cost} octets for two headers");
}
