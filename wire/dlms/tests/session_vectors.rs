//! Sessions that others recorded: our client asks what theirs asked and understands what their meters answered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use common::{Level, Meter, Pair, attribute, exchange, gmac_meter};
use dlms::acse::Aare;
use dlms::apdu::{GetRequest, SetRequest};
use dlms::axdr::Data;
use dlms::client::{Counters, GlobalKeys, Key, Opened, Opening, Parameters, Reply, Security, SystemTitle};
use dlms::security::{Cipher, Envelope, SecurityControl, Wrapping};
use dlms::server::{Policy, Session};
use dlms::{
    AssociationResult, ConfirmedServiceError, Conformance, DataAccessResult, Diagnostic, Downgrade, Error,
};
use serde_json::Value;
use store::Vector;

/// Keys of the recorded session with the meter MEL.
const ENCRYPTION_KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const AUTHENTICATION_KEY: [u8; 16] =
    [0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF];
const CLIENT: SystemTitle = SystemTitle::new([0x4D, 0x45, 0x4C, 0, 0, 0, 0, 1]);
const METER: SystemTitle = SystemTitle::new([0x4D, 0x45, 0x4C, 0x65, 0x70, 0xA0, 0x37, 0xB2]);
const CHALLENGE: [u8; 16] = [7; 16];

fn vector(id: &str) -> Vector {
    store::all().into_iter().find(|vector| vector.id == id).unwrap()
}

fn cipher() -> Cipher {
    Cipher::new(&Key::new(ENCRYPTION_KEY), &Key::new(AUTHENTICATION_KEY))
}

fn keys() -> GlobalKeys {
    GlobalKeys::of_suite_0(Key::new(ENCRYPTION_KEY), Key::new(AUTHENTICATION_KEY))
}

fn hls() -> Opening {
    let security = Security::gmac(CLIENT, keys(), CHALLENGE, Counters::new(1, 100));
    Opening::start(
        Parameters { security, conformance: Conformance::CLIENT, max_receive_pdu: 1024 },
        &mut Vec::new(),
    )
    .unwrap()
}

fn plain() -> Opening {
    let parameters =
        Parameters { security: Security::none(), conformance: Conformance::CLIENT, max_receive_pdu: 1024 };
    Opening::start(parameters, &mut Vec::new()).unwrap()
}

fn error_of(opening: Opening, aare: &Aare<'_>) -> Error {
    let mut apdu = Vec::new();
    aare.encode(&mut apdu);
    opening.handle(&mut apdu, &mut Vec::new()).err().unwrap()
}

#[test]
fn a_recorded_aare_leads_to_the_proof() {
    let mut request = Vec::new();
    let opened = hls().handle(&mut vector("DV092").octets, &mut request).unwrap();
    assert!(matches!(opened, Opened::Send(_)));
    // The proof is right for the recorded challenge.
    let (envelope, body) = Envelope::read(&mut request).unwrap();
    assert_eq!((envelope.wrapping, envelope.counter), (Wrapping::Global(0xC3), 3));
    let action = envelope.open(&cipher(), &CLIENT, body).unwrap();
    assert_eq!(action[..15], [0xC3, 1, 0xC0, 0, 15, 0, 0, 40, 0, 0, 255, 1, 1, 9, 17]);
    let challenge = [0x28, 0x47, 0x33, 0x63, 0x6E, 0x50, 0x7E, 0x73];
    assert!(cipher().verify(&CLIENT, &action[15..], &challenge));
}

#[test]
fn a_recorded_aarq_is_answered_and_its_repetition_is_not() {
    let security = gmac_meter(METER, keys(), CHALLENGE, Some(609_254_941));
    let mut session = Session::new(Policy { security, max_pdu: 239, conformance: Conformance::CLIENT });
    let aarq = vector("DV091").octets;
    let answer = exchange(&mut session, &mut Meter::default(), &aarq);
    let aare = Aare::decode(&answer).unwrap();
    assert_eq!(
        (aare.result, aare.diagnostic),
        (AssociationResult::Accepted, Diagnostic::AUTHENTICATION_REQUIRED)
    );
    assert_eq!(aare.responding_title, Some(&METER.octets()[..]));
    assert_eq!(session.last_client_counter(), Some(609_254_942));
    let again = exchange(&mut session, &mut Meter::default(), &aarq);
    assert_eq!(again, [&[0xD8, 1, 6][..], &609_254_943u32.to_be_bytes()].concat());
}

#[test]
fn a_meter_that_sends_our_challenge_back_or_none_is_refused() {
    let octets = vector("DV092").octets;
    let recorded = Aare::decode(&octets).unwrap();
    for (authentication, error) in [
        (Some(&CHALLENGE[..]), Error::ServerProof),
        (None, Error::ServerProof),
        (Some(&[1; 7][..]), Error::Length { what: "challenge", expected: 8, got: 7 }),
        (Some(&[1; 65][..]), Error::Length { what: "challenge", expected: 8, got: 65 }),
    ] {
        assert_eq!(error_of(hls(), &Aare { authentication, ..recorded.clone() }), error);
    }
    let ours = Aare { responding_title: Some(CLIENT.octets()), ..recorded.clone() };
    assert_eq!(error_of(hls(), &ours), Error::ServerProof);
    let another = Aare { responding_title: Some(b"ANOTHER1"), ..recorded.clone() };
    assert_eq!(error_of(hls(), &another), Error::TagMismatch);
    let clear = vector("DV057").octets;
    let in_the_clear = Aare { user_information: Some(&clear), ..recorded.clone() };
    assert_eq!(error_of(hls(), &in_the_clear), Error::Downgrade(Downgrade::Clear));
}

#[test]
fn the_title_of_a_general_envelope_serves_when_the_aare_has_none() {
    let octets = vector("DV092").octets;
    let mut information = Vec::new();
    let envelope = Envelope {
        wrapping: Wrapping::GeneralGlobal(Some(METER)),
        control: SecurityControl::AUTHENTICATED_ENCRYPTED,
        counter: 4,
    };
    envelope.seal(&cipher(), &METER, &vector("DV057").octets, &mut information).unwrap();
    let aare = Aare {
        responding_title: None,
        user_information: Some(&information),
        ..Aare::decode(&octets).unwrap()
    };
    let mut apdu = Vec::new();
    aare.encode(&mut apdu);
    assert!(matches!(hls().handle(&mut apdu, &mut Vec::new()), Ok(Opened::Send(_))));
}

#[test]
fn a_rejection_says_what_the_meter_says() {
    let mut apdu = vector("DV073").octets;
    let diagnostic = Diagnostic::CONTEXT_NOT_SUPPORTED;
    let result = AssociationResult::RejectedPermanent;
    let refused = plain().handle(&mut apdu, &mut Vec::new()).err();
    assert_eq!(refused, Some(Error::Rejected { result, diagnostic }));
    // Without a reason of its own, the service error inside is the reason.
    let octets = vector("DV073").octets;
    let recorded = Aare::decode(&octets).unwrap();
    let service_error = ConfirmedServiceError { service: 1, class: 6, error: 3 };
    let mut information = Vec::new();
    service_error.encode(&mut information);
    let with = |diagnostic| Aare { diagnostic, user_information: Some(&information), ..recorded.clone() };
    assert_eq!(error_of(plain(), &with(Diagnostic::NO_REASON)), Error::Confirmed(service_error));
    let failure = Diagnostic::AUTHENTICATION_FAILURE;
    assert_eq!(error_of(plain(), &with(failure)), Error::Rejected { result, diagnostic: failure });
    assert_eq!(error_of(hls(), &with(Diagnostic::NO_REASON)), Error::Confirmed(service_error));
    let accepted = Aare { result: AssociationResult::Accepted, ..with(Diagnostic::NONE) };
    assert_eq!(error_of(plain(), &accepted), Error::Confirmed(service_error));
}

#[test]
fn our_own_server_rejects_a_pdu_that_is_too_short_with_a_service_error() {
    for level in common::LEVELS {
        let mut session = Session::new(common::policy(level, 1024, None));
        let opened = common::open(&mut session, &mut Meter::default(), common::parameters(level, 12));
        let expected = ConfirmedServiceError { service: 1, class: 6, error: 3 };
        assert_eq!(opened.err(), Some(Error::Confirmed(expected)), "{level:?}");
    }
}

/// Plays a recorded GET in blocks: our requests must be theirs.
fn play(id: &str) {
    let vector = vector(id);
    let apdus: Vec<Vec<u8>> = vector.context["apdus"]
        .as_array()
        .unwrap()
        .iter()
        .map(|apdu| store::octets(apdu.as_str().unwrap()))
        .collect();
    let mut pair = Pair::new(Level::None, 1024, 1024);
    let GetRequest::Normal { attribute, .. } = GetRequest::decode(&apdus[0]).unwrap() else {
        panic!("{id} begins with another request")
    };
    // Their first request has the invoke-id 1.
    pair.client.get(&attribute, None, &mut Vec::new()).unwrap();
    let (mut request, mut value) = (Vec::new(), Vec::new());
    pair.client.get(&attribute, None, &mut request).unwrap();
    for exchange in apdus.chunks(2) {
        assert_eq!(request, exchange[0], "{id}");
        match pair.client.handle(&mut exchange[1].clone()).unwrap() {
            Reply::Block(piece) => value.extend_from_slice(piece),
            Reply::Data(piece) => {
                value.extend_from_slice(piece);
                break;
            }
            other => panic!("{other:?}"),
        }
        request.clear();
        pair.client.next_block(&mut request).unwrap();
    }
    assert_eq!(Value::from(store::hex(&value)), vector.expected["concatenated-raw-data"], "{id}");
}

#[test]
fn recorded_block_transfers_are_understood() {
    play("DV202");
    play("DV204");
}

/// Plays a recorded SET in blocks: our requests must be theirs, and our server answers as their meter did.
fn play_set(id: &str) {
    let vector = vector(id);
    let apdus = vector.context["apdus"].as_array().unwrap().iter();
    let apdus: Vec<Vec<u8>> = apdus.map(|apdu| store::octets(apdu.as_str().unwrap())).collect();
    let SetRequest::FirstBlock { attribute, .. } = SetRequest::decode(&apdus[0]).unwrap() else {
        panic!("{id} begins with another request")
    };
    let value = store::octets(vector.expected["concatenated-raw-data"].as_str().unwrap());
    // The longest recorded request has 129 octets; the first one has the invoke-id 1.
    let mut pair = Pair::new(Level::None, 1024, 129);
    let key = (attribute.class_id, attribute.instance, attribute.attribute);
    pair.meter.values.insert(key, Vec::new());
    pair.client.get(&attribute, None, &mut Vec::new()).unwrap();
    let mut request = Vec::new();
    pair.client.set(&attribute, &Data::decode(&value).unwrap(), &mut request).unwrap();
    for (at, exchange) in apdus.chunks(2).enumerate() {
        assert_eq!(request, exchange[0], "{id}");
        assert_eq!(pair.answer(&request), exchange[1], "{id}");
        let mut answer = exchange[1].clone();
        let reply = pair.client.handle(&mut answer);
        if at + 1 == apdus.len() / 2 {
            assert_eq!(reply, Ok(Reply::Set), "{id}");
            break;
        }
        assert_eq!(reply, Ok(Reply::BlockTaken), "{id}");
        request.clear();
        pair.client.next_block(&mut request).unwrap();
    }
    assert_eq!(pair.meter.values[&key], value, "{id}");
}

#[test]
fn recorded_block_transfers_to_a_meter_are_repeated() {
    play_set("DV205");
    play_set("DV207");
}

/// A client that has just asked for a value under invoke-id 0, or for the block behind `blocks`.
fn asking(blocks: &[&[u8]]) -> Pair {
    let mut pair = Pair::new(Level::None, 1024, 1024);
    pair.client.get(&attribute(7, "1.0.99.1.0.255", 2), None, &mut Vec::new()).unwrap();
    for block in blocks {
        assert!(matches!(pair.client.handle(&mut block.to_vec()), Ok(Reply::Block(_))));
        pair.client.next_block(&mut Vec::new()).unwrap();
    }
    pair
}

/// A GET response with a block of one octet.
fn block(last: u8, number: u8) -> [u8; 11] {
    [0xC4, 2, 0xC0, last, 0, 0, 0, number, 0, 1, 0xAA]
}

/// C-09: blocks that are skipped or repeated.
#[test]
fn blocks_are_counted_from_1_or_from_0() {
    for first in [0, 1] {
        let mut pair = asking(&[&block(0, first), &block(0, first + 1)]);
        assert_eq!(pair.client.handle(&mut block(1, first + 2)), Ok(Reply::Data(&[0xAA])));
    }
    let wrong = |expected, got| Err(Error::BlockNumber { expected, got });
    assert_eq!(asking(&[]).client.handle(&mut block(0, 2)), wrong(1, 2));
    for got in [0, 1, 3] {
        assert_eq!(asking(&[&block(0, 1)]).client.handle(&mut block(0, got)), wrong(2, u32::from(got)));
    }
}

/// C-09: blocks that bring nothing.
#[test]
fn an_empty_block_is_one_block_more() {
    let empty = [0xC4, 2, 0xC0, 0, 0, 0, 0, 1, 0, 0];
    let mut pair = asking(&[&empty]);
    assert_eq!(pair.client.handle(&mut block(1, 2)), Ok(Reply::Data(&[0xAA])));
    let mut last = [0xC4, 2, 0xC0, 1, 0, 0, 0, 1, 0, 0];
    assert_eq!(asking(&[]).client.handle(&mut last), Ok(Reply::Data(&[])));
}

#[test]
fn a_refusal_ends_a_transfer() {
    let aborted = Err(Error::Access(DataAccessResult::LongGetAborted));
    let mut pair = asking(&[&block(0, 1)]);
    assert_eq!(pair.client.handle(&mut [0xC4, 2, 0xC0, 1, 0, 0, 0, 2, 1, 15]), aborted);
    assert!(matches!(pair.client.next_block(&mut Vec::new()), Err(Error::Misuse(_))));
    assert_eq!(asking(&[&block(0, 1)]).client.handle(&mut [0xC4, 1, 0xC0, 1, 15]), aborted);
}

#[test]
fn the_server_refuses_a_block_out_of_turn() {
    let mut pair = Pair::new(Level::None, 64, 1024);
    let buffer = attribute(7, "1.0.99.1.0.255", 2);
    let next = |number: u8| [0xC0, 2, 0xC1, 0, 0, 0, number];
    assert_eq!(pair.answer(&next(1)), [0xC4, 2, 0xC1, 1, 0, 0, 0, 1, 1, 16], "no transfer");
    pair.meter.values.insert((7, buffer.instance, 2), [&[9, 100][..], &[5; 100]].concat());
    let get = [0xC0, 1, 0xC1, 0, 7, 1, 0, 99, 1, 0, 255, 2, 0];
    assert_eq!(pair.answer(&get)[..8], [0xC4, 2, 0xC1, 0, 0, 0, 0, 1]);
    assert_eq!(pair.answer(&next(2)), [0xC4, 2, 0xC1, 1, 0, 0, 0, 2, 1, 19], "wrong number");
    assert_eq!(pair.answer(&next(1)), [0xC4, 2, 0xC1, 1, 0, 0, 0, 1, 1, 16], "the transfer is over");
    assert_eq!(pair.answer(&get)[..8], [0xC4, 2, 0xC1, 0, 0, 0, 0, 1]);
    let another = [0xC0, 2, 0xC2, 0, 0, 0, 1];
    assert_eq!(pair.answer(&another), [0xC4, 2, 0xC2, 1, 0, 0, 0, 1, 1, 19], "another request");
}

#[test]
fn notifications_in_between_are_not_answers() {
    let mut pair = asking(&[]);
    let event = [0xC2, 0, 0, 1, 0, 0, 97, 98, 0, 255, 2, 6, 0, 0, 0, 1];
    assert_eq!(pair.client.handle(&mut event.clone()), Ok(Reply::Stale));
    assert_eq!(pair.client.handle(&mut [0xC4, 1, 0xC0, 0, 17, 3]), Ok(Reply::Data(&[17, 3])));
}
