//! The codec beside `dlms-cosem-rs`, which this project did not write: the octets of the vectors, and each of them cut and altered in many places, mean the same to
//! both, or the difference has a name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "vectors/apdu.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod apdu;
#[path = "vectors/store.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod store;

use std::collections::BTreeMap;

use apdu::Apdu;
use dlms::axdr::Data;
use dlms::decode::{Secrets, decode};
use dlms_cosem_rs::axdr::DataBuf;
use dlms_cosem_rs::codec::{Decode, Encode};
use serde_json::Value;

/// Octets that stand in the place of one that is altered.
const OTHERS: [u8; 6] = [0x00, 0x01, 0x02, 0x09, 0x80, 0xFF];
/// Octets of a vector that are altered one after the other; the rest of a long one repeats itself.
const PLACES_MAX: usize = 160;

/// The octets, cut behind every octet, and with every octet altered.
fn variants(octets: &[u8]) -> Vec<Vec<u8>> {
    let places = octets.len().min(PLACES_MAX);
    let cut = (0..places).map(|end| octets[..end].to_vec());
    let altered = (0..places).flat_map(|at| {
        OTHERS.iter().map(move |other| {
            let mut altered = octets.to_vec();
            altered[at] = *other;
            altered
        })
    });
    std::iter::once(octets.to_vec()).chain(cut).chain(altered).collect()
}

/// Who takes octets that the other one refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Both,
    Ours,
    Theirs,
}

/// Why the two differ: who takes the octets, the tags of the APDUs, a part of what the other one says about them, and the reason.
const REASONS: [(Side, &[u8], &str, &str); 10] = [
    (Side::Both, &[0x60, 0x61], "", "fields that DLMS does not need are passed over, and not written again"),
    (
        Side::Ours,
        &[0x60, 0x61, 0x62, 0x63],
        "InvalidTag(255)",
        "a field with a tag of several octets is passed over like any other",
    ),
    (Side::Ours, &[0xC7], "Truncated", "that a method returned nothing need not be said; they want it said"),
    (
        Side::Ours,
        &[0xC7],
        "InvalidTag",
        "a value that a method returned may come without its choice, as some meters send it",
    ),
    (Side::Ours, &[0x61], "", "the user-information of a refusal may be anything; they look into it"),
    (
        Side::Theirs,
        &[0x08, 0xC0, 0xC3, 0xC7],
        "usage flag cannot be",
        "a usage flag is 0 or 1; they take any other octet for 1",
    ),
    (
        Side::Theirs,
        &[0x60, 0x61, 0x62, 0x63],
        "left behind the end",
        "a field inside a field fills it; they leave the rest",
    ),
    (
        Side::Theirs,
        &[0x60, 0x61],
        "cannot be 0x508",
        "an object identifier of another arc is no name of DLMS; they look at its last number",
    ),
    (
        Side::Theirs,
        &[0x60, 0x61],
        "the message ends too early",
        "an AARQ or AARE has a context and what the standard demands besides; they go without",
    ),
    (Side::Theirs, &[0x61], "may not come here", "result and diagnostic are integers; they take any tag"),
];

/// Counts differences by their reason.
#[derive(Default)]
struct Differences {
    named: BTreeMap<&'static str, usize>,
    unnamed: Vec<String>,
}

impl Differences {
    fn add(&mut self, side: Side, octets: &[u8], said: &str) {
        let tag = octets.first().copied().unwrap_or_default();
        let reason = REASONS
            .iter()
            .find(|(whose, tags, part, _)| *whose == side && tags.contains(&tag) && said.contains(part));
        match reason {
            Some((.., reason)) => *self.named.entry(*reason).or_default() += 1,
            None => self.unnamed.push(format!("{side:?} take {}: {said}", store::hex(octets))),
        }
    }

    fn check(&self) {
        assert_eq!(self.named.len(), REASONS.len(), "a reason that explains nothing");
        self.named.iter().for_each(|(reason, count)| println!("{count:5} {reason}"));
        let shown = self.unnamed.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.unnamed.is_empty(), "{} differences without a reason:\n{shown}", self.unnamed.len());
    }
}

#[test]
fn values_mean_the_same_to_both() {
    let mut taken = 0;
    for vector in store::all().iter().filter(|vector| vector.kind == "axdr-data") {
        for octets in variants(&vector.octets) {
            match (Data::decode(&octets), DataBuf::parse(&octets)) {
                (Ok(ours), Ok(theirs)) => {
                    let (mut again, mut other) = (Vec::new(), Vec::new());
                    expanded(ours).encode(&mut again);
                    theirs.encode(&mut other).unwrap();
                    assert_eq!(store::hex(&again), store::hex(&other), "{}", store::hex(&octets));
                    taken += 1;
                }
                (Err(_), Err(_)) => {}
                (ours, theirs) => panic!("{}: {ours:?}, {theirs:?}", store::hex(&octets)),
            }
        }
    }
    assert!(taken > 2000, "{taken} values");
}

/// A compact array as the array that it stands for, which is how the other one keeps it.
fn expanded(data: Data) -> Data {
    match data {
        Data::Array(elements) => Data::Array(elements.into_iter().map(expanded).collect()),
        Data::Structure(elements) => Data::Structure(elements.into_iter().map(expanded).collect()),
        Data::CompactArray(array) => Data::Array(array.items.into_iter().map(expanded).collect()),
        simple => simple,
    }
}

#[test]
fn apdus_mean_the_same_to_both() {
    let mut differences = Differences::default();
    let mut taken = 0;
    // These carry other APDUs, and are taken apart elsewhere.
    let around = |tag: &u8| [0xDD, 0xDF, 0xE7].contains(tag);
    let vectors = store::all().into_iter().filter(|vector| vector.kind == "apdu");
    for octets in vectors.flat_map(|vector| variants(&vector.octets)) {
        if octets.first().is_none_or(around) {
            continue;
        }
        match (Apdu::decode(&octets), dlms_cosem_rs::Apdu::from_bytes(&octets)) {
            (Ok(ours), Ok(theirs)) => {
                taken += 1;
                let mut other = Vec::new();
                theirs.encode(&mut other).unwrap();
                let again = ours.encode();
                if again != other && said(&again) != said(&other) {
                    differences.add(Side::Both, &octets, &store::hex(&other));
                }
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => differences.add(Side::Ours, &octets, &format!("{:?}", error.kind)),
            (Err(error), Ok(_)) => differences.add(Side::Theirs, &octets, &error.to_string()),
        }
    }
    assert!(taken > 10_000, "{taken} APDUs");
    differences.check();
}

/// What an APDU says, whichever of several ways it is encoded in.
fn said(octets: &[u8]) -> Value {
    serde_json::to_value(decode(octets, &Secrets::default())).unwrap()
}
