//! ECDSA against signatures that others made, and against what no signature may be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::security::{PrivateKey, PublicKey, Suite};
use store::octets;

/// A key pair and the signature over `sample` that the standard of the deterministic ECDSA gives for it.
struct Pair {
    suite: Suite,
    private: &'static str,
    public: &'static str,
    signature: &'static str,
    order: &'static str,
}

/// RFC 6979, A.2.5 (P-256 with SHA-256) and A.2.6 (P-384 with SHA-384).
const PAIRS: [Pair; 2] = [
    Pair {
        suite: Suite::One,
        private: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        public: "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
                 7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        signature: "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                    F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        order: "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
    },
    Pair {
        suite: Suite::Two,
        private: "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
                  96D5724E4C70A825F872C9EA60D2EDF5",
        public: "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64\
                 DEF8F0EA9055866064A254515480BC13\
                 8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1\
                 288B231C3AE0D4FE7344FD2533264720",
        signature: "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
                    81A648152E44ACF96E36DD1E80FABE46\
                    99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F\
                    A329C145786E679E7B82C71A38628AC8",
        order: "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF\
                581A0DB248B0A77AECEC196ACCC52973",
    },
];

impl Pair {
    fn private(&self) -> PrivateKey {
        PrivateKey::try_from(&octets(self.private)[..]).unwrap()
    }

    fn public(&self) -> PublicKey {
        PublicKey::try_from(&octets(self.public)[..]).unwrap()
    }
}

#[test]
fn signatures_are_those_of_the_standard() {
    for pair in &PAIRS {
        let (private, public) = (pair.private(), pair.public());
        assert_eq!((private.suite(), public.suite()), (pair.suite, pair.suite));
        assert_eq!(private.public_key(), public);
        assert_eq!(public.octets(), octets(pair.public));
        assert_eq!(private.sign(b"sample").unwrap(), octets(pair.signature));
        assert_eq!(public.verify(b"sample", &octets(pair.signature)), Ok(()));
        assert_eq!(public.verify(b"Sample", &octets(pair.signature)), Err(Error::SignatureMismatch));
        assert_eq!(format!("{private:?}"), "PrivateKey(***)");
    }
}

#[test]
fn signatures_of_foreign_meters_are_verified() {
    let mut verified = 0;
    for vector in store::all().iter().filter(|vector| vector.group == "access-general-signing") {
        let text = |value: &serde_json::Value| octets(value.as_str().unwrap());
        let key = PublicKey::try_from(&text(&vector.context["signer-public-key"])[..]).unwrap();
        let signing = vector.expected.get("general-signing");
        let signing = signing.unwrap_or(&vector.expected["outer"]["general-signing"]);
        let (signature, signed) = (text(&signing["signature"]), text(&vector.expected["signed-data"]));
        assert_eq!(key.verify(&signed, &signature), Ok(()), "{}", vector.id);
        for at in 0..signature.len() {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert!(key.verify(&signed, &altered).is_err(), "{} octet {at}", vector.id);
        }
        verified += 1;
    }
    assert_eq!(verified, 7);
}

#[test]
fn c_21_r_and_s_outside_their_range_are_refused_by_name() {
    for pair in &PAIRS {
        let (public, good, order) = (pair.public(), octets(pair.signature), octets(pair.order));
        let half = good.len() / 2;
        let zero = vec![0; half];
        for wrong in [&zero[..], &order[..], &vec![0xFF; half][..]] {
            let (r, s) = ([wrong, &good[half..]].concat(), [&good[..half], wrong].concat());
            assert_eq!(public.verify(b"sample", &r), Err(Error::SignatureValue));
            assert_eq!(public.verify(b"sample", &s), Err(Error::SignatureValue));
        }
        for got in (0..=good.len() + 1).filter(|length| *length != good.len()) {
            let expected = Err(Error::Length { what: "signature", expected: good.len(), got });
            assert_eq!(public.verify(b"sample", &vec![1; got]), expected);
        }
    }
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    for pair in &PAIRS {
        let (public, order) = (octets(pair.public), octets(pair.order));
        let mut beside = public.clone();
        *beside.last_mut().unwrap() ^= 1;
        for point in [beside, vec![0; public.len()], vec![0xFF; public.len()]] {
            assert_eq!(PublicKey::try_from(&point[..]), Err(Error::PublicKey));
        }
        for number in [vec![0; order.len()], order.clone(), vec![0xFF; order.len()]] {
            assert_eq!(PrivateKey::try_from(&number[..]).err(), Some(Error::PrivateKey));
        }
        let got = public.len() + 1;
        let long = [&[0x04], &public[..]].concat();
        assert_eq!(
            PublicKey::try_from(&long[..]),
            Err(Error::Length { what: "public key", expected: 64, got })
        );
    }
    assert!(PrivateKey::try_from(&[1; 31][..]).is_err());
}
