//! The codec against byte vectors: each decodes to the fields that stand beside it, encodes again to the same octets, and is
//! refused when its end is missing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "vectors/apdu.rs"]
mod apdu;
#[path = "vectors/render.rs"]
mod render;
#[path = "vectors/store.rs"]
mod store;

use std::collections::BTreeSet;

use apdu::Apdu;
use dlms::acse::ApplicationContext;
use dlms::apdu::{GeneralBlock, GetRequest};
use dlms::axdr::{Data, Reader, skip, write_length};
use dlms::cosem::association;
use dlms::initiate::InitiateRequest;
use dlms::selection::Selection;
use dlms::wrapper::{HEADER_LENGTH, Splitter, frame};
use dlms::{DateTime, Error};
use serde_json::{Value, json};
use store::Vector;

/// Groups that this file checks.
const CHECKED: [&str; 22] = [
    "access",
    "gbt",
    "short-name",
    "axdr-length",
    "axdr-data",
    "date-time",
    "wrapper",
    "acse",
    "initiate",
    "get",
    "get-block",
    "set",
    "set-block",
    "action",
    "action-block",
    "push-plain",
    "selective-access",
    "errors",
    "profile-buffer",
    "object-list",
    "prepayment",
    "quirks",
];

/// Groups that other files check, and which.
const ELSEWHERE: [(&str, &str); 14] = [
    ("access-general-signing", "signed, see tests/general_protection.rs"),
    ("acse-ciphered", "ciphered, see tests/ciphering.rs"),
    ("ciphering", "ciphered, see tests/ciphering.rs"),
    ("ciphering-suite1-2", "ciphered, see tests/ciphering.rs"),
    ("gateway", "a prefix of APDUs, see tests/links.rs"),
    ("general-ciphering", "ciphered, see tests/general_protection.rs"),
    ("hdlc", "frames, see tests/hdlc.rs"),
    ("hdlc-segmentation", "frames, see tests/hdlc.rs"),
    ("hls", "ciphered, see tests/ciphering.rs"),
    ("key-agreement", "see tests/agreement.rs"),
    ("mbus-transport", "frames, see tests/links.rs"),
    ("mode-e", "no APDUs, see tests/decode.rs"),
    ("push-ciphered", "ciphered, see tests/push.rs"),
    ("sfsk", "no services, see tests/decode.rs"),
];

/// Vectors of checked groups that are refused or only decoded in part, and why.
const IN_PART: [(&str, &str); 4] = [
    ("DV183", "only the association request is decoded"),
    ("DV184", "ciphered: only the header and the tag are looked at"),
    ("DV282", "frames, see tests/hdlc.rs; here the APDU is taken as it is put together beside them"),
    ("DV283", "a frame, see tests/hdlc.rs"),
];

/// Vectors that encode otherwise than they came, and why.
const NOT_CANONICAL: [(&str, &str); 2] = [
    (
        "DV183",
        "protocol-version is written though it is the default, and the tag of the conformance is short",
    ),
    ("DV268", "the count of the array has a longer form than needed"),
];

/// Every vector of `group` goes through `check`.
fn each(group: &str, check: impl Fn(&Vector)) {
    let vectors: Vec<Vector> = store::all().into_iter().filter(|vector| vector.group == group).collect();
    vectors.iter().for_each(check);
    println!("{group}: {} vectors", vectors.len());
    assert!(!vectors.is_empty(), "no vector of {group}");
    assert!(CHECKED.contains(&group));
}

fn listed(table: &[(&str, &str)], id: &str) -> bool {
    table.iter().any(|(listed, _)| *listed == id)
}

/// One value that fills the octets: as tree, skipped, encoded again, cut.
fn check_data(vector: &Vector, octets: &[u8], expected: &Value) {
    let id = &vector.id;
    let value = Data::decode(octets).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert_eq!(&render::data(&value), expected, "{id}");
    let mut again = Vec::new();
    value.encode(&mut again);
    assert_eq!(again, octets, "{id}");
    check_cuts_of_data(vector, octets);
}

fn check_cuts_of_data(vector: &Vector, octets: &[u8]) {
    let mut reader = Reader::new(octets);
    skip(&mut reader).unwrap();
    assert_eq!(reader.remaining(), 0, "{}", vector.id);
    for end in 0..octets.len() {
        assert_eq!(
            skip(&mut Reader::new(&octets[..end])),
            Err(Error::Truncated),
            "{} cut at {end}",
            vector.id
        );
    }
    // The tree of a long value takes its time, so it is not built for every one of thousands of cuts.
    for end in (0..octets.len()).step_by(1 + octets.len() / 1000) {
        assert_eq!(Data::decode(&octets[..end]), Err(Error::Truncated), "{} cut at {end}", vector.id);
    }
}

/// One APDU that fills the octets: its fields, encoded again, cut, lengthened.
fn check_apdu(vector: &Vector, octets: &[u8]) -> Value {
    let id = &vector.id;
    let decoded = Apdu::decode(octets).unwrap_or_else(|error| panic!("{id}: {error}"));
    if !listed(&NOT_CANONICAL, id) {
        assert_eq!(store::hex(&decoded.encode()), store::hex(octets), "{id}");
    }
    for end in 0..octets.len() {
        assert!(Apdu::is_cut(&octets[..end]), "{id} cut at {end}");
    }
    let longer = [octets, &[0]].concat();
    assert_eq!(Apdu::decode(&longer), Err(Error::Trailing { left: 1 }), "{id}");
    render::apdu(&decoded)
}

/// A vector of kind `apdu` or `apdu-sequence`.
fn check_services(vector: &Vector) {
    match vector.kind.as_str() {
        "apdu" => assert_eq!(check_apdu(vector, &vector.octets), vector.expected, "{}", vector.id),
        "apdu-sequence" => check_sequence(vector),
        other => panic!("{} is of kind {other}", vector.id),
    }
}

/// An exchange: every APDU alone, and the value that their blocks make together. GET responses with blocks are not in the file one by
/// one, only joined.
fn check_sequence(vector: &Vector) {
    let apdus = vector.context["apdus"].as_array().unwrap();
    let apdus: Vec<Vec<u8>> = apdus.iter().map(|hex| store::octets(hex.as_str().unwrap())).collect();
    let mut fields: Vec<Value> = apdus.iter().map(|octets| check_apdu(vector, octets)).collect();
    fields.retain(|fields| fields.get("get-response-with-datablock").is_none());
    assert_eq!(json!(fields), vector.expected["apdus"], "{}", vector.id);

    let pieces: Vec<_> = apdus.iter().filter_map(|octets| Apdu::decode(octets).unwrap().piece()).collect();
    for (position, (number, last, _)) in pieces.iter().enumerate() {
        assert_eq!(*number as usize, position + 1, "{}", vector.id);
        assert_eq!(*last, position + 1 == pieces.len(), "{}", vector.id);
    }
    let joined = pieces.iter().map(|(_, _, piece)| *piece).collect::<Vec<_>>().concat();
    assert_eq!(json!(store::hex(&joined)), vector.expected["concatenated-raw-data"], "{}", vector.id);
    check_data(vector, &joined, &vector.expected["data"]);
}

#[test]
fn lengths() {
    each("axdr-length", |vector| {
        let mut reader = Reader::new(&vector.octets);
        let length = reader.length().unwrap();
        assert_eq!(json!({ "length": length }), vector.expected, "{}", vector.id);
        assert_eq!(reader.remaining(), 0, "{}", vector.id);
        let mut again = Vec::new();
        write_length(length, &mut again);
        assert_eq!(again, vector.octets, "{}", vector.id);
        for end in 0..vector.octets.len() {
            assert_eq!(Reader::new(&vector.octets[..end]).length(), Err(Error::Truncated), "{}", vector.id);
        }
    });
}

#[test]
fn values() {
    each("axdr-data", |vector| check_data(vector, &vector.octets, &vector.expected["data"]));
}

#[test]
fn profile_buffers() {
    each("profile-buffer", |vector| check_data(vector, &vector.octets, &vector.expected["data"]));
}

/// The file has the first and the last element only.
#[test]
fn object_lists() {
    each("object-list", |vector| {
        let Data::Array(elements) = Data::decode(&vector.octets).unwrap() else { panic!("no array") };
        assert_eq!(json!(elements.len()), vector.expected["elements"]);
        assert_eq!(render::data(&elements[0]), vector.expected["first"]);
        assert_eq!(render::data(&elements[elements.len() - 1]), vector.expected["last"]);
        check_cuts_of_data(vector, &vector.octets);
        // A count of 123 fits into one octet; the vector spends three.
        let mut again = Vec::new();
        Data::Array(elements).encode(&mut again);
        assert_eq!(again[..2], [1, 123]);
        assert_eq!(again[2..], vector.octets[4..]);
        // As objects: the serial number of a Kamstrup meter may be read, and all of them have rights.
        let objects = association::decode_list(&vector.octets).unwrap().objects;
        assert_eq!(objects.len(), 123);
        let serial = objects.iter().find(|object| object.instance.to_string() == "1.1.96.1.1.255").unwrap();
        assert!(serial.class_id == 1 && serial.rights.as_ref().unwrap().may_read(2, 1));
        assert!(objects.iter().all(|object| object.rights.is_some()));
    });
}

#[test]
fn dates_and_times() {
    each("date-time", |vector| {
        let time = DateTime::new(vector.octets.as_slice().try_into().unwrap());
        assert_eq!(json!({ "decoded": render::date_time(time) }), vector.expected, "{}", vector.id);
        assert_eq!(time.octets(), *vector.octets, "{}", vector.id);
        let (local, unix) = match vector.id.as_str() {
            "DV046" => (Some(1_577_836_980), Some(1_577_829_780)),
            "DV047" => (Some(1_578_268_980), Some(1_578_265_380)),
            "DV048" => (Some(1_518_393_600), None),
            "DV050" => (None, None),
            other => panic!("which instant is {other}?"),
        };
        assert_eq!((time.local_seconds(), time.unix_seconds()), (local, unix), "{}", vector.id);
        // The date-time itself has no length; as a typed value it can be cut.
        check_cuts_of_data(vector, &[&[25], vector.octets.as_slice()].concat());
    });
}

#[test]
fn wrapped_apdus() {
    each("wrapper", |vector| match vector.kind.as_str() {
        "wrapper" => check_wrapped(vector),
        "wrapper-stream" => check_stream(vector),
        other => panic!("{} is of kind {other}", vector.id),
    });
}

fn check_wrapped(vector: &Vector) {
    let id = vector.id.as_str();
    let mut splitter = Splitter::new(u16::MAX);
    splitter.push(&vector.octets);
    let (header, apdu) = splitter.next_frame().unwrap().unwrap();
    assert_eq!(render::header(header), vector.expected["wrapper"], "{id}");
    match id {
        "DV183" => check_short_name_association(vector, apdu),
        "DV184" => assert_eq!(apdu[0], 0xDB),
        _ => assert_eq!(check_apdu(vector, apdu), vector.expected["apdu"], "{id}"),
    }
    let mut again = Vec::new();
    frame(header.source, header.destination, apdu, &mut again).unwrap();
    assert_eq!(again, vector.octets, "{id}");
    assert_eq!(splitter.next_frame(), Ok(None), "{id}");
    assert_eq!(splitter.pending(), 0, "{id}");

    // A frame that is not whole yet is no error of a stream: the rest may come.
    for end in 0..vector.octets.len() {
        let mut splitter = Splitter::new(u16::MAX);
        splitter.push(&vector.octets[..end]);
        assert_eq!(splitter.next_frame(), Ok(None), "{id} cut at {end}");
        assert_eq!(splitter.pending(), end, "{id} cut at {end}");
    }
    let mut narrow = Splitter::new(header.length - 1);
    narrow.push(&vector.octets[..HEADER_LENGTH]);
    let limit = usize::from(header.length) - 1;
    assert_eq!(narrow.next_frame(), Err(Error::TooLong { what: "APDU", limit }), "{id}");
}

/// What the note of the vector says.
fn check_short_name_association(vector: &Vector, octets: &[u8]) {
    let Apdu::Aarq(aarq) = Apdu::decode(octets).unwrap() else { panic!("{} is no AARQ", vector.id) };
    assert_eq!(aarq.context, ApplicationContext::ShortNames);
    let request = InitiateRequest::decode(aarq.user_information).unwrap();
    assert_eq!(request.conformance.octets(), [0x18, 0x1A, 0x20]);
    assert_eq!(request.max_receive_pdu, 0);
    for end in 0..octets.len() {
        assert_eq!(Apdu::decode(&octets[..end]), Err(Error::Truncated), "{} cut at {end}", vector.id);
    }
}

fn check_stream(vector: &Vector) {
    let mut splitter = Splitter::new(u16::MAX);
    splitter.push(&vector.octets);
    let mut frames = Vec::new();
    while let Some((header, apdu)) = splitter.next_frame().unwrap() {
        frames.push(store::hex(&[&header.octets(), &*apdu].concat()));
    }
    assert_eq!(json!({ "pdus": frames }), vector.expected, "{}", vector.id);
    assert_eq!(splitter.pending(), 0, "{}", vector.id);
}

#[test]
fn association_control() {
    each("acse", check_services);
}

#[test]
fn initiation() {
    each("initiate", check_services);
}

#[test]
fn reading() {
    each("get", check_services);
}

#[test]
fn reading_in_blocks() {
    each("get-block", check_services);
}

#[test]
fn writing() {
    each("set", check_services);
}

#[test]
fn writing_in_blocks() {
    each("set-block", check_services);
}

#[test]
fn invoking() {
    each("action", check_services);
}

#[test]
fn invoking_in_blocks() {
    each("action-block", check_services);
}

/// The APDU as it is inside its protection.
#[test]
fn access() {
    each("access", |vector| {
        let content = store::octets(vector.expected["general-signing"]["content"].as_str().unwrap());
        assert_eq!(check_apdu(vector, &content), vector.expected["inner"], "{}", vector.id);
    });
}

#[test]
fn short_names() {
    each("short-name", check_services);
}

/// Blocks that come in order make an APDU, which is checked where it is plain; `push-ciphered` opens others.
#[test]
fn general_block_transfer() {
    each("gbt", |vector| match vector.kind.as_str() {
        "hdlc-frames" => check_general_blocks(vector, &blocks_of_frames(vector)),
        "apdu-sequence" => {
            let apdus = vector.context["apdus"].as_array().unwrap();
            let blocks: Vec<Vec<u8>> = apdus.iter().map(|hex| store::octets(hex.as_str().unwrap())).collect();
            check_general_blocks(vector, &blocks);
        }
        _ => check_services(vector),
    });
}

/// What the UI frames of a vector carry: the information behind headers of one length, the LLC header in the first one only.
fn blocks_of_frames(vector: &Vector) -> Vec<Vec<u8>> {
    const ADDRESS_AND_CONTROL: usize = 9;
    let frames =
        vector.context["frames"].as_array().unwrap().iter().map(|hex| store::octets(hex.as_str().unwrap()));
    frames
        .map(|frame| {
            let information = &frame[ADDRESS_AND_CONTROL..frame.len() - 3];
            information.strip_prefix(&[0xE6, 0xE7, 0]).unwrap_or(information).to_vec()
        })
        .collect()
}

fn check_general_blocks(vector: &Vector, apdus: &[Vec<u8>]) {
    let id = &vector.id;
    let mut whole = Vec::new();
    let mut fields = Vec::new();
    for apdu in apdus {
        let block = GeneralBlock::decode(apdu).unwrap_or_else(|error| panic!("{id}: {error}"));
        check_apdu(vector, apdu);
        whole.extend_from_slice(block.octets);
        fields.push(block);
    }
    match vector.kind.as_str() {
        "hdlc-frames" => {
            let fields: Vec<Value> = fields.iter().map(render::block_control).collect();
            assert_eq!(json!(fields), vector.expected["gbt-blocks"], "{id}");
        }
        _ => {
            let fields: Vec<Value> = fields.iter().map(render::general_block).collect();
            assert_eq!(json!(fields), vector.expected["blocks"], "{id}");
        }
    }
    assert_eq!(json!(store::hex(&whole)), vector.expected["reassembled-apdu"], "{id}");
    if vector.expected["apdu"].get("general-glo-ciphering").is_none() {
        assert_eq!(check_apdu(vector, &whole), vector.expected["apdu"], "{id}");
    }
}

#[test]
fn pushes() {
    each("push-plain", |vector| match vector.kind.as_str() {
        "hdlc-frames" => {
            let apdu = store::octets(vector.expected["reassembled-apdu"].as_str().unwrap());
            assert_eq!(check_apdu(vector, &apdu), vector.expected["apdu"], "{}", vector.id);
        }
        _ => check_services(vector),
    });
}

#[test]
fn refusals() {
    each("errors", check_services);
}

#[test]
fn classes_of_prepayment() {
    each("prepayment", check_services);
}

#[test]
fn quirks() {
    each("quirks", |vector| match vector.kind.as_str() {
        "hdlc-frame" => assert!(listed(&IN_PART, &vector.id), "{}", vector.id),
        _ => check_services(vector),
    });
}

/// The parameters of a range are decoded as the server does it, too.
#[test]
fn selections() {
    each("selective-access", |vector| match vector.kind.as_str() {
        "apdu" => {
            check_services(vector);
            let request = GetRequest::decode(&vector.octets).unwrap();
            let GetRequest::Normal { selection: Some(selection), .. } = request else {
                panic!("no selection")
            };
            check_range(
                vector,
                selection,
                &vector.expected["get-request-normal"]["access-selection"]["parameters"],
            );
        }
        "axdr-data" => {
            check_data(vector, &vector.octets, &vector.expected["data"]);
            check_range(vector, &[&[1], vector.octets.as_slice()].concat(), &vector.expected["data"]);
        }
        other => panic!("{} is of kind {other}", vector.id),
    });
}

fn check_range(vector: &Vector, octets: &[u8], parameters: &Value) {
    let id = &vector.id;
    let mut reader = Reader::new(octets);
    let selection = Selection::read(7, &mut reader).unwrap();
    assert_eq!(reader.remaining(), 0, "{id}");
    let Selection::Range(range) = &selection else { panic!("{id} is no range") };
    let clock = &range.restricting;
    let expected = json!({ "structure": [
        { "structure": [
            { "long-unsigned": clock.class_id },
            { "octet-string": store::hex(&clock.instance.octets()) },
            { "integer": clock.attribute },
            { "long-unsigned": clock.data_index },
        ]},
        { "octet-string": store::hex(&range.from.octets()) },
        { "octet-string": store::hex(&range.to.octets()) },
        { "array": [] },
    ]});
    assert_eq!(&expected, parameters, "{id}");
    assert_eq!(range.columns, [], "{id}");
    let mut again = Vec::new();
    selection.encode(&mut again);
    assert_eq!(again, octets, "{id}");
    for end in 0..octets.len() {
        let cut = Selection::read(7, &mut Reader::new(&octets[..end]));
        assert_eq!(cut, Err(Error::Truncated), "{id} cut at {end}");
    }
}

#[test]
fn every_vector_of_the_file_is_checked_here_or_elsewhere() {
    let vectors = store::all();
    let groups: BTreeSet<&str> = vectors.iter().map(|vector| vector.group.as_str()).collect();
    let elsewhere = ELSEWHERE.iter().map(|(group, _)| *group);
    let known: BTreeSet<&str> = CHECKED.into_iter().chain(elsewhere).collect();
    assert_eq!(groups, known);
    assert_eq!(known.len(), CHECKED.len() + ELSEWHERE.len(), "a group is in both tables");
    for (id, _) in IN_PART.iter().chain(&NOT_CANONICAL) {
        let vector = vectors.iter().find(|vector| vector.id == *id).unwrap();
        assert!(CHECKED.contains(&vector.group.as_str()), "{id}");
    }
    for (subject, reason) in ELSEWHERE.iter().chain(&IN_PART).chain(&NOT_CANONICAL) {
        println!("{subject}: {reason}");
    }
}
