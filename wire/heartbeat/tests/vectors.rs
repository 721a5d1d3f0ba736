//! Logins and heartbeats octet by octet, as callers of several makers send them, and what they are answered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use heartbeat::{Beat, Dialect, Error, Kind, Splitter, Unit, write};
use proptest::prelude::*;

const LOGIN: &str = "00 01 00 01 00 01 00 12 0A 02 0C 32 30 32 30 30 36 30 30 31 33 31 34 00 5F 7E";
const LOGIN_ANSWER: &str = "00 01 00 01 00 01 00 12 AA 03 0C 32 30 32 30 30 36 30 30 31 33 31 34 00 75 36";
const HEARTBEAT: &str = "00 01 00 01 00 01 00 11 0C 02 0C 32 30 32 30 30 36 30 30 31 33 31 34 2A 7F";
const HEARTBEAT_ANSWER: &str = "00 01 00 01 00 01 00 11 CC 03 0C 32 30 32 30 30 36 30 30 31 33 31 34 C0 01";
const PLAIN: &str = "00 01 00 01 00 10 00 12 DD 10 00 00 00 00 32 30 32 30 30 36 30 30 31 33 31 34";
const PLAIN_ANSWER: &str = "00 01 00 10 00 01 00 12 DA 10 00 00 00 00 32 30 32 30 30 36 30 30 31 33 31 34";
const GDW376: [&str; 5] = [
    "68 32 00 32 00 68 C9 55 07 07 00 00 02 71 00 00 01 00 A0 16",
    "68 32 00 32 00 68 C9 20 21 07 00 00 02 71 00 00 04 00 88 16",
    "68 32 00 32 00 68 C9 33 33 44 44 00 02 7C 00 00 04 00 39 16",
    "68 4A 00 4A 00 68 0B 20 21 07 00 00 00 61 00 00 04 00 02 00 00 04 00 00 BE 16",
    "68 32 00 32 00 68 0B 20 21 07 00 00 00 61 00 00 01 00 B5 16",
];
const ID: &str = "202006001314";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read(frame: &[u8]) -> Result<Option<Beat>, Error> {
    let mut splitter = Splitter::new(2048);
    splitter.push(frame);
    match splitter.next_unit().unwrap().unwrap() {
        Unit::Wrapper { header, apdu, flagged } => Beat::read(header, apdu, flagged),
        other => panic!("{other:?}"),
    }
}

fn beat(frame: &[u8]) -> Beat {
    read(frame).unwrap().unwrap()
}

#[test]
fn sen_37_a_login_and_heartbeats_with_a_check_sequence() {
    for (kind, frame, answer) in
        [(Kind::Login, LOGIN, LOGIN_ANSWER), (Kind::Heartbeat, HEARTBEAT, HEARTBEAT_ANSWER)]
    {
        let beat = beat(&octets(frame));
        assert_eq!((beat.dialect, beat.kind, beat.id.as_str()), (Dialect::Login, kind, ID));
        assert_eq!(beat.answer(), octets(answer));
        let mut out = Vec::new();
        write(Dialect::Login, kind, ID, &mut out).unwrap();
        assert_eq!(out, octets(frame));
    }
}

#[test]
fn sen_37_a_heartbeat_without_login_goes_back_the_way_it_came() {
    let found = beat(&octets(PLAIN));
    assert_eq!((found.dialect, found.kind, found.id.as_str()), (Dialect::Plain, Kind::Heartbeat, ID));
    assert_eq!(found.answer(), octets(PLAIN_ANSWER));
    let mut out = Vec::new();
    write(Dialect::Plain, Kind::Heartbeat, ID, &mut out).unwrap();
    assert_eq!(out, octets(PLAIN));
    // Some modules put a flag in front, and number with four octets.
    let flagged = beat(&[&[0x7E], &octets(PLAIN)[..]].concat());
    assert_eq!(flagged.answer(), [&[0x7E], &octets(PLAIN_ANSWER)[..]].concat());
    let short = beat(&octets("0001 0001 0001 000A DD10 00000000 31323334"));
    assert_eq!(
        (short.id.as_str(), short.answer()),
        ("1234", &octets("0001 0001 0001 000A DA10 00000000 31323334")[..])
    );
    // Zero octets are filling; what is no digit counts as one.
    let filled = beat(&octets("0001 0001 0010 0012 DD10 00000000 00003130 3030365A 30313331"));
    assert_eq!(filled.id, "1000600131");
}

#[test]
fn sen_37_tests_of_the_link_by_a_terminal() {
    let found = |hex: &str| Beat::read_terminal(&octets(hex)).unwrap();
    let login = found(GDW376[0]).unwrap();
    assert_eq!((login.dialect, login.kind, login.id.as_str()), (Dialect::Terminal, Kind::Login, "07550007"));
    let beat = found(GDW376[1]).unwrap();
    assert_eq!(
        (beat.kind, beat.id.as_str(), beat.answer()),
        (Kind::Heartbeat, "21200007", &octets(GDW376[4])[..])
    );
    // What master stations say is no test of a terminal.
    assert_eq!(found(GDW376[3]), None);
    let mut damaged = octets(GDW376[1]);
    damaged[18] ^= 1;
    assert!(matches!(Beat::read_terminal(&damaged), Err(Error::Terminal(_))));
    for kind in [Kind::Login, Kind::Heartbeat, Kind::Logout] {
        let mut out = Vec::new();
        write(Dialect::Terminal, kind, "07550007", &mut out).unwrap();
        let beat = Beat::read_terminal(&out).unwrap().unwrap();
        assert_eq!((beat.kind, beat.id.as_str()), (kind, "07550007"));
    }
    assert_eq!(write(Dialect::Terminal, Kind::Login, ID, &mut Vec::new()), Err(Error::Id));
}

#[test]
fn makers_differ_in_the_check_sequence_and_get_theirs_back() {
    // CRC-16/XMODEM, none; and a login that ends in another octet than zero.
    for (frame, answer) in [
        (
            "0001 0001 0001 0011 0C 02 0C 323032303036303031333134 0000",
            "0001 0001 0001 0011 CC 03 0C 323032303036303031333134 0000",
        ),
        (
            "0001 0001 0001 0012 0A 02 0C 323032303036303031333134 0D 0000",
            "0001 0001 0001 0012 AA 03 0C 323032303036303031333134 00 0000",
        ),
    ] {
        assert_eq!(beat(&octets(frame)).answer(), octets(answer));
    }
    let mut frame = octets(HEARTBEAT);
    let length = frame.len();
    frame[length - 1] ^= 1;
    assert_eq!(read(&frame), Err(Error::Check(0x7E2A)));
    let cut = octets("0001 0001 0001 0010 0C 02 0C 323032303036303031333134 2A");
    assert_eq!(read(&cut), Err(Error::Length));
    let nameless = octets("0001 0001 0001 0005 0C 02 00 0000");
    assert_eq!(read(&nameless), Err(Error::Id));
    let spaced = octets("0001 0001 0001 0008 0C 02 03 612F62 0000");
    assert_eq!(read(&spaced), Err(Error::Id));
}

#[test]
fn pushes_and_answers_are_no_heartbeats() {
    for apdu in [
        "0F 00000001 00 00",
        "C2 00 0001 0000616200FF 02 00",
        "D8 01 01",
        // General-ciphering with a transaction id of sixteen octets.
        "DD 10 00000000 313233343536373839303132 08 4D4D4D0000BC614E 00 00 00 06 30 00000001 AA",
        "",
    ] {
        let apdu = octets(apdu);
        let mut frame = Vec::new();
        dlms::wrapper::frame(1, 16, &apdu, &mut frame).unwrap();
        assert_eq!(read(&frame), Ok(None));
    }
}

/// Every piece of a stream, however it is cut.
fn pieces(splitter: &mut Splitter, stream: &[u8], step: usize) -> Vec<(char, Vec<u8>)> {
    let mut found = Vec::new();
    for chunk in stream.chunks(step) {
        splitter.push(chunk);
        while let Some(unit) = splitter.next_unit().unwrap() {
            found.push(match unit {
                Unit::Wrapper { apdu, .. } => ('w', apdu.to_vec()),
                Unit::Hdlc(frame) => ('h', frame.to_vec()),
                Unit::Gdw376(frame) => ('g', frame.to_vec()),
                Unit::Dlt645(frame) => ('d', frame.to_vec()),
                Unit::Noise(octets) => ('n', octets.to_vec()),
            });
        }
    }
    found
}

#[test]
fn languages_follow_one_another_on_one_connection_wherever_it_is_cut() {
    let hdlc = octets("A0 07 03 21 93 0F 01");
    let dlt645 = octets("68 12 90 78 56 34 12 68 91 02 33 34 7C 16");
    let mut stream = octets(LOGIN);
    stream.extend([&[0x7E], &hdlc[..], &[0x7E], &hdlc[..], &[0x7E]].concat());
    stream.extend(octets(HEARTBEAT));
    stream.extend(GDW376.iter().flat_map(|frame| octets(frame)));
    stream.extend([0xFE; 4]);
    stream.extend(&dlt645);
    stream.extend([&[0x7E, 0x7E], &hdlc[..], &[0x7E]].concat());
    stream.extend(octets(GDW376[1]));
    for step in 1..stream.len() {
        let mut splitter = Splitter::new(2048);
        let kinds: String = pieces(&mut splitter, &stream, step).iter().map(|(kind, _)| *kind).collect();
        assert_eq!((kinds.as_str(), splitter.pending()), ("whhwgggggdhg", 0), "in steps of {step}");
        let mut splitter = Splitter::new(2048);
        let found = pieces(&mut splitter, &stream, step);
        assert_eq!(found[1], ('h', hdlc.clone()));
        assert_eq!(found[4], ('g', octets(GDW376[0])));
        assert_eq!(found[9], ('d', dlt645.clone()));
        let mut splitter = Splitter::new(2048);
        let mut again = Vec::new();
        splitter.push(&stream);
        while let Some(unit) = splitter.next_unit().unwrap() {
            assert!(!matches!(unit, Unit::Wrapper { flagged: true, .. }), "the flag closes what was before");
            again.extend(unit.octets());
        }
        let found_again: Vec<_> = pieces(&mut Splitter::new(2048), &again, step);
        assert_eq!(found_again, found);
    }
}

#[test]
fn what_begins_like_nothing_is_refused_or_passed_on_as_noise() {
    for (stream, error) in [
        (&b"GET / HTTP/1.1"[..], Error::Unknown(b'G')),
        (&[0, 2, 0, 1], Error::Unknown(0)),
        (&[0x7E, 0x11], Error::Unknown(0x7E)),
        (&[0xA0, 7, 3], Error::Unknown(0xA0)),
        (&[0x7E, 0xA8, 0], Error::Unknown(0x7E)),
        (&[0x68, 1, 2, 3, 4, 5, 6, 7], Error::Unknown(0x68)),
        (&[0, 1, 0, 1, 0, 1, 0xFF, 0xFF], Error::TooLong { length: 65_535, limit: 2048 }),
    ] {
        let mut splitter = Splitter::new(2048);
        splitter.push(stream);
        assert_eq!(splitter.next_unit(), Err(error));
        assert_eq!(splitter.rest(), stream);
    }
    let mut splitter = Splitter::new(2048);
    splitter.tolerate_noise();
    let stream = [&[0x55, 0xAA][..], &octets(HEARTBEAT), &[0x13]].concat();
    let kinds: Vec<_> = pieces(&mut splitter, &stream, 64);
    assert_eq!(kinds.iter().map(|(kind, _)| *kind).collect::<String>(), "nwn");
}

#[test]
fn an_hdlc_frame_of_no_octets_is_none() {
    let whole = octets("7E A0 07 03 21 93 0F 01 7E");
    let mut splitter = Splitter::new(64);
    splitter.push(&[&whole[..whole.len() - 1], &[0xA8, 0]].concat());
    assert!(matches!(splitter.next_unit(), Ok(Some(Unit::Hdlc(frame))) if frame == &whole[1..8]));
    assert_eq!(splitter.next_unit(), Err(Error::Unknown(0xA8)));
    splitter.tolerate_noise();
    assert_eq!(splitter.next_unit(), Ok(Some(Unit::Noise(&[0xA8]))));
}

proptest! {
    #[test]
    fn any_name_comes_back(id in "[0-9A-Za-z._-]{1,32}", login in any::<bool>()) {
        let kind = if login { Kind::Login } else { Kind::Heartbeat };
        let mut frame = Vec::new();
        write(Dialect::Login, kind, &id, &mut frame).unwrap();
        let found = beat(&frame);
        prop_assert_eq!(found.answer().len(), frame.len());
        prop_assert_eq!((found.id, found.kind), (id, kind));
    }

    #[test]
    fn no_octets_make_it_panic_or_loop(stream in prop::collection::vec(any::<u8>(), 0..200), noisy in any::<bool>()) {
        let mut splitter = Splitter::new(64);
        if noisy {
            splitter.tolerate_noise();
        }
        splitter.push(&stream);
        let mut units = 0;
        while let Ok(Some(unit)) = splitter.next_unit() {
            if let Unit::Wrapper { header, apdu, flagged } = unit {
                let _ = Beat::read(header, apdu, flagged);
            }
            units += 1;
        }
        prop_assert!(units <= stream.len());
    }
}
