//! `kill -9` of the program at every durable step of the end of a billing period: the command comes to the right end after the restart, and the period ended
//! exactly once. The meter's own counter is the witness.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::{
    CloseBillingPeriodRequest, CommandOutcome, CommandState, ErrorDetail, ErrorReason, OrderTerms,
    ResetDemandRequest,
};
use program::{Program, until};
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig, Security};

/// There is a moment between any two steps when each answer takes so long.
const SLOW: Duration = Duration::from_millis(300);
const COLLECTOR: &str = "[collector]\nlease = \"5s\"\nresponse_timeout = \"5s\"\n";

/// One meter.
async fn begin(answers_after: Duration) -> (Fleet, Program) {
    let model = models::builtin().unwrap()["sed302"].clone();
    let slow = FaultRule { fault: Fault::Slow(answers_after), meters: Affected::Numbers(vec![0]) };
    let faults = if answers_after.is_zero() { Vec::new() } else { vec![slow] };
    let config = FleetConfig { security: Security::Gmac, history_days: 1, faults, ..FleetConfig::new(model) };
    let fleet = Fleet::start(config).await.unwrap();
    let program = Program::start(COLLECTOR).await;
    program.register(&fleet, 0).await;
    (fleet, program)
}

fn state(program: &Program) -> String {
    program.sql("SELECT state FROM command")
}

fn resets(fleet: &Fleet) -> u32 {
    fleet.meters()[0].resets()
}

fn terms() -> OrderTerms {
    OrderTerms { idempotency_key: "end".into(), reason: "test".into(), ..OrderTerms::default() }
}

async fn placed(program: &Program, fleet: &Fleet) -> i64 {
    let request =
        CloseBillingPeriodRequest { meter_serials: vec![fleet.meters()[0].serial()], terms: Some(terms()) };
    let mut client = BillingServiceClient::new(program.channel.clone());
    client.close_billing_period(request).await.unwrap().into_inner().commands[0].id
}

/// C-16: the command ends as confirmed, and the period ended once.
async fn ends_well(program: &Program, fleet: &Fleet, id: i64) {
    let command = program.end_of(id).await;
    assert_eq!(
        (command.state(), command.outcome()),
        (CommandState::Confirmed, CommandOutcome::BillingPeriodClosed),
        "{command:?}\n{}",
        program.log()
    );
    assert_eq!(resets(fleet), 1, "{}", program.log());
    assert_eq!(program.sql("SELECT baseline FROM command"), "0");
    assert_eq!(fleet.meters()[0].counts().counters_repeated, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_command_is_armed_and_nothing_is_kept() {
    let (fleet, program) = begin(SLOW).await;
    let id = placed(&program, &fleet).await;
    until("armed", || state(&program) == "sending").await;
    assert_eq!(program.sql("SELECT baseline IS NULL FROM command"), "t", "the meter is still being read");
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_counter_is_kept_and_nothing_is_known_of_the_order() {
    let (fleet, program) = begin(SLOW).await;
    let id = placed(&program, &fleet).await;
    until("kept", || program.sql("SELECT baseline FROM command") == "0").await;
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sen_22_killed_when_the_period_has_ended_and_the_answer_is_under_way() {
    let (fleet, program) = begin(SLOW).await;
    let id = placed(&program, &fleet).await;
    until("the period ends", || resets(&fleet) == 1).await;
    assert_eq!(state(&program), "sending");
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_outcome_is_stored() {
    let (fleet, program) = begin(Duration::ZERO).await;
    let id = placed(&program, &fleet).await;
    until("the outcome", || state(&program) == "confirmed").await;
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
    // The same order again orders nothing; another one does.
    assert_eq!(placed(&program, &fleet).await, id);
    assert_eq!(resets(&fleet), 1);
    let meter_serials = vec![fleet.meters()[0].serial()];
    let request = ResetDemandRequest { meter_serials, terms: Some(terms()) };
    let refused = BillingServiceClient::new(program.channel.clone()).reset_demand(request).await.unwrap_err();
    assert_eq!(ErrorDetail::of(&refused).unwrap().reason(), ErrorReason::NotCapable, "{refused:?}");
}
