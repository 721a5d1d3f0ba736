//! A client that this project did not write reads the simulator, switches it and gives it a tariff and firmware: the
//! programs in `interop/` drive the gurux-dlms client. They need a Python with that package, named by `INTEROP_PYTHON`;
//! `./test` makes one.

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
use simulator::{Clock, Fleet, FleetConfig, Framing, SecretKind, Security};
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
    reads_what_is_expected(&fleet(Security::None, "UTC").await, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn with_a_password_it_reads_a_day_with_a_change_of_clocks() {
    reads_what_is_expected(&fleet(Security::Lls, "Europe/Berlin").await, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn with_ciphering_it_reads_in_blocks_of_128_octets() {
    reads_what_is_expected(&fleet(Security::Gmac, "UTC").await, &["--max-pdu", "128"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn with_every_secret_it_reads_what_is_expected() {
    for kind in [SecretKind::Md5, SecretKind::Sha1, SecretKind::Sha256] {
        let fleet = fleet(Security::Secret(kind), "UTC").await;
        reads_what_is_expected(&fleet, &[]).await;
        let output = read(&fleet, &["--password", "another secret"]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{kind:?}: {said}");
        fleet.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn over_hdlc_it_reads_in_frames_of_every_size() {
    for (security, max_info) in [(Security::None, 128), (Security::Lls, 2030), (Security::Gmac, 64)] {
        let mut config = config(security, "UTC");
        config.framing = Framing::Hdlc { meters_per_line: 1, max_info, window: 7 };
        let fleet = Fleet::start(config).await.unwrap();
        reads_what_is_expected(&fleet, &["--hdlc-max-info", &max_info.to_string()]).await;
        fleet.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn over_hdlc_it_writes_a_calendar_in_segments_on_a_line_with_others() {
    let mut config = config(Security::Gmac, "UTC");
    config.count = 3;
    config.framing = Framing::Hdlc { meters_per_line: 3, max_info: 32, window: 3 };
    let fleet = Fleet::start(config).await.unwrap();
    let said = command(&fleet, &["tariff"]).await;
    assert_eq!((said.len(), said[3].as_str()), (5, "active,WINTER26,2,2,2"));
    let names: Vec<_> = fleet.meters().iter().map(|meter| meter.calendar().name == b"WINTER26").collect();
    assert_eq!(names, [true, false, false]);
    fleet.shutdown().await;
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn it_switches_the_meter_off_and_on() {
    let fleet = fleet(Security::Gmac, "UTC").await;
    assert_eq!(command(&fleet, &["switch"]).await, ["switch,False,0,4", "switch,True,1,4"]);
    let moves: Vec<bool> = fleet.meters()[0].ledger().relay_moves().map(|(_, closed)| closed).collect();
    assert_eq!(moves, [false, true]);
    fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn it_writes_a_calendar_and_activates_it() {
    let fleet = fleet(Security::Gmac, "UTC").await;
    let said = [
        "passive,WINTER26,2,2,2",
        "day,1,00:00=1",
        "day,2,00:00=1,17:00=2,21:00=1",
        "active,WINTER26,2,2,2",
        "special,1,12-25,1",
    ];
    assert_eq!(command(&fleet, &["tariff"]).await, said);
    let calendar = fleet.meters()[0].calendar();
    assert_eq!(calendar.name, b"WINTER26");
    let winter = &calendar.seasons[1];
    assert_eq!((&winter.name[..], &winter.week[..]), (&b"WINTER"[..], &b"DEAR"[..]));
    assert_eq!(winter.start.octets()[..4], [0xFF, 0xFF, 11, 1]);
    assert_eq!(calendar.weeks[1].days, [2, 2, 2, 2, 2, 1, 1]);
    let dear: Vec<_> =
        calendar.days[1].actions.iter().map(|action| (action.start[0], action.selector)).collect();
    assert_eq!(dear, [(0, 1), (17, 2), (21, 1)]);
    assert_eq!(fleet.counts().tariffs_activated, 1);
    fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with gurux-dlms: ./test makes one and sets INTEROP_PYTHON"]
async fn it_installs_firmware_and_sends_missing_blocks_again() {
    let image: Vec<u8> = (0..5000_u32).flat_map(u32::to_be_bytes).collect();
    let file = std::env::temp_dir().join(format!("image-{}.bin", std::process::id()));
    std::fs::write(&file, &image).unwrap();
    let fleet = fleet(Security::Gmac, "UTC").await;
    let options = ["image", "--identifier", "SIM-9.9", "--image", file.to_str().unwrap()];
    let said = command(&fleet, &options).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(said, ["missing,14,0", "status,3", "info,20000,SIM-9.9", "status,6", "version,SIM-9.9"]);
    let meter = &fleet.meters()[0];
    assert_eq!((meter.firmware(), meter.image()), ("SIM-9.9".to_owned(), image));
    assert_eq!((meter.counts().blocks, meter.counts().new_blocks), (40, 40));
    assert_eq!(meter.counts().counters_repeated, 0);
    fleet.shutdown().await;
}

async fn reads_what_is_expected(fleet: &Fleet, options: &[&str]) {
    let output = read(fleet, options).await;
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
}

/// A fleet of one meter at a fixed time.
async fn fleet(security: Security, zone: &str) -> Fleet {
    Fleet::start(config(security, zone)).await.unwrap()
}

fn config(security: Security, zone: &str) -> FleetConfig {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    config.security = security;
    config.zone = TimeZone::get(zone).unwrap();
    config.clock = Clock::starting_at(instant(NOW));
    config
}

/// Reads the only meter of the fleet.
async fn read(fleet: &Fleet, options: &[&str]) -> Output {
    run(fleet, "read_profile.py", &[&["--from", FROM, "--to", TO], options].concat()).await
}

/// What the only meter of the fleet said after it was commanded, line by line.
async fn command(fleet: &Fleet, options: &[&str]) -> Vec<String> {
    let output = run(fleet, "command_meter.py", options).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(ToOwned::to_owned).collect()
}

/// Runs a program against the only meter of the fleet, with the secrets of its inventory. Later options win.
async fn run(fleet: &Fleet, program: &str, options: &[&str]) -> Output {
    let python = std::env::var("INTEROP_PYTHON")
        .expect("INTEROP_PYTHON names a Python with gurux-dlms; ./test sets it");
    let inventory = simulator::inventory(fleet);
    let mut lines = inventory.lines().map(|line| line.split(','));
    let columns = lines.next().unwrap().zip(lines.next().unwrap());
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop").join(program));
    // What is in the inventory for the head-end only, a foreign client neither needs nor knows.
    let ours = ["serial", "model", "zone", "system_title", "equipment_id"];
    for (column, value) in columns.filter(|(column, value)| !ours.contains(column) && !value.is_empty()) {
        command.arg(format!("--{}", column.replace('_', "-"))).arg(value);
    }
    command.args(options).kill_on_drop(true);
    timeout(READ_LIMIT, command.output()).await.expect("the program ends in time").unwrap()
}

/// `3/1.0.1.8.0.255/2` without the class.
fn without_class(column: &str) -> String {
    column.split_once('/').unwrap().1.to_owned()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}
