//! Answers that are cut, and blocks that skip, repeat or never end: cases C-08 and C-09 of the list of hostile input. Blocks of a general
//! block transfer are in `gbt.rs`, those with short names in `short_names.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{LEVELS, Level, Meter, Pair, attribute, method, open, parameters, policy};
use dlms::apdu::{AccessSpecification, GetRequest};
use dlms::axdr::Data;
use dlms::client::{Association, Parameters, Reply};
use dlms::server::{Policy, Session};
use dlms::{Conformance, Error};

/// A pair that agrees on lists and ACCESS; the meter has one value.
fn pair(level: Level, client_pdu: u16) -> Pair {
    let services = Conformance::CLIENT.union(Conformance::ACCESS);
    let mut session = Session::new(Policy { conformance: services, ..policy(level, 1024, None) });
    let mut meter = Meter::default();
    meter.values.insert((1, name().instance, 2), [&[9, 40][..], &[7; 40]].concat());
    let asked = Parameters { conformance: services, ..parameters(level, client_pdu) };
    let client = open(&mut session, &mut meter, asked).unwrap();
    Pair { session, meter, client }
}

fn name() -> dlms::AttributeDescriptor {
    attribute(1, "0.0.96.1.0.255", 2)
}

/// Asks for something of each kind.
type Ask = fn(&mut Association, &mut Vec<u8>) -> Result<(), Error>;

const ASKED: [(&str, Ask); 6] = [
    ("GET", |client, out| client.get(&name(), None, out)),
    ("GET with list", |client, out| client.get_list(&[(name(), None), (name(), None)], out)),
    ("SET", |client, out| client.set(&name(), &Data::Unsigned(1), out)),
    ("SET with list", |client, out| {
        client.set_list(&[(name(), &Data::Unsigned(1)), (name(), &Data::NullData)], out)
    }),
    ("ACTION", |client, out| client.action(&method(9, "0.0.10.0.0.255", 1), Some(&Data::Unsigned(5)), out)),
    ("ACCESS", |client, out| {
        client.access(&[(AccessSpecification::Get(name(), None), &Data::NullData)], out)
    }),
];

#[test]
fn c_08_an_answer_cut_anywhere_is_never_taken_as_complete() {
    for (what, ask) in ASKED {
        for level in LEVELS {
            // Whole, and for a GET in blocks; ACCESS has none of its own.
            for client_pdu in if what == "ACCESS" { vec![1024] } else { vec![1024, 64] } {
                let mut answers = {
                    let mut pair = pair(level, client_pdu);
                    let mut request = Vec::new();
                    ask(&mut pair.client, &mut request).unwrap();
                    pair.answer(&request)
                };
                for end in 0..answers.len() {
                    if is_whole(&answers[..end]) {
                        continue;
                    }
                    let mut pair = pair(level, client_pdu);
                    ask(&mut pair.client, &mut Vec::new()).unwrap();
                    let got = pair.client.handle(&mut answers[..end].to_vec()).map(drop);
                    let is_named = match level {
                        // The end of a ciphered APDU is part of its tag.
                        Level::Gmac => matches!(got, Err(Error::Truncated | Error::TagMismatch)),
                        _ => got == Err(Error::Truncated) || ends_early_inside(&got, end),
                    };
                    assert!(is_named, "{what}, {level:?}, cut at {end}: {got:?}");
                }
                let mut pair = pair(level, client_pdu);
                ask(&mut pair.client, &mut Vec::new()).unwrap();
                assert!(pair.client.handle(&mut answers).is_ok(), "{what}, {level:?}: it was right");
            }
        }
    }
}

/// Whether the end is cut off so that what is left is another whole answer, the one exception: a method that returned nothing, without the
/// octet that says so, as some meters send it. That nothing is missing is for the frame around it to tell.
fn is_whole(answer: &[u8]) -> bool {
    matches!(answer, [0xC7, 1, _, _])
}

/// Whether it is named as an end in the middle of an element that began before it.
fn ends_early_inside(got: &Result<(), Error>, end: usize) -> bool {
    matches!(got, Err(Error::Malformed { offset, cause, .. }) if *offset <= end && **cause == Error::Truncated)
}

#[test]
fn what_is_wrong_with_an_answer_is_told_with_its_place() {
    let told = |answer: &[u8]| {
        let mut client = pair(Level::None, 1024).client;
        client.get(&name(), None, &mut Vec::new()).unwrap();
        client.handle(&mut answer.to_vec()).map(drop).map_err(|error| error.to_string())
    };
    // An octet-string of four octets that has two.
    let early = "the message ends too early (octet 5, octet-string)";
    assert_eq!(told(&[0xC4, 1, 0xC1, 0, 9, 4, 1, 2]), Err(early.to_owned()));
    // A choice that is none, behind tag, choice and invoke-id.
    let choice = "choice of a result cannot be 0x7 (octet 3, choice of a result)";
    assert_eq!(told(&[0xC4, 1, 0xC1, 7]), Err(choice.to_owned()));
    // A whole answer and one octet more.
    let behind = "1 octets are left behind the end of the message (octet 5, end of the message)";
    assert_eq!(told(&[0xC4, 1, 0xC1, 0, 0, 0]), Err(behind.to_owned()));
}

#[test]
fn c_08_a_request_cut_anywhere_is_carried_out_by_nobody() {
    for (what, ask) in ASKED {
        let mut pair = pair(Level::None, 1024);
        let mut request = Vec::new();
        ask(&mut pair.client, &mut request).unwrap();
        let before = pair.meter.values.clone();
        for end in 0..request.len() {
            assert_eq!(pair.answer(&request[..end])[0], 0xD8, "{what} cut at {end}");
        }
        assert_eq!(pair.meter.values, before, "{what}");
    }
}

/// A block of a GET under invoke-id 0.
fn block(last: u8, number: u8, piece: &[u8]) -> Vec<u8> {
    [&[0xC4, 2, 0xC0, last, 0, 0, 0, number, 0, piece.len() as u8][..], piece].concat()
}

/// A client that asked for a list or for one value and has got two blocks of the answer.
fn reading(list: bool) -> Association {
    let mut client = pair(Level::None, 1024).client;
    let mut request = Vec::new();
    match list {
        true => client.get_list(&[(name(), None), (name(), None)], &mut request).unwrap(),
        false => client.get(&name(), None, &mut request).unwrap(),
    }
    for number in 1..=2 {
        assert_eq!(client.handle(&mut block(0, number, &[9])), Ok(Reply::Block(&[9])));
        request.clear();
        client.next_block(&mut request).unwrap();
        let next = GetRequest::decode(&request).unwrap();
        assert!(matches!(next, GetRequest::Next { block, .. } if block == u32::from(number)), "{next:?}");
    }
    client
}

#[test]
fn c_09_a_block_that_skips_or_repeats_ends_the_transfer() {
    for list in [false, true] {
        for got in [0, 1, 2, 4, 200] {
            let mut client = reading(list);
            let wrong = Err(Error::BlockNumber { expected: 3, got: u32::from(got) });
            assert_eq!(client.handle(&mut block(0, got, &[9])), wrong);
            assert_eq!(client.handle(&mut block(1, 3, &[9])), Ok(Reply::Stale), "it is over");
        }
        assert!(reading(list).handle(&mut block(1, 3, &[])).is_ok());
    }
}

#[test]
fn c_09_an_empty_block_is_one_block_more() {
    for list in [false, true] {
        let mut client = reading(list);
        assert_eq!(client.handle(&mut block(0, 3, &[])), Ok(Reply::Block(&[])));
        client.next_block(&mut Vec::new()).unwrap();
        assert!(client.handle(&mut block(1, 4, &[9])).is_ok());
    }
}

#[test]
fn c_09_blocks_of_another_request_are_told_apart() {
    for list in [false, true] {
        let mut client = reading(list);
        for invoke in [0xC1, 0xCF] {
            let mut other = block(0, 3, &[9]);
            other[2] = invoke;
            assert_eq!(client.handle(&mut other), Ok(Reply::Stale));
        }
        assert!(client.handle(&mut block(1, 3, &[9])).is_ok(), "it goes on");
    }
}
