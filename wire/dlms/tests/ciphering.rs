//! The cipher against byte vectors: each is deciphered, ciphered again to the same bytes, and
//! refused when a key is wrong, a bit flipped or the end missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::acse::{Aare, Aarq, Release, ReleaseKind};
use dlms::security::{Cipher, Envelope, Key, SecurityControl, SystemTitle, Wrapping};
use serde_json::Value;
use store::Vector;

/// One protected APDU and what it hides.
struct Sealed {
    id: String,
    key: [u8; 16],
    authentication_key: [u8; 16],
    title: SystemTitle,
    apdu: Vec<u8>,
    plain: Vec<u8>,
}

impl Sealed {
    fn cipher(&self) -> Cipher {
        Cipher::new(&Key::new(self.key), &Key::new(self.authentication_key))
    }

    fn open(&self, cipher: &Cipher, mut apdu: Vec<u8>) -> Result<Vec<u8>, Error> {
        let (envelope, body) = Envelope::read(&mut apdu)?;
        envelope.open(cipher, &self.title, body).map(|plain| plain.to_vec())
    }
}

fn vectors(group: &str) -> Vec<Vector> {
    store::all().into_iter().filter(|vector| vector.group == group).collect()
}

fn hex(value: &Value) -> Vec<u8> {
    store::octets(value.as_str().unwrap())
}

fn key(value: &Value) -> [u8; 16] {
    hex(value).try_into().unwrap()
}

fn sealed() -> Vec<Sealed> {
    let make = |vector: &Vector, apdu: Vec<u8>, plain: Vec<u8>| {
        let context = &vector.context;
        // A `ded-` APDU is ciphered with the dedicated key in place of the global one.
        let dedicated = (0xD0..=0xD7).contains(&apdu[0]);
        Sealed {
            id: vector.id.clone(),
            key: key(&context[if dedicated { "dedicated-key" } else { "encryption-key" }]),
            authentication_key: key(&context["authentication-key"]),
            title: SystemTitle::try_from(&hex(&context["system-title"])[..]).unwrap(),
            apdu,
            plain,
        }
    };
    let mut all = Vec::new();
    for vector in vectors("ciphering") {
        if vector.kind == "ciphered-apdu" {
            all.push(make(&vector, vector.octets.clone(), hex(&vector.expected["plaintext"])));
        }
    }
    for vector in vectors("acse-ciphered") {
        let expected = vector.expected.as_object().unwrap();
        let apdu = ["aarq", "aare", "rlrq"].iter().find_map(|name| expected.get(*name)).unwrap();
        let plain = hex(&vector.expected["user-information-plaintext"]);
        all.push(make(&vector, hex(&apdu["user-information-hex"]), plain));
    }
    assert_eq!(all.len(), 12, "vectors are missing");
    all
}

#[test]
fn vectors_open_and_seal_to_the_same_bytes() {
    for vector in sealed() {
        let cipher = vector.cipher();
        let mut apdu = vector.apdu.clone();
        let (envelope, body) = Envelope::read(&mut apdu).unwrap();
        let plain = envelope.open(&cipher, &vector.title, body).unwrap().to_vec();
        assert_eq!(plain, vector.plain, "{}", vector.id);
        let mut again = b"before".to_vec();
        envelope.seal(&cipher, &vector.title, &plain, &mut again).unwrap();
        assert_eq!(again[6..], vector.apdu, "{}", vector.id);
    }
}

#[test]
fn ciphered_acse_vectors_decode_and_encode_to_the_same_bytes() {
    let all = vectors("acse-ciphered");
    assert_eq!(all.len(), 3);
    for vector in all {
        let mut again = Vec::new();
        let information = match vector.octets[0] {
            0x60 => {
                let aarq = Aarq::decode(&vector.octets).unwrap();
                let title = &vector.expected["aarq"]["calling-ap-title"];
                assert_eq!(aarq.calling_title, Some(&hex(title)[..]));
                aarq.encode(&mut again);
                Some(aarq.user_information)
            }
            0x61 => {
                let aare = Aare::decode(&vector.octets).unwrap();
                let title = &vector.expected["aare"]["responding-ap-title"];
                assert_eq!(aare.responding_title, Some(&hex(title)[..]));
                aare.encode(&mut again);
                aare.user_information
            }
            _ => {
                let release = Release::decode(ReleaseKind::Request, &vector.octets).unwrap();
                release.encode(ReleaseKind::Request, &mut again);
                release.user_information
            }
        };
        assert_eq!(again, vector.octets, "{}", vector.id);
        assert!(sealed().iter().any(|sealed| information == Some(&sealed.apdu[..])), "{}", vector.id);
    }
}

#[test]
fn every_truncation_and_every_trailing_octet_is_refused() {
    for vector in sealed() {
        for end in 0..vector.apdu.len() {
            let cut = vector.open(&vector.cipher(), vector.apdu[..end].to_vec());
            assert_eq!(cut, Err(Error::Truncated), "{} cut at {end}", vector.id);
        }
        let longer = [&vector.apdu[..], &[0]].concat();
        assert!(vector.open(&vector.cipher(), longer).is_err(), "{}", vector.id);
    }
}

#[test]
fn every_flipped_bit_of_an_authenticated_apdu_is_refused() {
    for vector in sealed().iter().filter(|vector| vector.id != "DV102") {
        for bit in 0..vector.apdu.len() * 8 {
            let mut flipped = vector.apdu.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if matches!(Envelope::read(&mut flipped), Ok((envelope, _)) if !envelope.control.is_authenticated())
            {
                // Without the bit nothing is checked: sessions demand 0x30, see tests/session_errors.rs.
                continue;
            }
            let opened = vector.open(&vector.cipher(), flipped);
            assert!(opened.is_err(), "{} bit {bit}", vector.id);
        }
    }
}

#[test]
fn a_wrong_key_or_title_is_refused() {
    for vector in sealed().iter().filter(|vector| vector.id != "DV102") {
        let (mut key, mut authentication_key) = (vector.key, vector.authentication_key);
        key[15] ^= 1;
        authentication_key[0] ^= 1;
        let wrong_key = Cipher::new(&Key::new(key), &Key::new(vector.authentication_key));
        let wrong_authentication_key = Cipher::new(&Key::new(vector.key), &Key::new(authentication_key));
        for cipher in [wrong_key, wrong_authentication_key] {
            assert_eq!(vector.open(&cipher, vector.apdu.clone()), Err(Error::TagMismatch), "{}", vector.id);
        }
        let mut apdu = vector.apdu.clone();
        let (envelope, body) = Envelope::read(&mut apdu).unwrap();
        let opened = envelope.open(&vector.cipher(), &SystemTitle::new(*b"ANOTHER1"), body);
        assert!(matches!(opened, Err(Error::TagMismatch | Error::WrongTitle { .. })), "{}", vector.id);
    }
}

#[test]
fn a_corrupted_tag_is_a_tag_mismatch() {
    for vector in vectors("ciphering").iter().filter(|vector| vector.kind == "ciphered-apdu-negative") {
        let context = &vector.context;
        let cipher = Cipher::new(
            &Key::new(key(&context["encryption-key"])),
            &Key::new(key(&context["authentication-key"])),
        );
        let title = SystemTitle::try_from(&hex(&context["system-title"])[..]).unwrap();
        let mut apdu = vector.octets.clone();
        let (envelope, body) = Envelope::read(&mut apdu).unwrap();
        assert_eq!(envelope.open(&cipher, &title, body), Err(Error::TagMismatch));
    }
}

#[test]
fn authentication_without_encryption_leaves_the_text_readable() {
    let cipher = Cipher::new(&Key::new([1; 16]), &Key::new([2; 16]));
    let title = SystemTitle::new(*b"MMM\0\0\0\0\x01");
    let plain = [0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 0xFF, 2, 0];
    let envelope =
        Envelope { wrapping: Wrapping::Global(0xC0), control: SecurityControl::AUTHENTICATED, counter: 5 };
    let mut out = Vec::new();
    envelope.seal(&cipher, &title, &plain, &mut out).unwrap();
    assert_eq!(out[7..7 + plain.len()], plain);
    for at in 2..out.len() {
        let mut flipped = out.clone();
        flipped[at] ^= 0x40;
        let (envelope, body) = Envelope::read(&mut flipped).unwrap();
        assert!(envelope.open(&cipher, &title, body).is_err(), "octet {at}");
    }
    let (envelope, body) = Envelope::read(&mut out).unwrap();
    assert_eq!(envelope.open(&cipher, &title, body).unwrap(), plain);
}

#[test]
fn protection_outside_suite_0_is_refused_by_name() {
    let cipher = Cipher::new(&Key::new([1; 16]), &Key::new([2; 16]));
    let title = SystemTitle::new(*b"MMM\0\0\0\0\x01");
    for octet in [0x00, 0x31, 0x32, 0xB0, 0x40] {
        let mut body = [0; 40];
        let opened = cipher.open(&title, SecurityControl::new(octet), 1, &mut body);
        assert_eq!(opened, Err(Error::Protection { expected: 0x30, got: octet }));
    }
}

#[test]
fn hls_gmac_proof_is_the_vector_and_nothing_near_it() {
    let all = vectors("hls");
    let vector = all.iter().find(|vector| vector.context["mechanism"] == 5).unwrap();
    let context = &vector.context;
    let cipher = Cipher::new(
        &Key::new(key(&context["encryption-key"])),
        &Key::new(key(&context["authentication-key"])),
    );
    let title = SystemTitle::try_from(&hex(&context["client-system-title"])[..]).unwrap();
    let (challenge, expected) = (hex(&context["StoC"]), vector.octets.clone());
    let proof = cipher.prove(&title, 1, &challenge).unwrap();
    assert_eq!(proof[..], expected);
    assert!(cipher.verify(&title, &expected, &challenge));
    assert!(!cipher.verify(&SystemTitle::new(*b"MMM\0\0\0\0\x02"), &expected, &challenge));
    assert!(!cipher.verify(&title, &expected, &hex(&context["CtoS"])));
    for end in 0..expected.len() {
        assert!(!cipher.verify(&title, &expected[..end], &challenge));
    }
    for bit in 0..expected.len() * 8 {
        let mut flipped = expected.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!cipher.verify(&title, &flipped, &challenge), "bit {bit}");
    }
    assert!(cipher.prove(&title, 1, &[0; 65]).is_err());
}
