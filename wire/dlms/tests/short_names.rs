//! The client of a meter with short names, against answers laid out octet by octet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{Level, Pair};
use dlms::apdu::short_name::{read_results, write_results};
use dlms::apdu::{ReadResult, Variable, WriteResult};
use dlms::axdr::Data;
use dlms::client::{Association, Reply};
use dlms::{ConfirmedServiceError, DataAccessResult, Error};

const NAME: Variable<'_> = Variable::Name(0xFA08);

/// A client that has asked for two variables, one of them in part.
fn reading() -> (Association, Vec<u8>) {
    let mut client = Pair::new(Level::None, 1024, 1024).client;
    let part = Variable::Parameterised { name: 0x0108, selector: 2, parameters: &[17, 5] };
    let mut request = Vec::new();
    client.read(&[NAME, part], &mut request).unwrap();
    (client, request)
}

#[test]
fn variables_are_read_and_each_refusal_stands_in_its_place() {
    let (mut client, request) = reading();
    assert_eq!(request, [5, 2, 2, 0xFA, 8, 4, 1, 8, 2, 17, 5]);
    let mut answer = [0x0C, 2, 0, 18, 0, 7, 1, 3];
    let Ok(Reply::List(list)) = client.handle(&mut answer) else { panic!("no list") };
    let refused = ReadResult::Error(DataAccessResult::ReadWriteDenied);
    assert_eq!(read_results(list), Ok(vec![ReadResult::Data(&[18, 0, 7]), refused]));
    assert_eq!(client.handle(&mut [0x0C, 1, 0, 0]), Ok(Reply::Stale), "it was answered");
}

#[test]
fn a_long_answer_comes_in_blocks() {
    let (mut client, _) = reading();
    let mut request = Vec::new();
    let mut whole = Vec::new();
    for (number, piece) in [(1, [2_u8, 0, 18]), (2, [0, 7, 1])] {
        let mut block = [&[0x0C, 1, 2, 0, 0, number, 3][..], &piece].concat();
        let Ok(Reply::Block(piece)) = client.handle(&mut block) else { panic!("no block") };
        whole.extend_from_slice(piece);
        request.clear();
        client.next_block(&mut request).unwrap();
        assert_eq!(request, [5, 1, 5, 0, number], "the next one is asked for");
    }
    let mut last = [0x0C, 1, 2, 1, 0, 3, 1, 3];
    let Ok(Reply::List(piece)) = client.handle(&mut last) else { panic!("no end") };
    whole.extend_from_slice(piece);
    let refused = ReadResult::Error(DataAccessResult::ReadWriteDenied);
    assert_eq!(read_results(&whole), Ok(vec![ReadResult::Data(&[18, 0, 7]), refused]));
}

/// C-09: blocks that skip or repeat.
#[test]
fn c_09_a_block_out_of_turn_ends_the_transfer() {
    for got in [1, 3] {
        let (mut client, _) = reading();
        client.handle(&mut [0x0C, 1, 2, 0, 0, 1, 1, 2]).unwrap();
        client.next_block(&mut Vec::new()).unwrap();
        let wrong = Err(Error::BlockNumber { expected: 2, got: u32::from(got) });
        assert_eq!(client.handle(&mut [0x0C, 1, 2, 0, 0, got, 1, 2]), wrong);
    }
}

#[test]
fn variables_are_written_with_an_answer_or_without() {
    let (mut client, _) = reading();
    let mut request = Vec::new();
    client.write(&[(NAME, &Data::Unsigned(10)), (NAME, &Data::NullData)], &mut request).unwrap();
    assert_eq!(request, [6, 2, 2, 0xFA, 8, 2, 0xFA, 8, 2, 17, 10, 0]);
    let mut answer = [0x0D, 2, 0, 1, 12];
    let Ok(Reply::List(list)) = client.handle(&mut answer) else { panic!("no list") };
    let refused = WriteResult::Error(DataAccessResult::TypeUnmatched);
    assert_eq!(write_results(list), Ok(vec![WriteResult::Written, refused]));

    request.clear();
    client.write_unconfirmed(&[(NAME, &Data::Unsigned(10))], &mut request).unwrap();
    assert_eq!(request, [0x16, 1, 2, 0xFA, 8, 1, 17, 10]);
    assert_eq!(client.handle(&mut [0x0D, 1, 0]), Ok(Reply::Stale), "nothing is awaited");
}

#[test]
fn a_refused_service_is_named() {
    let (mut client, _) = reading();
    let refused = ConfirmedServiceError { service: 5, class: 5, error: 1 };
    assert_eq!(client.handle(&mut [0x0E, 5, 5, 1]), Err(Error::Confirmed(refused)));
    let (mut client, _) = reading();
    assert_eq!(client.handle(&mut [0x0D, 1, 0]), Err(Error::Unexpected { tag: 0x0D }));
}
