//! The opening of an optical port, against captured octets and against meters that do not behave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::Error;
use dlms::hdlc::{Function, Splitter};
use dlms::mode_e::{
    Identification, Opening, Progress, Speed, acknowledgement, read_acknowledgement, request,
};

fn speed(baud: u32) -> Speed {
    Speed::at_most(baud).unwrap()
}

fn with_parity(text: &[u8]) -> Vec<u8> {
    text.iter().map(|octet| octet | ((octet.count_ones() as u8 & 1) << 7)).collect()
}

#[test]
fn acknowledgements_of_the_vectors() {
    for vector in store::all().into_iter().filter(|vector| vector.group == "mode-e") {
        let id = &vector.id;
        let agreed = read_acknowledgement(&vector.octets).unwrap();
        assert_eq!(agreed.baud(), 9600, "{id}");
        let sent = store::hex(&acknowledgement(agreed));
        match id.as_str() {
            "DV332" => assert_eq!(sent, store::hex(&vector.octets)),
            _ => assert_eq!(vector.expected["ack-7bit"], sent, "{id}"),
        }
        // With and without parity in the highest bit the opening is over; what follows is HDLC.
        let mut opening = Opening::new(speed(9600));
        assert!(matches!(opening.push(b"/ISk5\\2ME382-1004\r\n"), Ok(Progress::Send(..))), "{id}");
        assert_eq!(opening.push(&vector.octets[..6]), Ok(Progress::Done(agreed)), "{id}");
        let mut splitter = Splitter::new();
        splitter.push(&vector.octets);
        let frame = splitter.next_frame();
        assert_eq!(frame.is_some(), vector.expected.get("hdlc").is_some(), "{id}");
        if let Some(frame) = frame {
            assert_eq!(frame.control.function, Function::UnnumberedAcknowledge, "{id}");
        }
        for end in 0..6 {
            assert_eq!(
                read_acknowledgement(&vector.octets[..end]),
                Err(Error::Truncated),
                "{id} cut at {end}"
            );
        }
    }
}

#[test]
fn a_whole_opening_wherever_it_is_cut() {
    let mut knock = Vec::new();
    request("", &mut knock).unwrap();
    assert_eq!(knock, b"/?!\r\n");
    let text = b"/ISk5\\2ME382-1004\r\n";
    let identification =
        Identification { maker: *b"ISk", speed: speed(9600), speaks_hdlc: true, text: "ME382-1004".into() };
    // The optical head brings back what was sent; the line is read with seven bits and with eight.
    for answer in
        [[knock.as_slice(), text].concat(), with_parity(text), [&[0xFF, 0x2F, 0], text.as_slice()].concat()]
    {
        for cut in 0..answer.len() {
            let mut opening = Opening::new(speed(19_200));
            assert_eq!(opening.push(&answer[..cut]), Ok(Progress::Wait));
            let due = acknowledgement(speed(9600));
            assert_eq!(opening.push(&answer[cut..]), Ok(Progress::Send(identification.clone(), due)));
            assert_eq!(opening.push(&due[..3]), Ok(Progress::Wait));
            assert_eq!(opening.push(&with_parity(&due)[3..]), Ok(Progress::Done(speed(9600))));
        }
    }
}

#[test]
fn the_slower_one_says_how_fast_it_goes_on() {
    let mut opening = Opening::new(speed(2400));
    let Ok(Progress::Send(_, due)) = opening.push(b"/LGZ4\\2ZMD\r\n") else { panic!("no identification") };
    assert_eq!(due, *b"\x06232\r\n");
    let faster = Error::Value { what: "speed of the acknowledgement", got: u32::from(b'6') };
    assert_eq!(opening.push(b"\x06262\r\n"), Err(faster));
    assert_eq!((Speed::at_most(299), Speed::at_most(115_200)), (None, Some(speed(19_200))));
    assert_eq!(speed(5000).baud(), 4800);
}

#[test]
fn meters_that_cannot_go_on_are_refused_by_name() {
    let refused = |text: &[u8]| Opening::new(speed(9600)).push(text).unwrap_err();
    let no_hdlc = Error::Value { what: "capability of the meter to go on with HDLC", got: 0 };
    assert_eq!(refused(b"/ISk5MT174-0001\r\n"), no_hdlc);
    assert_eq!(refused(b"/ISk5\\@MT174-0001\r\n"), no_hdlc);
    assert_eq!(
        refused(b"/ABCA\\2X\r\n"),
        Error::Value { what: "speed of the identification", got: u32::from(b'A') }
    );
    assert_eq!(refused(b"/AB\r\n"), Error::Truncated);
    assert_eq!(refused(&[b'x'; 100]), Error::TooLong { what: "line of the opening", limit: 64 });

    let mut opening = Opening::new(speed(9600));
    opening.push(b"/ISk5\\W\\2ME\r\n").unwrap();
    let readout = Error::Value { what: "protocol of the acknowledgement", got: u32::from(b'0') };
    assert_eq!(opening.push(b"\x06050\r\n"), Err(readout));
    assert_eq!(opening.push(b"noise\r\n"), Ok(Progress::Wait));
}

#[test]
fn the_address_of_a_device_is_text() {
    let mut out = Vec::new();
    request("12345678", &mut out).unwrap();
    assert_eq!(out, b"/?12345678!\r\n");
    assert_eq!(
        request(&"1".repeat(33), &mut out),
        Err(Error::TooLong { what: "address of the device", limit: 32 })
    );
    assert_eq!(
        request("1!", &mut out),
        Err(Error::Value { what: "a letter of the device's address", got: 0x21 })
    );
}
