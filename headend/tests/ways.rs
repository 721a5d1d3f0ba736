//! The running program where there is more than one way to a meter, and where a way bears less than is asked of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod program;

use std::net::SocketAddr;
use std::time::Duration;

use ami_proto::v1::diagnostics_service_client::DiagnosticsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    CreateMeterRequest, Credentials, GetMeterRequest, ListThrottleGroupsRequest, MeterPath, ReadNowRequest,
    RegistersTarget, SecurityLevel, read_now_request::Target,
};
use program::Program;
use simulator::{Fleet, FleetConfig, Security};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(120);

/// Another way to `target`, which ends when it is dropped: nobody listens then, and connections are cut.
async fn way_to(target: SocketAddr) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut way = JoinSet::new();
    way.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                // However it ends, both are closed.
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, way)
}

/// SEN-30: the first way is cut, and the next read goes over the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_first_way_is_cut_the_next_read_goes_over_the_second() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    config.security = Security::Lls;
    let fleet = Fleet::start(config).await.unwrap();
    let (first, first_way) = way_to(fleet.addresses()[0]).await;
    let (second, _second_way) = way_to(fleet.addresses()[0]).await;
    let program = Program::start("").await;
    let serial = fleet.meters()[0].serial();
    let mut inventory = InventoryServiceClient::new(program.channel.clone());
    let meter = CreateMeterRequest {
        serial: serial.clone(),
        model: "sed302".into(),
        address: first.clone(),
        zone: "UTC".into(),
        credentials: Some(Credentials {
            security: SecurityLevel::Lls.into(),
            password: fleet.meters()[0].secrets().password.clone().into_bytes(),
            ..Credentials::default()
        }),
        paths: vec![MeterPath { address: second.clone(), device_address: None }],
        ..Default::default()
    };
    inventory.create_meter(meter).await.unwrap();
    let read = || {
        let target = Some(Target::Registers(RegistersTarget::default()));
        let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        let request = ReadNowRequest { meter_serial: serial.clone(), target, wait };
        let mut readings = ReadingsServiceClient::new(program.channel.clone());
        async move { readings.read_now(request).await.unwrap().into_inner() }
    };
    let mut line = async || {
        let asked = GetMeterRequest { serial: serial.clone() };
        let meter = inventory.get_meter(asked).await.unwrap().into_inner().meter.unwrap();
        (meter.path, meter.line)
    };
    read().await;
    assert_eq!(line().await, (0, first));
    drop(first_way);
    let job = read().await.job.unwrap();
    assert_eq!(line().await, (1, second));
    assert!(job.attempts <= 2, "the second attempt went over the second way: {job:?}");
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_whose_meters_are_silent_is_asked_for_less() {
    // Connections are taken by the operating system, and nobody says anything on them.
    let silent: Vec<_> = (0..120).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> = silent.iter().map(|meter| format!("'{}'", meter.local_addr().unwrap())).collect();
    let program = Program::start(
        "[collector]\nresponse_timeout = \"200ms\"\nline_retries = 0\nlease = \"5s\"\ngroup_start = 32\ngroup_floor = 3\n",
    )
    .await;
    let mut diagnostics = DiagnosticsServiceClient::new(program.channel.clone());
    let none = diagnostics.list_throttle_groups(ListThrottleGroupsRequest {}).await.unwrap().into_inner();
    assert_eq!(none.groups, []);
    program.sql(&format!(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security, throttle_group)
         SELECT address, 'sed302', address, 1, 16, 'UTC', 'none', 'cell-7' FROM unnest(ARRAY[{}]) AS address;
         INSERT INTO job (meter_id, kind) SELECT id, kind FROM meter, unnest('{{identify,read_clock}}'::job_kind[]) AS kind",
        addresses.join(",")
    ));
    let slowed = async {
        loop {
            let groups = diagnostics.list_throttle_groups(ListThrottleGroupsRequest {}).await.unwrap();
            let groups = groups.into_inner().groups;
            if let Some(group) = groups.iter().find(|group| group.name == "cell-7" && group.limit < 32) {
                return group.clone();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let group = tokio::time::timeout(LIMIT, slowed).await.expect("the group is slowed down");
    assert!((3..32).contains(&group.limit), "{group:?}");
    let log = program.stop();
    assert!(log.contains("cell-7"), "the log names the group");
}
