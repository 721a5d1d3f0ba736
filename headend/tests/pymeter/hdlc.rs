//! Meters behind HDLC: over TCP, on a bus, behind mode E, on lines that lose and damage frames.

use ami_proto::v1::{Credentials, JobState};
use serde_json::Value;

use crate::head::{Head, gmac, lls};
use crate::meter::Meter;

const FROM: &str = "2026-03-29T00:15:00Z";
const TO: &str = "2026-03-30T00:00:00Z";
/// Rows of a day.
const ROWS: usize = 96;
/// Values of a row.
const WIDTH: usize = 8;

fn text(meter: &Value, key: &str) -> String {
    meter[key].as_str().unwrap().to_owned()
}

/// The address of the line: HDLC over TCP, or the device with this scheme.
fn address(meter: &Value, scheme: &str) -> String {
    match meter["device"].as_str() {
        Some(device) => format!("{scheme}://{device}"),
        None => format!("hdlc://127.0.0.1:{}", meter["port"]),
    }
}

fn level(meter: &Value, security: &str) -> Option<Credentials> {
    match security {
        "none" => None,
        "lls" => Some(lls(text(meter, "password").into_bytes())),
        _ => Some(gmac(&text(meter, "encryption_key"), &text(meter, "authentication_key"))),
    }
}

/// Registers a meter of the program where it is, and reads a day of its load profile.
async fn day_is_read(head: &Head, program: &Meter, number: usize, scheme: &str, security: &str) {
    let meter = program.all().nth(number).unwrap();
    let serial = text(meter, "serial");
    let device = meter["hdlc_address"].as_u64();
    let place = (address(meter, scheme), device);
    head.create_on_bus(&serial, (&place.0, place.1), "UTC", level(meter, security)).await;
    let job = head.read_profile(&serial, FROM, TO).await;
    let job = job.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
    assert_eq!(job.state(), JobState::Done, "{job:?}\n{}", head.log());
    let expected = program.expected_of(number, FROM, TO);
    assert_eq!(expected.len(), ROWS);
    assert_eq!(head.stored_of(&serial, WIDTH), expected, "{serial}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn a_meter_behind_hdlc_over_tcp_at_each_level_of_security() {
    let head = Head::start().await;
    for security in ["lls", "gmac"] {
        let program = Meter::start(&[
            "--framing",
            "hdlc",
            "--serial-base",
            if security == "lls" { "100" } else { "200" },
        ]);
        day_is_read(&head, &program, 0, "", security).await;
        program.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn frames_of_any_size_and_windows() {
    let head = Head::start().await;
    for (number, (info, window)) in
        [("128", "1"), ("128", "7"), ("2000", "1"), ("2000", "7"), ("20", "3")].into_iter().enumerate()
    {
        let base = (1 + number).to_string() + "00";
        let program = Meter::start(&[
            "--framing",
            "hdlc",
            "--serial-base",
            &base,
            "--hdlc-max-info",
            info,
            "--hdlc-window",
            window,
            "--max-pdu",
            "4000",
        ]);
        day_is_read(&head, &program, 0, "", "gmac").await;
        program.stop();
    }
}

/// C-01: one that never answers does not keep the others of its bus from being read.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn the_meters_of_a_bus_are_read_one_after_the_other_past_a_dead_one() {
    let head = Head::start().await;
    let program = Meter::start(&["--pty", "--bus-size", "3"]);
    let meters: Vec<&Value> = program.all().collect();
    let bus = address(meters[0], "serial");
    for meter in &meters {
        let device = meter["hdlc_address"].as_u64();
        head.create_on_bus(&text(meter, "serial"), (&bus, device), "UTC", level(meter, "lls")).await;
    }
    // Nobody has this address.
    head.create_on_bus("99999999", (&bus, Some(99)), "UTC", None).await;
    let dead = head.read_profile("99999999", FROM, TO);
    let all = meters.iter().map(|meter| {
        let serial = text(meter, "serial");
        let head = &head;
        async move { head.read_profile(&serial, FROM, TO).await }
    });
    let (dead, all) = tokio::join!(dead, futures_util::future::join_all(all));
    let (reason, detail) = crate::head::failure(&dead.unwrap_err());
    assert_eq!(reason, ami_proto::v1::FailureReason::Timeout, "{detail}");
    assert!(detail.contains("Device 99 at serial:///dev/"), "{detail}");
    for (number, read) in all.into_iter().enumerate() {
        assert_eq!(read.unwrap().state(), JobState::Done, "{}", head.log());
        let expected = program.expected_of(number, FROM, TO);
        assert_eq!(head.stored_of(&text(meters[number], "serial"), WIDTH), expected);
    }
    assert_eq!(head.log().matches("NoRoute").count(), 0, "nobody opened the device while somebody had it");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn a_meter_is_woken_up_by_mode_e() {
    let head = Head::start().await;
    let program = Meter::start(&["--pty", "--mode-e"]);
    day_is_read(&head, &program, 0, "optical", "lls").await;
}

/// C-02 against a foreign meter: every tenth answer is lost, every twentieth damaged, and all come in pieces of seven octets.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn c_02_a_bad_line_changes_no_value() {
    let head = Head::with_patience("1s").await;
    for (number, faults) in
        [["--drop", "0.1"], ["--corrupt", "0.1"], ["--chunk", "7"]].into_iter().enumerate()
    {
        let base = (1 + number).to_string() + "00";
        let mut arguments = vec!["--framing", "hdlc", "--serial-base", &base, "--hdlc-window", "7"];
        arguments.extend(faults);
        day_is_read(&head, &Meter::start(&arguments), 0, "", "gmac").await;
    }
    let everything = [
        "--framing",
        "hdlc",
        "--serial-base",
        "400",
        "--hdlc-window",
        "3",
        "--drop",
        "0.1",
        "--corrupt",
        "0.05",
        "--chunk",
        "7",
    ];
    day_is_read(&head, &Meter::start(&everything), 0, "", "lls").await;
}
