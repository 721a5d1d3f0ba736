//! The client against the server: every security, every size of block, every service.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{
    CLIENT, LEVELS, Level, METER, Meter, Pair, attribute, exchange, method, open, parameters, policy,
};
use dlms::axdr::Data;
use dlms::client::Reply;
use dlms::server::Session;
use proptest::prelude::*;

fn octets(length: usize) -> Vec<u8> {
    let mut value = Vec::new();
    Data::OctetString((0..length).map(|at| at as u8).collect()).encode(&mut value);
    value
}

#[test]
fn an_association_opens_with_each_security() {
    for level in LEVELS {
        let pair = Pair::new(level, 1024, 640);
        let negotiated = pair.client.negotiated();
        assert_eq!(negotiated.max_send_pdu, 640, "{level:?}");
        assert_eq!(negotiated.server_title, (level == Level::Gmac).then_some(METER));
        assert!(pair.session.is_associated());
    }
}

#[test]
fn counters_are_spent_one_by_one_and_read_back() {
    let mut pair = Pair::new(Level::Gmac, 1024, 1024);
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    // AARQ, proof, and the APDU that carries the proof.
    assert_eq!(pair.client.counters().unwrap().next(), 103);
    pair.meter.values.insert((8, clock.instance, 2), vec![17, 1]);
    pair.read(&clock).unwrap();
    assert_eq!(pair.client.counters().unwrap().next(), 104);
    assert_eq!(pair.session.last_client_counter(), Some(103));
    assert!(Pair::new(Level::Lls, 1024, 1024).client.counters().is_none());
}

#[test]
fn values_of_every_size_come_whole_in_blocks_of_every_size() {
    let buffer = attribute(7, "1.0.99.1.0.255", 2);
    for level in LEVELS {
        for pdu in [64, 65, 100, 127, 128, 140, 200, 255, 256, 300, 512, 1024, 4096, 65535] {
            let mut pair = Pair::new(level, pdu, 1024);
            for length in [0, 1, 20, 64, 127, 128, 255, 256, 1000, 70_000] {
                let value = octets(length);
                pair.meter.values.insert((7, buffer.instance, 2), value.clone());
                pair.meter.gets = 0;
                let (read, exchanges, longest) = pair.read(&buffer).unwrap();
                assert!(read == value, "{level:?}, PDU {pdu}, {length} octets");
                assert!(longest <= usize::from(pdu), "{level:?}, PDU {pdu}: an answer of {longest} octets");
                assert_eq!(pair.meter.gets, 1, "the object is asked once for all blocks");
                // No block wastes more than the longest header.
                let room = usize::from(pdu) - 42;
                assert!(exchanges <= value.len().div_ceil(room).max(1), "{exchanges} exchanges at PDU {pdu}");
            }
        }
    }
}

#[test]
fn set_changes_the_value() {
    for level in LEVELS {
        let mut pair = Pair::new(level, 1024, 1024);
        let register = attribute(1, "0.0.96.1.0.255", 2);
        pair.meter.values.insert((1, register.instance, 2), vec![17, 1]);
        let mut request = Vec::new();
        pair.client.set(&register, &Data::LongUnsigned(513), &mut request).unwrap();
        let mut answer = pair.answer(&request);
        assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Set), "{level:?}");
        assert_eq!(pair.read(&register).unwrap().0, [18, 2, 1]);
    }
}

#[test]
fn actions_return_what_the_method_returns() {
    for level in LEVELS {
        let mut pair = Pair::new(level, 1024, 1024);
        let mut request = Vec::new();
        let echo = method(9, "0.0.10.0.0.255", 1);
        pair.client.action(&echo, Some(&Data::LongUnsigned(7)), &mut request).unwrap();
        let mut answer = pair.answer(&request);
        assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Action(Some(&[18, 0, 7]))), "{level:?}");
        request.clear();
        pair.client.action(&method(70, "0.0.96.3.10.255", 1), None, &mut request).unwrap();
        let mut answer = pair.answer(&request);
        assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Action(None)), "{level:?}");
    }
}

#[test]
fn a_released_association_is_gone_and_can_be_opened_again() {
    for level in LEVELS {
        let mut pair = Pair::new(level, 1024, 1024);
        let mut request = Vec::new();
        pair.client.release(&mut request).unwrap();
        let mut answer = pair.answer(&request);
        assert_eq!(pair.client.handle(&mut answer), Ok(Reply::Released), "{level:?}");
        assert!(!pair.session.is_associated());
        let mut again = parameters(level, 1024);
        again.security = common::client_security(level, dlms::client::Counters::new(500, 600));
        open(&mut pair.session, &mut pair.meter, again).unwrap();
        assert!(pair.session.is_associated());
    }
}

#[test]
fn nothing_secret_and_no_value_is_readable_in_a_ciphered_association() {
    let mut pair = Pair::new(Level::Gmac, 1024, 1024);
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    let secret = b"a value that nobody else may read";
    let mut value = Vec::new();
    Data::OctetString(secret.to_vec()).encode(&mut value);
    pair.meter.values.insert((8, clock.instance, 2), value);
    let mut request = Vec::new();
    pair.client.get(&clock, None, &mut request).unwrap();
    let answer = pair.answer(&request);
    assert_eq!((request[0], answer[0]), (0xC8, 0xCC));
    assert_eq!((request[2], answer[2]), (0x30, 0x30));
    assert!(!answer.windows(8).any(|window| secret.windows(8).any(|part| part == window)));
    let shown = format!("{:?}", pair.client);
    assert!(!shown.contains("225") && !shown.contains("E1"), "{shown}");
}

#[test]
fn each_request_has_the_next_invoke_id() {
    let mut pair = Pair::new(Level::None, 1024, 1024);
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    let ids: Vec<u8> = (0..17)
        .map(|_| {
            let mut request = Vec::new();
            pair.client.get(&clock, None, &mut request).unwrap();
            request[2] & 0x0F
        })
        .collect();
    assert!(ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 16), "{ids:?}");
}

#[test]
fn a_late_answer_is_stale_and_the_right_one_still_counts() {
    for level in LEVELS {
        let mut pair = Pair::new(level, 1024, 1024);
        let clock = attribute(8, "0.0.1.0.0.255", 2);
        pair.meter.values.insert((8, clock.instance, 2), vec![17, 1]);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        pair.client.get(&clock, None, &mut first).unwrap();
        let mut late = pair.answer(&first);
        pair.client.get(&clock, None, &mut second).unwrap();
        pair.meter.values.insert((8, clock.instance, 2), vec![17, 2]);
        let mut due = pair.answer(&second);
        assert_eq!(pair.client.handle(&mut late), Ok(Reply::Stale), "{level:?}");
        assert_eq!(pair.client.handle(&mut due), Ok(Reply::Data(&[17, 2])), "{level:?}");
    }
}

#[test]
fn requests_without_association_are_refused_by_exception() {
    let mut meter = Meter::default();
    for level in LEVELS {
        let mut session = Session::new(policy(level, 1024, None));
        let get = [0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 0xFF, 2, 0];
        assert_eq!(exchange(&mut session, &mut meter, &get), [0xD8, 1, 1], "{level:?}");
    }
    let mut pair = Pair::new(Level::None, 1024, 1024);
    assert_eq!(pair.answer(&[0xD9, 0, 0, 0, 1]), [0xD8, 2, 2], "ACCESS was not agreed on");
    assert_eq!(pair.answer(&[0x05, 0]), [0xD8, 2, 2], "short names are not served");
    assert_eq!(CLIENT.to_string(), "4845530000000001");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_value_survives_any_pdu(pdu in 64u16.., length in 0usize..3000, gmac: bool) {
        let level = if gmac { Level::Gmac } else { Level::None };
        let mut pair = Pair::new(level, pdu, 1024);
        let buffer = attribute(7, "1.0.99.1.0.255", 2);
        let value = octets(length);
        pair.meter.values.insert((7, buffer.instance, 2), value.clone());
        let (read, _, longest) = pair.read(&buffer).unwrap();
        prop_assert_eq!(read, value);
        prop_assert!(longest <= usize::from(pdu));
    }
}
