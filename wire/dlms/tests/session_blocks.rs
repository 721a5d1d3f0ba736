//! SET and ACTION in blocks: client against server, and what each does when the other breaks off.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{LEVELS, Level, Meter, Pair, attribute, method, open, parameters, policy};
use dlms::axdr::Data;
use dlms::client::{Association, Counters, Reply};
use dlms::security::{Envelope, SecurityControl};
use dlms::server::{Policy, Session};
use dlms::{ActionResult, AttributeDescriptor, Conformance, DataAccessResult, Error, MethodDescriptor};
use proptest::prelude::*;

fn table() -> AttributeDescriptor {
    attribute(11, "0.0.11.0.0.255", 2)
}

/// A method that answers with its parameter.
fn echo() -> MethodDescriptor {
    method(9, "0.0.10.0.0.255", 1)
}

fn octets(length: usize) -> Data {
    Data::OctetString((0..length).map(|at| (at * 7) as u8).collect())
}

fn encoded(value: &Data) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// A pair whose meter has the table.
fn pair(level: Level, client_pdu: u16, meter_pdu: u16) -> Pair {
    let mut pair = Pair::new(level, client_pdu, meter_pdu);
    pair.meter.values.insert((11, table().instance, 2), vec![0]);
    pair
}

/// Longest plain APDU that makes one of `limit` octets.
fn room(level: Level, limit: usize) -> usize {
    match level {
        Level::Gmac => Envelope::room(limit, SecurityControl::AUTHENTICATED_ENCRYPTED),
        Level::None | Level::Lls => limit,
    }
}

/// Sets and invokes with a value of this length.
fn check(level: Level, client_pdu: u16, meter_pdu: u16, length: usize) {
    let what = format!("{level:?}, PDU {client_pdu} and {meter_pdu}, {length} octets");
    let mut pair = pair(level, client_pdu, meter_pdu);
    let (value, limit) = (octets(length), usize::from(meter_pdu));
    let (exchanges, longest) = pair.write(&table(), &value).unwrap();
    assert!(longest <= limit, "{what}: a request of {longest} octets");
    assert!(pair.meter.values[&(11, table().instance, 2)] == encoded(&value), "{what}");
    // Every block but the last is as long as the meter allows.
    let room = room(level, limit);
    let whole = 13 + encoded(&value).len() <= room;
    assert_eq!(exchanges == 1, whole, "{what}: {exchanges} exchanges");
    assert!(exchanges <= encoded(&value).len().div_ceil(room - 21) + 1, "{what}: {exchanges} exchanges");

    let (returned, asked, answered) = pair.invoke(&echo(), Some(&value)).unwrap();
    assert!(returned == Some(encoded(&value)), "{what}");
    assert!(asked <= limit && answered <= usize::from(client_pdu), "{what}: {asked} and {answered}");
}

#[test]
fn values_of_every_size_are_sent_whole_in_blocks_of_every_size() {
    for level in LEVELS {
        for pdu in [64, 65, 100, 141, 142, 143, 146, 147, 148, 149, 150, 255, 275, 276, 277, 278, 512, 1024] {
            for length in [0, 1, 20, 127, 128, 129, 255, 256, 1000, 5000] {
                check(level, 1024, pdu, length);
            }
        }
    }
}

#[test]
fn a_request_is_whole_as_long_as_it_fits_to_the_octet() {
    for level in LEVELS {
        for pdu in 64..400 {
            let mut pair = pair(level, 1024, pdu);
            let limit = usize::from(pdu);
            let room = room(level, limit);
            let sealed = |plain| Envelope::sealed_length(plain, SecurityControl::AUTHENTICATED_ENCRYPTED);
            assert!(level != Level::Gmac || sealed(room) <= limit);
            assert!(level != Level::Gmac || sealed(room + 1) > limit);
            let fits = |length: &usize| 13 + encoded(&octets(*length)).len() <= room;
            let longest = (0..400).rev().find(fits).unwrap();
            assert_eq!(pair.write(&table(), &octets(longest)).unwrap().0, 1, "{level:?}, {pdu}");
            assert!(pair.write(&table(), &octets(longest + 1)).unwrap().0 > 1, "{level:?}, {pdu}");
        }
    }
}

#[test]
fn a_meter_without_limit_is_sent_what_the_wrapper_can_carry() {
    let mut pair = pair(Level::Gmac, 1024, 0);
    let (exchanges, longest) = pair.write(&table(), &octets(65_500)).unwrap();
    assert!(exchanges == 2 && longest <= 65_535, "{exchanges} exchanges of up to {longest} octets");
}

#[test]
fn each_block_spends_one_counter_and_a_spent_range_stops_the_transfer() {
    let mut session = Session::new(policy(Level::Gmac, 64, None));
    let mut meter = Meter::default();
    let mut asked = parameters(Level::Gmac, 1024);
    // Three for the opening, two for blocks.
    asked.security = common::client_security(Level::Gmac, Counters::new(100, 105));
    let client = open(&mut session, &mut meter, asked).unwrap();
    let mut pair = Pair { session, meter, client };
    assert_eq!(pair.write(&table(), &octets(200)), Err(Error::CountersSpent));
    assert_eq!(pair.client.counters().unwrap().left(), 0);
}

#[test]
fn without_block_transfer_a_long_value_is_refused_before_it_is_sent() {
    let services =
        Conformance::GET.octets()[2] | Conformance::SET.octets()[2] | Conformance::ACTION.octets()[2];
    let policy = Policy { conformance: Conformance::new([0, 0, services]), ..policy(Level::None, 64, None) };
    let (mut session, mut meter) = (Session::new(policy), Meter::default());
    let mut client = open(&mut session, &mut meter, parameters(Level::None, 64)).unwrap();
    let (mut request, too_long) = (Vec::new(), Err(Error::RequestTooLong { limit: 64 }));
    assert_eq!(client.set(&table(), &octets(100), &mut request), too_long);
    assert_eq!(client.action(&echo(), Some(&octets(100)), &mut request), too_long);
    assert!(request.is_empty());
    // The server does not take blocks that were not agreed on either.
    let mut pair = Pair { session, meter, client };
    let unknown = [0xD8, 2, 2];
    assert_eq!(pair.answer(&first_block(1)), unknown);
    assert_eq!(pair.answer(&further_block(0, 2, &[7])), unknown);
    assert_eq!(pair.answer(&first_parameters(1)), unknown);
    assert_eq!(pair.answer(&further_parameters(1, 2, &[7])), unknown);
    assert_eq!(pair.answer(&[0xC3, 2, 0xC1, 0, 0, 0, 1]), unknown);
}

#[test]
fn what_is_sent_is_not_shown() {
    for length in [40, 100] {
        let mut client = pair(Level::None, 1024, 64).client;
        client.set(&table(), &Data::OctetString(vec![222; length]), &mut Vec::new()).unwrap();
        let shown = format!("{client:?}");
        assert!(!shown.contains("222") && shown.contains("awaiting"), "{shown}");
    }
}

/// A client that has sent `blocks` blocks of a long SET under invoke-id 0 and waits for the answer to the last of them.
fn setting(blocks: u32) -> Association {
    let mut client = pair(Level::None, 1024, 64).client;
    client.set(&table(), &octets(100), &mut Vec::new()).unwrap();
    for number in 1..blocks {
        assert_eq!(client.handle(&mut set_taken(number)), Ok(Reply::BlockTaken));
        client.next_block(&mut Vec::new()).unwrap();
    }
    client
}

fn set_taken(number: u32) -> [u8; 7] {
    let [a, b, c, d] = number.to_be_bytes();
    [0xC5, 2, 0xC0, a, b, c, d]
}

/// C-09: blocks that are skipped or repeated.
#[test]
fn a_set_answered_out_of_turn_is_refused() {
    let wrong = |expected, got| Err(Error::BlockNumber { expected, got });
    let unexpected = Err(Error::Unexpected { tag: 0xC5 });
    for got in [0, 2] {
        assert_eq!(setting(1).handle(&mut set_taken(got)), wrong(1, got));
    }
    assert_eq!(setting(2).handle(&mut set_taken(1)), wrong(2, 1));
    // 102 octets are 46, 55 and 1.
    assert_eq!(setting(3).handle(&mut [0xC5, 3, 0xC0, 0, 0, 0, 0, 2]), wrong(3, 2));
    assert_eq!(setting(3).handle(&mut [0xC5, 3, 0xC0, 0, 0, 0, 0, 3]), Ok(Reply::Set));
    // Success before the end, and a wish for more after it.
    assert_eq!(setting(2).handle(&mut [0xC5, 1, 0xC0, 0]), unexpected);
    assert_eq!(setting(2).handle(&mut [0xC5, 3, 0xC0, 0, 0, 0, 0, 2]), unexpected);
    assert_eq!(setting(3).handle(&mut set_taken(3)), unexpected);
    assert_eq!(setting(1).handle(&mut [0xC5, 2, 0xC5, 0, 0, 0, 1]), Ok(Reply::Stale), "another request");
}

#[test]
fn a_refusal_ends_a_set_in_blocks() {
    for blocks in 1..=3 {
        for mut refusal in [vec![0xC5, 1, 0xC0, 3], vec![0xC5, 3, 0xC0, 3, 0, 0, 0, 9]] {
            let mut client = setting(blocks);
            let denied = Err(Error::Access(DataAccessResult::ReadWriteDenied));
            assert_eq!(client.handle(&mut refusal), denied);
            assert!(matches!(client.next_block(&mut Vec::new()), Err(Error::Misuse(_))));
        }
    }
}

#[test]
fn a_block_is_sent_only_when_the_one_before_was_taken_and_no_other_request_came() {
    let mut client = setting(1);
    assert!(matches!(client.next_block(&mut Vec::new()), Err(Error::Misuse(_))));
    assert_eq!(client.handle(&mut set_taken(1)), Ok(Reply::BlockTaken));
    assert_eq!(client.handle(&mut set_taken(1)), Ok(Reply::Stale), "twice");
    client.get(&table(), None, &mut Vec::new()).unwrap();
    assert!(matches!(client.next_block(&mut Vec::new()), Err(Error::Misuse(_))));
}

/// A client that has sent `blocks` blocks of a long ACTION under invoke-id 0; 3 are all.
fn invoking(blocks: u32) -> Association {
    let mut client = pair(Level::None, 1024, 64).client;
    client.action(&echo(), Some(&octets(100)), &mut Vec::new()).unwrap();
    for number in 1..blocks {
        assert_eq!(client.handle(&mut parameters_taken(number)), Ok(Reply::BlockTaken));
        client.next_block(&mut Vec::new()).unwrap();
    }
    client
}

fn parameters_taken(number: u32) -> [u8; 7] {
    let [a, b, c, d] = number.to_be_bytes();
    [0xC7, 4, 0xC0, a, b, c, d]
}

/// A block of what a method returned.
fn returned(last: u8, number: u8, piece: &[u8]) -> Vec<u8> {
    [&[0xC7, 2, 0xC0, last, 0, 0, 0, number, piece.len() as u8][..], piece].concat()
}

#[test]
fn an_action_answered_out_of_turn_is_refused() {
    let wrong = |expected, got| Err(Error::BlockNumber { expected, got });
    let unexpected = Err(Error::Unexpected { tag: 0xC7 });
    assert_eq!(invoking(1).handle(&mut parameters_taken(2)), wrong(1, 2));
    assert_eq!(invoking(2).handle(&mut parameters_taken(1)), wrong(2, 1));
    assert_eq!(invoking(2).handle(&mut [0xC7, 1, 0xC0, 0, 0]), unexpected, "success before the end");
    assert_eq!(invoking(2).handle(&mut returned(0, 1, &[9])), unexpected, "an answer before the end");
    assert_eq!(invoking(3).handle(&mut parameters_taken(3)), unexpected);
    assert_eq!(invoking(3).handle(&mut [0xC7, 1, 0xC0, 0, 0]), Ok(Reply::Action(None)));
    assert_eq!(invoking(3).handle(&mut returned(0, 2, &[9])), wrong(1, 2));
    assert_eq!(invoking(3).handle(&mut returned(0, 1, &[])), Ok(Reply::Block(&[])));
    for got in [1, 3] {
        let mut client = invoking(3);
        assert_eq!(client.handle(&mut returned(0, 1, &[9, 2])), Ok(Reply::Block(&[9, 2])));
        client.next_block(&mut Vec::new()).unwrap();
        assert_eq!(client.handle(&mut returned(1, got, &[9])), wrong(2, u32::from(got)));
    }
}

#[test]
fn a_refusal_ends_an_action_in_blocks() {
    let aborted = Err(Error::Action(ActionResult::LongActionAborted));
    for blocks in 1..=3 {
        let mut client = invoking(blocks);
        assert_eq!(client.handle(&mut [0xC7, 1, 0xC0, 15, 0]), aborted);
        assert!(matches!(client.next_block(&mut Vec::new()), Err(Error::Misuse(_))));
    }
    let mut client = invoking(3);
    assert_eq!(client.handle(&mut returned(0, 1, &[9, 2])), Ok(Reply::Block(&[9, 2])));
    let mut request = Vec::new();
    client.next_block(&mut request).unwrap();
    assert_eq!(request, [0xC3, 2, 0xC0, 0, 0, 0, 1]);
    assert_eq!(client.handle(&mut [0xC7, 1, 0xC0, 15, 0]), aborted);
}

/// Meters differ in what they put in front of the value in their blocks.
#[test]
fn the_result_in_front_of_a_returned_value_is_left_out() {
    for front in [&[][..], &[1, 0], &[0, 1, 0]] {
        let mut client = invoking(3);
        let mut answer = returned(0, 1, &[front, &[9, 3, 1]].concat());
        assert_eq!(client.handle(&mut answer), Ok(Reply::Block(&[9, 3, 1])));
        client.next_block(&mut Vec::new()).unwrap();
        // Only in front: further blocks are taken as they are.
        assert_eq!(client.handle(&mut returned(1, 2, &[1, 0, 7])), Ok(Reply::Action(Some(&[1, 0, 7]))));
    }
    assert_eq!(invoking(3).handle(&mut returned(1, 1, &[1, 0])), Ok(Reply::Action(Some(&[1, 0]))));
}

/// The first block of a SET of an octet-string of three octets; three octets of it.
fn first_block(number: u8) -> Vec<u8> {
    let head = [0xC1, 2, 0xC1, 0, 11, 0, 0, 11, 0, 0, 255, 2, 0];
    [&head[..], &[0, 0, 0, 0, number, 3, 9, 3, 5]].concat()
}

fn further_block(last: u8, number: u8, piece: &[u8]) -> Vec<u8> {
    [&[0xC1, 3, 0xC1, last, 0, 0, 0, number, piece.len() as u8][..], piece].concat()
}

/// The same for an ACTION.
fn first_parameters(number: u8) -> Vec<u8> {
    let head = [0xC3, 4, 0xC1, 0, 9, 0, 0, 10, 0, 0, 255, 1];
    [&head[..], &[0, 0, 0, 0, number, 3, 9, 3, 5]].concat()
}

fn further_parameters(last: u8, number: u8, piece: &[u8]) -> Vec<u8> {
    [&[0xC3, 6, 0xC1, last, 0, 0, 0, number, piece.len() as u8][..], piece].concat()
}

#[test]
fn the_server_takes_blocks_in_turn_only() {
    let refusal = |result: u8, number: u8| [0xC5, 3, 0xC1, result, 0, 0, 0, number];
    let taken = |number: u8| [0xC5, 2, 0xC1, 0, 0, 0, number];
    let mut pair = pair(Level::None, 1024, 1024);
    assert_eq!(pair.answer(&further_block(0, 1, &[7])), refusal(18, 1), "no transfer");
    assert_eq!(pair.answer(&first_block(2)), refusal(19, 2), "a first block that is not the first");
    assert_eq!(pair.answer(&first_block(1)), taken(1));
    assert_eq!(pair.answer(&further_block(1, 3, &[6, 7])), refusal(19, 3), "wrong number");
    assert_eq!(pair.answer(&further_block(1, 2, &[6, 7])), refusal(18, 2), "the transfer is over");
    assert_eq!(pair.answer(&first_block(1)), taken(1));
    let mut another = further_block(1, 2, &[6, 7]);
    another[2] = 0xC2;
    assert_eq!(pair.answer(&another), [0xC5, 3, 0xC2, 19, 0, 0, 0, 2], "another request");
    assert_eq!(pair.answer(&first_block(1)), taken(1));
    assert_eq!(pair.answer(&further_parameters(1, 2, &[6, 7])), [0xC7, 1, 0xC1, 16, 0], "another service");
    assert_eq!(pair.answer(&further_block(1, 2, &[6, 7])), refusal(18, 2), "the transfer is over");
    assert_eq!(pair.answer(&first_block(1)), taken(1));
    assert_eq!(pair.answer(&further_block(1, 2, &[6])), refusal(12, 2), "the value is not whole");
    assert_eq!(pair.meter.values[&(11, table().instance, 2)], [0], "nothing was set");
    assert_eq!(pair.answer(&first_block(1)), taken(1));
    assert_eq!(pair.answer(&further_block(0, 2, &[6])), taken(2));
    assert_eq!(pair.answer(&further_block(1, 3, &[7])), refusal(0, 3));
    assert_eq!(pair.meter.values[&(11, table().instance, 2)], [9, 3, 5, 6, 7]);
}

#[test]
fn the_server_takes_parameters_in_turn_only() {
    let refusal = |result: u8| [0xC7, 1, 0xC1, result, 0];
    let taken = |number: u8| [0xC7, 4, 0xC1, 0, 0, 0, number];
    let mut pair = pair(Level::None, 64, 1024);
    assert_eq!(pair.answer(&further_parameters(0, 1, &[7])), refusal(16), "no transfer");
    assert_eq!(pair.answer(&first_parameters(2)), refusal(15), "a first block that is not the first");
    assert_eq!(pair.answer(&first_parameters(1)), taken(1));
    assert_eq!(pair.answer(&further_parameters(1, 3, &[6, 7])), refusal(15), "wrong number");
    assert_eq!(pair.answer(&further_parameters(1, 2, &[6, 7])), refusal(16), "the transfer is over");
    assert_eq!(pair.answer(&first_parameters(1)), taken(1));
    assert_eq!(pair.answer(&further_parameters(1, 2, &[6])), refusal(12), "the value is not whole");
    assert_eq!(pair.answer(&first_parameters(1)), taken(1));
    let whole = [0xC7, 1, 0xC1, 0, 1, 0, 9, 3, 5, 6, 7];
    assert_eq!(pair.answer(&further_parameters(1, 2, &[6, 7])), whole);
}

#[test]
fn the_server_gives_blocks_of_an_answer_in_turn_only() {
    let next = |number: u8| [0xC3, 2, 0xC1, 0, 0, 0, number];
    let action = [&[0xC3, 1, 0xC1, 0, 9, 0, 0, 10, 0, 0, 255, 1, 1, 9, 100][..], &[5; 100]].concat();
    let mut pair = pair(Level::None, 64, 1024);
    assert_eq!(pair.answer(&next(1)), [0xC7, 1, 0xC1, 16, 0], "no transfer");
    assert_eq!(pair.answer(&action)[..8], [0xC7, 2, 0xC1, 0, 0, 0, 0, 1]);
    assert_eq!(pair.answer(&next(2)), [0xC7, 1, 0xC1, 15, 0], "wrong number");
    assert_eq!(pair.answer(&next(1)), [0xC7, 1, 0xC1, 16, 0], "the transfer is over");
    assert_eq!(pair.answer(&action)[..8], [0xC7, 2, 0xC1, 0, 0, 0, 0, 1]);
    assert_eq!(pair.answer(&[0xC0, 2, 0xC1, 0, 0, 0, 1]), [0xC4, 2, 0xC1, 1, 0, 0, 0, 1, 1, 16], "a GET");
}

#[test]
fn the_server_refuses_a_service_request_above_its_limit_and_no_other() {
    let mut pair = pair(Level::Gmac, 1024, 64);
    // The AARQ, which came before anybody knew the limit, was longer.
    assert!(pair.session.is_associated());
    assert_eq!(pair.answer(&[0xC9; 65]), [0xD8, 1, 4], "pdu-too-long");
    assert_eq!(pair.answer(&[0xC9; 64]), [0xD8, 1, 5], "not ciphered");
}

/// C-09: a value whose last block never comes ends at the limit.
#[test]
fn the_server_does_not_collect_without_end() {
    let mut pair = pair(Level::None, 1024, 0);
    let block = vec![5; 16_000];
    let more = |number: u8| [&[0xC1, 3, 0xC1, 0, 0, 0, 0, number, 0x82, 0x3E, 0x80][..], &block].concat();
    assert_eq!(pair.answer(&first_block(1))[1], 2);
    for number in 2..=5 {
        assert_eq!(pair.answer(&more(number)), [0xC5, 2, 0xC1, 0, 0, 0, number]);
    }
    assert_eq!(pair.answer(&more(6)), [0xC5, 3, 0xC1, 17, 0, 0, 0, 6], "long-set-aborted");
    assert_eq!(pair.answer(&further_block(1, 6, &[5])), [0xC5, 3, 0xC1, 18, 0, 0, 0, 6]);
    let action = |number: u8| [&[0xC3, 6, 0xC1, 0, 0, 0, 0, number, 0x82, 0x3E, 0x80][..], &block].concat();
    assert_eq!(pair.answer(&first_parameters(1))[1], 4);
    for number in 2..=5 {
        assert_eq!(pair.answer(&action(number))[1], 4);
    }
    assert_eq!(pair.answer(&action(6)), [0xC7, 1, 0xC1, 15, 0], "long-action-aborted");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_value_survives_any_pdu(
        level in prop::sample::select(LEVELS.to_vec()),
        client_pdu in 64_u16..=1024,
        meter_pdu in 64_u16..=1024,
        length in 0_usize..=5000,
    ) {
        check(level, client_pdu, meter_pdu, length);
    }

    #[test]
    fn random_answers_never_panic_a_client_that_sends_blocks(
        blocks in 1_u32..=3,
        start in prop::sample::select(vec![0xC5_u8, 0xC7]),
        choice in 0_u8..6,
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for mut client in [setting(blocks), invoking(blocks)] {
            let mut answer = [&[start, choice, 0xC0][..], &tail].concat();
            if client.handle(&mut answer).is_ok() {
                let _ = client.next_block(&mut Vec::new());
            }
        }
    }

    #[test]
    fn random_blocks_never_panic_the_server_and_are_answered_once(
        requests in prop::collection::vec(
            (prop::sample::select(vec![0xC1_u8, 0xC3]), 0_u8..8, prop::collection::vec(0_u8..4, 0..40)), 1..8,
        ),
    ) {
        let mut pair = pair(Level::None, 64, 1024);
        pair.answer(&first_block(1));
        for (tag, choice, tail) in requests {
            let answer = pair.answer(&[&[tag, choice, 0xC1][..], &tail].concat());
            prop_assert!(!answer.is_empty() && answer.len() <= 64);
        }
    }
}
