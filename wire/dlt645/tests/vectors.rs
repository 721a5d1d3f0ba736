//! Frames that others made or captured: what is sent is the same, octet by octet, and what is received says the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlt645::{
    Address, Answer, Authority, Edition, Error, Format, Frame, Identifier, Moment, Number, Refusal, Request,
    Splitter, SwitchOrder,
};

const ENERGY: Format = Format { octets: 4, decimals: 2, signed: false };
const VOLTAGE: Format = Format { octets: 2, decimals: 1, signed: false };
const PLAIN: Authority = Authority { level: 2, password: [0; 3], operator: [0; 4] };

fn octets(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect()
}

fn sent(edition: Edition, address: Address, request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    request.encode(edition, address, &mut out).unwrap();
    out
}

fn with_frame<T>(hex: &str, look: impl FnOnce(&Frame<'_>) -> T) -> T {
    let mut splitter = Splitter::new();
    splitter.push(&octets(hex));
    look(&splitter.next_frame().unwrap())
}

fn one() -> Address {
    "000000000001".parse().unwrap()
}

#[test]
fn requests_of_2007() {
    let expiry = Moment { year: 26, month: 1, day: 2, hour: 0, minute: 0, second: 0 };
    let time = Moment { year: 26, month: 1, day: 2, hour: 3, minute: 4, second: 5 };
    let switch = |order| Request::Switch { order, circuit: 0, authority: PLAIN, until: expiry };
    let write =
        Request::Write { item: Identifier(0x0400_0101), authority: PLAIN, data: &[0x05, 0x02, 0x01, 0x26] };
    let wanted = [
        (one(), Request::Read(Identifier(0x0001_0000)), "68 01 00 00 00 00 00 68 11 04 33 33 34 33 B3 16"),
        (one(), Request::Read(Identifier(0x0090_0200)), "68 01 00 00 00 00 00 68 11 04 33 35 C3 33 44 16"),
        (one(), Request::Read(Identifier(0x0090_0100)), "68 01 00 00 00 00 00 68 11 04 33 34 C3 33 43 16"),
        (Address::ANY, Request::ReadAddress, "68 AA AA AA AA AA AA 68 13 00 DF 16"),
        (Address::BROADCAST, Request::SetTime(time), "68 99 99 99 99 99 99 68 08 06 38 37 36 35 34 59 DB 16"),
        (Address::BROADCAST, Request::FreezeNow, "68 99 99 99 99 99 99 68 16 04 CC CC CC CC B0 16"),
        (
            one(),
            switch(SwitchOrder::Trip),
            "68 01 00 00 00 00 00 68 1C 10 35 33 33 33 33 33 33 33 4D 33 33 33 33 35 34 59 72 16",
        ),
        // Level, password, operator: nothing else.
        (one(), Request::ClearMeter(PLAIN), "68 01 00 00 00 00 00 68 1A 08 35 33 33 33 33 33 33 33 8D 16"),
        (one(), write, "68 01 00 00 00 00 00 68 14 10 34 34 33 37 35 33 33 33 33 33 33 33 38 35 34 59 5B 16"),
    ];
    let records = Request::ReadRecords { item: Identifier(0x0604_0001), count: 8, from: Some(time) };
    let wanted = wanted.into_iter().chain([
        // Identifier, number of records, minute, hour, day, month, year.
        (one(), records, "68 01 00 00 00 00 00 68 11 0A 34 33 37 39 3B 37 36 35 34 59 2D 16"),
    ]);
    for (address, request, hex) in wanted {
        assert_eq!(sent(Edition::Of2007, address, &request), octets(hex), "{request:?}");
    }
    let last_two = [
        (SwitchOrder::PermitClose, 0x73),
        (SwitchOrder::Close, 0x74),
        (SwitchOrder::Alarm, 0x82),
        (SwitchOrder::AlarmOff, 0x83),
        (SwitchOrder::KeepSupply, 0x92),
        (SwitchOrder::ReleaseSupply, 0x93),
    ];
    for (order, checksum) in last_two {
        let frame = sent(Edition::Of2007, one(), &switch(order));
        assert_eq!(frame[frame.len() - 2], checksum, "{order:?}");
    }
}

#[test]
fn answers_of_2007() {
    let request = Request::Read(Identifier(0x0001_0000));
    let address = "161".parse().unwrap();
    assert_eq!(
        sent(Edition::Of2007, address, &request),
        octets("68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16")
    );
    with_frame("FE FE FE FE 68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16", |frame| {
        assert_eq!(frame.address, address);
        let Answer::Item { octets, more: false } = Answer::read(Edition::Of2007, &request, frame).unwrap()
        else {
            panic!("no item")
        };
        assert_eq!(ENERGY.read(octets, 4), Ok(Some(Number { mantissa: 26, exponent: -2 })));
    });
    let voltage = Request::Read(Identifier(0x0201_0100));
    with_frame("68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16", |frame| {
        let Answer::Item { octets, .. } = Answer::read(Edition::Of2007, &voltage, frame).unwrap() else {
            panic!("no item")
        };
        assert_eq!(VOLTAGE.read(octets, 4), Ok(Some(Number { mantissa: 1001, exponent: -1 })));
        // The same octets answer no other question.
        let other = Answer::read(Edition::Of2007, &request, frame);
        assert_eq!(other, Err(Error::OtherItem { asked: 0x0001_0000, got: 0x0201_0100 }));
    });
}

#[test]
fn a_meter_says_that_it_was_cleared_or_why_not() {
    let operator = [0x78, 0x56, 0x34, 0x12];
    let request = Request::ClearMeter(Authority { level: 4, password: [0x56, 0x34, 0x12], operator });
    assert_eq!(
        sent(Edition::Of2007, one(), &request),
        octets("68 01 00 00 00 00 00 68 1A 08 37 89 67 45 AB 89 67 45 3F 16")
    );
    with_frame("68 01 00 00 00 00 00 68 9A 00 6B 16", |frame| {
        assert_eq!(Answer::read(Edition::Of2007, &request, frame), Ok(Answer::Done));
        // That the maximum demands were cleared is not said by it.
        let other = Answer::read(Edition::Of2007, &Request::ClearDemand(PLAIN), frame);
        assert_eq!(other, Err(Error::OtherFunction { asked: 0x19, got: 0x9A }));
    });
    with_frame("68 01 00 00 00 00 00 68 DA 01 37 E3 16", |frame| {
        assert_eq!(Answer::read(Edition::Of2007, &request, frame), Err(Error::Refused(Refusal(4))));
    });
    let mut out = Vec::new();
    let refused = request.encode(Edition::Of1997, one(), &mut out);
    assert_eq!(refused, Err(Error::NotInEdition { edition: 1997, what: "clear the meter" }));
    assert!(out.is_empty());
}

#[test]
fn a_trip_as_another_vendor_sends_it() {
    with_frame(
        "68 11 11 11 11 11 11 68 1C 10 33 33 33 33 33 33 33 33 4D 33 57 74 48 45 38 4B 55 16",
        |frame| {
            assert_eq!(frame.address.to_string(), "111111111111");
            assert_eq!(frame.data[8..], [0x1A, 0x00, 0x24, 0x41, 0x15, 0x12, 0x05, 0x18]);
        },
    );
}

#[test]
fn a_read_of_1997() {
    let address = Address::from_wire([0x54, 0x07, 0x13, 0x00, 0x80, 0x13]);
    let request = Request::Read(Identifier(0x9010));
    assert_eq!(sent(Edition::Of1997, address, &request), octets("68 54 07 13 00 80 13 68 01 02 43 C3 DA 16"));
    with_frame("68 54 07 13 00 80 13 68 81 06 43 C3 34 33 33 33 2B 16", |frame| {
        let Answer::Item { octets, more: false } = Answer::read(Edition::Of1997, &request, frame).unwrap()
        else {
            panic!("no item")
        };
        assert_eq!(ENERGY.read(octets, 2), Ok(Some(Number { mantissa: 1, exponent: -2 })));
    });
}

#[test]
fn what_does_not_fit_into_a_request_is_not_sent() {
    let data = [0; 39];
    let write = |data| Request::Write { item: Identifier(0x0400_0401), authority: PLAIN, data };
    let mut out = Vec::new();
    let refused = write(&data).encode(Edition::Of2007, one(), &mut out);
    assert_eq!(refused, Err(Error::TooLong { got: 51, limit: 50 }));
    assert_eq!(write(&data[..38]).encode(Edition::Of2007, one(), &mut out), Ok(()));
}

#[test]
fn a_refusal_has_a_name() {
    let request = Request::Read(Identifier(0x0001_0000));
    // D1 with error word 06: no such item, not authorised.
    with_frame("68 01 00 00 00 00 00 68 D1 01 39 DC 16", |frame| {
        let refused = Answer::read(Edition::Of2007, &request, frame);
        assert_eq!(refused, Err(Error::Refused(Refusal(6))));
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "the meter refused: no such item, wrong password or not allowed with it");
    });
}
