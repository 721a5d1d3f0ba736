//! Clocks of meters through the whole head-end: seen beside what is read, listed, and put right by order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::clocks_service_client::ClocksServiceClient;
use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    ClockOrder, ClockReading, Command, CommandOutcome, CommandState, CreateMeterRequest, ErrorDetail,
    ErrorReason, FailureReason, IdentityTarget, ListClockReadingsRequest, ListClocksRequest, OrderTerms,
    ReadNowRequest, RegistersTarget, SyncClocksRequest, WatchCommandsRequest, ZoneFault,
    read_now_request::Target,
};
use jiff::Timestamp;
use program::Program;
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig, Security};
use tonic::Status;

const LIMIT: Duration = Duration::from_secs(90);
/// Seconds by which the clocks of the meters are ahead.
const AHEAD: [i64; 3] = [0, -20, 40 * 86_400];
const QUARTER: i64 = 900;

async fn fleet() -> Fleet {
    let off = |(number, ahead): (usize, &i64)| FaultRule {
        fault: Fault::ClockOff(*ahead),
        meters: Affected::Numbers(vec![u32::try_from(number).unwrap()]),
    };
    let faults = AHEAD.iter().enumerate().map(off).collect();
    let model = models::builtin().unwrap()["sed302"].clone();
    let config = FleetConfig {
        count: 3,
        security: Security::Mixed,
        history_days: 1,
        faults,
        ..FleetConfig::new(model)
    };
    Fleet::start(config).await.unwrap()
}

/// A zone in which it is neither night nor nearly so, because no clock is moved at midnight, at a moment of the hour at which no interval ends
/// soon.
async fn good_moment() -> &'static str {
    let in_quarter = Timestamp::now().as_second().rem_euclid(QUARTER);
    let wait = if (60..840).contains(&in_quarter) { 0 } else { (QUARTER + 60 - in_quarter) % QUARTER };
    tokio::time::sleep(Duration::from_secs(wait.unsigned_abs())).await;
    let hour = Timestamp::now().as_second().rem_euclid(86_400) / 3600;
    if (6..18).contains(&hour) { "UTC" } else { "Etc/GMT+12" }
}

async fn register(program: &Program, fleet: &Fleet, zone: &str) -> Vec<String> {
    let mut serials = Vec::new();
    for number in 0..fleet.meters().len() {
        serials.push(program.register(fleet, number).await);
    }
    program.sql(&format!("UPDATE meter SET zone = '{zone}'"));
    serials
}

async fn read(program: &Program, serial: &str, target: Target) {
    let request = ReadNowRequest { meter_serial: serial.to_owned(), target: Some(target), wait: None };
    ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
}

async fn sync(program: &Program, serials: &[String], across: bool) -> Result<Vec<Command>, Status> {
    let key = format!("{serials:?} {across}").replace(' ', "-");
    let terms = OrderTerms { idempotency_key: key, reason: "test".into(), ..OrderTerms::default() };
    let order = Some(ClockOrder { tolerance: None, across_boundaries: across });
    let request = SyncClocksRequest { meter_serials: serials.to_vec(), terms: Some(terms), order };
    let commands = ClocksServiceClient::new(program.channel.clone()).sync_clocks(request).await?;
    Ok(commands.into_inner().commands)
}

/// Waits until a command has come to its end.
async fn end(program: &Program, id: i64) -> Command {
    let request = WatchCommandsRequest { ids: vec![id], ..WatchCommandsRequest::default() };
    let mut client = CommandsServiceClient::new(program.channel.clone());
    let mut lives = client.watch_commands(request).await.unwrap().into_inner();
    loop {
        let message = tokio::time::timeout(LIMIT, lives.message()).await.unwrap().unwrap().unwrap();
        if let Some(command) = message.commands.into_iter().find(|one| one.finished_at.is_some()) {
            return command;
        }
    }
}

async fn list(program: &Program, page_size: u32) -> Vec<ClockReading> {
    let (mut clocks, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListClocksRequest {
            page_size,
            page_token,
            off_by: None,
            model: "sed302".into(),
            zone_faults_only: false,
        };
        let mut client = ClocksServiceClient::new(program.channel.clone());
        let page = client.list_clocks(request).await.unwrap().into_inner();
        clocks.extend(page.clocks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return clocks;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_are_seen_beside_what_is_read_and_put_right_by_order() {
    let fleet = fleet().await;
    let program = Program::start("").await;
    let zone = good_moment().await;
    let serials = register(&program, &fleet, zone).await;
    for serial in &serials {
        read(&program, serial, Target::Registers(RegistersTarget::default())).await;
    }
    let clocks = list(&program, 1).await;
    let worst: Vec<_> = clocks.iter().map(|clock| clock.meter_serial.as_str()).collect();
    assert_eq!(worst, [&serials[2], &serials[1], &serials[0]], "{clocks:?}");
    for (clock, ahead) in clocks.iter().rev().zip(AHEAD) {
        let off = clock.drift_ms - ahead * 1000;
        assert!(off.abs() <= clock.uncertainty_ms + 1000, "{clock:?}");
        assert!(clock.collector_ahead_ms.unwrap().abs() < 1000, "{clock:?}");
    }

    let commands = sync(&program, &serials, false).await.unwrap();
    let outcomes = [CommandOutcome::ClockRight, CommandOutcome::ClockRight, CommandOutcome::Unspecified];
    for (command, outcome) in commands.iter().zip(outcomes) {
        let command = end(&program, command.id).await;
        assert_eq!(command.outcome(), outcome, "{command:?}\n{}", program.log());
    }
    assert!(fleet.meters()[1].clock_ahead().abs() <= 1, "{}", fleet.meters()[1].clock_ahead());
    let counts: Vec<_> =
        fleet.meters().iter().map(|meter| (meter.counts().actions, meter.counts().sets)).collect();
    assert_eq!(counts[0], (counts[0].0, 0), "a clock that is right is left alone");
    let refused = end(&program, commands[2].id).await;
    assert_eq!((refused.state(), refused.failure()), (CommandState::Refused, FailureReason::BoundaryCrossed));
    assert_eq!(fleet.meters()[2].clock_ahead(), AHEAD[2]);

    let ordered = sync(&program, &serials[2..], true).await.unwrap();
    let command = end(&program, ordered[0].id).await;
    assert_eq!(command.outcome(), CommandOutcome::ClockRight, "{command:?}");
    assert!(fleet.meters()[2].clock_ahead().abs() <= 1, "{}", fleet.meters()[2].clock_ahead());

    let request = ListClockReadingsRequest { meter_serial: serials[2].clone(), ..Default::default() };
    let mut client = ClocksServiceClient::new(program.channel.clone());
    let kept = client.list_clock_readings(request).await.unwrap().into_inner().readings;
    assert!(
        kept.first().unwrap().drift_ms.abs() < 3000 && kept.last().unwrap().drift_ms > 3_000_000_000,
        "{kept:?}"
    );
    let clocks = list(&program, 100).await;
    assert!(clocks.iter().all(|clock| clock.drift_ms.abs() < 3000), "{clocks:?}");
    assert!(clocks.iter().all(|clock| clock.zone_fault() == ZoneFault::Unspecified), "{clocks:?}");

    // The meters are set up for UTC.
    program.sql("UPDATE meter SET zone = 'Asia/Dhaka'");
    read(&program, &serials[0], Target::Identity(IdentityTarget {})).await;
    let clocks = list(&program, 100).await;
    let fault = |serial: &str| clocks.iter().find(|clock| clock.meter_serial == serial).unwrap().zone_fault();
    assert_eq!(
        serials.iter().map(|serial| fault(serial)).collect::<Vec<_>>(),
        [ZoneFault::Offset, ZoneFault::Unspecified, ZoneFault::Unspecified]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_whose_clock_cannot_be_set_is_refused_at_once() {
    let program = Program::start("").await;
    let request = CreateMeterRequest {
        serial: "J1".into(),
        model: "joy311".into(),
        address: "127.0.0.1:1".into(),
        zone: "UTC".into(),
        ..Default::default()
    };
    InventoryServiceClient::new(program.channel.clone()).create_meter(request).await.unwrap();
    let refused = sync(&program, &["J1".to_owned()], false).await.unwrap_err();
    let detail = ErrorDetail::of(&refused).unwrap();
    assert_eq!(detail.reason(), ErrorReason::NotCapable, "{refused:?}");
    assert_eq!(
        program.sql("SELECT outcome FROM audit WHERE action = 'ClocksService/SyncClocks'"),
        "not_capable"
    );
}
