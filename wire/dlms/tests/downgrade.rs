//! What a client refuses of a meter that answers with less than was asked for, or cannot prove itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use common::hls::{MECHANISMS, OURS, POLICIES, asked, client, meter, pair, parameters, refused};
use common::{METER, Meter, exchange, key};
use dlms::acse::{Aare, Aarq, ApplicationContext, Mechanism};
use dlms::client::{Opened, Opening, Password, Reply, SealAs, Security, SecurityPolicy, Suite};
use dlms::security::{Cipher, Envelope, SecurityControl, Wrapping};
use dlms::server::{self, Policy, Session};
use dlms::{AssociationResult, ConfirmedServiceError, Conformance, Diagnostic, Downgrade, Error};

/// C-18: whoever answers with less security than was asked for is refused by that name, before anything is said to it.
#[test]
fn c_18_a_downgrade_is_refused() {
    const FULL: SecurityPolicy = SecurityPolicy::AuthenticatedEncrypted;
    let weaker = |mechanism| Some(Error::Downgrade(Downgrade::Mechanism(mechanism)));
    let accepted = |aare: &mut Aare<'_>| {
        (aare.result, aare.diagnostic, aare.requirements) =
            (AssociationResult::Accepted, Diagnostic::NONE, false);
        (aare.mechanism, aare.authentication) = (None, None);
    };
    for mechanism in MECHANISMS {
        assert_eq!(refused(mechanism, FULL, |_| ()), None);
        assert_eq!(refused(mechanism, FULL, accepted), weaker(Mechanism::Lowest));
        for other in [Mechanism::Low, Mechanism::Lowest, Mechanism::Other(9)] {
            assert_eq!(refused(mechanism, FULL, |aare| aare.mechanism = Some(other)), weaker(other));
        }
        let clear = ApplicationContext::LogicalNames;
        assert_eq!(
            refused(mechanism, FULL, |aare| aare.context = clear),
            Some(Error::Downgrade(Downgrade::Context(clear)))
        );
        let initiate: &[u8] = &[8, 0, 6, 0x5F, 0x1F, 4, 0, 0, 0x7E, 0x1F, 4, 0xB0, 0, 7];
        let answered = refused(mechanism, FULL, |aare| aare.user_information = Some(initiate));
        assert_eq!(answered, Some(Error::Downgrade(Downgrade::Clear)));
    }
    let mut request = Vec::new();
    let security = Security::lls(Password::new("12345678"));
    let opening = Opening::start(parameters(security), &mut request).unwrap();
    let mut aare = store::octets(
        "6132A109060760857405080101A203020100A305A103020100890760857405080200BE10040E0800065F1F0400601A9D01000007",
    );
    let refused = opening.handle(&mut aare, &mut Vec::new()).err();
    assert_eq!(refused, weaker(Mechanism::Lowest), "the password was not looked at");
}

#[test]
fn c_18_an_answer_with_less_protection_or_none_is_refused() {
    for (index, policy) in POLICIES.into_iter().enumerate().skip(1) {
        for (sent, control) in [None, Some(0x10), Some(0x20), Some(0x30)].into_iter().enumerate() {
            let mut pair = pair(
                meter(Mechanism::Gmac, Suite::Zero, policy),
                client(Mechanism::Gmac, Suite::Zero, policy),
            )
            .unwrap();
            let mut request = Vec::new();
            pair.client.get(&asked(), None, &mut request).unwrap();
            let plain = [0xC4, 1, 0xC1, 0, 17, 42];
            let mut answer = match control {
                None => plain.to_vec(),
                Some(control) => {
                    let (wrapping, counter) = (Wrapping::Global(0xC4), 50);
                    let mut out = Vec::new();
                    let envelope = Envelope { wrapping, control: SecurityControl::new(control), counter };
                    envelope.seal(&Cipher::new(&key(0xE1), &key(0xA1)), &METER, &plain, &mut out).unwrap();
                    out
                }
            };
            let (agreed, got) = ([0, 0x10, 0x20, 0x30][index], control.unwrap_or_default());
            let expected = match sent {
                0 => Err(Error::Downgrade(Downgrade::Clear)),
                _ if got & agreed == agreed => Ok(Reply::Data(&[17, 42])),
                _ => Err(Error::Downgrade(Downgrade::Protection { agreed, got })),
            };
            assert_eq!(pair.client.handle(&mut answer), expected, "{policy:?}, {control:?}");
        }
    }
}

/// C-19: a meter that cannot prove itself is refused, whatever it sends instead.
#[test]
fn c_19_wrong_reflected_and_short_proofs_and_challenges_are_refused() {
    for mechanism in MECHANISMS {
        let with = |challenge: &'static [u8]| {
            refused(mechanism, SecurityPolicy::None, |aare| aare.authentication = Some(challenge))
        };
        assert_eq!(with(&OURS), Some(Error::ServerProof), "our own challenge");
        let short = Some(Error::Length { what: "challenge", expected: 8, got: 7 });
        assert_eq!(with(b"7 octet"), short);
        let mut session = meter(mechanism, Suite::One, SecurityPolicy::None);
        let mut request = Vec::new();
        let start = |request: &mut Vec<u8>| {
            let security = client(mechanism, Suite::One, SecurityPolicy::None);
            Opening::start(parameters(security), request).unwrap()
        };
        let opening = start(&mut request);
        let aare = exchange(&mut session, &mut Meter::default(), &request);
        request.clear();
        let Opened::Send(_) = opening.handle(&mut aare.clone(), &mut request).unwrap() else { panic!() };
        let right = exchange(&mut session, &mut Meter::default(), &request);
        let ours = request[13..].to_vec();
        for spoil in [
            |answer: &mut Vec<u8>, _: &[u8]| *answer.last_mut().unwrap() ^= 1,
            |answer: &mut Vec<u8>, ours: &[u8]| {
                // What we have just proved ourselves with.
                answer.truncate(6);
                answer.extend_from_slice(ours);
            },
            |answer: &mut Vec<u8>, _: &[u8]| {
                answer.truncate(6);
                answer.extend_from_slice(&[9, 0]);
            },
            |answer: &mut Vec<u8>, _: &[u8]| *answer = [&answer[..4], &[0]].concat(),
        ] {
            let opening = start(&mut Vec::new());
            let Opened::Send(opening) = opening.handle(&mut aare.clone(), &mut Vec::new()).unwrap() else {
                panic!()
            };
            let mut answer = right.clone();
            spoil(&mut answer, &ours);
            let refused = opening.handle(&mut answer, &mut Vec::new()).err();
            assert_eq!(refused, Some(Error::ServerProof), "{mechanism:?} {answer:02X?}");
        }
    }
}

/// Meters with a stack of Texas Instruments leave out the choice in front of their proof.
#[test]
fn a_proof_need_not_say_that_it_is_a_value() {
    for mechanism in MECHANISMS {
        let mut session = meter(mechanism, Suite::One, SecurityPolicy::None);
        let mut request = Vec::new();
        let security = client(mechanism, Suite::One, SecurityPolicy::None);
        let opening = Opening::start(parameters(security), &mut request).unwrap();
        let mut aare = exchange(&mut session, &mut Meter::default(), &request);
        request.clear();
        let Opened::Send(opening) = opening.handle(&mut aare, &mut request).unwrap() else { panic!() };
        let mut answer = exchange(&mut session, &mut Meter::default(), &request);
        assert_eq!(answer.remove(5), 0, "the choice of a value");
        let opened = opening.handle(&mut answer, &mut Vec::new());
        assert!(matches!(opened, Ok(Opened::Established(_))), "{mechanism:?}");
    }
}

/// What answers nothing weakens nothing, and a meter that has given up the association has no keys of it.
#[test]
fn what_is_sent_unasked_and_the_end_of_an_association_may_come_in_the_clear() {
    for policy in POLICIES {
        let mut pair =
            pair(meter(Mechanism::Gmac, Suite::Zero, policy), client(Mechanism::Gmac, Suite::Zero, policy))
                .unwrap();
        pair.meter.values.insert((1, asked().instance, 2), vec![17, 42]);
        let mut request = Vec::new();
        pair.client.get(&asked(), None, &mut request).unwrap();
        for unasked in ["C20000010000616200FF020600000001", "0F000000010000", "1800010200080600000004"] {
            assert_eq!(pair.client.handle(&mut store::octets(unasked)), Ok(Reply::Stale), "{unasked}");
        }
        let mut answer = pair.answer(&request);
        assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Data(&[17, 42])), "{policy:?}");
        pair.client.get(&asked(), None, &mut Vec::new()).unwrap();
        let refused = ConfirmedServiceError { service: 1, class: 3, error: 2 };
        assert_eq!(pair.client.handle(&mut [0x0E, 1, 3, 2]), Err(Error::Confirmed(refused)));
    }
}

#[test]
fn a_refusal_needs_no_aare_and_no_title_of_the_right_length() {
    let refused = Error::Confirmed(ConfirmedServiceError { service: 1, class: 6, error: 1 });
    for security in [Security::none(), client(Mechanism::Gmac, Suite::Zero, POLICIES[3])] {
        let opening = Opening::start(parameters(security), &mut Vec::new()).unwrap();
        let opened = opening.handle(&mut [0x0E, 1, 6, 1], &mut Vec::new()).map(drop);
        assert_eq!(opened, Err(refused.clone()));
    }
    let titled = |aare: &mut Aare<'_>| aare.responding_title = Some(b"title");
    let wrong = Error::Length { what: "system title", expected: 8, got: 5 };
    assert_eq!(self::refused(Mechanism::Gmac, POLICIES[3], titled), Some(wrong));
    let mut request = Vec::new();
    let opening = Opening::start(parameters(Security::none()), &mut request).unwrap();
    let security = server::Security::none();
    let mut session = Session::new(Policy { security, max_pdu: 0, conformance: Conformance::CLIENT });
    let answer = exchange(&mut session, &mut Meter::default(), &request);
    let mut aare = Aare::decode(&answer).unwrap();
    titled(&mut aare);
    let mut answer = Vec::new();
    aare.encode(&mut answer);
    assert!(matches!(opening.handle(&mut answer, &mut Vec::new()), Ok(Opened::Established(_))));
}

#[test]
fn a_title_that_the_meter_keeps_to_itself_may_be_known_beforehand() {
    let untold = |aare: &mut Aare<'_>| aare.responding_title = None;
    let policy = SecurityPolicy::AuthenticatedEncrypted;
    let missing = Error::Length { what: "system title", expected: 8, got: 0 };
    assert_eq!(refused(Mechanism::Gmac, policy, untold), Some(missing));
    let mut request = Vec::new();
    let security = Security { server_title: Some(METER), ..client(Mechanism::Gmac, Suite::Zero, policy) };
    let opening = Opening::start(parameters(security), &mut request).unwrap();
    let answer = exchange(&mut meter(Mechanism::Gmac, Suite::Zero, policy), &mut Meter::default(), &request);
    let aare = Aare { responding_title: Some(&[]), ..Aare::decode(&answer).unwrap() };
    let mut told = Vec::new();
    aare.encode(&mut told);
    assert!(matches!(opening.handle(&mut told, &mut Vec::new()), Ok(Opened::Send(_))));
}

#[test]
fn a_title_that_stands_only_in_the_envelope_is_taken_from_there() {
    let mut security = client(Mechanism::Gmac, Suite::Zero, SecurityPolicy::AuthenticatedEncrypted);
    security.ciphering.as_mut().unwrap().wrap = SealAs::General;
    let mut request = Vec::new();
    let opening = Opening::start(parameters(security), &mut request).unwrap();
    let mut session = meter(Mechanism::Gmac, Suite::Zero, SecurityPolicy::AuthenticatedEncrypted);
    let answer = exchange(&mut session, &mut Meter::default(), &request);
    let aare = Aare { responding_title: None, ..Aare::decode(&answer).unwrap() };
    let mut told = Vec::new();
    aare.encode(&mut told);
    request.clear();
    let Opened::Send(opening) = opening.handle(&mut told, &mut request).unwrap() else { panic!() };
    let mut answer = exchange(&mut session, &mut Meter::default(), &request);
    assert!(matches!(opening.handle(&mut answer, &mut Vec::new()), Ok(Opened::Established(_))));
}

#[test]
fn a_client_without_a_common_version_of_acse_is_told() {
    let mut request = Vec::new();
    Opening::start(parameters(Security::none()), &mut request).unwrap();
    let aarq = Aarq { protocol_version: Some(&[2, 0x40]), ..Aarq::decode(&request).unwrap() };
    let mut request = Vec::new();
    aarq.encode(&mut request);
    let security = server::Security::none();
    let mut session = Session::new(Policy { security, max_pdu: 0, conformance: Conformance::CLIENT });
    let answer = exchange(&mut session, &mut Meter::default(), &request);
    assert_eq!(Aare::decode(&answer).unwrap().diagnostic, Diagnostic::NO_COMMON_VERSION);
}
