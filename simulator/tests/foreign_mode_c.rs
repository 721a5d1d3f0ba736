//! A client of IEC 62056-21 that this project did not write reads the simulator: `interop/read_mode_c.py` drives the iec62056-21 client. It needs a Python with that
//! package, named by `INTEROP_PYTHON`; `./test` makes one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stand outside the test functions"
)]

use std::{path::Path, sync::Arc, time::Duration};

use models::{Language, Model};
use simulator::{Clock, Fleet, FleetConfig};
use tokio::{process::Command, time::timeout};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with iec62056-21: ./test makes one and sets INTEROP_PYTHON"]
async fn joy_13_it_reads_the_read_out_and_single_data_sets() {
    let mut model = Model::clone(&models::builtin().unwrap()["joy311"]);
    if let Language::Iec62056_21(spec) = &mut model.language {
        // The client knows no parity over TCP.
        spec.parity = false;
    }
    let clock = Clock::starting_at("2026-03-01T12:00:00Z".parse().unwrap());
    let fleet = Fleet::start(FleetConfig { clock, ..FleetConfig::new(Arc::new(model)) }).await.unwrap();
    let meter = &fleet.meters()[0];
    let python = std::env::var_os("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python with iec62056-21");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/read_mode_c.py");
    let mut reader = Command::new(python);
    reader.arg(program).args([&fleet.addresses()[0].to_string(), &meter.serial(), "1.8.0", "32.7.0"]);
    let output = timeout(LIMIT, reader.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("0.0.0 {} -", meter.serial()));
    assert_eq!(lines[1], "0.9.2 26-03-01 -");
    // The time, two energies, three voltages, three currents; and two sets once more.
    assert_eq!(lines.len(), 2 + 1 + 2 + 3 + 3 + 2, "{said}");
    let energy = |line: &str| {
        line.strip_prefix("1.8.0 ")
            .and_then(|rest| rest.strip_suffix(" kWh"))
            .map(|value| value.replace('.', ""))
    };
    let held = meter.register("1.0.1.8.0.255".parse().unwrap()).unwrap();
    for line in [lines[3], lines[11]] {
        let shown: i64 = energy(line).expect(line).parse().unwrap();
        assert!(held.abs_diff(shown) <= 1, "{line} {held}");
    }
    assert!(lines[12].starts_with("32.7.0 ") && lines[12].ends_with(" V"), "{said}");
}
