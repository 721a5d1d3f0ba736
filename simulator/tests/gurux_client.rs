//! A client that this project did not write reads the simulator: `interop/read_profile.py` drives the gurux-dlms client as
//! a separate program. Needs a Python with that package, named by `INTEROP_PYTHON`; `./test` makes one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stand outside the test functions"
)]

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use simulator::{Clock, Fleet, FleetConfig, Security};
use tokio::process::Command;
use tokio::time::timeout;

/// The last Sunday of March: at 01:00 UTC clocks in Berlin go from 02:00 to 03:00.
const NOW: &str = "2026-03-29T12:00:00Z";
const FROM: &str = "2026-03-28T22:00:00Z";
const TO: &str = "2026-03-29T03:00:00Z";
/// Captures from FROM to TO, every 15 minutes, both ends.
const ROWS: usize = 21;
const READ_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn without_security_it_reads_what_is_expected() {
    reads_what_is_expected(Security::None, "UTC", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn with_a_password_it_reads_a_day_with_a_change_of_clocks() {
    reads_what_is_expected(Security::Lls, "Europe/Berlin", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn with_ciphering_it_reads_in_blocks_of_128_octets() {
    reads_what_is_expected(Security::Gmac, "UTC", &["--max-pdu", "128"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn a_wrong_password_is_refused() {
    let fleet = fleet(Security::Lls, "UTC").await;
    let output = read(&fleet, &["--password", "not the password"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("Authentication failure"), "{said}");
    fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn a_wrong_key_is_refused() {
    let fleet = fleet(Security::Gmac, "UTC").await;
    let output = read(&fleet, &["--encryption-key", "000102030405060708090A0B0C0D0E0F"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("Ciphering failed"), "{said}");
    fleet.shutdown().await;
}

async fn reads_what_is_expected(security: Security, zone: &str, options: &[&str]) {
    let fleet = fleet(security, zone).await;
    let output = read(&fleet, options).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let record = |kind: &str| text.lines().find_map(|line| line.strip_prefix(kind)).unwrap().to_owned();

    assert_eq!(record("serial,"), fleet.meters()[0].serial());
    let clock: i64 = record("clock,").parse().unwrap();
    assert!((0..60).contains(&(clock - instant(NOW).as_second())), "the clock says {clock}");

    let columns = fleet.meters()[0].columns("energy").unwrap();
    let columns: Vec<String> =
        columns.iter().map(|(obis, attribute)| format!("{obis}/{attribute}")).collect();
    let shown: Vec<String> = record("columns,").split(',').skip(2).map(without_class).collect();
    assert_eq!(shown, columns);

    let expected = fleet.expected(0, "energy", instant(FROM), instant(TO)).unwrap();
    let expected: Vec<String> = expected
        .iter()
        .map(|row| {
            let cells = std::iter::once(row.at.as_second()).chain(row.status.map(i64::from));
            let cells: Vec<String> =
                cells.chain(row.values.iter().copied()).map(|cell| cell.to_string()).collect();
            cells.join(",")
        })
        .collect();
    let rows: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("row,")).collect();
    assert_eq!(rows.len(), ROWS);
    assert_eq!(rows, expected);
    fleet.shutdown().await;
}

/// A fleet of one meter at a fixed time.
async fn fleet(security: Security, zone: &str) -> Fleet {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    config.security = security;
    config.zone = TimeZone::get(zone).unwrap();
    config.clock = Clock::starting_at(instant(NOW));
    Fleet::start(config).await.unwrap()
}

/// Runs the reader against the only meter of the fleet, with the secrets of its inventory. Later options win.
async fn read(fleet: &Fleet, options: &[&str]) -> Output {
    let python = std::env::var("INTEROP_PYTHON")
        .expect("INTEROP_PYTHON names a Python with gurux-dlms; ./test sets it");
    let inventory = simulator::inventory(fleet);
    let mut lines = inventory.lines().map(|line| line.split(','));
    let columns = lines.next().unwrap().zip(lines.next().unwrap());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/read_profile.py"));
    for (column, value) in
        columns.filter(|(column, value)| !["serial", "model", "zone"].contains(column) && !value.is_empty())
    {
        command.arg(format!("--{}", column.replace('_', "-"))).arg(value);
    }
    command.args(["--from", FROM, "--to", TO]).args(options).kill_on_drop(true);
    timeout(READ_LIMIT, command.output()).await.expect("the reader ends in time").unwrap()
}

/// `3/1.0.1.8.0.255/2` without the class.
fn without_class(column: &str) -> String {
    column.split_once('/').unwrap().1.to_owned()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}
