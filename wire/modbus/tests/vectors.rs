//! Frames of the standard's own kind, octet by octet.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use modbus::{Answer, Answers, Error, Exception, Request, Requests, Table};

fn octets(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect()
}

fn sent(request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    request.encode(1, &mut out).unwrap();
    out
}

/// Octets of a frame with its check.
fn checked(hex: &str) -> Vec<u8> {
    let mut frame = octets(hex);
    frame.extend(modbus::check(&octets(hex)));
    frame
}

const READ: Request<'_> = Request::Read { table: Table::HoldingRegisters, first: 0, count: 2 };
const WRITE: Request<'_> = Request::WriteRegister { register: 5, value: 1 };

#[test]
fn requests() {
    for (request, hex) in [
        (READ, "01 03 00 00 00 02 C4 0B"),
        (WRITE, "01 06 00 05 00 01 58 0B"),
        // Examples of the application protocol 1.1b3, 6.5 and 6.12, to server 1.
        (Request::WriteCoil { coil: 172, on: true }, "01 05 00 AC FF 00 4C 1B"),
        (
            Request::WriteRegisters { first: 1, octets: &[0, 0x0A, 1, 2] },
            "01 10 00 01 00 02 04 00 0A 01 02 92 30",
        ),
    ] {
        assert_eq!(sent(&request), octets(hex), "{request:?}");
        let mut requests = Requests::of(1);
        requests.push(&octets(hex));
        assert_eq!(requests.next_request(), Some(request));
        assert_eq!(requests.next_request(), None);
    }
}

#[test]
fn answers() {
    let mut answers = Answers::new();
    answers.push(&checked("01 03 04 00 06 00 05"));
    assert_eq!(answers.answer(1, &READ), Ok(Some(Answer::Read(&[0, 6, 0, 5]))));
    answers.push(&octets("01 06 00 05 00 01 58 0B"));
    assert_eq!(answers.answer(1, &WRITE), Ok(Some(Answer::Written)));
    answers.push(&checked("01 06 00 05 00 02"));
    assert_eq!(answers.answer(1, &WRITE), Err(Error::OtherValue { asked: [5, 1], got: [5, 2] }));
    // Example of 6.1: coils 20 to 38, of which 27 to 20 are CD.
    let coils = Request::Read { table: Table::Coils, first: 0x13, count: 0x13 };
    answers.push(&checked("01 01 03 CD 6B 05"));
    let answer = answers.answer(1, &coils).unwrap().unwrap();
    let first: Vec<_> = (0..8).map(|place| answer.bit(place).unwrap()).collect();
    assert_eq!(first, [true, false, true, true, false, false, true, true]);
    assert_eq!(answer.bit(24), None);
}

#[test]
fn a_refusal_has_a_name() {
    let mut answers = Answers::new();
    answers.push(&octets("01 83 02 C0 F1"));
    let refused = answers.answer(1, &READ).unwrap_err();
    assert_eq!(refused, Error::Refused(Exception::ADDRESS));
    assert_eq!(refused.to_string(), "the meter refused: no such place");
    assert!(Exception::BUSY.is_passing() && !Exception::FAILURE.is_passing());
}

#[test]
fn what_one_frame_cannot_carry_is_not_asked_for() {
    let read = |table, first, count| Request::Read { table, first, count };
    for (request, refused) in [
        (read(Table::HoldingRegisters, 7, 126), Error::Count { first: 7, count: 126, limit: 125 }),
        (read(Table::InputRegisters, 7, 0), Error::Count { first: 7, count: 0, limit: 125 }),
        (read(Table::Coils, 7, 2001), Error::Count { first: 7, count: 2001, limit: 2000 }),
        (read(Table::Coils, 65_535, 2), Error::Count { first: 65_535, count: 2, limit: 2000 }),
        (
            Request::WriteRegisters { first: 7, octets: &[1, 2, 3] },
            Error::Count { first: 7, count: 0, limit: 123 },
        ),
    ] {
        let mut out = Vec::new();
        assert_eq!(request.encode(1, &mut out), Err(refused));
        assert!(out.is_empty());
    }
}
