//! Certificates that `certificates/make.py` made with Python's cryptography: believed, or refused with the reason.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlms::security::{Certificate, KeyUse, PrivateKey, Suite, SystemTitle};
use dlms::{CertificateFault, Error};

const METER: SystemTitle = SystemTitle::new(*b"MMM\0\0\0\0\x01");
/// The year 2026, in seconds since 1970: when most of the certificates are valid.
const YEAR: std::ops::Range<u64> = 1_767_225_600..1_798_761_600;
const NOW: u64 = 1_780_000_000;

macro_rules! read {
    ($name:literal) => {
        Certificate::decode(include_bytes!(concat!("certificates/", $name, ".der")))
    };
}

/// Root, authority, and the meter's certificates for signature and for key agreement.
fn family(suite: Suite) -> [Certificate; 4] {
    let read = match suite {
        Suite::Two => [read!("root_384"), read!("sub_384"), read!("signing_384"), read!("agreement_384")],
        _ => [read!("root"), read!("sub"), read!("signing"), read!("agreement")],
    };
    read.map(Result::unwrap)
}

/// What speaks against using a certificate of the authority for the meter's signatures.
fn refusal(certificate: &Certificate) -> Option<Error> {
    let [_, authority, ..] = family(Suite::One);
    certificate.key_of(&METER, KeyUse::Signature, &authority, NOW).err()
}

#[test]
fn a_chain_is_believed_from_the_root_to_the_meter() {
    for suite in [Suite::One, Suite::Two] {
        let [root, authority, signing, agreement] = family(suite);
        assert_eq!(root.authority_under(&root, NOW), Ok(()));
        assert_eq!(authority.authority_under(&root, NOW), Ok(()));
        assert_eq!([&root, &authority, &signing].map(Certificate::title), [None, None, Some(METER)]);
        let key = signing.key_of(&METER, KeyUse::Signature, &authority, NOW).unwrap();
        let other = agreement.key_of(&METER, KeyUse::Agreement, &authority, NOW).unwrap();
        assert_eq!((key.suite(), other.suite()), (suite, suite));
        assert_ne!(key, other);
    }
}

#[test]
fn the_key_is_the_one_that_signs() {
    let [_, authority, signing, _] = family(Suite::One);
    let key = signing.key_of(&METER, KeyUse::Signature, &authority, NOW).unwrap();
    // hashlib.sha512(b"meter").digest()[:31], with a zero in front.
    let mut private = vec![0];
    private.extend_from_slice(&METER_KEY);
    let private = PrivateKey::try_from(&private[..]).unwrap();
    assert_eq!(private.public_key(), key);
    assert_eq!(key.verify(b"challenge", &private.sign(b"challenge").unwrap()), Ok(()));
}

const METER_KEY: [u8; 31] = [
    0x6E, 0x57, 0xA0, 0x32, 0x7A, 0xC9, 0x6C, 0xCB, 0x90, 0x19, 0x93, 0x73, 0x90, 0xA2, 0xC8, 0x43, 0x40,
    0x72, 0xFE, 0xAF, 0x07, 0x48, 0x58, 0x92, 0x22, 0x86, 0x7E, 0x79, 0x2D, 0x21, 0x3C,
];

#[test]
fn c_21_a_certificate_outside_its_time_is_refused() {
    let [root, authority, signing, agreement] = family(Suite::One);
    let at = |now| agreement.key_of(&METER, KeyUse::Agreement, &authority, now).err();
    for (now, expected) in [
        (YEAR.start - 1, Some(CertificateFault::NotYetValid)),
        (YEAR.start, None),
        (YEAR.end, None),
        (YEAR.end + 1, Some(CertificateFault::Expired)),
        (0, Some(CertificateFault::NotYetValid)),
        (u64::MAX, Some(CertificateFault::Expired)),
    ] {
        assert_eq!(at(now), expected.map(Error::from), "{now}");
    }
    // The meter's own is valid for ever, but not without an authority that is.
    let late = YEAR.end + 1;
    let expired = Error::from(CertificateFault::Expired);
    assert_eq!(signing.key_of(&METER, KeyUse::Signature, &authority, late), Err(expired.clone()));
    assert_eq!(authority.authority_under(&root, late), Err(expired));
}

#[test]
fn c_21_a_certificate_of_somebody_else_is_refused() {
    let other = SystemTitle::new(*b"MMM\0\0\0\0\x02");
    let wrong = |got| Some(CertificateFault::WrongTitle { expected: METER, got }.into());
    assert_eq!(refusal(&read!("other_title").unwrap()), wrong(Some(other)));
    assert_eq!(refusal(&read!("no_title").unwrap()), wrong(None));
    assert_eq!(refusal(&family(Suite::One)[1]), wrong(None));
    let module = read!("module").unwrap();
    assert_eq!((module.title(), refusal(&module)), (Some(METER), None));
}

#[test]
fn c_21_a_key_for_something_else_is_refused() {
    let [_, authority, signing, agreement] = family(Suite::One);
    let usage = Error::from(CertificateFault::KeyUsage);
    assert_eq!(refusal(&agreement), Some(usage.clone()));
    assert_eq!(signing.key_of(&METER, KeyUse::Agreement, &authority, NOW), Err(usage.clone()));
    assert_eq!(refusal(&read!("no_usage").unwrap()), Some(usage));
    assert_eq!(refusal(&read!("tls").unwrap()), Some(CertificateFault::ExtendedKeyUsage.into()));
}

#[test]
fn c_21_a_wrong_signature_is_refused() {
    for certificate in [read!("zero_r"), read!("zero_s"), read!("large_s")] {
        assert_eq!(refusal(&certificate.unwrap()), Some(CertificateFault::SignatureValue.into()));
    }
    assert_eq!(read!("huge_s").err(), Some(CertificateFault::SignatureValue.into()));
    let [_, _, signing, _] = family(Suite::One);
    let pretender = read!("pretender").unwrap();
    let refused = Err(CertificateFault::Signature.into());
    assert_eq!(signing.key_of(&METER, KeyUse::Signature, &pretender, NOW), refused);
    assert_eq!(
        pretender.authority_under(&family(Suite::One)[0], NOW).map(|()| pretender.title()),
        Err(CertificateFault::Signature.into())
    );
}

#[test]
fn c_21_an_issuer_that_may_not_issue_is_refused() {
    let [root, authority, signing, _] = family(Suite::One);
    let not_authority = Error::from(CertificateFault::NotAuthority);
    let plain = read!("no_authority").unwrap();
    assert_eq!(signing.key_of(&METER, KeyUse::Signature, &plain, NOW), Err(not_authority.clone()));
    assert_eq!(plain.authority_under(&root, NOW), Err(not_authority.clone()));
    assert_eq!(read!("under_sub").unwrap().authority_under(&authority, NOW), Err(not_authority));
    let issuer = Error::from(CertificateFault::Issuer);
    assert_eq!(signing.key_of(&METER, KeyUse::Signature, &root, NOW), Err(issuer));
    // The authority of the same name with keys of the other suite.
    let algorithm = Error::from(CertificateFault::Algorithm);
    assert_eq!(signing.key_of(&METER, KeyUse::Signature, &family(Suite::Two)[1], NOW), Err(algorithm));
}

#[test]
fn c_21_a_critical_extension_that_is_not_understood_is_refused() {
    let oid = "1.3.6.1.4.1.32473.1".to_owned();
    assert_eq!(read!("critical").err(), Some(CertificateFault::CriticalExtension { oid }.into()));
    assert_eq!(refusal(&read!("not_critical").unwrap()), None);
}

#[test]
fn an_altered_or_cut_certificate_is_refused_and_never_believed() {
    let [_, authority, ..] = family(Suite::One);
    let whole = include_bytes!("certificates/signing.der");
    for end in 0..whole.len() {
        assert_eq!(
            Certificate::decode(&whole[..end]).err(),
            Some(CertificateFault::Malformed.into()),
            "{end}"
        );
    }
    assert!(Certificate::decode(&[&whole[..], &[0]].concat()).is_err());
    for at in 0..whole.len() {
        let mut altered = whole.to_vec();
        altered[at] ^= 4;
        let believed = Certificate::decode(&altered)
            .and_then(|certificate| certificate.key_of(&METER, KeyUse::Signature, &authority, NOW));
        assert!(believed.is_err(), "octet {at}");
    }
}

#[test]
fn faults_say_what_to_do() {
    let expired = Error::from(CertificateFault::Expired);
    assert_eq!(expired.to_string(), "the certificate is refused: it has expired: have a new one issued");
    let wrong = Error::from(CertificateFault::WrongTitle { expected: METER, got: None });
    let said =
        "the certificate is refused: it is about nobody with a system title, not about 4D4D4D0000000001";
    assert_eq!(wrong.to_string(), said);
}
