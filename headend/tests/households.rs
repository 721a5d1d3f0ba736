//! Households as an energy platform has them: a price for all of them, their readings, and their switches after a power cut.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::parameters_service_client::ParametersServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    Command, CommandOutcome, CommandState, DisconnectRequest, ListCommandsRequest, OrderTerms,
    QueryReadingsRequest, ReadNowRequest, RegistersTarget, SetParameterRequest, WatchCommandsRequest,
    read_now_request::Target,
};
use program::Program;
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig, Security};

const LIMIT: Duration = Duration::from_secs(90);
const SECTIONS: &str = "[collector]\nresponse_timeout = \"500ms\"\nline_retries = 0\nlinger = \"100ms\"\n";
const PRICE: &str = "price, rate 1";
const PRICE_OBIS: &str = "0.0.128.19.31.255";
const HOUSEHOLDS: usize = 12;

/// A meter of twelve households, which has this port (0 for any) and these faults.
async fn meter(serial_base: u64, base_port: u16, faults: Vec<FaultRule>) -> Fleet {
    let model = models::builtin().unwrap()["huabang-triple"].clone();
    let count = u32::from(model.subunits) + 1;
    let security = Security::None;
    let config = FleetConfig { count, security, serial_base, base_port, faults, ..FleetConfig::new(model) };
    Fleet::start(config).await.unwrap()
}

fn households(fleet: &Fleet) -> Vec<String> {
    fleet.meters()[1..].iter().map(|meter| meter.serial()).collect()
}

/// Terms of an order that has ended one way or the other after so long.
fn terms(key: &str, limit: Duration) -> Option<OrderTerms> {
    let deadline = Some((SystemTime::now() + limit).into());
    Some(OrderTerms { idempotency_key: key.into(), reason: "test".into(), deadline, ..OrderTerms::default() })
}

/// Waits for the end of each command.
async fn ends(program: &Program, commands: &[Command]) -> Vec<Command> {
    let request = WatchCommandsRequest {
        ids: commands.iter().map(|command| command.id).collect(),
        ..WatchCommandsRequest::default()
    };
    let mut client = CommandsServiceClient::new(program.channel.clone());
    let mut lives = client.watch_commands(request).await.unwrap().into_inner();
    let mut ended = BTreeMap::new();
    while ended.len() < commands.len() {
        let message = tokio::time::timeout(LIMIT, lives.message()).await.unwrap().unwrap().unwrap();
        let finished = message.commands.into_iter().filter(|command| command.finished_at.is_some());
        ended.extend(finished.map(|command| (command.id, command)));
    }
    ended.into_values().collect()
}

async fn set_price(program: &Program, serials: &[String], key: &str, limit: Duration) -> Vec<Command> {
    let request = SetParameterRequest {
        meter_serials: serials.to_vec(),
        name: PRICE.into(),
        value: "0.5432".into(),
        terms: terms(key, limit),
    };
    let mut client = ParametersServiceClient::new(program.channel.clone());
    let commands = client.set_parameter(request).await.unwrap().into_inner().commands;
    ends(program, &commands).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_13_a_price_for_all_households_is_ordered_again_only_where_it_failed() {
    let program = Program::start(SECTIONS).await;
    let everybody = Affected::Numbers((0..13).collect());
    let silent = FaultRule { fault: Fault::Silent, meters: everybody };
    let fleets = [
        meter(31_000_000, 0, Vec::new()).await,
        meter(32_000_000, 0, Vec::new()).await,
        meter(33_000_000, 0, vec![silent]).await,
    ];
    for fleet in &fleets {
        program.import(fleet).await;
    }
    let all: Vec<String> = fleets.iter().flat_map(households).collect();
    let ended = set_price(&program, &all, "price", Duration::from_secs(15)).await;
    assert_eq!(ended.len(), 3 * HOUSEHOLDS);
    let failed = ended.iter().filter(|command| command.state() != CommandState::Confirmed);
    let mut failed: Vec<String> = failed.map(|command| command.meter_serial.clone()).collect();
    failed.sort();
    let [first, second, dead] = fleets;
    assert_eq!(failed, households(&dead), "{ended:?}\n{}", program.log());
    assert_eq!((first.counts().sets, second.counts().sets), (12, 12));

    // The meter is back; who is to be ordered again is what the list of commands says.
    let port = dead.addresses()[0].port();
    dead.shutdown().await;
    let back = meter(33_000_000, port, Vec::new()).await;
    let mut client = CommandsServiceClient::new(program.channel.clone());
    let order = ListCommandsRequest { order_id: ended[0].order_id.clone(), ..Default::default() };
    let listed = client.list_commands(order).await.unwrap().into_inner().commands;
    assert_eq!(listed.len(), 3 * HOUSEHOLDS);
    let is_open = |command: &Command| command.state() != CommandState::Confirmed;
    let again: Vec<String> = listed.into_iter().filter(is_open).map(|command| command.meter_serial).collect();
    assert_eq!(again.len(), HOUSEHOLDS, "{again:?}");
    let ended = set_price(&program, &again, "price-again", Duration::from_secs(60)).await;
    for command in &ended {
        assert_eq!(command.outcome(), CommandOutcome::ParameterSet, "{command:?}\n{}", program.log());
    }
    assert_eq!((first.counts().sets, second.counts().sets, back.counts().sets), (12, 12, 12));
    for household in back.meters().iter().skip(1) {
        assert_eq!(household.register(PRICE_OBIS.parse().unwrap()), Some(5432));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_18_hb_19_after_a_power_cut_a_switch_is_read_and_a_household_has_its_own_readings() {
    let program = Program::start(SECTIONS).await;
    let fleet = meter(34_000_000, 0, Vec::new()).await;
    program.import(&fleet).await;
    let household = households(&fleet).remove(4);
    let disconnect = async |key: &str| {
        let request = DisconnectRequest {
            meter_serials: vec![household.clone()],
            terms: terms(key, Duration::from_secs(60)),
        };
        let mut client = SwitchServiceClient::new(program.channel.clone());
        let commands = client.disconnect(request).await.unwrap().into_inner().commands;
        ends(&program, &commands).await.remove(0)
    };
    assert_eq!(disconnect("before").await.outcome(), CommandOutcome::Disconnected, "{}", program.log());
    assert!(!fleet.meters()[5].connected());

    // The power was cut, and whoever was there has closed the switch meanwhile.
    let port = fleet.addresses()[0].port();
    fleet.shutdown().await;
    let fleet = meter(34_000_000, port, Vec::new()).await;
    assert!(fleet.meters()[5].connected());
    assert_eq!(disconnect("after").await.outcome(), CommandOutcome::Disconnected, "{}", program.log());
    assert!(!fleet.meters()[5].connected());
    assert_eq!(
        fleet.counts().actions,
        1,
        "it was not taken for disconnected already, and nobody else was switched"
    );

    let request = ReadNowRequest {
        meter_serial: household.clone(),
        target: Some(Target::Registers(RegistersTarget { obis: PRICE_OBIS.into() })),
        wait: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
    };
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    client.read_now(request).await.unwrap();
    let request = QueryReadingsRequest { meter_serials: vec![household.clone()], ..Default::default() };
    let readings = client.query_readings(request).await.unwrap().into_inner().readings;
    assert!(readings.iter().all(|reading| reading.meter_serial == household), "{readings:?}");
    let price = readings.iter().find(|reading| reading.obis == PRICE_OBIS).expect("it was read");
    let held = fleet.meters()[5].register(PRICE_OBIS.parse().unwrap()).unwrap();
    let value = price.value.unwrap();
    assert_eq!((value.mantissa, value.exponent, price.unit.as_str()), (held, -4, "currency"));
}
