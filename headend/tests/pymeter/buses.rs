//! Meters on one bus behind a gateway: a raw one, and one that takes orders of RFC 2217 and is a program that this project did not write, either.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use ami_proto::v1::JobState;
use serde_json::Value;

use crate::head::{Head, lls};
use crate::meter::Meter;

const FROM: &str = "2026-03-29T00:15:00Z";
const TO: &str = "2026-03-30T00:00:00Z";
/// Values of a row.
const WIDTH: usize = 8;

/// Reads a day of every meter of the program, all at once, each at its own address.
async fn all_are_read(head: &Head, program: &Meter, address: impl Fn(usize) -> String) {
    let meters: Vec<&Value> = program.all().collect();
    let text = |meter: &Value, key: &str| meter[key].as_str().unwrap().to_owned();
    for (number, meter) in meters.iter().enumerate() {
        let device = meter["hdlc_address"].as_u64();
        let place = address(number);
        let password = lls(text(meter, "password").into_bytes());
        head.create_on_bus(&text(meter, "serial"), (&place, device), "UTC", Some(password)).await;
    }
    let reads = meters.iter().map(|meter| {
        let serial = text(meter, "serial");
        async move { head.read_profile(&serial, FROM, TO).await }
    });
    for (number, read) in futures_util::future::join_all(reads).await.into_iter().enumerate() {
        let job = read.unwrap_or_else(|status| panic!("{status:?}\n{}", head.log()));
        assert_eq!(job.state(), JobState::Done, "{job:?}\n{}", head.log());
        let expected = program.expected_of(number, FROM, TO);
        assert_eq!(head.stored_of(&text(meters[number], "serial"), WIDTH), expected);
    }
}

/// SEN-35: several meters behind one modem.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn sen_35_several_meters_on_one_socket() {
    let head = Head::start().await;
    let program = Meter::start(&["--framing", "hdlc", "--bus-size", "3", "--max-connections", "1"]);
    let gateway = program.address();
    all_are_read(&head, &program, |_| format!("serial://{gateway}?baud=115200")).await;
}

/// `serial_gateway.py`; dropping it ends it.
struct Gateway {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Gateway {
    /// In front of a device; and the port where it listens.
    fn start(device: &str) -> (Self, String) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../interop/serial_gateway.py");
        let python = std::env::var("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python; ./test sets it");
        let mut child =
            Command::new(python).args([script, device]).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.next().unwrap().unwrap();
        (Self { child, said }, port)
    }

    /// Ends it, and returns what else it said.
    fn end(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.said.by_ref().map_while(Result::ok).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each meter has its speed: the gateway is told whenever the next one has another.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pymeter.py: PYMETER and INTEROP_PYTHON"]
async fn a_gateway_takes_orders_of_rfc_2217() {
    let head = Head::start().await;
    let program = Meter::start(&["--pty", "--bus-size", "2"]);
    let (gateway, port) = Gateway::start(program.description["device"].as_str().unwrap());
    let speeds = [38_400, 115_200];
    all_are_read(&head, &program, |number| {
        format!("rfc2217://127.0.0.1:{port}?baud={}&parity=none", speeds[number])
    })
    .await;
    let set: Vec<String> = gateway.end().into_iter().filter(|line| line.starts_with("baud")).collect();
    for speed in speeds {
        assert!(set.contains(&format!("baud {speed}")), "{set:?}");
    }
}
