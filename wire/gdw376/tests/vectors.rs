//! Frames that others have published, octet for octet.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use gdw376::{
    Address, Afn, Control, Error, Frame, Sequence, Splitter, USER_DATA_MAX,
    forward::{Characters, Forwarded, Order, Parity},
    link::{Confirmation, Test},
    terminal::Question,
};
use std::time::Duration;

const LOGIN: &str = "68 32 00 32 00 68 C9 55 07 07 00 00 02 71 00 00 01 00 A0 16";
const HEARTBEAT: &str = "68 32 00 32 00 68 C9 20 21 07 00 00 02 71 00 00 04 00 88 16";
const OTHER_HEARTBEAT: &str = "68 32 00 32 00 68 C9 33 33 44 44 00 02 7C 00 00 04 00 39 16";
const ITEMISED: &str = "68 4A 00 4A 00 68 0B 20 21 07 00 00 00 61 00 00 04 00 02 00 00 04 00 00 BE 16";
const ALL: &str = "68 32 00 32 00 68 0B 20 21 07 00 00 00 61 00 00 01 00 B5 16";

fn octets(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect()
}

fn frame(octets: &[u8]) -> Frame<'_> {
    let (frame, length) = Frame::read(octets, USER_DATA_MAX).unwrap().unwrap();
    assert_eq!(length, octets.len());
    frame
}

#[test]
fn terminals_that_log_in_and_show_that_they_are_there() {
    for (hex, test, name, number) in [
        (LOGIN, Test::Login, "07550007", 1),
        (HEARTBEAT, Test::Heartbeat, "21200007", 1),
        (OTHER_HEARTBEAT, Test::Heartbeat, "33334444", 12),
    ] {
        let octets = octets(hex);
        let read = frame(&octets);
        assert_eq!((read.control, read.afn), (Control::LINK_TEST, Afn::LINK));
        assert!(read.control.is_up() && read.control.is_first() && read.sequence.wants_confirmation());
        assert_eq!((read.address.to_string().as_str(), read.sequence.number()), (name, number));
        assert_eq!(Test::read(&read), Ok(test));
        let mut again = Vec::new();
        test.encode(Address::parse(name).unwrap(), number, &mut again).unwrap();
        assert_eq!(again, octets);
    }
}

#[test]
fn both_confirmations() {
    let heartbeat = octets(HEARTBEAT);
    for (confirmation, hex) in [(Confirmation::Itemised, ITEMISED), (Confirmation::All, ALL)] {
        let mut out = Vec::new();
        confirmation.encode(&frame(&heartbeat), &mut out).unwrap();
        assert_eq!(out, octets(hex));
        let read = frame(&out);
        assert_eq!((read.control.function(), read.afn), (0x0B, Afn::CONFIRMATION));
        assert_eq!(Test::read(&read), Err(Error::Other { what: "test of the link" }));
    }
}

/// The read of the forward active energy of DL/T 645, through the port of the carrier at 2400 bits per second, even parity.
#[test]
fn a_frame_is_forwarded_and_its_answer_comes_back() {
    let meter = octets("68 01 00 00 00 00 00 68 11 04 33 33 34 33 B3 16");
    let characters = Characters::eight(2400, Parity::Even).unwrap();
    assert_eq!(characters.octet(), 0x6B);
    let order = Order {
        port: 1,
        characters,
        answer_within: Duration::from_secs(10),
        octet_within: Duration::from_millis(100),
        frame: &meter,
        authentication: None,
    };
    let terminal = Address::parse("07550007").unwrap().by(1);
    let mut out = Vec::new();
    order.encode(terminal, 5, &mut out).unwrap();
    let expected = "68 8A 00 8A 00 68 4B 55 07 07 00 02 10 65 00 00 01 00 01 6B 8A 0A 10 00 \
                    68 01 00 00 00 00 00 68 11 04 33 33 34 33 B3 16";
    let sum: u32 = octets(expected)[6..].iter().map(|octet| u32::from(*octet)).sum();
    let mut expected = octets(expected);
    expected.extend([(sum % 256) as u8, 0x16]);
    assert_eq!(out, expected);
    assert_eq!(Order::read(&frame(&out)), Ok(order));

    let answer = octets("68 01 00 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16");
    let mut out = Vec::new();
    Forwarded { port: 1, frame: &answer }.encode(terminal, 5, &mut out).unwrap();
    let read = frame(&out);
    assert_eq!((read.control, read.sequence), (Control::ANSWER, Sequence::single(5)));
    assert_eq!(Forwarded::read(&read), Ok(Forwarded { port: 1, frame: &answer }));
    assert_eq!(Order::read(&read), Err(Error::Other { what: "forwarding" }));
}

/// AFN 0AH, F10 (`02 01`), of the terminal itself: two entries, those with the numbers 1 and 2.
#[test]
fn a_terminal_is_asked_for_the_meters_that_it_was_configured_with() {
    let terminal = Address::parse("07550007").unwrap().by(1);
    let mut out = Vec::new();
    Question::Meters { first: 1, count: 2 }.encode(terminal, 5, &mut out).unwrap();
    let expected = "68 4A 00 4A 00 68 4B 55 07 07 00 02 0A 65 00 00 02 01 02 00 01 00 02 00 27 16";
    assert_eq!(out, octets(expected));
}

#[test]
fn what_is_no_frame_is_refused_by_name() {
    let good = octets(LOGIN);
    for cut in 0..good.len() {
        assert_eq!(Frame::read(&good[..cut], USER_DATA_MAX), Ok(None), "cut at {cut}");
    }
    let with = |place: usize, octet: u8| {
        let mut bad = good.clone();
        bad[place] = octet;
        Frame::read(&bad, USER_DATA_MAX).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(0, 0x69), Error::Unexpected { what: "the start", got: 0x69 });
    assert_eq!(with(1, 0x36), Error::Lengths { first: 0x36, second: 0x32 });
    assert_eq!(with(5, 0), Error::Unexpected { what: "the second start", got: 0 });
    assert_eq!(with(18, 0xA1), Error::Checksum { expected: 0xA0, got: 0xA1 });
    assert_eq!(with(19, 0x17), Error::Unexpected { what: "the end", got: 0x17 });
    assert_eq!(Frame::read(&good, 11).map(|_| ()), Err(Error::Length { got: 12 }));
    let protocol = octets("68 33 00 33 00 68");
    assert_eq!(
        Frame::read(&protocol, USER_DATA_MAX).map(|_| ()),
        Err(Error::Unexpected { what: "the protocol", got: 3 })
    );
}

#[test]
fn a_stream_is_cut_into_frames_whatever_is_between_them() {
    let mut stream = octets("00 68 16");
    stream.extend(octets(LOGIN));
    let mut damaged = octets(HEARTBEAT);
    damaged[10] ^= 1;
    stream.extend(damaged);
    stream.extend(octets(ALL));
    for piece in [1, 3, stream.len()] {
        let mut splitter = Splitter::new(USER_DATA_MAX);
        let mut found = Vec::new();
        for chunk in stream.chunks(piece) {
            splitter.push(chunk);
            while let Some(frame) = splitter.next_frame() {
                found.push(frame.afn);
            }
        }
        assert_eq!(found, [Afn::LINK, Afn::CONFIRMATION], "in pieces of {piece}");
        assert_eq!(splitter.rejected().octets, 23);
        assert_eq!(splitter.rejected().frames, 1);
    }
}
