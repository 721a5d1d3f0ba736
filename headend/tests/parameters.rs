//! Parameters through the whole head-end: from a file of the inventory and an order to what meters hold and what the database says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::parameters_service_client::ParametersServiceClient;
use ami_proto::v1::{
    Command, CommandKind, CommandOutcome, ImportMetersRequest, ListParametersRequest, OrderTerms,
    SetParameterRequest, WatchCommandsRequest,
};
use program::Program;
use simulator::{Fleet, FleetConfig, Security};
use tonic::Status;

const LIMIT: Duration = Duration::from_secs(90);
const ALARM: &str = "low-credit alarm level";
const OBIS: &str = "0.0.128.19.20.255";

async fn fleet(model: &str) -> Fleet {
    let model = models::builtin().unwrap()[model].clone();
    let count = u32::from(model.subunits) + 1;
    let serial_base = 30_000_000 + u64::from(count) * 1000;
    let config = FleetConfig { count, security: Security::None, serial_base, ..FleetConfig::new(model) };
    Fleet::start(config).await.unwrap()
}

async fn set(program: &Program, serials: &[String], value: &str, key: &str) -> Result<Vec<Command>, Status> {
    let terms = OrderTerms { idempotency_key: key.into(), reason: "test".into(), ..OrderTerms::default() };
    let request = SetParameterRequest {
        meter_serials: serials.to_vec(),
        name: ALARM.into(),
        value: value.into(),
        terms: Some(terms),
    };
    let mut client = ParametersServiceClient::new(program.channel.clone());
    Ok(client.set_parameter(request).await?.into_inner().commands)
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_08_hb_13_a_parameter_is_set_once_in_the_meters_that_were_ordered() {
    let program = Program::start("").await;
    for model in ["huabang-triple", "multi-user-modbus"] {
        let fleet = fleet(model).await;
        let chunk = simulator::inventory(&fleet).into_bytes();
        let imported = InventoryServiceClient::new(program.channel.clone())
            .import_meters(tokio_stream::iter([ImportMetersRequest { chunk }]))
            .await
            .unwrap();
        assert_eq!(imported.into_inner().problems, Vec::new());
        let household = &fleet.meters()[2];
        let question = ListParametersRequest { meter_serial: household.serial() };
        let mut client = ParametersServiceClient::new(program.channel.clone());
        let listed = client.list_parameters(question).await.unwrap().into_inner().parameters;
        let alarm = listed.iter().find(|parameter| parameter.name == ALARM).unwrap();
        assert_eq!((alarm.obis.as_str(), alarm.unit.as_str(), alarm.least.as_str()), (OBIS, "Wh", "0"));

        for (value, part) in [("-1", "out of bounds"), ("12", "too fine"), ("1e3", "digits")] {
            let refused = set(&program, &[household.serial()], value, value).await.unwrap_err();
            assert!(refused.message().contains(part), "{value}: {refused:?}");
        }
        let meters: Vec<_> = fleet.meters()[2..4].iter().collect();
        let serials: Vec<_> = meters.iter().map(|meter| meter.serial()).collect();
        let commands = set(&program, &serials, "20000.0", model).await.unwrap();
        for command in &commands {
            let command = end(&program, command.id).await;
            assert_eq!(
                (command.kind(), command.outcome()),
                (CommandKind::SetParameter, CommandOutcome::ParameterSet),
                "{command:?}\n{}",
                program.log()
            );
        }
        let again = set(&program, &serials, "20000", model).await.unwrap();
        let ids = |commands: &[Command]| commands.iter().map(|command| command.id).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&commands), "the key orders once");
        for meter in meters {
            assert_eq!(meter.register(OBIS.parse().unwrap()), Some(2000), "{model}: units of 10 Wh");
            assert_eq!(meter.counts().sets, 1, "{model}");
            let life = format!(
                "SELECT string_agg(DISTINCT g.what, ', ' ORDER BY g.what) FROM command_change g JOIN command c ON c.id = g.command_id \
                 JOIN meter m ON m.id = c.meter_id WHERE m.serial = '{}' AND c.outcome = 'parameter_set'",
                meter.serial()
            );
            assert_eq!(program.sql(&life), "order, value after, value before");
        }
        assert_eq!(fleet.counts().sets, 2, "{model}: nobody else was written to");
    }
}
