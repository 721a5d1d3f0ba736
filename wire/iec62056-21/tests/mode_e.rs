//! The opening of an optical port, against captured octets and against meters that do not behave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use iec62056_21::mode_e::{Opening, Progress};
use iec62056_21::{Error, Identification, Mode, Speed, opening};

/// What a meter of the field says first.
const TEXT: &[u8] = b"/ISk5\\2ME382-1004\r\n";
/// What is answered to it, without and with the parity bits in which a meter was captured repeating it.
const SELECTION: [u8; 6] = [0x06, 0x32, 0x35, 0x32, 0x0D, 0x0A];
const REPEATED: [u8; 6] = [0x06, 0xB2, 0x35, 0xB2, 0x8D, 0x0A];

fn fast() -> Speed {
    Speed::of(b'5').unwrap()
}

fn with_parity(text: &[u8]) -> Vec<u8> {
    text.iter().map(|octet| octet | ((octet.count_ones() as u8 & 1) << 7)).collect()
}

#[test]
fn a_whole_opening_wherever_it_is_cut() {
    let mut knock = Vec::new();
    opening("", &mut knock).unwrap();
    assert_eq!(knock, b"/?!\r\n");
    let meter = Identification {
        manufacturer: *b"ISk",
        mode: Mode::C(fast()),
        has_hdlc: true,
        name: "ME382-1004".into(),
    };
    // The optical head brings back what was sent; the line is read with seven bits and with eight.
    for answer in [[knock.as_slice(), TEXT].concat(), with_parity(TEXT), [&[0xFF, 0x2F, 0], TEXT].concat()] {
        for cut in 0..answer.len() {
            let mut opening = Opening::new();
            assert_eq!(opening.push(&answer[..cut]), Ok(Progress::Wait));
            assert_eq!(opening.push(&answer[cut..]), Ok(Progress::Send(meter.clone(), SELECTION)));
            for at in 0..5 {
                assert_eq!(opening.push(&REPEATED[at..=at]), Ok(Progress::Wait));
            }
            assert_eq!(opening.push(&REPEATED[5..]), Ok(Progress::Done(fast())));
        }
    }
    assert_eq!((fast().baud(), with_parity(&SELECTION).as_slice()), (9600, REPEATED.as_slice()));
}

#[test]
fn meters_that_cannot_go_on_are_refused_by_name() {
    let refused = |text: &[u8]| Opening::new().push(text).unwrap_err();
    assert_eq!(refused(b"/ISk5MT174-0001\r\n"), Error::NoHdlc);
    assert_eq!(refused(b"/ISk5\\@MT174-0001\r\n"), Error::NoHdlc);
    assert_eq!(refused(b"/ABCA\\2X\r\n"), Error::NoHdlc, "its speed is not for the client to select");
    assert_eq!(refused(b"/AB\r\n"), Error::Truncated { what: "identification message", offset: 3 });
    assert_eq!(refused(&[b'x'; 100]), Error::TooLong { what: "a line of the opening", limit: 64 });
}

#[test]
fn a_meter_that_repeats_something_else_is_refused() {
    let other = Error::Unexpected { expected: "the selection as it was sent", got: "another selection" };
    for repeated in [b"\x06262\r\n", b"\x06050\r\n"] {
        let mut opening = Opening::new();
        assert!(matches!(opening.push(b"/ISk5\\W\\2ME\r\n"), Ok(Progress::Send(_, SELECTION))));
        assert_eq!(opening.push(b"noise\r\n"), Ok(Progress::Wait));
        assert_eq!(opening.push(repeated), Err(other.clone()));
    }
}
