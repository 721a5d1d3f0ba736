//! Protection of any kind: what was sealed opens, in place and to the octet, and no octets break what takes a protected APDU apart.

use dlms::axdr::Data;
use dlms::cosem::security_setup::{CertificateInfo, Policy};
use dlms::push;
use dlms::security::{
    Certificate, Cipher, Envelope, GeneralCiphering, GeneralHeader, GeneralSigning, Key, KeyInfo,
    SecurityControl, Suite, SystemTitle, Wrapping,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const SENDER: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");
const SIGNING: &[u8] = include_bytes!("../certificates/signing.der");

fn suite() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::Zero), Just(Suite::One), Just(Suite::Two)]
}

fn control() -> impl Strategy<Value = SecurityControl> {
    (suite(), prop_oneof![Just(0x10), Just(0x20), Just(0x30), Just(0x70)])
        .prop_map(|(suite, bits)| SecurityControl::new(bits).with_suite(suite))
}

fn cipher(control: SecurityControl) -> Cipher {
    let length = control.suite().unwrap().key_length();
    let [encryption, authentication] = [1, 2].map(|octet| Key::try_from(&vec![octet; length][..]).unwrap());
    Cipher::new(&encryption, &authentication)
}

fn wrapping() -> impl Strategy<Value = Wrapping> {
    let title = prop_oneof![Just(None), Just(Some(SENDER))];
    prop_oneof![
        Just(Wrapping::Global(0xC0)),
        Just(Wrapping::Dedicated(0xC0)),
        title.clone().prop_map(Wrapping::GeneralGlobal),
        title.prop_map(Wrapping::GeneralDedicated),
    ]
}

/// Every decoder of this corner sees the octets.
fn take_apart(octets: &[u8]) {
    let mut copy = octets.to_vec();
    let cipher = cipher(SecurityControl::AUTHENTICATED_ENCRYPTED);
    let _ = push::title(&mut copy);
    let _ = push::open(&cipher, &SENDER, &mut copy).is_ok();
    let _ = GeneralCiphering::read(&mut octets.to_vec()).is_ok();
    let _ = GeneralSigning::read(octets);
    let _ = Certificate::decode(octets);
    if let Ok(data) = Data::decode(octets) {
        let _ = (CertificateInfo::decode(&data), Policy::decode(&data, 0), Policy::decode(&data, 1));
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        control in control(),
        wrapping in wrapping(),
        counter in any::<u32>(),
        mut plain in vec(any::<u8>(), 1..400),
    ) {
        plain[0] = 0xC0;
        let envelope = Envelope { wrapping, control, counter };
        let mut sealed = Vec::new();
        envelope.seal(&cipher(control), &SENDER, &plain, &mut sealed).unwrap();
        let (read, body) = Envelope::read(&mut sealed).unwrap();
        prop_assert_eq!(read, envelope);
        prop_assert_eq!(read.open(&cipher(control), &SENDER, body).unwrap(), &plain[..]);
    }

    #[test]
    fn what_is_sealed_between_any_two_opens(
        control in control(),
        counter in any::<u32>(),
        fields in [vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..200)],
        named in any::<bool>(),
        kind in 0..4,
        plain in vec(any::<u8>(), 0..400),
    ) {
        let [transaction_id, recipient, other_information] = &fields;
        let originator = if named { &SENDER.octets()[..] } else { &[] };
        let header = GeneralHeader { transaction_id, originator, recipient, date_time: &[], other_information };
        let key = match kind {
            0 => None,
            1 => Some(KeyInfo::Identified(recipient.len() as u8)),
            2 => Some(KeyInfo::Wrapped { kek: 0, key: other_information }),
            _ => Some(KeyInfo::Agreed { parameters: recipient, data: other_information }),
        };
        let envelope = GeneralCiphering { header, key, control, counter };
        let mut sealed = Vec::new();
        envelope.seal(&cipher(control), &SENDER, &plain, &mut sealed).unwrap();
        let (read, content) = GeneralCiphering::read(&mut sealed).unwrap();
        prop_assert_eq!(read, envelope);
        prop_assert_eq!(read.open(&cipher(control), &SENDER, content).unwrap(), &plain[..]);
    }

    #[test]
    fn c_07_no_octets_break_what_takes_them_apart(
        first in prop_oneof![Just(0xDD), Just(0xDF), Just(0xDB), Just(0x30), any::<u8>()],
        rest in vec(prop_oneof![0_u8..10, 0x80_u8..0x85, any::<u8>()], 0..200),
    ) {
        take_apart(&[&[first], &rest[..]].concat());
    }

    #[test]
    fn c_07_no_damage_makes_a_certificate_break_what_takes_it_apart(
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        end in any::<Index>(),
    ) {
        let mut octets = SIGNING.to_vec();
        for (at, octet) in damage {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        take_apart(&octets);
        take_apart(&octets[..end.index(octets.len())]);
    }
}
