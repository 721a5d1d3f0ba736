//! What stands around a meter, through the whole head-end: the transformers in front of it, and the devices on its M-Bus channels. Both are looked at with the
//! identity of the meter; a change is written down with the time between which it lies, and flagged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;
#[path = "../template/mod.rs"]
mod template;

mod mbus;
mod ratios;

use std::sync::Arc;

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    CreateMeterRequest, FlagRule, GetMeterRequest, GetMeterResponse, IdentityTarget, ListFlagsRequest,
    ReadNowRequest, read_now_request::Target,
};
use models::Model;
use program::Program;
use simulator::{Fleet, FleetConfig, Security};

/// A meter of this model that asks for no password, in the inventory of a running head-end.
async fn bench(model: &str) -> (Fleet, Program, String) {
    bench_with(models::builtin().unwrap()[model].clone(), "").await
}

/// The same, with these further sections in the configuration.
async fn bench_with(model: Arc<Model>, sections: &str) -> (Fleet, Program, String) {
    let name = model.name.clone();
    let config = FleetConfig { security: Security::None, history_days: 1, ..FleetConfig::new(model) };
    let fleet = Fleet::start(config).await.unwrap();
    let program = Program::start(sections).await;
    let serial = fleet.meters()[0].serial();
    let request = CreateMeterRequest {
        serial: serial.clone(),
        model: name,
        address: fleet.addresses()[0].to_string(),
        zone: "UTC".into(),
        ..CreateMeterRequest::default()
    };
    InventoryServiceClient::new(program.channel.clone()).create_meter(request).await.unwrap();
    (fleet, program, serial)
}

async fn read(program: &Program, serial: &str, target: Target) {
    let request = ReadNowRequest { meter_serial: serial.to_owned(), target: Some(target), wait: None };
    ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
}

/// Reads who the meter is, and shows what is known of it then.
async fn identified(program: &Program, serial: &str) -> GetMeterResponse {
    read(program, serial, Target::Identity(IdentityTarget {})).await;
    let request = GetMeterRequest { serial: serial.to_owned() };
    InventoryServiceClient::new(program.channel.clone()).get_meter(request).await.unwrap().into_inner()
}

/// Rules and objects of all flags of the meter, the latest first.
async fn flags(program: &Program, serial: &str) -> Vec<(FlagRule, String)> {
    let request = ListFlagsRequest { meter_serials: vec![serial.to_owned()], ..ListFlagsRequest::default() };
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    let flags = client.list_flags(request).await.unwrap().into_inner().flags;
    flags.into_iter().map(|flag| (flag.rule(), flag.obis)).collect()
}
