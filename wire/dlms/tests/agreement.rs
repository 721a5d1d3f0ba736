//! Key agreement, key wrap and the APDUs that carry agreed keys, against what others computed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::axdr::Data;
use dlms::cosem::security_setup::{KeyId, decode_key_agreement, key_agreement};
use dlms::security::{
    Cipher, GeneralCiphering, GeneralHeader, Key, KeyInfo, Parties, PrivateKey, Purpose, Scheme,
    SecurityControl, SharedSecret, Suite, SystemTitle,
};
use serde_json::Value;
use store::octets;

const CLIENT: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");
const METER: SystemTitle = SystemTitle::new(*b"MMM\0\0\0\0\x01");
const PARTIES: Parties = Parties { originator: CLIENT, recipient: METER };
const TRANSACTION: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 7];
const PLAIN: [u8; 13] = [0xC0, 0x01, 0x00, 0x00, 0x08, 0x00, 0x00, 0x01, 0x00, 0x00, 0xFF, 0x02, 0x00];

/// Made with Python's cryptography: keys by `derive_private_key`, secrets by `exchange(ECDH(), …)`, keys by `hashlib.sha256` or `sha384`
/// over `00000001 || Z || algorithm || U [|| nonce] || V`, signatures by `ECDSA(…, deterministic_signing=True)`, APDUs by `GCM`.
struct Exchange {
    suite: Suite,
    recipient: &'static str,
    ephemeral: &'static str,
    signing: &'static str,
    originator: &'static str,
    /// Of the ephemeral key and the recipient's.
    shared: &'static str,
    /// The ephemeral public key, signed behind key-id 2.
    introduced: &'static str,
    /// Agreed for key wrap, without a nonce.
    wrapping_key: &'static str,
    /// PLAIN under a key of C(1e, 1s).
    one_pass: &'static str,
    /// PLAIN under a key of C(0e, 2s).
    fixed: &'static str,
}

const EXCHANGES: [Exchange; 2] = [
    Exchange {
        suite: Suite::One,
        recipient: "60823225F6EA4EBCA9D3DE4FE02ADE90E47F7D14BFE1BB03A06D8054CD250A7B",
        ephemeral: "7DFB9E469EC61EF2A02AACDACC0A19B9E32C6C44671DF04BD81BC41FBBC446E9",
        signing: "584A0EDFEB453CD6B9C00E0DDD6A7AEACFC45F35B24F679B1F03FEA9AC922538",
        originator: "6AB7881399A2F5578D78D701F8FFF3B2328953826712E998DC8819BC0B738224",
        shared: "213D8B53D5DAFB50D2EA2F972A0D40064A4887D5866C463D0751E54B4A1F9763",
        introduced: "7AA01DEEA8C93C6488668709E3C434C3CA1C97A89728211832CDE3D614B9B6C654E2234807184622782C0967\
            A14B0B0121C99943B25C125C88DEADF898A72837F33E49305456C78B295F284FB26FDCE8D56722B581D310FC\
            C63A68044416E6DE6F56DB6887E268FDF919BEA15B71D8C94C4AC727D2D20CD6A1EE24C7C9CCB2BE",
        wrapping_key: "1C006DAE684C02CA07F834137D8EFB4A",
        one_pass: "DD080000000000000007084D4D4D0000BC614E084D4D4D000000000100000102010181807AA01DEEA8C93C64\
            88668709E3C434C3CA1C97A89728211832CDE3D614B9B6C654E2234807184622782C0967A14B0B0121C99943\
            B25C125C88DEADF898A72837DB7E208FD2A28221AD6454110D58B002AC0C5BC1E1CBD8C0F9DF7B38DAD95C16\
            09F7722119B3422BFE873285C1248C358930A03B679F55F1E8814038BC8CBE101E310000000153BC8DA6AAB9\
            9CEA11051A8CCB8FF0F9E028466E8EE7B55E82",
        fixed: "DD080000000000000007084D4D4D0000BC614E084D4D4D0000000001000001020102001E31000000013AB7EA\
            98F5B79CDF53198CF852FEAFC4C0CB739546E0B0F2EA",
    },
    Exchange {
        suite: Suite::Two,
        recipient: "60823225F6EA4EBCA9D3DE4FE02ADE90E47F7D14BFE1BB03A06D8054CD250A7BDF93C4E2A9EC1DE5A0216F30\
            81102E78",
        ephemeral: "7DFB9E469EC61EF2A02AACDACC0A19B9E32C6C44671DF04BD81BC41FBBC446E9F9D9384B4620C728FF1C0DF5\
            AA3CFA40",
        signing: "584A0EDFEB453CD6B9C00E0DDD6A7AEACFC45F35B24F679B1F03FEA9AC9225384AB65980FA68E4CDE8746163\
            B4DC5EBF",
        originator: "6AB7881399A2F5578D78D701F8FFF3B2328953826712E998DC8819BC0B738224AA081150F50275C7F870E7E5\
            77DC48A1",
        shared: "3D0E2088F23135B202C21D4BEEF31E2ED9AB620BA816D4A18343F9C229826DACC4045585F6BFAD4E6E72B786\
            52C0EBE0",
        introduced: "E1BC729FEA28DF71F32E9DDADC3C5A2B37FED8BC0295E519E895CF6EBA42E5C315FD7ED99160B50018B1EAE1\
            6C7A07F58F554416D02C590A99F43E6A1FBFE804CBE980BE58398D1D79858725CFBF4E9CF537225479B6A241\
            0FDA29EA3BDA29B59D06F070241B092E4AE635A62251D71D7FBD9E4C8CB5D254A6DB6CF54FDF9A4F3BCD3804\
            542DD15D5BE0AE64B2B4427CA9630C9C50ACAB609B92FC8108E8ADFF3D4F6D9A2B6F5D66EBA792900CD1126D\
            84011DDBAD85BDC55A7AB94A2C2A5A9F",
        wrapping_key: "A8B71F0BCE4584CEE0CE581F2CA959F0494E746BF70D5DB277069EE716750BB2",
        one_pass: "DD080000000000000007084D4D4D0000BC614E084D4D4D000000000100000102010181C0E1BC729FEA28DF71\
            F32E9DDADC3C5A2B37FED8BC0295E519E895CF6EBA42E5C315FD7ED99160B50018B1EAE16C7A07F58F554416\
            D02C590A99F43E6A1FBFE804CBE980BE58398D1D79858725CFBF4E9CF537225479B6A2410FDA29EA3BDA29B5\
            058DB86695ABE3B1874A1FAF670E18F38269B845CDC7C6156C1CFFF166D306E0BB5F079FA6C68E633650EA86\
            33A0FD09EE23F27AF855D8FDEA856B8E6EA66A6FA0C772F505E885B5E399E32CD4E386E673EF04AD84763CD1\
            70529CB0962CF6941E3200000001973DB8273B3F029787AEB4DEEA6864B522187BF0ECF6633FDF",
        fixed: "DD080000000000000007084D4D4D0000BC614E084D4D4D0000000001000001020102001E3200000001C347D0\
            A7CE9E78D8EC3CAB39B479017A383A672B8A2CAE2FBA",
    },
];

fn private(digits: &str) -> PrivateKey {
    PrivateKey::try_from(&octets(digits)[..]).unwrap()
}

impl Exchange {
    fn cipher(&self, key: &Key) -> Cipher {
        let authentication_key: Vec<u8> = (0xD0..0xF0).take(self.suite.key_length()).collect();
        Cipher::new(key, &Key::try_from(&authentication_key[..]).unwrap())
    }

    /// The APDU of the originator, sealed by us.
    fn seal(&self, scheme: Scheme, data: &[u8], key: &Key) -> Vec<u8> {
        let envelope = GeneralCiphering {
            header: GeneralHeader {
                transaction_id: &TRANSACTION,
                originator: CLIENT.octets(),
                recipient: METER.octets(),
                ..GeneralHeader::default()
            },
            key: Some(KeyInfo::Agreed { parameters: &[scheme.number()], data }),
            control: SecurityControl::AUTHENTICATED_ENCRYPTED.with_suite(self.suite),
            counter: 1,
        };
        let mut out = Vec::new();
        envelope.seal(&self.cipher(key), &CLIENT, &PLAIN, &mut out).unwrap();
        out
    }
}

/// Whether two keys are the same, which nobody can see: what one seals, the other opens.
fn same(one: &Key, other: &Key) -> bool {
    let mut body = PLAIN.to_vec();
    let control = match Cipher::new(one, one).prove(Suite::Two, &CLIENT, 1, b"") {
        Ok(_) => SecurityControl::AUTHENTICATED_ENCRYPTED.with_suite(Suite::Two),
        Err(_) => SecurityControl::AUTHENTICATED_ENCRYPTED,
    };
    let tag = Cipher::new(one, one).seal(&CLIENT, control, 1, &mut body).unwrap().unwrap();
    body.extend_from_slice(&tag);
    Cipher::new(other, other).open(&CLIENT, control, 1, &mut body).is_ok()
}

#[test]
fn derived_and_wrapped_keys_are_those_of_the_vectors() {
    let all: Vec<_> = store::all().into_iter().filter(|vector| vector.group == "key-agreement").collect();
    assert_eq!(all.len(), 4);
    for vector in &all {
        let given = |name: &str| vector.context[name].as_str().map(octets).unwrap_or_default();
        let expected = Key::try_from(&vector.octets[..]);
        if vector.context["kek"] != Value::Null {
            let [kek, key] = ["kek", "key"].map(|name| Key::try_from(&given(name)[..]).unwrap());
            assert_eq!(kek.wrap(&key).unwrap(), vector.octets, "{}", vector.id);
            assert!(same(&kek.unwrap(&vector.octets).unwrap(), &key), "{}", vector.id);
            continue;
        }
        let [originator, recipient] =
            ["party-u", "party-v"].map(|name| SystemTitle::try_from(&given(name)[..]).unwrap());
        let secret = SharedSecret::try_from(&given("Z")[..]).unwrap();
        let key = secret.derive(Purpose::Ciphering, &Parties { originator, recipient }, &[]).unwrap();
        assert!(same(&key, &expected.unwrap()), "{}", vector.id);
    }
}

#[test]
fn long_keys_are_wrapped_under_long_keys() {
    let kek = Key::new(std::array::from_fn::<u8, 32, _>(|at| at as u8));
    let key = Key::try_from(&octets("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")[..]);
    let key = key.unwrap();
    // RFC 3394, 4.6.
    let wrapped = octets("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
    assert_eq!(kek.wrap(&key).unwrap(), wrapped);
    assert!(same(&kek.unwrap(&wrapped).unwrap(), &key));
    for bit in 0..wrapped.len() * 8 {
        let mut altered = wrapped.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(kek.unwrap(&altered).err(), Some(Error::KeyWrap), "bit {bit}");
    }
    for length in (0..64).filter(|length| ![24, 40].contains(length)) {
        let expected = Error::Length { what: "wrapped key", expected: 40, got: length };
        assert_eq!(kek.unwrap(&vec![0; length]).err(), Some(expected));
    }
    assert_eq!(Key::new([1; 16]).unwrap(&wrapped).err(), Some(Error::KeyWrap));
}

#[test]
fn both_sides_agree_with_what_python_computes() {
    for exchange in &EXCHANGES {
        let [recipient, ephemeral, originator] =
            [exchange.recipient, exchange.ephemeral, exchange.originator].map(private);
        let shared = SharedSecret::try_from(&octets(exchange.shared)[..]).unwrap();
        let expected = Key::try_from(&octets(exchange.wrapping_key)[..]).unwrap();
        let derive = |secret: SharedSecret| secret.derive(Purpose::Wrapping, &PARTIES, &[]).unwrap();
        assert!(same(&derive(shared), &expected));
        assert!(same(&derive(ephemeral.share(&recipient.public_key()).unwrap()), &expected));
        assert!(same(&derive(recipient.share(&ephemeral.public_key()).unwrap()), &expected));
        assert!(!same(&derive(recipient.share(&originator.public_key()).unwrap()), &expected));
        let back = Parties { originator: METER, recipient: CLIENT };
        for (purpose, parties, nonce) in [
            (Purpose::Ciphering, &PARTIES, &[][..]),
            (Purpose::Wrapping, &back, &[][..]),
            (Purpose::Wrapping, &PARTIES, &TRANSACTION[..]),
        ] {
            let secret = SharedSecret::try_from(&octets(exchange.shared)[..]).unwrap();
            assert!(!same(&secret.derive(purpose, parties, nonce).unwrap(), &expected));
        }
        let secret = SharedSecret::try_from(&octets(exchange.shared)[..]).unwrap();
        assert_eq!(
            secret.derive(Purpose::Ciphering, &PARTIES, &[0; 256]).err(),
            Some(Error::TooLong { what: "transaction-id", limit: 255 })
        );
    }
    let [one, two] = [&EXCHANGES[0], &EXCHANGES[1]].map(|exchange| private(exchange.recipient));
    let refused = Error::Length { what: "public key", expected: 64, got: 96 };
    assert_eq!(one.share(&two.public_key()).err(), Some(refused));
}

#[test]
fn an_ephemeral_key_is_introduced_by_its_signature() {
    for exchange in &EXCHANGES {
        let (signing, ephemeral) = (private(exchange.signing), private(exchange.ephemeral));
        let (signer, public) = (signing.public_key(), ephemeral.public_key());
        let introduced = octets(exchange.introduced);
        assert_eq!(signing.introduce(&public, &[2]).unwrap(), introduced);
        assert_eq!(signer.introduced(&introduced, &[2]), Ok(public));
        assert_eq!(signer.introduced(&introduced, &[3]), Err(Error::SignatureMismatch));
        assert_eq!(signer.introduced(&introduced, &[]), Err(Error::SignatureMismatch));
        assert_eq!(public.introduced(&introduced, &[2]), Err(Error::SignatureMismatch));
        for end in 0..introduced.len() {
            let what = "ephemeral key with signature";
            let refused = Error::Length { what, expected: introduced.len(), got: end };
            assert_eq!(signer.introduced(&introduced[..end], &[2]), Err(refused));
        }
    }
}

#[test]
fn an_apdu_under_an_agreed_key_opens_and_seals_to_the_same_octets() {
    for exchange in &EXCHANGES {
        let [recipient, ephemeral, signing, originator] =
            [exchange.recipient, exchange.ephemeral, exchange.signing, exchange.originator].map(private);
        let (one_pass, fixed) = (octets(exchange.one_pass), octets(exchange.fixed));

        let mut apdu = one_pass.clone();
        let (envelope, content) = GeneralCiphering::read(&mut apdu).unwrap();
        let signer = signing.public_key();
        let key = envelope.one_pass_key(&recipient, Some(&signer)).unwrap();
        assert_eq!(envelope.open(&exchange.cipher(&key), &CLIENT, content).unwrap(), PLAIN);
        let own = ephemeral.share(&recipient.public_key()).unwrap();
        let key = own.derive(Purpose::Ciphering, &PARTIES, &[]).unwrap();
        let introduced = signing.introduce(&ephemeral.public_key(), &[]).unwrap();
        assert_eq!(exchange.seal(Scheme::OnePass, &introduced, &key), one_pass);

        let mut apdu = fixed.clone();
        let (envelope, content) = GeneralCiphering::read(&mut apdu).unwrap();
        let key = envelope.static_key(&recipient, &originator.public_key()).unwrap();
        assert_eq!(envelope.open(&exchange.cipher(&key), &CLIENT, content).unwrap(), PLAIN);
        assert_eq!(exchange.seal(Scheme::Static, &[], &key), fixed);
    }
}

#[test]
fn an_ephemeral_key_without_signature_serves_only_who_asks_for_none() {
    for exchange in &EXCHANGES {
        let [recipient, ephemeral, signing] =
            [exchange.recipient, exchange.ephemeral, exchange.signing].map(private);
        let (public, signer) = (ephemeral.public_key(), signing.public_key());
        let own = ephemeral.share(&recipient.public_key()).unwrap();
        let key = own.derive(Purpose::Ciphering, &PARTIES, &[]).unwrap();
        let mut bare = exchange.seal(Scheme::OnePass, &public.octets(), &key);
        let (envelope, content) = GeneralCiphering::read(&mut bare).unwrap();
        assert!(envelope.one_pass_key(&recipient, Some(&signer)).is_err());
        let agreed = envelope.one_pass_key(&recipient, None).unwrap();
        assert_eq!(envelope.open(&exchange.cipher(&agreed), &CLIENT, content).unwrap(), PLAIN);

        let mut signed = octets(exchange.one_pass);
        let (envelope, _) = GeneralCiphering::read(&mut signed).unwrap();
        assert!(envelope.one_pass_key(&recipient, None).is_err());
        let stranger = recipient.public_key();
        assert_eq!(envelope.one_pass_key(&recipient, Some(&stranger)).err(), Some(Error::SignatureMismatch));
        let refused = Error::Value { what: "key agreement scheme", got: 1 };
        assert_eq!(envelope.static_key(&recipient, &stranger).err(), Some(refused));
    }
}

#[test]
fn class_64_agrees_on_keys_whose_introductions_python_signed() {
    for exchange in &EXCHANGES {
        let [meter, ephemeral, signing] =
            [exchange.recipient, exchange.ephemeral, exchange.signing].map(private);
        let signer = signing.public_key();
        let (asked, public) = ([(KeyId::Authentication, ephemeral.public_key())], meter.public_key());
        let parameter = key_agreement(&signing, &asked).unwrap();
        let entry = vec![Data::Enum(2), Data::OctetString(octets(exchange.introduced))];
        assert_eq!(parameter, Data::Array(vec![Data::Structure(entry)]));
        assert_eq!(decode_key_agreement(&parameter, &signer).unwrap(), asked);

        // A key that was introduced for one purpose serves no other.
        let other = vec![Data::Enum(0), Data::OctetString(octets(exchange.introduced))];
        let other = Data::Array(vec![Data::Structure(other)]);
        assert_eq!(decode_key_agreement(&other, &signer), Err(Error::SignatureMismatch));
        let unknown = vec![Data::Enum(4), Data::OctetString(octets(exchange.introduced))];
        let refused = Error::Value { what: "key id", got: 4 };
        assert_eq!(decode_key_agreement(&Data::Array(vec![Data::Structure(unknown)]), &signer), Err(refused));

        let agreed = ephemeral.share(&public).unwrap();
        let key = agreed.derive(KeyId::Master.purpose(), &PARTIES, &[]).unwrap();
        assert!(same(&key, &Key::try_from(&octets(exchange.wrapping_key)[..]).unwrap()));
        assert_eq!(KeyId::Authentication.purpose(), Purpose::Ciphering);
    }
}
