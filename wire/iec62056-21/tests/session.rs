//! Whole sessions: what the client says to what a meter says, damage included.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use iec62056_21::{
    Command, DataSets, Error, Event, Identification, Mode, Selection, Session, Speed, Verb, check_character,
};

const READ_OUT: &[u8] = b"0.0.0(12345678)\r\n1.8.0(000123.45*kWh)\r\n!\r\n";

fn data(body: &[u8], end: u8) -> Vec<u8> {
    let checked = [body, &[end]].concat();
    [&[0x02][..], &checked, &[check_character(&checked)]].concat()
}

fn speed() -> Speed {
    Speed::of(b'5').unwrap()
}

/// A session whose meter has just said who it is.
fn identified() -> Session {
    let mut out = Vec::new();
    let mut session = Session::open("", &mut out).unwrap();
    assert_eq!(out, b"/?!\r\n");
    out.clear();
    // The head gives back what was sent.
    session.push(b"/?!\r\n/ISk5\\2ME382-1004\r\n");
    assert_eq!(session.poll(&mut out), Ok(Event::Wait));
    let wanted = Identification {
        manufacturer: *b"ISk",
        mode: Mode::C(speed()),
        has_hdlc: true,
        name: "ME382-1004".to_owned(),
    };
    assert_eq!(session.poll(&mut out), Ok(Event::Identified(wanted)));
    assert!(out.is_empty());
    session
}

/// A session in programming mode, its password accepted.
fn programming() -> Session {
    let (mut session, mut out) = (identified(), Vec::new());
    session.select(Selection::Programming, speed(), &mut out).unwrap();
    assert_eq!(out, b"\x06051\r\n");
    session.push(b"\x01P0\x02(1234567)\x03\x50");
    assert_eq!(session.poll(&mut out), Ok(Event::Challenge(b"1234567")));
    out.clear();
    session
        .command(&Command { verb: Verb::Password, kind: 1, item: "", value: "00000000" }, &mut out)
        .unwrap();
    session.push(&[0x06]);
    assert_eq!(session.poll(&mut out), Ok(Event::Accepted));
    session
}

const READ: Command<'_> = Command { verb: Verb::Read, kind: 1, item: "1.8.0", value: "" };

#[test]
fn a_read_out_that_was_damaged_once() {
    let (mut session, mut out) = (identified(), Vec::new());
    session.select(Selection::ReadOut, speed(), &mut out).unwrap();
    assert_eq!(out, b"\x06050\r\n");
    out.clear();
    let mut damaged = data(READ_OUT, 3);
    damaged[5] ^= 1;
    session.push(&damaged);
    assert_eq!((session.poll(&mut out), &out[..]), (Ok(Event::Reply), &[0x15][..]));
    session.push(&data(READ_OUT, 3));
    let Ok(Event::ReadOut(body)) = session.poll(&mut out) else { panic!("no read-out") };
    let items: Vec<_> = DataSets::of(body).map(|set| set.unwrap().item.to_owned()).collect();
    assert_eq!(items, ["0.0.0", "1.8.0"]);
}

#[test]
fn damage_without_end_is_an_error() {
    let (mut session, mut out) = (identified(), Vec::new());
    session.select(Selection::ReadOut, speed(), &mut out).unwrap();
    let mut damaged = data(READ_OUT, 3);
    damaged[5] ^= 1;
    for _ in 0..3 {
        session.push(&damaged);
        assert_eq!(session.poll(&mut out), Ok(Event::Reply));
    }
    session.push(&damaged);
    assert_eq!(session.poll(&mut out), Err(Error::Damaged { tries: 4 }));
}

#[test]
fn a_value_in_parts_is_put_together() {
    let (mut session, mut out) = (programming(), Vec::new());
    session.command(&READ, &mut out).unwrap();
    out.clear();
    // What is sent comes back: the command, and the acknowledgement of the first part.
    session.push(b"\x01R1\x021.8.0()\x03\x5A");
    assert_eq!(session.poll(&mut out), Ok(Event::Wait));
    session.push(&data(b"(000123", 4));
    assert_eq!((session.poll(&mut out), &out[..]), (Ok(Event::Reply), &[0x06][..]));
    session.push(&[0x06]);
    assert_eq!(session.poll(&mut out), Ok(Event::Wait));
    session.push(&data(b".45*kWh)", 3));
    assert_eq!(session.poll(&mut out), Ok(Event::Answer(b"(000123.45*kWh)")));
}

#[test]
fn refusals_are_told_in_the_meters_words() {
    let (mut session, mut out) = (programming(), Vec::new());
    session.command(&READ, &mut out).unwrap();
    session.push(&data(b"(ER07)", 3));
    assert_eq!(session.poll(&mut out), Err(Error::Refused("ER07".to_owned())));
    session.command(&READ, &mut out).unwrap();
    session.push(b"\x01B0\x03\x71");
    assert_eq!(session.poll(&mut out), Err(Error::Ended));
}

#[test]
fn what_is_not_understood_or_not_answered_is_said_again() {
    let (mut session, mut out) = (programming(), Vec::new());
    session.command(&READ, &mut out).unwrap();
    let asked = std::mem::take(&mut out);
    session.push(&[0x15]);
    assert_eq!((session.poll(&mut out), &out), (Ok(Event::Reply), &asked));
    for _ in 0..2 {
        out.clear();
        session.unanswered(&mut out).unwrap();
        assert_eq!(out, asked);
    }
    assert_eq!(session.unanswered(&mut out), Err(Error::NotUnderstood { tries: 4 }));
}

#[test]
fn what_would_break_a_message_is_not_sent() {
    let (mut session, mut out) = (programming(), Vec::new());
    for (item, value) in [("1.8.0(", ""), ("1.8.0", "1)(2"), ("1.8\x03", "")] {
        let refused = session.command(&Command { verb: Verb::Write, kind: 1, item, value }, &mut out);
        assert!(matches!(refused, Err(Error::Characters { .. })), "{item} {value}");
    }
    assert!(out.is_empty());
}
