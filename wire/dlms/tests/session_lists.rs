//! Requests for several things at once, client against server: with list, in blocks, in ACCESS and in general block transfer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{LEVELS, Level, Meter, Pair, attribute, method, open, parameters, policy};
use dlms::apdu::{AccessResult, AccessSpecification, GeneralBlock, action, get, set};
use dlms::axdr::Data;
use dlms::client::{Parameters, Reply};
use dlms::security::Envelope;
use dlms::server::{Policy, Session};
use dlms::{ActionResult, AttributeDescriptor, Conformance, DataAccessResult, Error, MethodDescriptor};

const ALL: Conformance =
    Conformance::CLIENT.union(Conformance::ACCESS).union(Conformance::GENERAL_BLOCK_TRANSFER);
const GENERAL_BLOCK: u8 = 0xE0;

/// A pair that agrees on everything; the meter has ten values of `length` octets.
fn pair(level: Level, client_pdu: u16, meter_pdu: u16, length: usize) -> Pair {
    let mut session = Session::new(Policy { conformance: ALL, ..policy(level, meter_pdu, None) });
    let mut meter = Meter::default();
    for number in 0..10 {
        let name = value_name(number);
        meter.values.insert((name.class_id, name.instance, 2), encoded(&octets(number, length)));
    }
    let asked = Parameters { conformance: ALL, ..parameters(level, client_pdu) };
    let client = open(&mut session, &mut meter, asked).unwrap();
    Pair { session, meter, client }
}

fn value_name(number: u8) -> AttributeDescriptor {
    attribute(1, &format!("0.0.96.1.{number}.255"), 2)
}

fn nothing() -> AttributeDescriptor {
    attribute(1, "0.0.96.99.0.255", 2)
}

/// A method that answers with its parameter.
fn echo() -> MethodDescriptor {
    method(9, "0.0.10.0.0.255", 1)
}

fn octets(first: u8, length: usize) -> Data {
    Data::OctetString((0..length).map(|at| first.wrapping_add(at as u8)).collect())
}

fn encoded(value: &Data) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// What came of a request, put together, and every APDU that was exchanged for it.
struct Exchange {
    answer: Vec<u8>,
    asked: Vec<Vec<u8>>,
    answered: Vec<Vec<u8>>,
}

/// Carries one request through, however many APDUs it takes.
fn carry(pair: &mut Pair, request: Vec<u8>) -> Result<Exchange, Error> {
    let mut exchange = Exchange { answer: Vec::new(), asked: Vec::new(), answered: Vec::new() };
    let mut outgoing = vec![request];
    for _ in 0..100_000 {
        let mut next = Vec::new();
        while pair.client.stream(&mut next) {
            outgoing.push(std::mem::take(&mut next));
        }
        let mut answers = Vec::new();
        for request in outgoing.drain(..) {
            answers.push(pair.answer(&request));
            let mut more = Vec::new();
            while pair.session.stream(&mut more) {
                answers.push(std::mem::take(&mut more));
            }
            exchange.asked.push(request);
        }
        answers.retain(|answer| !answer.is_empty());
        exchange.answered.extend(answers.clone());
        let mut goes_on = false;
        for mut answer in answers {
            match pair.client.handle(&mut answer)? {
                Reply::Streamed => continue,
                Reply::Turn | Reply::BlockTaken => {}
                Reply::Block(piece) => exchange.answer.extend_from_slice(piece),
                Reply::Data(piece) | Reply::List(piece) | Reply::Action(Some(piece)) => {
                    exchange.answer.extend_from_slice(piece);
                    return Ok(exchange);
                }
                Reply::Set | Reply::Action(None) => return Ok(exchange),
                other => panic!("{other:?}"),
            }
            goes_on = true;
            pair.client.next_block(&mut next)?;
            outgoing.push(std::mem::take(&mut next));
        }
        assert!(goes_on, "nobody goes on");
    }
    panic!("the exchange does not end");
}

fn longest(apdus: &[Vec<u8>]) -> usize {
    apdus.iter().map(Vec::len).max().unwrap_or_default()
}

#[test]
fn a_list_is_read_in_one_request_and_each_refusal_stands_in_its_place() {
    for level in LEVELS {
        for (client_pdu, length) in [(1024, 4), (1024, 90), (1024, 300), (100, 30), (64, 300)] {
            let what = format!("{level:?}, PDU {client_pdu}, {length} octets");
            let mut pair = pair(level, client_pdu, 1024, length);
            let names = [value_name(3), nothing(), value_name(0), value_name(9)].map(|name| (name, None));
            let mut request = Vec::new();
            pair.client.get_list(&names, &mut request).unwrap();
            let exchange = carry(&mut pair, request).unwrap();
            let [three, zero, nine] = [3, 0, 9].map(|number| encoded(&octets(number, length)));
            let expected = vec![
                Ok(three.as_slice()),
                Err(DataAccessResult::ObjectUndefined),
                Ok(zero.as_slice()),
                Ok(nine.as_slice()),
            ];
            assert_eq!(get::read_results(&exchange.answer), Ok(expected), "{what}");
            assert!(longest(&exchange.answered) <= usize::from(client_pdu), "{what}");
            assert_eq!(exchange.asked.len() == 1, length * 3 + 20 + 40 < usize::from(client_pdu), "{what}");
        }
    }
}

#[test]
fn a_list_is_written_in_one_request_or_in_blocks() {
    for level in LEVELS {
        for (meter_pdu, length) in [(1024, 4), (1024, 300), (1024, 1500), (128, 10), (128, 300)] {
            let what = format!("{level:?}, PDU {meter_pdu}, {length} octets");
            let mut pair = pair(level, 1024, meter_pdu, 1);
            let (first, second) = (octets(50, length), octets(60, length));
            let values = [(value_name(1), &first), (nothing(), &first), (value_name(2), &second)];
            let mut request = Vec::new();
            pair.client.set_list(&values, &mut request).unwrap();
            let exchange = carry(&mut pair, request).unwrap();
            let expected =
                [DataAccessResult::Success, DataAccessResult::ReadWriteDenied, DataAccessResult::Success];
            assert_eq!(set::read_results(&exchange.answer), Ok(expected.to_vec()), "{what}");
            assert!(longest(&exchange.asked) <= usize::from(meter_pdu), "{what}");
            for (name, value) in [(value_name(1), &first), (value_name(2), &second)] {
                assert_eq!(pair.meter.values[&(1, name.instance, 2)], encoded(value), "{what}");
            }
        }
    }
}

#[test]
fn a_list_of_methods_is_invoked_and_returns_in_blocks_both_ways() {
    for level in LEVELS {
        for (pdu, length) in [(1024, 4), (1024, 1500), (128, 10), (128, 300)] {
            let what = format!("{level:?}, PDU {pdu}, {length} octets");
            let mut pair = pair(level, pdu, pdu, 1);
            let (value, quiet) = (octets(7, length), method(70, "0.0.96.3.10.255", 1));
            let calls = [
                (echo(), &value),
                (quiet, &Data::Integer(0)),
                (method(70, "0.0.96.3.10.255", 9), &Data::NullData),
            ];
            let mut request = Vec::new();
            pair.client.action_list(&calls, &mut request).unwrap();
            let exchange = carry(&mut pair, request).unwrap();
            let value = encoded(&value);
            let returned = action::read_returns(&exchange.answer).unwrap();
            let results =
                returned.iter().map(|returned| (returned.result, returned.returned)).collect::<Vec<_>>();
            let expected = [
                (ActionResult::Success, Some(Ok(value.as_slice()))),
                (ActionResult::Success, None),
                (ActionResult::ObjectUndefined, None),
            ];
            assert_eq!(results, expected, "{what}");
            let longest = longest(&exchange.asked).max(longest(&exchange.answered));
            assert!(longest <= usize::from(pdu), "{what}: {longest}");
        }
    }
}

#[test]
fn access_reads_writes_and_invokes_in_its_order() {
    for level in LEVELS {
        for general in [None, Some(4)] {
            let mut pair = pair(level, 1024, 1024, 200);
            general.into_iter().for_each(|window| pair.client.use_general_blocks(window));
            let (new, null) = (octets(99, 3), Data::NullData);
            let specifications = [
                (AccessSpecification::Set(value_name(1), None), &new),
                (AccessSpecification::Get(value_name(1), None), &null),
                (AccessSpecification::Get(nothing(), None), &null),
                (AccessSpecification::Action(echo()), &new),
            ];
            let mut request = Vec::new();
            pair.client.access(&specifications, &mut request).unwrap();
            let mut answer = pair.answer(&request);
            let late = answer.clone();
            let Reply::Access(response) = pair.client.handle(&mut answer).unwrap() else {
                panic!("no answer")
            };
            let new = encoded(&new);
            assert_eq!(response.data, [&[0][..], &new, &[0], &new], "{level:?}");
            let results = [
                AccessResult::Set(DataAccessResult::Success),
                AccessResult::Get(DataAccessResult::Success),
                AccessResult::Get(DataAccessResult::ObjectUndefined),
                AccessResult::Action(ActionResult::Success),
            ];
            assert_eq!(response.results, results, "{level:?}");
            let succeeded: Vec<bool> = results.iter().map(|result| result.is_success()).collect();
            assert_eq!(succeeded, [true, true, false, true]);
            if level != Level::Gmac {
                assert_eq!(pair.client.handle(&mut late.clone()), Ok(Reply::Stale), "it was answered");
            }
        }
    }
}

#[test]
fn what_was_not_agreed_is_not_served() {
    let mut session =
        Session::new(Policy { conformance: Conformance::GET, ..policy(Level::None, 1024, None) });
    let mut meter = Meter::default();
    let client = open(&mut session, &mut meter, parameters(Level::None, 1024)).unwrap();
    let mut pair = Pair { session, meter, client };
    pair.client.use_general_blocks(5);
    let names = [(value_name(0), None)];
    let (mut list, mut access) = (Vec::new(), Vec::new());
    pair.client.get_list(&names, &mut list).unwrap();
    assert_ne!(list[0], GENERAL_BLOCK, "without the service there are no blocks");
    let null = Data::NullData;
    pair.client.access(&[(AccessSpecification::Get(value_name(0), None), &null)], &mut access).unwrap();
    let mut block = Vec::new();
    GeneralBlock { last: true, streaming: false, window: 1, number: 1, acknowledged: 0, octets: &list }
        .encode(&mut block);
    for request in [list, access, block] {
        assert_eq!(pair.answer(&request), [0xD8, 2, 2]);
    }
}

#[test]
fn a_long_value_comes_in_windows_of_general_blocks_around_its_protection() {
    for level in LEVELS {
        for window in [1, 3, 63] {
            let what = format!("{level:?}, window {window}");
            let mut pair = pair(level, 200, 200, 5000);
            pair.client.use_general_blocks(window);
            let mut request = Vec::new();
            pair.client.get(&value_name(4), None, &mut request).unwrap();
            let exchange = carry(&mut pair, request).unwrap();
            assert_eq!(exchange.answer, encoded(&octets(4, 5000)), "{what}");
            assert!(
                exchange
                    .asked
                    .iter()
                    .chain(&exchange.answered)
                    .all(|apdu| apdu[0] == GENERAL_BLOCK && apdu.len() <= 200)
            );
            let blocks = exchange.answered.len();
            assert_eq!(exchange.asked.len(), blocks.div_ceil(usize::from(window)), "{what}: {blocks} blocks");
            if level == Level::Gmac {
                let first = GeneralBlock::decode(&exchange.answered[0]).unwrap();
                assert!(Envelope::is_tag(first.octets[0]), "the blocks are of the protected APDU");
            }
        }
    }
}

#[test]
fn a_long_value_goes_in_windows_of_general_blocks() {
    for level in LEVELS {
        let mut pair = pair(level, 200, 200, 1);
        pair.client.use_general_blocks(3);
        let value = octets(1, 9000);
        let mut request = Vec::new();
        pair.client.set(&value_name(5), &value, &mut request).unwrap();
        let exchange = carry(&mut pair, request).unwrap();
        assert_eq!(pair.meter.values[&(1, value_name(5).instance, 2)], encoded(&value), "{level:?}");
        assert!(exchange.answered.len() * 5 < exchange.asked.len(), "the meter takes six blocks in one go");
        // The next request begins anew.
        let mut request = Vec::new();
        pair.client.get(&value_name(5), None, &mut request).unwrap();
        assert_eq!(carry(&mut pair, request).unwrap().answer, encoded(&value), "{level:?}");
    }
}

#[test]
fn a_lost_block_of_an_answer_is_sent_again_and_the_value_is_whole() {
    for level in LEVELS {
        let mut pair = pair(level, 200, 200, 1200);
        pair.client.use_general_blocks(9);
        let mut request = Vec::new();
        pair.client.get(&value_name(4), None, &mut request).unwrap();
        let mut blocks = vec![pair.answer(&request)];
        let mut more = Vec::new();
        while pair.session.stream(&mut more) {
            blocks.push(std::mem::take(&mut more));
        }
        // The last one does not arrive, so nobody asks for it.
        let lost = blocks.pop().unwrap();
        for mut block in blocks {
            assert_eq!(pair.client.handle(&mut block), Ok(Reply::Streamed));
        }
        assert!(pair.client.unanswered(&mut more));
        let mut again = pair.answer(&more);
        assert_eq!(again.len(), lost.len());
        assert_eq!(pair.client.handle(&mut again), Ok(Reply::Data(&encoded(&octets(4, 1200)))), "{level:?}");
    }
}

#[test]
fn a_request_that_may_have_been_carried_out_is_not_sent_again() {
    let mut pair = pair(Level::Gmac, 1024, 1024, 1);
    pair.client.use_general_blocks(9);
    let mut request = Vec::new();
    assert!(!pair.client.unanswered(&mut request), "nothing was asked");
    pair.client.action(&echo(), Some(&Data::Integer(1)), &mut request).unwrap();
    let mut again = Vec::new();
    assert!(!pair.client.unanswered(&mut again) && again.is_empty());
    // And if the channel repeats it, the meter repeats its answer.
    let (gets, first) = (pair.meter.gets, pair.answer(&request));
    assert_eq!(pair.answer(&request), first);
    assert_eq!(pair.meter.gets, gets);
}

/// C-09: an answer to another request, in between and in the same blocks, is not taken for the one that is awaited.
#[test]
fn c_09_answers_with_other_invoke_ids_are_told_apart() {
    let mut pair = pair(Level::None, 1024, 1024, 1);
    pair.client.use_general_blocks(9);
    let mut request = Vec::new();
    pair.client.get(&value_name(1), None, &mut request).unwrap();
    let invoke = GeneralBlock::decode(&request).unwrap().octets[2];
    let answer = |invoke: u8, value: u8| {
        let mut block = Vec::new();
        let octets = [0xC4, 1, invoke, 0, 17, value];
        GeneralBlock { last: true, streaming: false, window: 1, number: 1, acknowledged: 1, octets: &octets }
            .encode(&mut block);
        block
    };
    assert_eq!(pair.client.handle(&mut answer(invoke ^ 1, 1)), Ok(Reply::Stale));
    assert_eq!(pair.client.handle(&mut [0xC4, 1, invoke ^ 2, 0, 17, 2]), Ok(Reply::Stale));
    assert_eq!(pair.client.handle(&mut answer(invoke, 3)), Ok(Reply::Data(&[17, 3])));
    assert_eq!(pair.client.handle(&mut answer(invoke, 4)), Ok(Reply::Stale), "it was answered");
}

#[test]
fn the_meter_gives_up_a_transfer_that_breaks_the_rules() {
    let mut pair = pair(Level::None, 1024, 1024, 1);
    let mut skipped = Vec::new();
    GeneralBlock { last: false, streaming: true, window: 1, number: 500, acknowledged: 0, octets: &[1] }
        .encode(&mut skipped);
    assert_eq!(pair.answer(&skipped), [GENERAL_BLOCK, 0x86, 0, 0, 0, 0, 0]);
    pair.client.use_general_blocks(1);
    pair.client.get(&value_name(1), None, &mut Vec::new()).unwrap();
    let mut abort = [GENERAL_BLOCK, 0x86, 0, 0, 0, 0, 0];
    assert_eq!(pair.client.handle(&mut abort), Err(Error::TransferAborted));
}
