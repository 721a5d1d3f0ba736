//! Meters behind concentrators: what they hold is in the database in the end, also of those that were out of reach.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use simulator::{Backend, ConcentratorConfig, Concentrators};

use crate::program::Program;
use crate::site::{METERS, config, settle, start};

const PROFILE: &str = "daily-values";

/// Orders a read of the profile of all meters; `end` is the last time of the range.
pub(crate) fn order(program: &Program, end: Timestamp) {
    program.sql(&format!(
        "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, max_attempts)
         SELECT id, 'read_profile', '\\x0100630200ff', '{end}'::timestamptz - interval '5 days', '{end}', 50 FROM meter WHERE model = '{METERS}'"
    ));
}

/// Reads it, again and again until nothing is due any more.
async fn read(program: &Program, end: Timestamp) {
    order(program, end);
    settle(program).await;
}

/// Count of the captures and sum of the first value of each meter, as the database has them and as they were captured.
pub(crate) fn assert_stored(program: &Program, concentrators: &Concentrators, end: Timestamp) {
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

/// 2 % of the nodes are out of reach at any time, for five seconds each.
fn lossy(config: ConcentratorConfig) -> ConcentratorConfig {
    ConcentratorConfig { lost_ppm: 20_000, outage: Duration::from_secs(5), ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_01_nodes_with_loss_leave_no_gap_that_they_still_hold() {
    let config = lossy(config(Backend::Wrapper { base: 16 }, "fast-wrapper", 400));
    let (concentrators, program) = start(400, config, "").await;
    let end = Timestamp::now();
    read(&program, end).await;
    assert_stored(&program, &concentrators, end);
    let retried = program.sql("SELECT count(*) FROM job WHERE attempts > 1");
    assert_ne!(retried, "0", "some were out of reach");
    program.stop().await;
    concentrators.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_01_nodes_are_reached_by_the_gateway_protocol_and_by_forwarded_frames() {
    for (backend, model) in
        [(Backend::Gateway { network: 0 }, "fast-gateway"), (Backend::Forward, "fast-terminal")]
    {
        let (concentrators, program) = start(40, config(backend, model, 20), "").await;
        let end = Timestamp::now();
        read(&program, end).await;
        assert_stored(&program, &concentrators, end);
        program.stop().await;
        concentrators.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_23_what_a_concentrator_has_read_is_pulled_though_messages_are_torn_off() {
    let config = ConcentratorConfig { torn_ppm: 100_000, ..config(Backend::P2lpc, "fast-p2lpc", 100) };
    let (concentrators, program) = start(200, config, "").await;
    let end = Timestamp::now();
    read(&program, end).await;
    assert_stored(&program, &concentrators, end);
    program.stop().await;
    concentrators.shutdown().await;
}
