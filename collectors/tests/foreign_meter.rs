//! A meter of DL/T 645 that this project did not write is read: `interop/dlt645_meter.py` runs the server of the package dlt645. It needs a Python with that package,
//! named by `INTEROP_PYTHON`; `./test` makes one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use collectors::{Channel, Credentials, Event, Limits, RegisterRequest, Report, Seed, Station, Task, Work};
use jiff::tz::TimeZone;
use models::Model;
use tokio::sync::mpsc;

/// The same from both ends: the server takes an address in the order of the wire.
const ADDRESS: u64 = 111_111_111_111;

struct Meter {
    child: Child,
    port: u16,
}

impl Meter {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let python = std::env::var_os("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python with dlt645");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/dlt645_meter.py");
        let mut child = Command::new(python)
            .arg(program)
            .args([ADDRESS.to_string(), port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "listening"), "the meter listens");
        Self { child, port }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with dlt645: ./test makes one and sets INTEROP_PYTHON"]
async fn hb_03_a_foreign_meter_of_dlt645_is_read() {
    let meter = Meter::start();
    let mut model = Model::clone(&models::builtin().unwrap()["generic-dlt645"]);
    // It knows no serial number and no blocks of three phases.
    if let models::Language::Dlt645(spec) = &mut model.language {
        spec.serial = None;
    }
    for register in &mut model.registers {
        if let Some(models::Place::Dlt645(place)) = &mut register.at
            && register.name == "voltage A"
        {
            place.item = "02010100".parse().unwrap();
        }
    }
    let wanted = ["active import", "active export", "voltage A"];
    model.registers.retain(|register| wanted.contains(&register.name.as_str()));
    let requests = model.registers.iter().map(|register| RegisterRequest {
        obis: register.obis,
        class_id: 3,
        attribute: 2,
    });
    let task = Task::ReadRegisters(requests.collect());
    let station = Station {
        meter: 1,
        address: format!("serial://127.0.0.1:{}?baud=2400&parity=even", meter.port).parse().unwrap(),
        device_address: Some(ADDRESS),
        subunit: None,
        via: None,
        server_sap: 1,
        client_sap: 16,
        credentials: Credentials::none(),
        model: Arc::new(model),
        serial: None,
        zone: TimeZone::UTC,
    };
    let (reports, mut reported) = mpsc::channel::<Report>(64);
    let (sender, receiver) = mpsc::channel(1);
    let span = tracing::Span::none();
    let work = Work {
        job: 1,
        station: Arc::new(station),
        counters: None,
        seed: Seed::new([42; 32]),
        task,
        priority: 0,
        span,
    };
    sender.try_send(work).unwrap();
    drop(sender);
    let channel = tokio::spawn(Channel::new(Limits::default(), reports).run(receiver));
    let (mut values, mut end) = (Vec::new(), None);
    while let Some(Report { event, .. }) = reported.recv().await {
        match event {
            Event::Registers(registers) => {
                values.extend(registers.iter().map(|found| (found.value, found.scaler, found.unit.symbol())))
            }
            Event::Ended(outcome) => end = Some(outcome),
            other => panic!("{other:?}"),
        }
    }
    channel.await.unwrap();
    let end = end.expect("the work ends");
    assert!(end.as_ref().is_ok_and(|covered| covered.exchanges == 3), "{end:?}");
    assert_eq!(values, [(123_456, 1, "Wh"), (789, 1, "Wh"), (2298, -1, "V")]);
}
