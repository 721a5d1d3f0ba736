//! `kill -9` of the program at every durable step of a disconnect: the command comes to the right end after the restart, and the relay moved
//! exactly once. The meter's own ledger is the witness.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{CommandOutcome, CommandState, DisconnectRequest, OrderTerms};
use program::{Program, until};
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig, Security};

/// There is a moment between any two steps when each answer takes so long.
const SLOW: Duration = Duration::from_millis(300);
const COLLECTOR: &str = "[collector]\nlease = \"5s\"\nresponse_timeout = \"5s\"\n";

/// One meter.
async fn fleet(answers_after: Duration) -> Fleet {
    let model = models::builtin().unwrap()["sed302"].clone();
    let slow = FaultRule { fault: Fault::Slow(answers_after), meters: Affected::Numbers(vec![0]) };
    let faults = if answers_after.is_zero() { Vec::new() } else { vec![slow] };
    let config = FleetConfig { security: Security::Gmac, history_days: 1, faults, ..FleetConfig::new(model) };
    Fleet::start(config).await.unwrap()
}

fn moves(fleet: &Fleet) -> Vec<bool> {
    fleet.meters()[0].ledger().relay_moves().map(|(_, closed)| closed).collect()
}

async fn begin(answers_after: Duration) -> (Fleet, Program) {
    let fleet = fleet(answers_after).await;
    let program = Program::start(COLLECTOR).await;
    program.register(&fleet, 0).await;
    (fleet, program)
}

fn state(program: &Program) -> String {
    program.sql("SELECT state FROM command")
}

/// C-16: the command ends as confirmed, and the relay moved once.
async fn ends_well(program: &Program, fleet: &Fleet, id: i64) {
    let command = program.end_of(id).await;
    assert_eq!(
        (command.state(), command.outcome()),
        (CommandState::Confirmed, CommandOutcome::Disconnected),
        "{command:?}\n{}",
        program.log()
    );
    assert_eq!(moves(fleet), [false], "{}", program.log());
    assert_eq!(fleet.meters()[0].counts().counters_repeated, 0);
}

async fn placed(program: &Program, fleet: &Fleet, terms: OrderTerms) -> i64 {
    let meter_serials = vec![fleet.meters()[0].serial()];
    let request = DisconnectRequest { meter_serials, terms: Some(terms) };
    let mut client = SwitchServiceClient::new(program.channel.clone());
    client.disconnect(request).await.unwrap().into_inner().commands[0].id
}

fn terms() -> OrderTerms {
    OrderTerms { idempotency_key: "off".into(), reason: "test".into(), ..OrderTerms::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_order_is_accepted() {
    let (fleet, program) = begin(Duration::ZERO).await;
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let later = prost_types::Timestamp { seconds: at.as_second(), nanos: 0 };
    let id = placed(&program, &fleet, OrderTerms { not_before: Some(later), ..terms() }).await;
    assert_eq!(state(&program), "accepted");
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_command_is_armed_and_nothing_is_sent() {
    let (fleet, program) = begin(SLOW).await;
    let id = placed(&program, &fleet, terms()).await;
    until("armed", || state(&program) == "sending").await;
    assert_eq!(fleet.meters()[0].counts().actions, 0, "the meter is still being read");
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_meter_has_switched_and_its_answer_is_under_way() {
    let (fleet, program) = begin(SLOW).await;
    let id = placed(&program, &fleet, terms()).await;
    until("the relay moves", || !moves(&fleet).is_empty()).await;
    assert_eq!(state(&program), "sending");
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_outcome_was_seen_and_is_not_yet_stored() {
    let (fleet, program) = begin(SLOW).await;
    let id = placed(&program, &fleet, terms()).await;
    until("the relay moves", || !moves(&fleet).is_empty()).await;
    // The outcome can not be written while somebody else holds the command.
    let text = "BEGIN; SELECT FROM command FOR UPDATE; SELECT pg_sleep(600)";
    let mut holder = program.psql(text).spawn().unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%commands::ends::%'";
    until("the outcome waits", || program.sql(waiting) == "1").await;
    let program = program.kill_and_restart().await;
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(state(&program), "sending");
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_outcome_is_stored() {
    let (fleet, program) = begin(Duration::ZERO).await;
    let id = placed(&program, &fleet, terms()).await;
    until("the outcome", || state(&program) == "confirmed").await;
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}
