//! The running program and meters behind concentrators, by each way to reach them: what they hold is in the database in the end, also of those that were out of reach.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ami_proto::v1::ImportMetersRequest;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use jiff::Timestamp;
use program::Program;
use simulator::{
    Backend, ConcentratorConfig, Concentrators, FleetConfig, Security, inventory_of_concentrators,
};
use tokio::time::sleep;

const METERS: &str = "mt371";
const PROFILE: &str = "daily-values";
const LIMIT: Duration = Duration::from_secs(180);

/// Concentrators, and the program with their inventory. Their models answer sooner than real ones, as their power lines do.
async fn start(count: u32, config: ConcentratorConfig) -> (Concentrators, Program) {
    let models = models::builtin().unwrap();
    let fleet = FleetConfig {
        count,
        security: Security::None,
        history_days: 6,
        ..FleetConfig::new(models[METERS].clone())
    };
    let reach = match config.backend {
        Backend::Wrapper { base } => format!("{{ by = \"wrapper\", base = {base} }}"),
        Backend::Gateway { network } => format!("{{ by = \"gateway\", network = {network} }}"),
        Backend::Forward => "{ by = \"forward\", port = 1 }".to_owned(),
        Backend::P2lpc => "{ by = \"p2lpc\" }".to_owned(),
    };
    let name = config.model.clone();
    let folder = std::env::temp_dir().join(format!("headend-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let model = format!(
        "name = \"{name}\"\nmanufacturer = \"any\"\ndescription = \"A fast concentrator\"\n[association]\n[identity]\n[concentrator]\nreach = {reach}\nanswer_within = \"1s\"\n"
    );
    std::fs::write(folder.join(format!("{name}.toml")), model).unwrap();
    let concentrators = Concentrators::start(fleet, config).await.unwrap();
    let sections =
        format!("[models]\ndir = {folder:?}\n[collector]\nresponse_timeout = \"1s\"\nline_retries = 0\n");
    let program = Program::start(&sections).await;
    std::fs::remove_dir_all(folder).unwrap();
    let chunk = inventory_of_concentrators(&concentrators).into_bytes();
    let parts = tokio_stream::iter([ImportMetersRequest { chunk }]);
    let imported = InventoryServiceClient::new(program.channel.clone()).import_meters(parts).await.unwrap();
    assert_eq!(imported.into_inner().problems, []);
    (concentrators, program)
}

/// Reads the profile of all meters, again and again until nothing is due any more; `end` is the last time of the range.
async fn read(program: &Program, end: Timestamp) {
    program.sql(&format!(
        "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, max_attempts)
         SELECT id, 'read_profile', '\\x0100630200ff', '{end}'::timestamptz - interval '5 days', '{end}', 50 FROM meter WHERE model = '{METERS}'"
    ));
    let begun = Instant::now();
    // Who was out of reach is asked again at once, not after a while.
    while program.sql("UPDATE job SET due_at = now() WHERE state = 'due'; SELECT count(*) FROM job WHERE state IN ('due', 'running')") != "0" {
        assert!(begun.elapsed() < LIMIT, "{}", program.sql("SELECT state, reason, count(*), min(detail) FROM job GROUP BY 1, 2"));
        sleep(Duration::from_millis(500)).await;
    }
}

/// Count of the captures and sum of the first value of each meter, as the database has them and as they were captured.
fn assert_stored(program: &Program, concentrators: &Concentrators, end: Timestamp) {
    let found = program.sql(
        "SELECT m.serial, count(*), sum(r.v0) FROM profile_row r JOIN meter m ON m.id = r.meter_id GROUP BY 1 ORDER BY 1",
    );
    let stored: BTreeMap<&str, String> = found
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(serial, rest)| (serial, rest.to_owned()))
        .collect();
    let from = end - jiff::SignedDuration::from_hours(5 * 24);
    for meter in concentrators.meters() {
        let rows = meter.expected(PROFILE, from, end).unwrap();
        let expected = format!("{}|{}", rows.len(), rows.iter().map(|row| row.values[0]).sum::<i64>());
        assert_eq!(stored.get(meter.serial().as_str()), Some(&expected), "{meter:?}");
        assert_eq!(rows.len(), 5);
    }
    let failed = program.sql("SELECT count(*) FROM job WHERE state = 'failed'");
    assert_eq!(failed, "0");
}

fn config(backend: Backend, model: &str, nodes: u32) -> ConcentratorConfig {
    ConcentratorConfig {
        backend,
        model: model.to_owned(),
        nodes,
        accelerate: 5000,
        ..ConcentratorConfig::default()
    }
}

/// 2 % of the nodes are out of reach at any time, for five seconds each.
fn lossy(config: ConcentratorConfig) -> ConcentratorConfig {
    ConcentratorConfig { lost_ppm: 20_000, outage: Duration::from_secs(5), ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_01_nodes_with_loss_leave_no_gap_that_they_still_hold() {
    let config = lossy(config(Backend::Wrapper { base: 16 }, "fast-wrapper", 400));
    let (concentrators, program) = start(400, config).await;
    let end = Timestamp::now();
    read(&program, end).await;
    assert_stored(&program, &concentrators, end);
    let retried = program.sql("SELECT count(*) FROM job WHERE attempts > 1");
    assert_ne!(retried, "0", "some were out of reach");
    program.stop();
    concentrators.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_01_nodes_are_reached_by_the_gateway_protocol_and_by_forwarded_frames() {
    for (backend, model) in
        [(Backend::Gateway { network: 0 }, "fast-gateway"), (Backend::Forward, "fast-terminal")]
    {
        let (concentrators, program) = start(40, config(backend, model, 20)).await;
        let end = Timestamp::now();
        read(&program, end).await;
        assert_stored(&program, &concentrators, end);
        program.stop();
        concentrators.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_23_what_a_concentrator_has_read_is_pulled_though_messages_are_torn_off() {
    let config = ConcentratorConfig { torn_ppm: 100_000, ..config(Backend::P2lpc, "fast-p2lpc", 100) };
    let (concentrators, program) = start(200, config).await;
    let end = Timestamp::now();
    read(&program, end).await;
    assert_stored(&program, &concentrators, end);
    program.stop();
    concentrators.shutdown().await;
}
