//! Messages as meters and other programs send them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use iec62056_21::{Command, Message, Receiver, Verb, check_character};

fn octets(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect()
}

fn sent(verb: Verb, kind: u8, item: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Command { verb, kind, item, value }.encode(&mut out).unwrap();
    out
}

#[test]
fn commands_of_programming_mode() {
    assert_eq!(sent(Verb::Break, 0, "", ""), octets("01 42 30 03 71"));
    assert_eq!(
        sent(Verb::Password, 1, "", "00000000"),
        octets("01 50 31 02 28 30 30 30 30 30 30 30 30 29 03 61")
    );
    assert_eq!(sent(Verb::Read, 1, "1.8.0", ""), octets("01 52 31 02 31 2E 38 2E 30 28 29 03 5A"));
    assert_eq!(
        sent(Verb::Password, 0, "", "1234567"),
        octets("01 50 30 02 28 31 32 33 34 35 36 37 29 03 50")
    );
    assert_eq!(
        sent(Verb::Write, 2, "C003", "910234092239"),
        octets("01 57 32 02 43 30 30 33 28 39 31 30 32 33 34 30 39 32 32 33 39 29 03 1B")
    );
}

#[test]
fn the_check_character_of_a_read_out() {
    let body = b"0.0.0(12345678)\r\n1.8.0(000123.45*kWh)\r\n!\r\n";
    assert_eq!(check_character(&[&body[..], &[3]].concat()), 0x75);
}

#[test]
fn parity_bits_do_not_disturb() {
    // The selection of mode E, given back with even parity.
    let message = octets("06 B2 35 B2 8D 0A");
    let mut receiver = Receiver::new();
    receiver.push(&message);
    let wanted = [0x06, 0x32, 0x35, 0x32, 0x0D, 0x0A];
    assert_eq!(receiver.next_message(), Ok(Some(Message::Selection(wanted))));
}
