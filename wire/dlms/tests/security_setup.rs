//! Class 64: attributes and parameters of methods, laid out as others write them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::apdu::{ActionRequest, InvokeId};
use dlms::axdr::Data;
use dlms::cosem::security_setup::{
    CertificateEntity, CertificateInfo, CertificateKind, CertificateName, KeyId, Policy, Protection,
    SecuritySetup, decode_suite, decode_title, key_transfer,
};
use dlms::security::{Key, Suite, SystemTitle};
use dlms::{Error, MethodDescriptor, Obis};
use store::octets;

const SETUP: SecuritySetup = SecuritySetup(Obis::new([0, 0, 43, 0, 0, 255]));
const METER: SystemTitle = SystemTitle::new(*b"MMM\0\0\0\0\x01");

fn request(method: MethodDescriptor, parameters: &Data) -> Vec<u8> {
    let (mut encoded, mut out) = (Vec::new(), Vec::new());
    parameters.encode(&mut encoded);
    let request = ActionRequest::Normal { invoke: InvokeId::new(0xC1), method, parameters: Some(&encoded) };
    request.encode(&mut out);
    out
}

/// What `GXDLMSSecuritySetup` of the Python package gurux-dlms 1.0.203 makes of the same calls.
#[test]
fn methods_are_called_as_a_foreign_client_calls_them() {
    let kek = Key::new(std::array::from_fn::<u8, 16, _>(|at| at as u8));
    let keys = [
        (KeyId::UnicastEncryption, &Key::try_from(&octets("00112233445566778899AABBCCDDEEFF")[..]).unwrap()),
        (KeyId::Authentication, &kek),
    ];
    let by_entity =
        |kind| CertificateName::Entity { entity: CertificateEntity::Server, kind, title: METER }.encode();
    let authenticated = Protection { authenticated: true, ..Protection::default() };
    let policy = Policy { requests: authenticated, responses: Protection::default() };
    for (method, parameters, expected) in [
        (SETUP.security_activate(), policy.activate(1).unwrap(), "C301C1004000002B0000FF01011604"),
        (
            SETUP.key_transfer(),
            key_transfer(&kek, &keys).unwrap(),
            "C301C1004000002B0000FF020101020202160009181FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5\
             020216020918935A3EB101C34ADD025E170B46FF0DB23E5C2FAE8C8F8370",
        ),
        (SETUP.generate_key_pair(), CertificateKind::KeyAgreement.encode(), "C301C1004000002B0000FF04011601"),
        (
            SETUP.generate_certificate_request(),
            CertificateKind::DigitalSignature.encode(),
            "C301C1004000002B0000FF05011600",
        ),
        (
            SETUP.export_certificate(),
            by_entity(CertificateKind::DigitalSignature),
            "C301C1004000002B0000FF07010202160002031600160009084D4D4D0000000001",
        ),
        (
            SETUP.remove_certificate(),
            by_entity(CertificateKind::KeyAgreement),
            "C301C1004000002B0000FF08010202160002031600160109084D4D4D0000000001",
        ),
    ] {
        assert_eq!(request(method, &parameters), octets(expected));
    }
}

#[test]
fn a_certificate_is_also_named_as_its_issuer_does() {
    let name =
        CertificateName::Serial { serial_number: octets("5B050EAE"), issuer: b"Meters-CA".to_vec() }.encode();
    assert_eq!(
        request(SETUP.remove_certificate(), &name),
        octets(
            "C301C1004000002B0000FF0801020216010202 09045B050EAE 09094D65746572732D4341"
                .replace(' ', "")
                .as_str()
        )
    );
}

#[test]
fn methods_3_and_6_are_the_rest() {
    let methods = [SETUP.key_agreement(), SETUP.import_certificate()];
    assert_eq!(
        methods.map(|method| (method.class_id, method.instance, method.method)),
        [(64, SETUP.0, 3), (64, SETUP.0, 6)]
    );
}

#[test]
fn policies_are_read_in_both_versions() {
    let none = Protection::default();
    let (authenticated, encrypted) =
        (Protection { authenticated: true, ..none }, Protection { encrypted: true, ..none });
    let both = Protection { authenticated: true, encrypted: true, signed: false };
    for (number, protection) in [none, authenticated, encrypted, both].into_iter().enumerate() {
        let policy = Policy { requests: protection, responses: protection };
        let data = Data::Enum(number as u8);
        assert_eq!(Policy::decode(&data, 0), Ok(policy));
        assert_eq!(policy.activate(0), Ok(data));
    }
    let asymmetric = Policy { requests: Protection { signed: true, ..none }, responses: both };
    assert_eq!(Policy::decode(&Data::Enum(0x70), 1), Ok(asymmetric));
    assert_eq!(Policy::decode(&Data::Unsigned(0x70), 1), Ok(asymmetric));
    for policy in (0..=u8::MAX).filter(|policy| policy & 3 == 0) {
        let data = Data::Enum(policy);
        assert_eq!(Policy::decode(&data, 1).unwrap().activate(1), Ok(data));
    }
    for (policy, version) in [(4, 0), (1, 1), (2, 1), (7, 1)] {
        let refused = Error::Value { what: "security policy", got: u32::from(policy) };
        assert_eq!(Policy::decode(&Data::Enum(policy), version), Err(refused));
    }
    assert!(matches!(asymmetric.activate(0), Err(Error::Misuse(_))));
    assert!(matches!(Policy::decode(&Data::Boolean(true), 1), Err(Error::DataType { .. })));
}

#[test]
fn suites_and_titles_are_read() {
    let suites = [0, 1, 2, 3].map(|number| decode_suite(&Data::Enum(number)));
    assert_eq!(suites, [Ok(Suite::Zero), Ok(Suite::One), Ok(Suite::Two), Err(Error::Suite { got: 3 })]);
    assert_eq!(decode_title(&Data::OctetString(METER.octets().to_vec())), Ok(Some(METER)));
    assert_eq!(decode_title(&Data::OctetString(vec![])), Ok(None));
    let refused = Error::Length { what: "system title", expected: 8, got: 7 };
    assert_eq!(decode_title(&Data::OctetString(vec![1; 7])), Err(refused));
}

#[test]
fn held_certificates_are_listed() {
    let encoded = octets(
        "0102\
         0206 1600 1600 0904 5B050EAE 0909 4D65746572732D4341 0908 4D4D4D0000000001 0900\
         0206 1602 1603 0901 07 0904 526F6F74 0904 526F6F74 0902 0102"
            .replace(' ', "")
            .as_str(),
    );
    let listed = CertificateInfo::decode(&Data::decode(&encoded).unwrap()).unwrap();
    let meter = CertificateInfo {
        entity: CertificateEntity::Server,
        kind: CertificateKind::DigitalSignature,
        serial_number: octets("5B050EAE"),
        issuer: b"Meters-CA".to_vec(),
        subject: METER.octets().to_vec(),
        subject_alternative_name: vec![],
    };
    let root = CertificateInfo {
        entity: CertificateEntity::Authority,
        kind: CertificateKind::Other,
        serial_number: vec![7],
        issuer: b"Root".to_vec(),
        subject: b"Root".to_vec(),
        subject_alternative_name: vec![1, 2],
    };
    assert_eq!(listed, [meter, root]);
    for (at, value, what) in [(5, 4, "certificate entity"), (7, 9, "certificate type")] {
        let mut wrong = encoded.clone();
        wrong[at] = value;
        let refused = Error::Value { what, got: u32::from(value) };
        assert_eq!(CertificateInfo::decode(&Data::decode(&wrong).unwrap()), Err(refused));
    }
}
