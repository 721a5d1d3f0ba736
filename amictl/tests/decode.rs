//! `amictl decode` as people at a terminal and scripts use it.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A ciphered GET of a clock (Green Book), its keys and its sender.
const REQUEST: &str =
    "C8 1E 30 01 23 45 67 41 13 12 FF 93 5A 47 56 68 27 C4 67 BC 7D 82 5C 3B E4 A7 7C 3F CC 05 6B 6B";
const KEYS: [&str; 6] = [
    "--key",
    "000102030405060708090A0B0C0D0E0F",
    "--auth-key",
    "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF",
    "--system-title",
    "4D4D4D0000BC614E",
];

fn decode(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_amictl"))
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    program.wait_with_output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn a_ciphered_request_is_opened_and_its_tag_is_checked() {
    let shown = decode(&[&KEYS[..], &[REQUEST]].concat(), "");
    assert_eq!(
        text(&shown.stdout),
        "\
0000  C8 1E                                      outer glo-get-request
0002  30                                           security-control  suite 0, authenticated and encrypted, unicast key
0003  01 23 45 67                                  invocation-counter  19088743
0007  41 13 12 FF 93 5A 47 56 68 27 C4 67 BC 7D …  body  tag valid
                                                 inner: 13 octets of their own
0000  C0 01                                        get-request-normal
0002  00                                             invoke-id  0  (unconfirmed, normal priority)
0003  00 08                                          class  8  (clock)
0005  00 00 01 00 00 FF                              obis  0.0.1.0.0.255  (clock)
000B  02                                             attribute  2  (time)
000C  00                                             access-selection
"
    );
    assert_eq!(shown.status.code(), Some(0));
}

#[test]
fn a_wrong_key_is_told_from_a_wrong_authentication_key() {
    let body = |keys: &[&str]| {
        let shown = text(&decode(&[keys, &[REQUEST]].concat(), "").stdout);
        shown.lines().find_map(|line| line.split_once("body  ")).unwrap().1.to_owned()
    };
    let mut keys = KEYS;
    keys[3] = KEYS[1];
    assert_eq!(body(&keys), "tag wrong, though the encryption key fits: check the authentication key");
    keys[1] = KEYS[3];
    assert_eq!(body(&keys), "tag wrong: check the keys and the system title");
    assert_eq!(body(&[]), "not opened: no key is given");
    assert_eq!(body(&KEYS[..4]), "not opened: the system title of the sender is not known");
}

#[test]
fn scripts_get_json_from_a_pipe() {
    let shown = decode(&["--json"], "0xC4 0x01 0xC1\n00:06:00:00:13:91\n");
    let value: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(value["get-response-normal"]["data"], serde_json::json!({ "double-long-unsigned": 5009 }));
    assert_eq!(value.get("stopped"), None);
}

#[test]
fn what_cannot_be_read_is_shown_where_it_stops() {
    let shown = decode(&["C401C1000203110A1204"], "");
    assert_eq!(
        text(&shown.stdout),
        "\
0000  C4 01                                      get-response-normal
0002  C1                                           invoke-id  1  (confirmed, high priority)
0004  02 03                                        data structure
0006  11 0A                                          [0] unsigned  10
0008  12                                             [1]  (empty)

0005  03 11 0A 12 04
                  ^ long-unsigned: the message ends too early
"
    );
    assert_eq!(shown.status.code(), Some(1));
    let message = "amictl: stopped at offset 0x0009 in long-unsigned: the message ends too early\n";
    assert_eq!(text(&shown.stderr), message);
}

#[test]
fn what_is_no_input_is_refused_by_name() {
    for (arguments, message) in [
        (&["C4G1"][..], "amictl: \"C4G1\" is no octet in hexadecimal digits, or half of one\n"),
        (&[], "amictl: there are no octets to decode\n"),
        (&["--key", "00112233", "C4"], "amictl: --key: key has length 4, but needs 16\n"),
        (
            &["--key", "no-such-file", "C4"],
            "amictl: --key: neither hexadecimal digits nor a file that holds them\n",
        ),
    ] {
        let refused = decode(arguments, "");
        assert_eq!((text(&refused.stderr).as_str(), refused.status.code()), (message, Some(2)));
    }
}
