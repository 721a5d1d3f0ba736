//! APDUs and values in the clear.

use dlms::axdr::{Data, Reader, skip};

#[path = "../../wire/dlms/tests/vectors/apdu.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod any;

use any::Apdu;

/// What decodes says the same after it was encoded, and nothing that is cut short decodes, but for what some meters leave out.
pub fn run(octets: &[u8]) {
    if let Ok(apdu) = Apdu::decode(octets) {
        let again = apdu.encode();
        let decoded = Apdu::decode(&again).expect("what was encoded can be decoded");
        assert_eq!(again, decoded.encode());
        let cut = &octets[..octets.len() - 1];
        assert!(Apdu::decode(cut).is_err() || Apdu::is_cut(cut));
    }
    value(octets);
}

/// A tree, a look at its length and its encoding agree.
fn value(octets: &[u8]) {
    let mut skipped = Reader::new(octets);
    let length = skip(&mut skipped).map(|()| octets.len() - skipped.remaining());
    let mut read = Reader::new(octets);
    if let Ok(data) = Data::read(&mut read) {
        assert_eq!(length, Ok(octets.len() - read.remaining()));
        let mut again = Vec::new();
        data.encode(&mut again);
        let mut encoded = Vec::new();
        Data::decode(&again).expect("what was encoded can be decoded").encode(&mut encoded);
        assert_eq!(again, encoded);
    }
}
