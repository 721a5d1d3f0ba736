//! A hostile length costs nothing: what a decoder allocates is a small multiple of the octets that came, whatever they claim.
//!
//! One test only, so that no other allocates at the same time.

use std::alloc::System;

use dlms::Error;
use dlms::acse::{Aare, Aarq};
use dlms::apdu::{ActionRequest, ActionResponse, GetRequest, GetResponse, SetRequest, SetResponse};
use dlms::axdr::{Data, Reader};
use dlms::cosem::association;
use dlms::profile::{Column, NullRule, RowDecoder, Rows, decode_list};
use dlms::selection::Selection;
use dlms::wrapper::Splitter;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Octets that may be allocated for each octet that came. One octet is enough for a value, which in a tree takes `size_of::<Data>()`;
/// a vector grows to twice what it needs; in a compact array one octet is enough for a value and three structures around it.
const PER_OCTET: usize = 6 * size_of::<Data>();
/// Octets that may be allocated for no octets at all.
const ANYWAY: usize = 1024;
/// Octets of the long inputs: as many as one APDU can have.
const LONG: usize = 65_535;

/// Octets that `decode` allocated in all, freed ones included.
fn allocated<T>(decode: impl FnOnce() -> T) -> usize {
    let region = Region::new(ALLOCATOR);
    drop(decode());
    region.change().bytes_allocated
}

/// What `input` costs in every decoder that builds lists.
fn costs(input: &[u8]) -> [(&'static str, usize); 14] {
    [
        ("Data", allocated(|| Data::decode(input))),
        ("profile", allocated(|| rows(input))),
        ("Selection", allocated(|| Selection::read(7, &mut Reader::new(input)))),
        ("selected objects", allocated(|| Selection::read(15, &mut Reader::new(input)))),
        ("object list", allocated(|| association::decode_list(input))),
        ("capture objects", allocated(|| decode_list(input))),
        ("GET request", allocated(|| GetRequest::decode(input))),
        ("GET response", allocated(|| GetResponse::decode(input))),
        ("SET request", allocated(|| SetRequest::decode(input))),
        ("SET response", allocated(|| SetResponse::decode(input))),
        ("ACTION request", allocated(|| ActionRequest::decode(input))),
        ("ACTION response", allocated(|| ActionResponse::decode(input))),
        ("AARQ", allocated(|| Aarq::decode(input))),
        ("AARE", allocated(|| Aare::decode(input))),
    ]
}

/// The rows of a profile of one value.
fn rows(buffer: &[u8]) -> Result<Rows, Error> {
    let mut rows = Rows::default();
    let mut decoder = RowDecoder::new(vec![Column::Value], NullRule::Absent);
    decoder.push(buffer, &mut rows)?;
    decoder.finish()?;
    Ok(rows)
}

/// `prefix`, then `pattern` as often as it fits.
fn filled(prefix: &[u8], pattern: &[u8]) -> Vec<u8> {
    let rest = (LONG - prefix.len()) / pattern.len();
    [prefix, &pattern.repeat(rest)].concat()
}

/// Inputs of a few octets that claim to hold much.
fn lies() -> Vec<Vec<u8>> {
    let many = [0x84, 0xFF, 0xFF, 0xFF, 0xFF];
    let prefixes: [&[u8]; 21] = [
        &[1],
        &[2],
        &[4],
        &[9],
        &[10],
        &[12],
        &[19, 17],
        &[19, 2],
        &[19, 1, 0xFF, 0xFF, 1, 0xFF, 0xFF, 17],
        &[19, 2, 0],
        &[19, 2, 2, 17, 1, 0xFF, 0xFF, 0],
        &[19, 2, 1, 17],
        &[1, 2, 1],
        &[0xC0, 3, 0xC1],
        &[0xC1, 4, 0xC1],
        &[0xC3, 3, 0xC1],
        &[0xC3, 5, 0xC1],
        &[0xC4, 3, 0xC1],
        &[0xC5, 5, 0xC1],
        &[0xC7, 3, 0xC1],
        &[0x60],
    ];
    prefixes.iter().map(|prefix| [prefix, &many[..], &[0, 0, 0]].concat()).collect()
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
        // Thirty thousand structures in each other.
        filled(&[], &[2, 1]),
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
    ]
}

#[test]
fn c_07_no_decoder_allocates_more_than_its_octets_justify() {
    for lie in lies() {
        for (decoder, cost) in costs(&lie) {
            assert!(cost <= ANYWAY + lie.len() * PER_OCTET, "{decoder}: {cost} octets for {lie:02X?}");
        }
    }
    let mut dearest = 0;
    for input in greedy() {
        let start = &input[..16];
        for (decoder, cost) in costs(&input) {
            assert!(cost <= ANYWAY + input.len() * PER_OCTET, "{decoder}: {cost} octets for {start:02X?}…");
            dearest = dearest.max(cost / input.len());
        }
    }
    println!("at most {dearest} octets for each that came; a value has {}", size_of::<Data>());
    // The inputs reach what they are made for: a tree of all their octets.
    assert!(dearest >= size_of::<Data>());

    // A header that announces more than the limit is refused, and one within the limit reserves nothing.
    let mut splitter = Splitter::new(1024);
    let cost = allocated(|| {
        splitter.push(&[0, 1, 0, 1, 0, 16, 0x04, 0x00]);
        assert_eq!(splitter.next_frame(), Ok(None));
        let mut refused = Splitter::new(1024);
        refused.push(&[0, 1, 0, 1, 0, 16, 0xFF, 0xFF]);
        assert_eq!(refused.next_frame(), Err(Error::TooLong { what: "APDU", limit: 1024 }));
    });
    assert!(cost <= 64, "{cost} octets for two headers");
}
