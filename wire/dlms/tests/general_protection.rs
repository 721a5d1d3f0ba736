//! `general-ciphering` and `general-signing` against byte vectors: opened, sealed again to the same octets, and refused when anything is
//! altered, cut or added.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::security::{
    Cipher, GENERAL_CIPHERING, GeneralCiphering, GeneralHeader, GeneralSigning, Key, KeyInfo, PublicKey,
    SystemTitle, sign,
};
use serde_json::Value;
use store::{Vector, octets};

/// A `general-ciphering` APDU with what opens it.
struct Sealed {
    id: String,
    apdu: Vec<u8>,
    cipher: Cipher,
    sender: SystemTitle,
    plain: Vec<u8>,
}

impl Sealed {
    fn open(&self, mut apdu: Vec<u8>) -> Result<Vec<u8>, Error> {
        let (envelope, content) = GeneralCiphering::read(&mut apdu)?;
        envelope.open(&self.cipher, &self.sender, content).map(|plain| plain.to_vec())
    }
}

fn vectors(group: &str) -> Vec<Vector> {
    store::all().into_iter().filter(|vector| vector.group == group).collect()
}

fn hex(value: &Value) -> Vec<u8> {
    octets(value.as_str().unwrap())
}

fn key(value: &Value) -> Key {
    Key::try_from(&hex(value)[..]).unwrap()
}

fn sealed() -> Vec<Sealed> {
    let mut all = Vec::new();
    for vector in vectors("general-ciphering") {
        let context = &vector.context;
        let mut apdu = vector.octets.clone();
        let (envelope, _) = GeneralCiphering::read(&mut apdu).unwrap();
        let inside = match envelope.key {
            Some(KeyInfo::Identified(0)) => key(&context["encryption-key"]),
            Some(KeyInfo::Wrapped { kek: 0, key: wrapped }) => key(&context["kek"]).unwrap(wrapped).unwrap(),
            other => panic!("{}: {other:?}", vector.id),
        };
        all.push(Sealed {
            cipher: Cipher::new(&inside, &key(&context["authentication-key"])),
            sender: SystemTitle::try_from(&hex(&context["originator-system-title"])[..]).unwrap(),
            plain: hex(&vector.expected["plaintext"]),
            apdu: vector.octets,
            id: vector.id,
        });
    }
    // A MAC only, without an authentication key.
    for vector in vectors("access-general-signing").into_iter().filter(|vector| vector.octets[0] == 0xDD) {
        all.push(Sealed {
            cipher: Cipher::without_authentication_key(&key(&vector.context["mac-key"])),
            sender: SystemTitle::try_from(&hex(&vector.context["gcm-iv"])[..8]).unwrap(),
            plain: vector.octets[14..vector.octets.len() - 12].to_vec(),
            apdu: vector.octets,
            id: vector.id,
        });
    }
    assert_eq!(all.len(), 6, "vectors are missing");
    all
}

#[test]
fn ciphered_vectors_open_and_seal_to_the_same_octets() {
    for vector in sealed() {
        let plain = vector.open(vector.apdu.clone());
        assert_eq!(plain.as_ref(), Ok(&vector.plain), "{}", vector.id);
        let mut apdu = vector.apdu.clone();
        let (envelope, _) = GeneralCiphering::read(&mut apdu).unwrap();
        let mut out = b"before".to_vec();
        envelope.seal(&vector.cipher, &vector.sender, &vector.plain, &mut out).unwrap();
        assert_eq!(out[6..], vector.apdu, "{}", vector.id);
    }
}

#[test]
fn fields_of_the_header_are_those_of_the_vectors() {
    for vector in vectors("general-ciphering") {
        let expected = &vector.expected["general-ciphering"];
        let mut apdu = vector.octets.clone();
        let (envelope, _) = GeneralCiphering::read(&mut apdu).unwrap();
        let GeneralHeader { transaction_id, originator, recipient, date_time, other_information } =
            envelope.header;
        for (field, name) in [
            (transaction_id, "transaction-id"),
            (originator, "originator-system-title"),
            (recipient, "recipient-system-title"),
            (date_time, "date-time"),
            (other_information, "other-information"),
        ] {
            assert_eq!(field, hex(&expected[name]), "{} {name}", vector.id);
        }
        let content = &expected["ciphered-content"];
        assert_eq!(envelope.control.to_string(), content["security-control"].as_str().unwrap());
        assert_eq!(u64::from(envelope.counter), content["invocation-counter"].as_u64().unwrap());
    }
}

#[test]
fn c_13_everything_but_the_key_is_authenticated() {
    for vector in sealed() {
        let mut apdu = vector.apdu.clone();
        let (envelope, _) = GeneralCiphering::read(&mut apdu).unwrap();
        let key_info = match envelope.key {
            None => 0..0,
            Some(KeyInfo::Identified(_)) => 32..33,
            _ => 32..58,
        };
        for bit in (0..vector.apdu.len() * 8).filter(|bit| !key_info.contains(&(bit / 8))) {
            let mut altered = vector.apdu.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            if matches!(GeneralCiphering::read(&mut altered.clone()), Ok((front, _)) if !front.control.is_authenticated())
            {
                // Without the bit nothing is checked, and the front says so.
                continue;
            }
            assert!(vector.open(altered).is_err(), "{} bit {bit}", vector.id);
        }
    }
}

#[test]
fn c_08_every_truncation_and_every_trailing_octet_is_refused() {
    for vector in sealed() {
        for end in 0..vector.apdu.len() {
            assert_eq!(
                vector.open(vector.apdu[..end].to_vec()),
                Err(Error::Truncated),
                "{} at {end}",
                vector.id
            );
        }
        let longer = [&vector.apdu[..], &[0, 0]].concat();
        assert_eq!(vector.open(longer), Err(Error::Trailing { left: 2 }), "{}", vector.id);
    }
}

#[test]
fn another_originator_than_the_sender_is_refused_by_name() {
    for vector in sealed().iter().filter(|vector| vector.apdu[1] != 0) {
        let mut apdu = vector.apdu.clone();
        let (envelope, content) = GeneralCiphering::read(&mut apdu).unwrap();
        let other = SystemTitle::new(*b"ANOTHER1");
        let refused = Error::WrongTitle { expected: other, got: vector.sender };
        assert_eq!(envelope.open(&vector.cipher, &other, content), Err(refused));
    }
}

#[test]
fn what_is_no_key_information_is_refused() {
    let front = [GENERAL_CIPHERING, 0, 0, 0, 0, 0];
    let content = [17, 0x30, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (key, refusal) in [
        (&[2][..], Error::Value { what: "usage flag", got: 2 }),
        (&[1, 3], Error::Value { what: "kind of key", got: 3 }),
        (&[1, 1, 0, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], Error::Truncated),
        (&[1, 2, 0x80], Error::TooLong { what: "length", limit: 4 }),
    ] {
        let mut apdu = [&front[..], key, &content].concat();
        assert_eq!(GeneralCiphering::read(&mut apdu).err(), Some(refusal));
    }
    let short = [&front[..], &[0, 4, 0x30, 0, 0, 0, 1]].concat();
    assert_eq!(GeneralCiphering::read(&mut short.clone()).err(), Some(Error::Truncated));
    assert_eq!(GeneralCiphering::read(&mut [0xDB, 0]).err(), Some(Error::Unexpected { tag: 0xDB }));
}

/// The signed APDUs of the vectors, out of the MAC around them where there is one, with the signer's public key.
fn signed() -> Vec<(Vector, Vec<u8>, PublicKey)> {
    let make = |vector: Vector| {
        let signer = PublicKey::try_from(&hex(&vector.context["signer-public-key"])[..]).unwrap();
        let apdu = match vector.octets[0] {
            0xDD => vector.octets[14..vector.octets.len() - 12].to_vec(),
            _ => vector.octets.clone(),
        };
        (vector, apdu, signer)
    };
    vectors("access-general-signing").into_iter().map(make).collect()
}

#[test]
fn signed_vectors_are_verified_field_by_field() {
    let all = signed();
    assert_eq!(all.len(), 7);
    for (vector, apdu, signer) in all {
        let expected = vector.expected.get("general-signing");
        let expected = expected.unwrap_or(&vector.expected["outer"]["general-signing"]);
        let signing = GeneralSigning::read(&apdu).unwrap();
        for (field, name) in [
            (signing.header.transaction_id, "transaction-id"),
            (signing.header.originator, "originator-system-title"),
            (signing.header.recipient, "recipient-system-title"),
            (signing.header.date_time, "date-time"),
            (signing.header.other_information, "other-information"),
            (signing.content, "content"),
            (signing.signature, "signature"),
        ] {
            assert_eq!(field, hex(&expected[name]), "{} {name}", vector.id);
        }
        assert_eq!(signing.verify(&signer), Ok(signing.content), "{}", vector.id);
    }
}

#[test]
fn an_altered_cut_or_extended_signed_apdu_is_refused() {
    for (vector, apdu, signer) in signed() {
        for at in 0..apdu.len() {
            let mut altered = apdu.clone();
            altered[at] ^= 1;
            let verified = GeneralSigning::read(&altered).and_then(|signing| signing.verify(&signer));
            assert!(verified.is_err(), "{} octet {at}", vector.id);
            assert_eq!(
                GeneralSigning::read(&apdu[..at]).err(),
                Some(Error::Truncated),
                "{} at {at}",
                vector.id
            );
        }
        let longer = [&apdu[..], &[0]].concat();
        assert_eq!(GeneralSigning::read(&longer), Err(Error::Trailing { left: 1 }));
    }
}

#[test]
fn what_we_sign_is_laid_out_as_the_vectors_and_verified() {
    let (_, apdu, _) = signed().remove(0);
    let given = GeneralSigning::read(&apdu).unwrap();
    for (length, signature_length) in [(32, 64), (48, 96)] {
        let key = dlms::security::PrivateKey::try_from(&vec![0x5A; length][..]).unwrap();
        let mut out = b"before".to_vec();
        sign(&given.header, given.content, &key, &mut out).unwrap();
        let ours = GeneralSigning::read(&out[6..]).unwrap();
        assert_eq!((ours.header, ours.content), (given.header, given.content));
        assert_eq!(ours.signature.len(), signature_length);
        assert_eq!(ours.verify(&key.public_key()), Ok(given.content));
        let front = apdu.len() - 65;
        assert_eq!(out[6..6 + front], apdu[..front]);
    }
}
