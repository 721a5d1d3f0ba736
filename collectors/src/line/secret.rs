//! Which octets of a plain request may be secret: they are not written to any log.
//!
//! What is not known to be harmless is hidden.

use std::ops::Range;

use dlms::{
    acse::{Aarq, tag::AARQ},
    apdu::tag,
    gateway::{self, Prefix},
    security::Envelope,
};

/// Tag, choice, invoke-id and descriptor in front of what a normal request carries.
const DESCRIBED: usize = 3 + 9;
/// Tag, choice and invoke-id.
const BARE: usize = 3;
/// The choice of a request with one object, and of the first block of one (IEC 62056-5-3: SET, ACTION).
const NORMAL: u8 = 1;
const SET_FIRST_BLOCK: u8 = 2;
const ACTION_FIRST_BLOCK: u8 = 4;
/// ACTION asks for the next block of what it returned.
const ACTION_NEXT: u8 = 2;

/// Classes whose attributes and methods take no secret: clock, script table, schedule, special days, activity calendar,
/// image transfer, register activation, single action schedule, disconnect control, limiter.
const HARMLESS: [u16; 10] = [8, 9, 10, 11, 20, 18, 6, 22, 70, 71];

/// The octets of an APDU that we send which must not be shown; an empty range for most.
pub(super) fn hidden(apdu: &[u8]) -> Range<usize> {
    let all = |from: usize| from.min(apdu.len())..apdu.len();
    match *apdu {
        // The APDU begins behind the name of a device behind a gateway.
        [gateway::REQUEST, ..] => Prefix::read(apdu).map_or(all(1), |prefix| within(apdu, prefix.length())),
        [first, ..] if Envelope::is_tag(first) => sealed(apdu),
        [AARQ, ..] => associating(apdu),
        [tag::GET_REQUEST, ..] => 0..0,
        // A release carries at most a ciphered initiate request.
        [0x62, ..] => 0..0,
        [tag::ACTION_REQUEST, ACTION_NEXT, ..] => 0..0,
        [tag::SET_REQUEST, NORMAL | SET_FIRST_BLOCK, _, high, low, ..]
        | [tag::ACTION_REQUEST, NORMAL | ACTION_FIRST_BLOCK, _, high, low, ..] => {
            if HARMLESS.contains(&u16::from_be_bytes([high, low])) { 0..0 } else { all(DESCRIBED) }
        }
        [tag::SET_REQUEST | tag::ACTION_REQUEST, ..] => all(BARE),
        _ => all(1),
    }
}

/// What an APDU that is authenticated only shows of the one inside, which has nothing to hide behind a cipher.
fn sealed(apdu: &[u8]) -> Range<usize> {
    match Envelope::read(&mut apdu.to_vec()) {
        Ok((envelope, _)) if envelope.control.is_encrypted() => 0..0,
        Ok((_, body)) => within(apdu, apdu.len() - body.len()),
        Err(_) => 1..apdu.len(),
    }
}

/// What is hidden of the APDU that begins at `inside`.
fn within(apdu: &[u8], inside: usize) -> Range<usize> {
    let Range { start, end } = hidden(&apdu[inside..]);
    inside + start..inside + end
}

/// The password or challenge, and a dedicated key in a plain initiate request, with everything in between.
fn associating(apdu: &[u8]) -> Range<usize> {
    let Ok(aarq) = Aarq::decode(apdu) else { return 1..apdu.len() };
    let key = Some(aarq.user_information).filter(|information| information.starts_with(&[1, 1]));
    let place = |octets: &[u8]| {
        let start = octets.as_ptr().addr() - apdu.as_ptr().addr();
        start..start + octets.len()
    };
    let places = [aarq.authentication, key].into_iter().flatten().map(place);
    places.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end)).unwrap_or(0..0)
}

#[cfg(test)]
mod tests {
    use dlms::{
        AttributeDescriptor, MethodDescriptor,
        acse::{ApplicationContext, Mechanism},
        apdu::{ActionRequest, DataBlock, GetRequest, InvokeId, SetRequest},
    };

    use super::*;

    const CANARY: &[u8] = b"\x09\x10canary-canary-ca";
    const INVOKE: InvokeId = InvokeId::confirmed(1);

    fn written(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut apdu = Vec::new();
        encode(&mut apdu);
        apdu
    }

    fn attribute(class_id: u16) -> AttributeDescriptor {
        AttributeDescriptor { class_id, instance: "0.0.40.0.0.255".parse().unwrap(), attribute: 7 }
    }

    fn method(class_id: u16) -> MethodDescriptor {
        MethodDescriptor { class_id, instance: "0.0.43.0.0.255".parse().unwrap(), method: 2 }
    }

    fn shown(apdu: &[u8]) -> Vec<u8> {
        let hidden = hidden(apdu);
        [&apdu[..hidden.start], &apdu[hidden.end..]].concat()
    }

    fn is_seen(apdu: &[u8]) -> bool {
        shown(apdu).windows(6).any(|octets| octets == b"canary")
    }

    /// Everything that a client can send with a value in it, for a class.
    fn requests(class_id: u16) -> Vec<Vec<u8>> {
        let (attribute, method) = (attribute(class_id), method(class_id));
        let block = DataBlock { last: true, number: 2, octets: CANARY };
        vec![
            written(|out| {
                SetRequest::Normal { invoke: INVOKE, attribute, selection: None, value: CANARY }.encode(out);
            }),
            written(|out| {
                SetRequest::FirstBlock { invoke: INVOKE, attribute, selection: None, block }.encode(out)
            }),
            written(|out| {
                ActionRequest::Normal { invoke: INVOKE, method, parameters: Some(CANARY) }.encode(out)
            }),
            written(|out| ActionRequest::FirstBlock { invoke: INVOKE, method, block }.encode(out)),
        ]
    }

    #[test]
    fn what_may_be_secret_is_hidden_and_the_object_is_not() {
        // Data, association, SAP assignment, security setup, key of GPRS, a class of a manufacturer.
        for class_id in [1, 15, 17, 64, 45, 8192] {
            for apdu in requests(class_id) {
                assert!(!is_seen(&apdu), "class {class_id}: {apdu:02X?}");
                assert_eq!(shown(&apdu)[..12], apdu[..12]);
            }
        }
        for class_id in HARMLESS {
            assert!(requests(class_id).iter().all(|apdu| is_seen(apdu)), "class {class_id}");
        }
        let block = DataBlock { last: true, number: 2, octets: CANARY };
        assert!(!is_seen(&written(|out| SetRequest::Block { invoke: INVOKE, block }.encode(out))));
        assert!(!is_seen(&written(|out| ActionRequest::Block { invoke: INVOKE, block }.encode(out))));
    }

    #[test]
    fn passwords_and_dedicated_keys_are_hidden_and_the_rest_of_the_request_is_not() {
        let with = |authentication, user_information| {
            let aarq = Aarq {
                requirements: true,
                mechanism: Some(Mechanism::Low),
                authentication,
                ..Aarq::new(ApplicationContext::LogicalNames, user_information)
            };
            written(|out| aarq.encode(out))
        };
        let plain: &[u8] = &[1, 0, 0, 0, 6, 0x5F, 0x1F, 4, 0, 0, 0, 0, 2, 0];
        let key = [&[1, 1, 16][..], b"canary-canary-ca", &[0, 0, 6]].concat();
        assert!(!is_seen(&with(Some(b"canary"), plain)));
        assert!(shown(&with(Some(b"canary"), plain)).ends_with(plain));
        assert!(!is_seen(&with(Some(b"canary"), &key)));
        assert!(!is_seen(&with(None, &key)));
        assert_eq!(hidden(&with(None, plain)), 0..0);
        let cut = &with(Some(b"canary"), plain)[..30];
        assert!(!is_seen(cut), "what is not understood is hidden");
        assert!(!is_seen(b"\x7Fcanary"));
    }

    #[test]
    fn reads_and_ciphered_requests_are_shown() {
        let get = GetRequest::Normal { invoke: INVOKE, attribute: attribute(15), selection: None };
        assert_eq!(hidden(&written(|out| get.encode(out))), 0..0);
        let ciphered = b"\xCB\x11\x30\0\0\0\x01canary-canary";
        assert_eq!(hidden(&ciphered[..19]), 0..0);
    }

    #[test]
    fn what_is_only_authenticated_is_hidden_as_if_it_came_alone() {
        for class_id in [1, 15, 64] {
            for plain in requests(class_id) {
                let length = u8::try_from(5 + plain.len() + 12).unwrap();
                let tag = if plain[0] == 0xC1 { 0xC9 } else { 0xCB };
                let sealed = [&[tag, length, 0x10, 0, 0, 0, 7][..], &plain, &[5; 12]].concat();
                assert!(!is_seen(&sealed), "{sealed:02X?}");
            }
        }
        let damaged = b"\xCB\x20canary";
        assert!(!is_seen(damaged));
    }
}
