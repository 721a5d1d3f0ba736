//! The client of a meter with short names, against answers laid out octet by octet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{Level, parameters};
use dlms::acse::{Aare, Aarq, ApplicationContext};
use dlms::apdu::short_name::{read_results, write_results};
use dlms::apdu::{ReadResult, Variable, WriteResult};
use dlms::axdr::Data;
use dlms::client::{Association, Opened, Opening, Parameters, Reply};
use dlms::initiate::{InitiateRequest, InitiateResponse};
use dlms::{AssociationResult, ConfirmedServiceError, Conformance, DataAccessResult, Diagnostic, Error};

const NAME: Variable<'_> = Variable::Name(0xFA08);

/// An association with a meter that accepts APDUs of this length and calls its association so.
fn opened(max_receive_pdu: u16, vaa_name: u16) -> Result<Association, Error> {
    let mut request = Vec::new();
    let asked = Parameters { conformance: Conformance::CLIENT_SN, ..parameters(Level::Lls, 1024) };
    let opening = Opening::start(asked, &mut request).unwrap();
    let aarq = Aarq::decode(&request).unwrap();
    assert_eq!(aarq.context, ApplicationContext::ShortNames);
    let conformance = InitiateRequest::decode(aarq.user_information).unwrap().conformance;
    let (mut information, mut answer) = (Vec::new(), Vec::new());
    let granted = InitiateResponse {
        quality_of_service: None,
        dlms_version: 6,
        conformance,
        max_receive_pdu,
        vaa_name,
    };
    granted.encode(&mut information);
    let aare = Aare {
        context: ApplicationContext::ShortNames,
        result: AssociationResult::Accepted,
        diagnostic: Diagnostic::NONE,
        responding_title: None,
        responding_qualifier: None,
        requirements: false,
        mechanism: None,
        authentication: None,
        user_information: Some(&information),
    };
    aare.encode(&mut answer);
    match opening.handle(&mut answer, &mut Vec::new())? {
        Opened::Established(association) => Ok(association),
        Opened::Send(_) => panic!("nothing is left to be proved"),
    }
}

/// A client that has asked for two variables, one of them in part.
fn reading() -> (Association, Vec<u8>) {
    let mut client = opened(1024, 0xFA00).unwrap();
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
fn a_long_write_goes_in_blocks() {
    let mut client = opened(64, 0xFA00).unwrap();
    let value = Data::OctetString(vec![7; 100]);
    let mut request = Vec::new();
    client.write(&[(NAME, &value)], &mut request).unwrap();
    let mut content = Vec::new();
    for number in 1..=2_u8 {
        assert_eq!(request[..3], [6, 1, 7]);
        assert!(request.len() <= 64);
        assert_eq!(request[3..6], [u8::from(number == 2), 0, number]);
        // A count of one, and an octet-string.
        assert_eq!(request[6..8], [1, 9]);
        assert_eq!(usize::from(request[8]), request.len() - 9);
        content.extend_from_slice(&request[9..]);
        if number == 1 {
            request.clear();
            assert_eq!(client.handle(&mut [0x0D, 1, 2, 0, 1]), Ok(Reply::BlockTaken));
            client.next_block(&mut request).unwrap();
        }
    }
    let whole = [&[1, 2, 0xFA, 8, 1, 9, 100][..], &[7; 100]].concat();
    assert_eq!(content, whole);
    let mut answer = [0x0D, 1, 0];
    let Ok(Reply::List(list)) = client.handle(&mut answer) else { panic!("no list") };
    assert_eq!(write_results(list), Ok(vec![WriteResult::Written]));
}

#[test]
fn a_meter_that_answers_with_logical_names_is_refused() {
    assert_eq!(opened(1024, 7).map(drop), Err(Error::Value { what: "VAA name", got: 7 }));
    let asked = Parameters { conformance: Conformance::CLIENT_SN, ..parameters(Level::Gmac, 1024) };
    assert!(matches!(Opening::start(asked, &mut Vec::new()), Err(Error::Misuse(_))));
}

#[test]
fn a_refused_service_is_named() {
    let (mut client, _) = reading();
    let refused = ConfirmedServiceError { service: 5, class: 5, error: 1 };
    assert_eq!(client.handle(&mut [0x0E, 5, 5, 1]), Err(Error::Confirmed(refused)));
    let (mut client, _) = reading();
    assert_eq!(client.handle(&mut [0x0D, 1, 0]), Err(Error::Unexpected { tag: 0x0D }));
}
