//! `amictl decode` as people at a terminal and scripts use it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use pcapng::{Carrier, Line, What, Writer};

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

/// A capture file with what was sent and received on each line, a millisecond apart.
fn captured(name: &str, lines: &[(Carrier, &str, &[&[u8]])]) -> PathBuf {
    let (mut file, mut at_us) = (Vec::new(), 1_767_225_600_000_000);
    let mut writer = Writer::begin("headend", &mut file);
    let places: Vec<_> = lines
        .iter()
        .map(|(carrier, name, _)| {
            writer.line(&Line { carrier: *carrier, name: (*name).to_owned() }, &mut file)
        })
        .collect();
    for (place, (_, _, said)) in places.into_iter().zip(lines) {
        writer.packet(place, at_us, What::Opened, &[], &mut file);
        for (octets, what) in said.iter().zip([What::Sent, What::Received].into_iter().cycle()) {
            at_us += 1000;
            writer.packet(place, at_us, what, octets, &mut file);
        }
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, file).unwrap();
    path
}

#[test]
fn a_capture_is_decoded_line_by_line() {
    let lines: &[(Carrier, &str, &[&[u8]])] = &[
        (
            Carrier::Tcp,
            "10.1.2.3:4059",
            &[
                b"\0\x01\0\x10\0\x01\0\x0D\xC0\x01\xC1\0\x08\0\0\x01\0\0\xFF\x02\0",
                b"\0\x01\0\x01\0\x10\0\x06\xC4\x01\xC1\0\x11\x2A",
            ],
        ),
        (
            Carrier::Serial,
            "serial:///dev/ttyS0?baud=9600&parity=none",
            &[b"\x7E\xA0\x07\x03\x21\x93\x0F\x01\x7E", b"\x7E\xA0\x07\x21\x03\x73\x01\x40\x7E"],
        ),
    ];
    let path = captured("two-lines.pcapng", lines);
    let path = path.to_str().unwrap();
    let shown = decode(&["--capture", path], "");
    let told = text(&shown.stdout);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let parts = [
        "10.1.2.3:4059\n",
        "0000  2026-01-01T00:00:00",
        "  sent 21\n",
        "  received 14\n",
        "get-request-normal",
        "obis  0.0.1.0.0.255",
        "get-response-normal",
        "unsigned  42",
        "serial:///dev/ttyS0?baud=9600&parity=none\n",
        "  sent 9\n",
        "  received 9\n",
        "SNRM",
        "UA, P/F\n",
    ];
    let mut rest = told.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in {rest}\n\nof {told}"));
        rest = &rest[at + part.len()..];
    }
    let json = decode(&["--json", "--capture", path], "");
    let values: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 2, "one for each line");
}

#[test]
fn a_capture_that_makes_no_sense_is_named() {
    let cut: &[(Carrier, &str, &[&[u8]])] =
        &[(Carrier::Tcp, "10.1.2.3:4059", &[b"\0\x01\0\x10\0\x01\0\x0D\xC0\x01"])];
    let path = captured("cut.pcapng", cut);
    let refused = decode(&["--capture", path.to_str().unwrap()], "");
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("the message ends too early"), "{}", text(&refused.stderr));
    std::fs::write(&path, b"no capture").unwrap();
    let refused = decode(&["--capture", path.to_str().unwrap()], "");
    assert!(
        text(&refused.stderr).contains("cut.pcapng: this is no pcapng file"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!((text(&refused.stdout).as_str(), refused.status.success()), ("", false));
}
