//! What goes wrong between client and server, and that each fault has its own name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{
    CHALLENGE, CLIENT, LEVELS, Level, METER, METER_CHALLENGE, Meter, Pair, attribute, client_security,
    exchange, key, method, open, parameters, policy,
};
use dlms::acse::Aare;
use dlms::axdr::Data;
use dlms::client::{Counters, GlobalKeys, Opened, Opening, Password, Reply, Security};
use dlms::cosem::Form;
use dlms::profile::CaptureObject;
use dlms::security::{Cipher, Envelope, SecurityControl, Suite, Wrapping};
use dlms::selection::{EntrySelection, RangeSelection, Selection};
use dlms::server::{Policy, Session};
use dlms::{
    ActionResult, AssociationResult, Conformance, DataAccessResult, DateTime, Diagnostic, Downgrade, Error,
    ExceptionResponse, Obis, ServiceError, StateError,
};
use proptest::prelude::*;

/// What comes of opening with `security` at a meter that demands `level`.
fn opened(level: Level, security: Security) -> Result<(), Error> {
    let mut session = Session::new(policy(level, 1024, Some(50)));
    let mut asked = parameters(Level::None, 1024);
    asked.security = security;
    open(&mut session, &mut Meter::default(), asked).map(drop)
}

fn gmac(encryption_key: u8, authentication_key: u8, challenge: [u8; 16], counters: Counters) -> Security {
    let keys = GlobalKeys::of_suite_0(key(encryption_key), key(authentication_key));
    Security::gmac(CLIENT, keys, challenge, counters)
}

fn rejected(diagnostic: Diagnostic) -> Result<(), Error> {
    Err(Error::Rejected { result: AssociationResult::RejectedPermanent, diagnostic })
}

fn exception(service: ServiceError, expected_counter: Option<u32>) -> Error {
    Error::Exception(ExceptionResponse { state: StateError::ServiceNotAllowed, service, expected_counter })
}

/// What the meter sends under its keys.
fn from_meter(counter: u32, control: SecurityControl, wrapping: Wrapping, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let cipher = Cipher::new(&key(0xE1), &key(0xA1));
    Envelope { wrapping, control, counter }.seal(&cipher, &METER, plain, &mut out).unwrap();
    out
}

const FULL: SecurityControl = SecurityControl::AUTHENTICATED_ENCRYPTED;

#[test]
fn a_wrong_password_is_an_authentication_failure() {
    let wrong = Security::lls(Password::new("12345679"));
    assert_eq!(opened(Level::Lls, wrong), rejected(Diagnostic::AUTHENTICATION_FAILURE));
    assert_eq!(opened(Level::Lls, Security::none()), rejected(Diagnostic::AUTHENTICATION_REQUIRED));
}

#[test]
fn the_wrong_security_is_refused_with_its_diagnostic() {
    let lls = || client_security(Level::Lls, Counters::new(0, 0));
    let hls = || client_security(Level::Gmac, Counters::new(100, 200));
    assert_eq!(opened(Level::None, lls()), rejected(Diagnostic::MECHANISM_NOT_RECOGNISED));
    assert_eq!(opened(Level::Gmac, lls()), rejected(Diagnostic::CONTEXT_NOT_SUPPORTED));
    assert_eq!(opened(Level::Lls, hls()), rejected(Diagnostic::CONTEXT_NOT_SUPPORTED));
}

#[test]
fn wrong_keys_are_a_deciphering_error() {
    for (encryption_key, authentication_key) in [(0xE2, 0xA1), (0xE1, 0xA2)] {
        let security = gmac(encryption_key, authentication_key, CHALLENGE, Counters::new(100, 200));
        assert_eq!(opened(Level::Gmac, security), Err(exception(ServiceError::DecipheringError, None)));
    }
}

/// C-17: the meter says which counter it expects, and whoever asks decides whether to believe it.
#[test]
fn a_stale_counter_is_refused_with_the_one_expected() {
    for (next, refused) in [(49, true), (50, true), (51, false)] {
        let result = opened(Level::Gmac, gmac(0xE1, 0xA1, CHALLENGE, Counters::new(next, 200)));
        let expected = exception(ServiceError::InvocationCounterError, Some(51));
        assert_eq!(result, if refused { Err(expected) } else { Ok(()) }, "counter {next}");
    }
}

#[test]
fn counters_may_not_go_back_within_and_across_sessions() {
    let mut pair = Pair::new(Level::Gmac, 1024, 1024);
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    pair.meter.values.insert((8, clock.instance, 2), vec![17, 1]);
    let mut request = Vec::new();
    pair.client.get(&clock, None, &mut request).unwrap();
    let mut answer = pair.answer(&request);
    assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Data(&[17, 1])));
    // The same request again: the meter refuses, and says what it expects.
    let mut answer = pair.answer(&request);
    assert_eq!(answer, [0xD8, 1, 6, 0, 0, 0, 104]);
    let refused = pair.client.handle(&mut answer);
    assert_eq!(refused, Err(exception(ServiceError::InvocationCounterError, Some(104))));
    let seen = pair.session.last_client_counter();
    let mut next = Session::new(policy(Level::Gmac, 1024, seen));
    let result = open(&mut next, &mut pair.meter, parameters(Level::Gmac, 1024)).map(drop);
    assert_eq!(result, Err(exception(ServiceError::InvocationCounterError, Some(104))));
}

/// C-15: no counter comes behind the last one.
#[test]
fn spent_counters_are_named_and_leave_the_request_empty() {
    let spent = |left: u32| opened(Level::Gmac, gmac(0xE1, 0xA1, CHALLENGE, Counters::new(100, 100 + left)));
    assert_eq!(
        [spent(0), spent(1), spent(2), spent(3)].map(|result| result.err()),
        [Some(Error::CountersSpent), Some(Error::CountersSpent), Some(Error::CountersSpent), None]
    );
    let mut session = Session::new(policy(Level::Gmac, 1024, None));
    let mut asked = parameters(Level::Gmac, 1024);
    asked.security = gmac(0xE1, 0xA1, CHALLENGE, Counters::new(100, 103));
    let mut client = open(&mut session, &mut Meter::default(), asked).unwrap();
    let mut request = vec![1, 2];
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    assert_eq!(client.get(&clock, None, &mut request), Err(Error::CountersSpent));
    assert_eq!(request, [1, 2]);
}

#[test]
fn a_challenge_sent_back_is_refused() {
    let result = opened(Level::Gmac, gmac(0xE1, 0xA1, METER_CHALLENGE, Counters::new(100, 200)));
    assert_eq!(result, rejected(Diagnostic::AUTHENTICATION_FAILURE));
}

#[test]
fn each_association_of_a_session_has_its_own_challenge() {
    let mut session = Session::new(policy(Level::Gmac, 1024, None));
    let mut challenge_of = |next| {
        let mut asked = parameters(Level::Gmac, 1024);
        asked.security = client_security(Level::Gmac, Counters::new(next, next + 9));
        let mut request = Vec::new();
        Opening::start(asked, &mut request).unwrap();
        let aare = exchange(&mut session, &mut Meter::default(), &request);
        Aare::decode(&aare).unwrap().authentication.unwrap().to_vec()
    };
    assert_ne!(challenge_of(1), challenge_of(2));
}

#[test]
fn selective_access_needs_to_be_negotiated() {
    let clock = attribute(7, "1.0.99.1.0.255", 2);
    let selection = Selection::Entries(EntrySelection { from: 1, to: 9, first_column: 1, last_column: 0 });
    let full = Conformance::CLIENT;
    let without = Conformance::GET.octets();
    for (offered, expected) in [
        (full, Ok(Reply::Data(&[17, 1]))),
        (Conformance::new(without), Err(Error::Access(DataAccessResult::ScopeOfAccessViolated))),
    ] {
        let mut session = Session::new(Policy { conformance: offered, ..policy(Level::None, 1024, None) });
        let mut meter = Meter::default();
        meter.values.insert((7, clock.instance, 2), vec![17, 1]);
        let mut client = open(&mut session, &mut meter, parameters(Level::None, 1024)).unwrap();
        assert_eq!(client.negotiated().conformance, offered);
        let mut request = Vec::new();
        client.get(&clock, Some(&selection), &mut request).unwrap();
        let mut answer = exchange(&mut session, &mut meter, &request);
        assert_eq!(client.handle(&mut answer), expected);
        assert_eq!(meter.selections.contains(&selection), expected.is_ok());
    }
}

#[test]
fn a_meter_without_the_keys_cannot_prove_itself() {
    let mut session = Session::new(policy(Level::Gmac, 1024, None));
    let mut meter = Meter::default();
    let mut request = Vec::new();
    let opening = Opening::start(parameters(Level::Gmac, 1024), &mut request).unwrap();
    let mut aare = exchange(&mut session, &mut meter, &request);
    request.clear();
    let Ok(Opened::Send(opening)) = opening.handle(&mut aare, &mut request) else { panic!("no proof asked") };
    let answer = exchange(&mut session, &mut meter, &request);
    assert_eq!(answer[0], 0xCF);
    // A proof made on another challenge, in an otherwise authentic answer.
    let cipher = Cipher::new(&key(0xE1), &key(0xA1));
    let proof = cipher.prove(Suite::Zero, &METER, 7, b"another challenge").unwrap();
    let plain = [&[0xC7, 1, request_id(), 0, 1, 0, 9, 17][..], &proof].concat();
    let mut forged = from_meter(99, FULL, Wrapping::Global(0xC7), &plain);
    let mut out = Vec::new();
    assert_eq!(opening.handle(&mut forged, &mut out).map(drop), Err(Error::ServerProof));
}

/// Invoke-id of the first request of a client.
fn request_id() -> u8 {
    0xC0
}

#[test]
fn a_client_that_cannot_prove_itself_gets_nothing() {
    let mut session = Session::new(policy(Level::Gmac, 1024, None));
    let mut meter = Meter::default();
    let mut request = Vec::new();
    Opening::start(parameters(Level::Gmac, 1024), &mut request).unwrap();
    assert_eq!(exchange(&mut session, &mut meter, &request)[0], 0x61);
    assert!(!session.is_associated());
    // Before the proof, no service is served.
    let cipher = Cipher::new(&key(0xE1), &key(0xA1));
    let from_client = |counter, plain: &[u8]| {
        let mut out = Vec::new();
        let envelope = Envelope { wrapping: Wrapping::Global(plain[0]), control: FULL, counter };
        envelope.seal(&cipher, &CLIENT, plain, &mut out).unwrap();
        out
    };
    let get = from_client(200, &[0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 0xFF, 2, 0]);
    assert_eq!(exchange(&mut session, &mut meter, &get), [0xD8, 1, 1]);
    let proof = cipher.prove(Suite::Zero, &CLIENT, 201, b"not the challenge").unwrap();
    let action = [&[0xC3, 1, 0xC1, 0, 15, 0, 0, 40, 0, 0, 0xFF, 1, 1, 9, 17][..], &proof].concat();
    assert_eq!(exchange(&mut session, &mut meter, &from_client(202, &action))[0], 0xCF);
    assert!(!session.is_associated());
    assert_eq!(exchange(&mut session, &mut meter, &from_client(203, &action)), [0xD8, 1, 1]);
}

/// A ciphered client that has just asked for a value.
fn asking() -> Pair {
    let mut pair = Pair::new(Level::Gmac, 1024, 1024);
    pair.client.get(&attribute(8, "0.0.1.0.0.255", 2), None, &mut Vec::new()).unwrap();
    pair
}

const VALUE: [u8; 6] = [0xC4, 1, 0xC1, 0, 17, 1];

#[test]
fn only_the_agreed_protection_is_accepted() {
    let of_another_key_set = Error::Protection { expected: 0x30, got: 0x70 };
    let weaker = |got| Error::Downgrade(Downgrade::Protection { agreed: 0x30, got });
    for (control, refused) in [(0x10, weaker(0x10)), (0x20, weaker(0x20)), (0x70, of_another_key_set)] {
        let mut answer = from_meter(99, SecurityControl::new(control), Wrapping::Global(0xC4), &VALUE);
        assert_eq!(asking().client.handle(&mut answer), Err(refused));
    }
    assert_eq!(asking().client.handle(&mut VALUE.clone()), Err(Error::Downgrade(Downgrade::Clear)));
    let mut exception = [0xD8, 1, 5];
    let expected = Error::Exception(ExceptionResponse {
        state: StateError::ServiceNotAllowed,
        service: ServiceError::DecipheringError,
        expected_counter: None,
    });
    assert_eq!(asking().client.handle(&mut exception), Err(expected));
}

#[test]
fn general_envelopes_are_accepted_with_the_right_title_or_none() {
    for title in [None, Some(METER)] {
        let mut answer = from_meter(99, FULL, Wrapping::GeneralGlobal(title), &VALUE);
        assert_eq!(asking().client.handle(&mut answer), Ok(Reply::Data(&[17, 1])));
    }
    let mut answer = from_meter(99, FULL, Wrapping::GeneralGlobal(Some(CLIENT)), &VALUE);
    assert_eq!(asking().client.handle(&mut answer), Err(Error::WrongTitle { expected: METER, got: CLIENT }));
    let mut answer = from_meter(99, FULL, Wrapping::GeneralGlobal(None), &[0xD8, 2, 2]);
    assert!(matches!(asking().client.handle(&mut answer), Err(Error::Exception(_))));
    let mut answer = from_meter(99, FULL, Wrapping::Dedicated(0xC4), &VALUE);
    assert_eq!(asking().client.handle(&mut answer), Err(Error::Unexpected { tag: 0xD4 }));
}

#[test]
fn requests_in_general_envelopes_are_answered_in_general_envelopes() {
    let mut pair = Pair::new(Level::Gmac, 64, 1024);
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    let value = [&[9, 100][..], &[5; 100]].concat();
    pair.meter.values.insert((8, clock.instance, 2), value);
    let cipher = Cipher::new(&key(0xE1), &key(0xA1));
    let mut request = Vec::new();
    let envelope = Envelope { wrapping: Wrapping::GeneralGlobal(Some(CLIENT)), control: FULL, counter: 900 };
    let get = [0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 0xFF, 2, 0];
    envelope.seal(&cipher, &CLIENT, &get, &mut request).unwrap();
    let answer = pair.answer(&request);
    assert_eq!((answer[0], answer[1]), (0xDB, 8));
    assert!(answer.len() <= 64, "{} octets", answer.len());
}

/// C-14: what was recorded is not taken again.
#[test]
fn a_replayed_answer_of_the_meter_is_refused() {
    let mut pair = Pair::new(Level::Gmac, 1024, 1024);
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    pair.meter.values.insert((8, clock.instance, 2), vec![17, 1]);
    let mut request = Vec::new();
    pair.client.get(&clock, None, &mut request).unwrap();
    let mut answer = pair.answer(&request);
    let mut replayed = answer.clone();
    assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Data(&[17, 1])));
    pair.client.get(&clock, None, &mut request).unwrap();
    assert!(matches!(pair.client.handle(&mut replayed), Err(Error::CounterReplayed { .. })));
}

#[test]
fn an_answer_under_another_key_is_a_tag_mismatch() {
    let mut answer = from_meter(99, FULL, Wrapping::Global(0xC4), &VALUE);
    let last = answer.len() - 1;
    answer[last] ^= 1;
    let mut pair = asking();
    assert_eq!(pair.client.handle(&mut answer), Err(Error::TagMismatch));
    // A forged counter does not move the meter's own.
    let mut right = from_meter(4, FULL, Wrapping::Global(0xC4), &VALUE);
    assert_eq!(pair.client.handle(&mut right), Ok(Reply::Data(&[17, 1])));
}

#[test]
fn refusals_of_objects_arrive_as_they_are() {
    for level in LEVELS {
        let mut pair = Pair::new(level, 1024, 1024);
        let nothing = attribute(3, "1.0.1.8.0.255", 2);
        assert_eq!(pair.read(&nothing), Err(Error::Access(DataAccessResult::ObjectUndefined)));
        let mut request = Vec::new();
        pair.client.set(&nothing, &Data::Unsigned(1), &mut request).unwrap();
        let mut answer = pair.answer(&request);
        let denied = Err(Error::Access(DataAccessResult::ReadWriteDenied));
        assert_eq!(pair.client.handle(&mut answer), denied);
        request.clear();
        pair.client.action(&method(1, "0.0.96.1.0.255", 9), None, &mut request).unwrap();
        let mut answer = pair.answer(&request);
        assert_eq!(pair.client.handle(&mut answer), Err(Error::Action(ActionResult::ObjectUndefined)));
    }
}

#[test]
fn misuse_is_named() {
    let mut pair = Pair::new(Level::None, 1024, 40);
    let mut request = Vec::new();
    assert!(matches!(pair.client.next_block(&mut request), Err(Error::Misuse(_))));
    let clock =
        CaptureObject { class_id: 8, instance: Obis::new([0, 0, 1, 0, 0, 255]), attribute: 2, data_index: 0 };
    let time = DateTime::from_unix(0, None, 0);
    let long = Selection::Range(RangeSelection {
        restricting: clock,
        from: time,
        to: time,
        form: Form::Octets,
        columns: Vec::new(),
    });
    let get = pair.client.get(&attribute(7, "1.0.99.1.0.255", 2), Some(&long), &mut request);
    assert!(matches!(get, Err(Error::RequestTooLong { limit: 40, .. })), "{get:?}");
    assert!(request.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_octets_never_panic_the_client(
        level in prop::sample::select(LEVELS.to_vec()),
        start in prop::sample::select(vec![0xC4u8, 0xC5, 0xC7, 0xD8, 0x0E, 0x61, 0x63, 0xCC, 0xDB, 0x00]),
        choice in 0u8..4,
        tail in prop::collection::vec(any::<u8>(), 0..120),
        protect: bool,
    ) {
        let octets = [&[start, choice, 0xC1][..], &tail].concat();
        let mut pair = Pair::new(level, 1024, 1024);
        pair.client.get(&attribute(8, "0.0.1.0.0.255", 2), None, &mut Vec::new()).unwrap();
        let mut answer = if protect && level == Level::Gmac {
            from_meter(99, FULL, Wrapping::GeneralGlobal(None), &octets)
        } else {
            octets.clone()
        };
        let _ = pair.client.handle(&mut answer);
        let mut request = Vec::new();
        let opening = Opening::start(parameters(level, 1024), &mut request).unwrap();
        let _ = opening.handle(&mut octets.clone(), &mut request);
    }

    #[test]
    fn random_octets_never_panic_the_server_and_are_answered_once(
        level in prop::sample::select(LEVELS.to_vec()),
        start in prop::sample::select(vec![0xC0u8, 0xC1, 0xC3, 0x60, 0x62, 0xC8, 0xDB, 0x00]),
        choice in 0u8..4,
        tail in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let octets = [&[start, choice, 0xC1][..], &tail].concat();
        let mut pair = Pair::new(level, 1024, 1024);
        let answer = pair.answer(&octets);
        prop_assert!(!answer.is_empty() && answer.len() <= 1024);
        let mut fresh = Session::new(policy(level, 1024, None));
        prop_assert!(!exchange(&mut fresh, &mut Meter::default(), &octets).is_empty());
    }

    #[test]
    fn a_damaged_answer_is_never_taken_for_a_value(position in 0usize..23, bit in 0u8..8) {
        let mut answer = from_meter(99, FULL, Wrapping::Global(0xC4), &VALUE);
        prop_assume!(position < answer.len());
        answer[position] ^= 1 << bit;
        prop_assert!(asking().client.handle(&mut answer).is_err());
    }
}
