//! Ciphered pushes against byte vectors, and what is refused: another key, another sender, damage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/apdu.rs"]
mod apdu;
#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/render.rs"]
mod render;
#[path = "vectors/store.rs"]
mod store;

use apdu::Apdu;
use dlms::apdu::{DataNotification, DataNotificationConfirm, EventNotification, LongInvokeId};
use dlms::push::{self, Push, TextContent, TextPush};
use dlms::security::{
    Cipher, Envelope, GeneralCiphering, GeneralHeader, Key, KeyInfo, SecurityControl, SystemTitle, Wrapping,
};
use dlms::{AttributeDescriptor, DateTime, Error, Fault};
use proptest::prelude::*;
use serde_json::Value;
use store::Vector;

const METER: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");
const OTHER: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4F");
const FULL: SecurityControl = SecurityControl::AUTHENTICATED_ENCRYPTED;

/// A ciphered push, and the keys to it.
struct Sealed {
    id: String,
    cipher: Cipher,
    title: SystemTitle,
    octets: Vec<u8>,
    expected: Value,
}

fn hex(value: &Value) -> Vec<u8> {
    store::octets(value.as_str().unwrap())
}

fn sealed(vector: Vector) -> Sealed {
    let key = |name: &str| Key::try_from(&hex(&vector.context[name])[..]).unwrap();
    let (octets, outer) = match vector.kind.as_str() {
        "ciphered-apdu" => (vector.octets.clone(), &vector.expected["outer"]),
        "hdlc-frames" => (hex(&vector.expected["reassembled-apdu"]), &vector.expected["apdu"]),
        other => panic!("{} is of kind {other}", vector.id),
    };
    Sealed {
        cipher: Cipher::new(&key("encryption-key"), &key("authentication-key")),
        title: SystemTitle::try_from(&hex(&outer["general-glo-ciphering"]["system-title"])[..]).unwrap(),
        octets,
        expected: vector.expected.clone(),
        id: vector.id,
    }
}

/// The vectors that are authenticated.
fn all() -> Vec<Sealed> {
    let group = store::all().into_iter().filter(|vector| vector.group == "push-ciphered");
    let all: Vec<Sealed> = group.filter(|vector| vector.id != "DV277").map(sealed).collect();
    assert_eq!(all.len(), 4, "vectors are missing");
    all
}

#[test]
fn vectors_open_and_seal_to_the_same_octets() {
    for vector in all() {
        let id = &vector.id;
        let plain = hex(&vector.expected["plaintext"]);
        let mut octets = vector.octets.clone();
        let opened = push::open(&vector.cipher, &vector.title, &mut octets).unwrap();
        assert_eq!(opened.push, Push::decode(&plain).unwrap(), "{id}");
        let decoded = Apdu::decode(&plain).unwrap();
        assert_eq!(render::apdu(&decoded), vector.expected["inner"], "{id}");
        let outer = vector.expected.get("outer").unwrap_or(&vector.expected["apdu"]);
        assert_eq!(opened.counter, outer["general-glo-ciphering"]["invocation-counter"], "{id}");

        let mut again = Vec::new();
        opened.push.encode(&mut again);
        assert_eq!(again, plain, "{id}");
        let wrapping = Wrapping::GeneralGlobal(Some(vector.title));
        let envelope = Envelope { wrapping, control: FULL, counter: opened.counter };
        let mut out = Vec::new();
        envelope.seal(&vector.cipher, &vector.title, &again, &mut out).unwrap();
        assert_eq!(out, vector.octets, "{id}");
    }
}

#[test]
fn a_push_that_is_only_encrypted_is_opened_and_proves_nothing() {
    let mut vector = sealed(store::all().into_iter().find(|vector| vector.id == "DV277").unwrap());
    let plain = hex(&vector.expected["plaintext"]);
    let opened = push::open(&vector.cipher, &vector.title, &mut vector.octets).unwrap();
    assert_eq!(opened.push, Push::decode(&plain).unwrap());
    assert_eq!((opened.counter, opened.authenticated), (2_710_426, false));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    for vector in all() {
        for end in 0..vector.octets.len() {
            let cut = push::open(&vector.cipher, &vector.title, &mut vector.octets[..end].to_vec()).err();
            assert_eq!(cut, Some(Error::Truncated), "{} cut at {end}", vector.id);
        }
        for bit in 0..vector.octets.len() * 8 {
            let mut flipped = vector.octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                push::open(&vector.cipher, &vector.title, &mut flipped).is_err(),
                "{} bit {bit}",
                vector.id
            );
        }
    }
}

fn cipher() -> Cipher {
    Cipher::new(&Key::new([0xE1; 16]), &Key::new([0xA1; 16]))
}

fn event(time: Option<DateTime>) -> EventNotification<'static> {
    let attribute =
        AttributeDescriptor { class_id: 1, instance: "0.0.97.98.0.255".parse().unwrap(), attribute: 2 };
    EventNotification { time, attribute, value: &[6, 0, 0, 0, 1] }
}

fn data() -> DataNotification<'static> {
    let time = Some(DateTime::from_unix(1_700_000_000, Some(-60), 0));
    DataNotification { invoke: LongInvokeId::new(0x4000_0001), time, body: &[2, 2, 17, 1, 17, 2] }
}

/// What the meter sends.
fn from_meter(wrapping: Wrapping, control: SecurityControl, push: &Push<'_>) -> Vec<u8> {
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    push.encode(&mut plain);
    Envelope { wrapping, control, counter: 7 }.seal(&cipher(), &METER, &plain, &mut out).unwrap();
    out
}

#[test]
fn each_push_is_taken_in_each_envelope_that_it_may_have() {
    let (data, event) = (Push::Data(data()), Push::Event(event(None)));
    for (wrapping, push, first) in [
        (Wrapping::GeneralGlobal(Some(METER)), data, 0xDB),
        (Wrapping::GeneralGlobal(None), data, 0xDB),
        (Wrapping::GeneralGlobal(Some(METER)), event, 0xDB),
        (Wrapping::Global(0xC2), event, 0xCA),
    ] {
        let mut octets = from_meter(wrapping, FULL, &push);
        assert_eq!(octets[0], first);
        let title = match wrapping {
            Wrapping::GeneralGlobal(title) => title,
            _ => None,
        };
        assert_eq!(push::title(&mut octets.clone()), Ok(title));
        assert!(push::is_ciphered(first));
        let expected = push::Opened { push, counter: 7, authenticated: true };
        assert_eq!(push::open(&cipher(), &METER, &mut octets), Ok(expected));
    }
    assert!(![0x0F, 0xC2, 0xDF].into_iter().any(push::is_ciphered));
}

#[test]
fn a_push_is_taken_in_general_ciphering_under_the_global_key() {
    let push = Push::Data(data());
    let mut plain = Vec::new();
    push.encode(&mut plain);
    let seal = |key, originator: &[u8]| {
        let header = GeneralHeader { transaction_id: &[1], originator, ..GeneralHeader::default() };
        let envelope = GeneralCiphering { header, key, control: FULL, counter: 7 };
        let mut out = Vec::new();
        envelope.seal(&cipher(), &METER, &plain, &mut out).unwrap();
        out
    };
    let expected = push::Opened { push, counter: 7, authenticated: true };
    for (key, originator, title) in [
        (Some(KeyInfo::Identified(0)), &METER.octets()[..], Some(METER)),
        (None, METER.octets(), Some(METER)),
        (None, &[], None),
    ] {
        let mut octets = seal(key, originator);
        assert_eq!(push::title(&mut octets.clone()), Ok(title));
        assert_eq!(push::open(&cipher(), &METER, &mut octets), Ok(expected));
    }
    let wrapped = KeyInfo::Wrapped { kek: 0, key: &[0; 24] };
    let agreed = KeyInfo::Agreed { parameters: &[2], data: &[] };
    for (key, word) in [(KeyInfo::Identified(1), "broadcast"), (wrapped, "wrapped"), (agreed, "agree")] {
        let mut octets = seal(Some(key), METER.octets());
        let refused = push::open(&cipher(), &METER, &mut octets).unwrap_err();
        assert!(matches!(refused, Error::OtherKey(other) if other.contains(word)), "{refused}");
    }
    let refused = Error::WrongTitle { expected: METER, got: OTHER };
    assert_eq!(push::open(&cipher(), &METER, &mut seal(None, OTHER.octets())), Err(refused));
}

#[test]
fn a_push_says_whether_it_is_authentic() {
    let push = Push::Event(event(None));
    for control in [0x10, 0x20, 0x30, 0x11, 0x21, 0x31].map(SecurityControl::new) {
        let mut octets = from_meter(Wrapping::Global(0xC2), control, &push);
        let authenticated = control.is_authenticated();
        let expected = push::Opened { push, counter: 7, authenticated };
        assert_eq!(push::open(&cipher(), &METER, &mut octets), Ok(expected), "{control}");
    }
}

#[test]
fn what_is_no_push_of_this_sender_is_refused_by_name() {
    let (push, general) = (Push::Event(event(None)), Wrapping::GeneralGlobal(Some(METER)));
    let open = |octets: &[u8]| push::open(&cipher(), &METER, &mut octets.to_vec()).err();
    for wrapping in [Wrapping::Dedicated(0xC2), Wrapping::GeneralDedicated(Some(METER))] {
        let refused = Error::OtherKey("the dedicated key of an association");
        assert_eq!(open(&from_meter(wrapping, FULL, &push)), Some(refused));
    }
    let titled = from_meter(Wrapping::GeneralGlobal(Some(OTHER)), FULL, &push);
    assert_eq!(open(&titled), Some(Error::WrongTitle { expected: METER, got: OTHER }));
    // Without a title in it, the wrong sender shows in the tag.
    let mut untitled = from_meter(Wrapping::Global(0xC2), FULL, &push);
    assert_eq!(push::open(&cipher(), &OTHER, &mut untitled), Err(Error::TagMismatch));
    let wrong = Cipher::new(&Key::new([0xE2; 16]), &Key::new([0xA1; 16]));
    assert_eq!(push::open(&wrong, &METER, &mut from_meter(general, FULL, &push)), Err(Error::TagMismatch));
    // In the clear, and an answer instead of a push.
    let mut plain = Vec::new();
    push.encode(&mut plain);
    assert_eq!(open(&plain), Some(Error::Unexpected { tag: 0xC2 }));
    let mut answer = Vec::new();
    let envelope = Envelope { wrapping: general, control: FULL, counter: 7 };
    envelope.seal(&cipher(), &METER, &[0xC4, 1, 0xC1, 0, 17, 1], &mut answer).unwrap();
    assert_eq!(open(&answer), Some(Error::Unexpected { tag: 0xC4 }));
    assert_eq!(Error::Unexpected { tag: 0xC4 }.fault(), Fault::PeerBroke);
}

#[test]
fn a_time_that_has_not_twelve_octets_is_refused() {
    let length = |got| Error::Length { what: "time of a notification", expected: 12, got };
    let mut octets = [&[0x0F, 0, 0, 0, 1, 5][..], &[0; 20]].concat();
    assert_eq!(Push::decode(&octets), Err(length(5)));
    octets[5] = 13;
    assert_eq!(Push::decode(&octets), Err(length(13)));
    assert_eq!(Push::decode(&[0xC2, 1, 0, 0, 1, 0, 0, 97, 98, 0, 255, 2, 0]), Err(length(0)));
    let mut timed = Vec::new();
    let time = DateTime::from_unix(1_700_000_000, None, 0);
    event(Some(time)).encode(&mut timed);
    assert_eq!(timed[..3], [0xC2, 1, 12]);
    assert_eq!(Push::decode(&timed), Ok(Push::Event(event(Some(time)))));
}

#[test]
fn the_parts_of_a_long_invoke_id_are_where_the_standard_has_them() {
    let parts = |number| {
        let id = LongInvokeId::new(number);
        (id.id(), id.is_self_descriptive(), id.breaks_on_error(), id.is_confirmed(), id.is_high())
    };
    assert_eq!(parts(0x0F12_3456), (0x0012_3456, false, false, false, false));
    assert_eq!(parts(0x1000_0000), (0, true, false, false, false));
    assert_eq!(parts(0x2000_0000), (0, false, true, false, false));
    assert_eq!(parts(0x4000_0000), (0, false, false, true, false));
    assert_eq!(parts(0x8000_0001), (1, false, false, false, true));
}

/// Wrapped last gasp and wake-up of Iskraemeco modules: the time stands behind the type of an octet-string.
#[test]
fn a_time_behind_a_type_is_taken() {
    for (frame, time, object, id) in [
        (
            "000100670066002AC2090C07E70706040A362600FF888000018080808080000209104B413650303035303339303231313130",
            "07E70706040A362600FF8880",
            "128.128.128.128.128.0",
            "KA6P005039021110",
        ),
        (
            "000100670066002AC2090C07E70A19030B122900FF888000010000600101FF0209104B414C37303035303838313136373132",
            "07E70A19030B122900FF8880",
            "0.0.96.1.1.255",
            "KAL7005088116712",
        ),
    ] {
        let frame = store::octets(frame);
        let Push::Event(event) = Push::decode(&frame[8..]).unwrap() else { panic!("an event notification") };
        assert_eq!(event.time.unwrap().octets()[..], store::octets(time)[..]);
        assert_eq!((event.attribute.class_id, event.attribute.attribute), (1, 2));
        assert_eq!(event.attribute.instance, object.parse().unwrap());
        assert_eq!(&event.value[2..], id.as_bytes());
    }
    let flag = Error::Value { what: "usage flag", got: 2 };
    assert_eq!(Push::decode(&[0xC2, 2, 0, 1, 0, 0, 96, 1, 1, 255, 2, 0]), Err(flag));
}

#[test]
fn a_text_is_an_identifier_and_an_alarm_or_an_object() {
    let identifier = "E0026000123456789";
    let alarm = TextPush { identifier, content: TextContent::Alarm(0x0000_2002) };
    let object = TextPush { identifier, content: TextContent::Object("0.0.96.1.1.255".parse().unwrap()) };
    for (content, expected) in [
        (&[0, 0, 0x20, 2][..], alarm),
        (b"00002002", alarm),
        (&[0, 0, 96, 1, 1, 255], object),
        (b"0000600101fF", object),
    ] {
        let octets = [identifier.as_bytes(), b",", content].concat();
        assert_eq!(Push::decode(&octets), Ok(Push::Text(expected)));
    }
    let mut octets = Vec::new();
    Push::Text(alarm).encode(&mut octets);
    assert_eq!(octets, b"E0026000123456789,\0\0\x20\x02");
    let no_push = Err(Error::Unexpected { tag: b'E' });
    for other in [
        &b"E0026000123456789;\0\0\x20\x02"[..],
        b"E0026000123456789,",
        b"E0026000123456789,\0\0\x20\x02\0",
        b"E002600012345678 ,\0\0\x20\x02",
        b"E0026000123456789,0000200g",
        b"E0026",
    ] {
        assert_eq!(Push::decode(other), no_push, "{other:02X?}");
    }
}

#[test]
fn a_confirmation_names_the_notification() {
    let invoke = LongInvokeId::new(0x4000_0007);
    for time in [None, Some(DateTime::from_unix(1_700_000_000, Some(-60), 0))] {
        let confirm = DataNotificationConfirm { invoke, time };
        let mut octets = Vec::new();
        confirm.encode(&mut octets);
        assert_eq!(DataNotificationConfirm::decode(&octets), Ok(confirm));
        for end in 0..octets.len() {
            assert_eq!(
                DataNotificationConfirm::decode(&octets[..end]),
                Err(Error::Truncated),
                "cut at {end}"
            );
        }
        octets.push(0);
        assert_eq!(DataNotificationConfirm::decode(&octets), Err(Error::Trailing { left: 1 }));
    }
    let mut plain = Vec::new();
    DataNotificationConfirm { invoke, time: None }.encode(&mut plain);
    assert_eq!(plain, [0x10, 0x40, 0, 0, 7, 0]);
    assert_eq!(DataNotificationConfirm::decode(&[0x0F, 0, 0, 0, 1, 0]), Err(Error::Unexpected { tag: 0x0F }));
}

proptest! {
    #[test]
    fn random_octets_never_panic(
        tag in prop::sample::select(vec![0x0F_u8, 0xC2, 0xCA, 0xDB, 0x00]),
        tail in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let octets = [&[tag], tail.as_slice()].concat();
        let _ = Push::decode(&octets);
        prop_assert!(push::open(&cipher(), &METER, &mut octets.clone()).is_err());
        // As an authentic sender would protect them.
        let mut sealed = Vec::new();
        let envelope = Envelope { wrapping: Wrapping::GeneralGlobal(None), control: FULL, counter: 7 };
        envelope.seal(&cipher(), &METER, &octets, &mut sealed).unwrap();
        let opened = push::open(&cipher(), &METER, &mut sealed).map(|opened| opened.push);
        prop_assert_eq!(opened, Push::decode(&octets));
    }
}
