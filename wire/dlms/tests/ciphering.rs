//! The cipher against byte vectors: each is deciphered, ciphered again to the same bytes, and
//! refused when a key is wrong, a bit flipped or the end missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::acse::{Aare, Aarq, Release, ReleaseKind};
use dlms::security::{Cipher, Envelope, Key, SecurityControl, Suite, SystemTitle, TAG_LENGTH, Wrapping};
use serde_json::Value;
use store::Vector;

/// One protected APDU and what it hides.
struct Sealed {
    id: String,
    key: Vec<u8>,
    authentication_key: Vec<u8>,
    title: SystemTitle,
    apdu: Vec<u8>,
    plain: Vec<u8>,
}

impl Sealed {
    fn cipher(&self) -> Cipher {
        cipher(&self.key, &self.authentication_key)
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

fn cipher(encryption_key: &[u8], authentication_key: &[u8]) -> Cipher {
    let [encryption_key, authentication_key] =
        [encryption_key, authentication_key].map(|key| Key::try_from(key).unwrap());
    Cipher::new(&encryption_key, &authentication_key)
}

fn sealed() -> Vec<Sealed> {
    let make = |vector: &Vector, apdu: Vec<u8>, plain: Vec<u8>| {
        let context = &vector.context;
        // A `ded-` APDU is ciphered with the dedicated key in place of the global one.
        let dedicated = (0xD0..=0xD7).contains(&apdu[0]);
        Sealed {
            id: vector.id.clone(),
            key: hex(&context[if dedicated { "dedicated-key" } else { "encryption-key" }]),
            authentication_key: hex(&context["authentication-key"]),
            title: SystemTitle::try_from(&hex(&context["system-title"])[..]).unwrap(),
            apdu,
            plain,
        }
    };
    let mut all = Vec::new();
    for vector in vectors("ciphering").into_iter().chain(vectors("ciphering-suite1-2")) {
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
    assert_eq!(all.len(), 14, "vectors are missing");
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
        let (mut key, mut authentication_key) = (vector.key.clone(), vector.authentication_key.clone());
        *key.last_mut().unwrap() ^= 1;
        *authentication_key.last_mut().unwrap() ^= 1;
        let wrong_key = cipher(&key, &vector.authentication_key);
        let wrong_authentication_key = cipher(&vector.key, &authentication_key);
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
fn c_13_a_corrupted_tag_is_refused_and_shows_no_plain_text() {
    let negative =
        vectors("ciphering").into_iter().find(|vector| vector.kind == "ciphered-apdu-negative").unwrap();
    let context = &negative.context;
    let given = cipher(&hex(&context["encryption-key"]), &hex(&context["authentication-key"]));
    let title = SystemTitle::try_from(&hex(&context["system-title"])[..]).unwrap();
    let mut apdu = negative.octets.clone();
    let (envelope, body) = Envelope::read(&mut apdu).unwrap();
    assert_eq!(envelope.open(&given, &title, body), Err(Error::TagMismatch));
    assert_eq!(apdu, negative.octets);
    for vector in sealed().iter().filter(|vector| vector.id != "DV102") {
        for bit in 0..8 * TAG_LENGTH {
            let mut apdu = vector.apdu.clone();
            let at = apdu.len() - 1 - bit / 8;
            apdu[at] ^= 1 << (bit % 8);
            let altered = apdu.clone();
            let (envelope, body) = Envelope::read(&mut apdu).unwrap();
            assert_eq!(envelope.open(&vector.cipher(), &vector.title, body), Err(Error::TagMismatch));
            assert_eq!(apdu, altered, "{} bit {bit}", vector.id);
        }
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
fn what_no_suite_serves_is_refused_by_name() {
    let title = SystemTitle::new(*b"MMM\0\0\0\0\x01");
    let (short, long) = (Key::new([1; 16]), Key::new([2; 32]));
    let (small, large) = (Cipher::new(&short, &short), Cipher::new(&long, &long));
    let key_length = |suite, expected, got| Error::KeyLength { suite, expected, got };
    for (cipher, octet, refusal) in [
        (&small, 0x00, Error::Protection { expected: 0x30, got: 0x00 }),
        (&small, 0x41, Error::Protection { expected: 0x31, got: 0x41 }),
        (&large, 0x02, Error::Protection { expected: 0x32, got: 0x02 }),
        (&small, 0x33, Error::Suite { got: 3 }),
        (&small, 0x2F, Error::Suite { got: 15 }),
        (&small, 0xB0, Error::Compressed),
        (&small, 0x90, Error::Compressed),
        (&small, 0x32, key_length(2, 32, 16)),
        (&large, 0x30, key_length(0, 16, 32)),
        (&large, 0x21, key_length(1, 16, 32)),
        (&Cipher::new(&long, &short), 0x32, key_length(2, 32, 16)),
        (&Cipher::new(&short, &long), 0x10, key_length(0, 16, 32)),
    ] {
        let mut body = [0; 40];
        let control = SecurityControl::new(octet);
        assert_eq!(cipher.open(&title, control, 1, &mut body), Err(refusal.clone()), "{control}");
        assert_eq!(cipher.seal(&title, control, 1, &mut body), Err(refusal), "{control}");
        assert_eq!(body, [0; 40]);
    }
    // What is only encrypted needs no authentication key.
    for cipher in [&small, &Cipher::new(&short, &long), &Cipher::without_authentication_key(&short)] {
        let mut body = [7; 40];
        assert_eq!(cipher.seal(&title, SecurityControl::ENCRYPTED, 1, &mut body), Ok(None));
        assert_eq!(cipher.open(&title, SecurityControl::ENCRYPTED, 1, &mut body).unwrap(), [7; 40]);
    }
}

#[test]
fn hls_gmac_proof_is_the_vector_and_nothing_near_it() {
    let all = vectors("hls");
    let vector = all.iter().find(|vector| vector.context["mechanism"] == 5).unwrap();
    let context = &vector.context;
    let cipher = cipher(&hex(&context["encryption-key"]), &hex(&context["authentication-key"]));
    let title = SystemTitle::try_from(&hex(&context["client-system-title"])[..]).unwrap();
    let (challenge, expected) = (hex(&context["StoC"]), vector.octets.clone());
    let proof = cipher.prove(Suite::Zero, &title, 1, &challenge).unwrap();
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
    assert!(cipher.prove(Suite::Zero, &title, 1, &[0; 65]).is_err());
}

#[test]
fn hls_gmac_proof_names_its_suite() {
    let title = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");
    let challenge = [0x5A; 64];
    let small = Cipher::new(&Key::new([0x11; 16]), &Key::new([0x22; 16]));
    let large = Cipher::new(&Key::new([0x11; 32]), &Key::new([0x22; 32]));
    for (cipher, suite, expected) in [
        // AESGCM(key).encrypt(title + counter, b"", control + authentication key + challenge)[:12] of Python's cryptography.
        (&small, Suite::One, "11FFFFFFFE14CD3704B133010781E68233"),
        (&large, Suite::Two, "12FFFFFFFE9C5A43B73FFAE32B7B1FCE56"),
    ] {
        let proof = cipher.prove(suite, &title, 0xFFFF_FFFE, &challenge).unwrap();
        assert_eq!(proof[0], 0x10 | suite.number());
        assert_eq!(proof[..], store::octets(expected));
        assert!(cipher.verify(&title, &proof, &challenge));
        for control in (0..=u8::MAX).filter(|control| *control != proof[0]) {
            let mut other = proof;
            other[0] = control;
            assert!(!cipher.verify(&title, &other, &challenge), "{control:02X}");
        }
    }
    let refused = Error::KeyLength { suite: 2, expected: 32, got: 16 };
    assert_eq!(small.prove(Suite::Two, &title, 1, &challenge), Err(refused));
}
