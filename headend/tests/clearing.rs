//! Meters and households are cleared through the whole head-end: by two persons, after everything that they held was stored, once, and nobody else with them, also when the
//! program is killed (`kill -9`) at any step. The meters' own ledgers are the witness.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::clearing_service_client::ClearingServiceClient;
use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::{
    ApproveCommandRequest, ClearMeterRequest, Command, CommandOutcome, CommandState, ErrorDetail,
    ErrorReason, GetCommandRequest, OrderTerms,
};
use program::{Program, until};
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig};

/// There is a moment between any two steps when each answer takes so long.
const SLOW: Duration = Duration::from_millis(300);
const COLLECTOR: &str = "[collector]\nlease = \"5s\"\nresponse_timeout = \"5s\"\nlinger = \"100ms\"\n";
/// The household that is cleared.
const HOUSEHOLD: usize = 5;
const CREDIT: &str = "0.0.128.19.10.255";

/// A meter with its households, each with 2500 Wh of credit.
async fn begin(model: &str, answers_after: Duration) -> (Fleet, Program) {
    let model = models::builtin().unwrap()[model].clone();
    let count = u32::from(model.subunits) + 1;
    let all = Affected::Numbers((0..count).collect());
    let slow = FaultRule { fault: Fault::Slow(answers_after), meters: all };
    let faults = if answers_after.is_zero() { Vec::new() } else { vec![slow] };
    let fleet = Fleet::start(FleetConfig { count, faults, ..FleetConfig::new(model) }).await.unwrap();
    for meter in fleet.meters() {
        meter.hold(CREDIT.parse().unwrap(), 250);
    }
    let program = Program::start(COLLECTOR).await;
    program.import(&fleet).await;
    (fleet, program)
}

/// An order of an engineer, which waits for another one. Whoever calls the program of a test is one person, so it is another one who orders here.
fn ordered(program: &Program, fleet: &Fleet, number: usize) -> i64 {
    let serial = fleet.meters()[number].serial();
    let id = program.sql(&format!(
        "WITH made AS (
             INSERT INTO command_order (id, principal, idempotency_key, kind, fingerprint, reason, request_id)
             VALUES (gen_random_uuid(), 'erika', 'clear', 'clear', sha256('clear'), 'moved out', gen_random_uuid()) RETURNING id)
         INSERT INTO command (order_id, meter_id, kind, state, priority, not_before, deadline)
         SELECT made.id, m.id, 'clear', 'awaiting_approval', 20, now(), now() + interval '1 day'
         FROM made, meter m WHERE m.serial = '{serial}' RETURNING id"
    ));
    id.parse().unwrap()
}

async fn approved(program: &Program, id: i64) {
    let request = ApproveCommandRequest { id, reason: "seen".into() };
    let answer = CommandsServiceClient::new(program.channel.clone()).approve_command(request).await.unwrap();
    // Not its state: an attempt may have begun before the answer.
    assert_eq!(answer.into_inner().command.unwrap().approved_by, "loopback");
}

fn state(program: &Program) -> String {
    program.sql("SELECT state FROM command")
}

/// How many registers were kept.
fn kept(program: &Program) -> usize {
    program.sql("SELECT count(*) FROM command_holding").parse().unwrap()
}

/// Numbers of the meters that were cleared, each as often as it was.
fn cleared(fleet: &Fleet) -> Vec<usize> {
    let meters = fleet.meters().iter().enumerate();
    meters.flat_map(|(number, meter)| (0..meter.counts().actions).map(move |_| number)).collect()
}

async fn end(program: &Program, id: i64) -> Command {
    let command = program.end_of(id).await;
    assert_eq!(
        (command.state(), command.outcome()),
        (CommandState::Confirmed, CommandOutcome::Cleared),
        "{command:?}\n{}",
        program.log()
    );
    command
}

/// The household was cleared once and nobody else was; what it held is among the readings, beside the command and in its life.
async fn ends_well(program: &Program, fleet: &Fleet, id: i64) {
    let command = end(program, id).await;
    assert_eq!((command.ordered_by.as_str(), command.approved_by.as_str()), ("erika", "loopback"));
    assert_eq!(cleared(fleet), [HOUSEHOLD], "{}", program.log());
    for (number, meter) in fleet.meters().iter().enumerate() {
        let left = if number == HOUSEHOLD { 0 } else { 250 };
        assert_eq!(meter.register(CREDIT.parse().unwrap()), Some(left), "meter {number}");
    }
    let serial = fleet.meters()[HOUSEHOLD].serial();
    let held = program.sql(&format!(
        "SELECT count(*), bool_or(h.value = 250), count(*) = count(r.job_id), bool_and(m.serial = '{serial}')
         FROM command_holding h JOIN meter m ON m.id = h.meter_id JOIN command c ON c.id = h.command_id
         LEFT JOIN register_row r ON r.meter_id = h.meter_id AND r.obis = h.obis AND r.ts = h.ts AND r.value = h.value AND r.job_id = c.job_id"
    ));
    assert_eq!(held, "9|t|t|t");
    let found = program.sql(&format!(
        "SELECT bool_or(value = 2500) FROM reading WHERE serial = '{serial}' AND obis = '{CREDIT}'"
    ));
    assert_eq!(found, "t");
    let request = GetCommandRequest { id };
    let life = CommandsServiceClient::new(program.channel.clone()).get_command(request).await.unwrap();
    let life = life.into_inner().changes;
    let told = |what: &str| life.iter().rfind(|change| change.what == what).map(|change| &change.value);
    assert!(told("held before").unwrap().contains("remaining energy 2500 Wh"), "{life:?}");
    assert!(told("held after").unwrap().contains("remaining energy 0 Wh"), "{life:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_the_command_is_armed_and_nothing_is_kept() {
    let (fleet, program) = begin("huabang-triple", SLOW).await;
    let id = ordered(&program, &fleet, HOUSEHOLD);
    approved(&program, id).await;
    until("armed", || state(&program) == "sending").await;
    assert_eq!((kept(&program), cleared(&fleet)), (0, Vec::new()), "the meter is still being read");
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_everything_is_kept_and_nothing_is_known_of_the_order() {
    let (fleet, program) = begin("huabang-triple", SLOW).await;
    let id = ordered(&program, &fleet, HOUSEHOLD);
    approved(&program, id).await;
    until("kept", || kept(&program) > 0).await;
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hb_14_killed_when_the_household_is_cleared_and_the_answer_is_under_way() {
    let (fleet, program) = begin("huabang-triple", SLOW).await;
    let id = ordered(&program, &fleet, HOUSEHOLD);
    approved(&program, id).await;
    until("cleared", || !cleared(&fleet).is_empty()).await;
    assert_eq!((state(&program).as_str(), kept(&program)), ("sending", 9));
    let program = program.kill_and_restart().await;
    ends_well(&program, &fleet, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hb_14_a_whole_meter_is_cleared_after_all_its_households_are_stored() {
    let (fleet, program) = begin("multi-user-dlt645", Duration::ZERO).await;
    let id = ordered(&program, &fleet, 0);
    approved(&program, id).await;
    end(&program, id).await;
    assert_eq!(cleared(&fleet), (0..fleet.meters().len()).collect::<Vec<_>>());
    let households = "SELECT count(DISTINCT h.meter_id), count(*) FROM command_holding h JOIN meter m ON m.id = h.meter_id WHERE m.subunit IS NOT NULL";
    assert_eq!(program.sql(households), "39|117");
    assert_eq!(program.sql("SELECT count(DISTINCT serial) FROM reading WHERE value = 2500"), "39");
}

#[tokio::test(flavor = "multi_thread")]
async fn hb_14_where_everybody_is_one_person_nothing_is_cleared() {
    let (fleet, program) = begin("huabang-triple", Duration::ZERO).await;
    let terms =
        OrderTerms { idempotency_key: "k".into(), reason: "moved out".into(), ..OrderTerms::default() };
    let request = ClearMeterRequest { meter_serial: fleet.meters()[HOUSEHOLD].serial(), terms: Some(terms) };
    let refused = ClearingServiceClient::new(program.channel.clone()).clear_meter(request).await.unwrap_err();
    assert_eq!(ErrorDetail::of(&refused).unwrap().reason(), ErrorReason::NoSecondPerson, "{refused:?}");
    assert!(refused.message().contains("[api.principals]"), "{}", refused.message());
    assert_eq!(program.sql("SELECT count(*) FROM command"), "0");
    let audit = program.sql("SELECT outcome FROM audit WHERE action = 'ClearingService/ClearMeter'");
    assert_eq!(audit, "no_second_person");
}
