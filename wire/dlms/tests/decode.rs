//! What `dlms::decode` makes of the octets of every vector, against what the file says about them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[path = "vectors/store.rs"]
mod store;

use dlms::decode::{Decoded, Secrets, decode};
use dlms::security::{Key, PublicKey, SystemTitle};
use serde_json::{Map, Value, json};
use store::Vector;

/// Kinds of vectors whose octets are no message: a length by itself, and the results of computations.
const NO_MESSAGE: [&str; 3] = ["axdr-length", "hls", "crypto"];

/// Vectors that cannot be read to the end, and where they stop.
const BROKEN: [(&str, &str); 2] = [
    // All lengths from the AARE's own on are one octet short.
    ("DV154", "stopped at offset 0x0034 in vaa-name: the message ends too early"),
    // The only block of a value that announces 1,440 rows.
    (
        "DV199",
        "stopped at offset 0x049e of the value that was put together in data: the message ends too early",
    ),
];

#[test]
fn every_message_decodes_to_what_the_file_says() {
    let mut wrong = Vec::new();
    let vectors: Vec<Vector> =
        store::all().into_iter().filter(|vector| !NO_MESSAGE.contains(&vector.kind.as_str())).collect();
    assert_eq!(vectors.len(), 194);
    for vector in &vectors {
        let decoded = decode(&vector.octets, &secrets(vector));
        let ours = serde_json::to_value(&decoded).unwrap();
        if let Some(difference) = difference(vector, &decoded, ours) {
            wrong.push(format!("{} {} {}", vector.id, vector.group, difference));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The first thing that the file says and we do not, or the other way round.
fn difference(vector: &Vector, decoded: &Decoded, ours: Value) -> Option<String> {
    if let Some(reason) = vector.expected.get("must-fail") {
        let refused = ours["tag-valid"] == json!(false) && ours.get("inner").is_none();
        return (!refused).then(|| format!("{reason}"));
    }
    let broken = BROKEN.iter().find(|(id, _)| *id == vector.id).map(|(_, stop)| (*stop).to_owned());
    let stop = decoded.stop.as_ref().map(ToString::to_string);
    if stop != broken {
        return Some(stop.unwrap_or_default());
    }
    let ours = in_words_of_the_file(vector, ours);
    let expected = vector.expected.as_object().unwrap();
    let ours = ours.as_object().unwrap();
    expected.iter().find_map(|(name, value)| match ours.get(name) {
        Some(same) if same == value => None,
        other => Some(format!("{name}\n   file: {value}\n   ours: {}", other.unwrap_or(&json!("absent")))),
    })
}

/// The same, arranged as the file does it.
fn in_words_of_the_file(vector: &Vector, ours: Value) -> Value {
    let Value::Object(mut ours) = ours else { panic!("no object") };
    match vector.kind.as_str() {
        "hdlc-frames" => frames(vector, &mut ours),
        "wrapper-stream" => pdus(vector, &mut ours),
        "apdu-sequence" => requests(&mut ours),
        "axdr-data" => elements(vector, &mut ours),
        _ => {}
    }
    if vector.group == "general-ciphering" {
        let Some(Value::Object(outer)) = ours.remove("outer") else { panic!("no outer APDU") };
        ours.extend(outer);
    }
    match vector.id.as_str() {
        "DV183" => _ = ours.insert("note".into(), vector.expected["note"].clone()),
        "DV283" => {
            let push = ours["apdu"]["data-notification"].clone();
            for name in ["body", "date-time"] {
                ours.insert(name.into(), push[name].clone());
            }
            ours.insert("note".into(), vector.expected["note"].clone());
            let information = ours["hdlc"]["info"].as_str().unwrap().to_owned();
            ours.insert("apdu-hex".into(), information["E6E700".len()..].into());
        }
        "DV333" => _ = ours.insert("strip".into(), vector.expected["strip"].clone()),
        _ => {}
    }
    Value::Object(ours)
}

/// A single frame stands in a list, too; some lists leave out what the frames carry, and blocks what they do.
fn frames(vector: &Vector, ours: &mut Map<String, Value>) {
    if let Some(frame) = ours.remove("hdlc") {
        ours.insert("frames".into(), json!([frame]));
        let from = vector.octets.windows(3).position(|octets| octets == [0xE6, 0xE7, 0x00]).unwrap();
        let apdu = &vector.octets[from + 3..vector.octets.len() - 3];
        ours.insert("reassembled-apdu".into(), store::hex(apdu).into());
    }
    let frames = ours["frames"].as_array_mut().unwrap();
    for (frame, expected) in frames.iter_mut().zip(vector.expected["frames"].as_array().unwrap()) {
        let frame = frame.as_object_mut().unwrap();
        if expected.get("info").is_none() {
            frame.remove("info");
        }
        if vector.id == "DV174" && frame.remove("fcs-valid").is_some() {
            assert_eq!((&frame["fcs"], frame["ns"].as_u64()), (&json!("0000"), None));
        }
    }
    for block in ours.get_mut("gbt-blocks").and_then(Value::as_array_mut).into_iter().flatten() {
        block.as_object_mut().unwrap().remove("block-data");
    }
}

/// The file has the octets of every PDU.
fn pdus(vector: &Vector, ours: &mut Map<String, Value>) {
    let mut rest = vector.octets.as_slice();
    let pdus = ours["pdus"].as_array().unwrap().iter().map(|pdu| {
        let length = 8 + usize::try_from(pdu["wrapper"]["length"].as_u64().unwrap()).unwrap();
        let (pdu, behind) = rest.split_at(length);
        rest = behind;
        store::hex(pdu).into()
    });
    let pdus: Vec<Value> = pdus.collect();
    ours.insert("pdus".into(), pdus.into());
}

/// The file has the blocks of GET responses only joined.
fn requests(ours: &mut Map<String, Value>) {
    if let Some(apdus) = ours.get_mut("apdus").and_then(Value::as_array_mut) {
        apdus.retain(|apdu| apdu.get("get-response-with-datablock").is_none());
    }
}

/// The file has the number of elements of a long list, the first and the last.
fn elements(vector: &Vector, ours: &mut Map<String, Value>) {
    let Some(list) = ours["data"]["array"].as_array().cloned() else { return };
    ours.insert("elements".into(), list.len().into());
    ours.insert("first".into(), list[0].clone());
    ours.insert("last".into(), list[list.len() - 1].clone());
    ours.insert("trailing-bytes".into(), 0.into());
    ours.insert("note".into(), vector.expected["note"].clone());
}

fn secrets(vector: &Vector) -> Secrets {
    let octets = |name: &str| vector.context.get(name).and_then(Value::as_str).map(store::octets);
    let key = |name: &str| octets(name).map(|octets| Key::try_from(octets.as_slice()).unwrap());
    // A nonce is the system title and the counter, which is always 0 in that profile.
    let title = octets("system-title").or(octets("gcm-iv"));
    Secrets {
        encryption_key: key("encryption-key").or(key("mac-key")),
        authentication_key: key("authentication-key"),
        key_encryption_key: key("kek"),
        dedicated_key: key("dedicated-key"),
        system_title: title.map(|octets| SystemTitle::try_from(&octets[..8]).unwrap()),
        signer: octets("signer-public-key").map(|octets| PublicKey::try_from(octets.as_slice()).unwrap()),
    }
}

/// Where HDLC is spoken, the titles of a power line have eight octets instead of six; nothing but the length says so.
#[test]
fn system_titles_of_a_power_line_have_six_octets_or_eight() {
    let meter = ["4B464D100001", "4B464D1000010203"];
    for title in meter {
        let (ping, register) = (format!("1A{title}"), format!("1C{title}02{title}0010{title}0011"));
        let (found, complaining) = (format!("1E01{title}00"), format!("1E02{title}{title}0105"));
        let said = |digits: &str| {
            let decoded = decode(&store::octets(digits), &Secrets::default());
            assert_eq!(decoded.stop, None, "{digits}");
            serde_json::to_value(&decoded).unwrap()
        };
        assert_eq!(said(&ping)["ping-response"]["system-title-server"], *title);
        assert_eq!(said(&register)["register"]["list"][1]["new-system-title"], *title);
        for (report, meters) in [(found, 1), (complaining, 2)] {
            let told = said(&report)["discover-report"].to_string();
            assert_eq!(told.matches(title).count(), meters, "{report}");
        }
    }
}

/// A request ciphered with the key of its association, behind the initiate-request that brings this key.
#[test]
fn a_dedicated_key_is_learnt_from_the_opening() {
    let vectors = store::all();
    let octets = |id: &str| vectors.iter().find(|vector| vector.id == id).unwrap().octets.clone();
    let opening = vectors.iter().find(|vector| vector.id == "DV093").unwrap();
    let session = [octets("DV093"), octets("DV100")].concat();
    let decoded = serde_json::to_value(decode(&session, &secrets(opening))).unwrap();
    assert_eq!(decoded["apdus"][1]["inner"]["get-request-normal"]["obis"], json!("0.0.1.0.0.255"));
    let alone = serde_json::to_value(decode(&octets("DV100"), &secrets(opening))).unwrap();
    assert_eq!(alone.get("inner"), None);
}
