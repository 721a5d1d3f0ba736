//! The running program where there is more than one way to a meter, and where a way bears less than is asked of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod program;
mod template;

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
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(120);

/// Another way to a meter. When it is dropped nobody listens any more, and connections are cut.
struct Way {
    address: String,
    /// Once it is cancelled nothing comes through, and nobody is told.
    frozen: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Way {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (frozen, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let token = frozen.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let frozen = token.clone();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    let carried =
                        frozen.run_until_cancelled(tokio::io::copy_bidirectional(&mut near, &mut far));
                    if carried.await.is_none() {
                        // Both connections stay open.
                        std::future::pending().await
                    }
                });
            }
        });
        Self { address, frozen, _tasks: tasks }
    }
}

/// A head-end with one meter, to which there are two ways.
struct Bench {
    program: Program,
    serial: String,
    _fleet: Fleet,
}

impl Bench {
    async fn start() -> (Self, Way, Way) {
        let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
        config.security = Security::Lls;
        let fleet = Fleet::start(config).await.unwrap();
        let (first, second) = (Way::to(fleet.addresses()[0]).await, Way::to(fleet.addresses()[0]).await);
        let program = Program::start("[collector]\nresponse_timeout = \"2s\"\nline_retries = 1\n").await;
        let serial = fleet.meters()[0].serial();
        let meter = CreateMeterRequest {
            serial: serial.clone(),
            model: "sed302".into(),
            address: first.address.clone(),
            zone: "UTC".into(),
            credentials: Some(Credentials {
                security: SecurityLevel::Lls.into(),
                password: fleet.meters()[0].secrets().password.clone().into_bytes(),
                ..Credentials::default()
            }),
            paths: vec![MeterPath { address: second.address.clone(), device_address: None }],
            ..Default::default()
        };
        InventoryServiceClient::new(program.channel.clone()).create_meter(meter).await.unwrap();
        (Self { program, serial, _fleet: fleet }, first, second)
    }

    /// How many attempts a read took.
    async fn read(&self) -> i32 {
        let target = Some(Target::Registers(RegistersTarget::default()));
        let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        let request = ReadNowRequest { meter_serial: self.serial.clone(), target, wait };
        let read = ReadingsServiceClient::new(self.program.channel.clone()).read_now(request).await;
        read.unwrap().into_inner().job.unwrap().attempts
    }

    /// The way that is used now, and its line.
    async fn way(&self) -> (u32, String) {
        let asked = GetMeterRequest { serial: self.serial.clone() };
        let shown = InventoryServiceClient::new(self.program.channel.clone()).get_meter(asked).await;
        let meter = shown.unwrap().into_inner().meter.unwrap();
        (meter.path, meter.line)
    }
}

/// SEN-30: the first way is cut, and the next read goes over the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_first_way_is_cut_the_next_read_goes_over_the_second() {
    let (bench, first, second) = Bench::start().await;
    bench.read().await;
    assert_eq!(bench.way().await, (0, first.address.clone()));
    drop(first);
    assert_eq!(bench.read().await, 2, "the second attempt went over the second way");
    assert_eq!(bench.way().await, (1, second.address.clone()));
    assert_eq!(bench.read().await, 1, "it is the way from now on");
    bench.program.stop().await;
}

/// SEN-30: the first way is half open, with an association on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_on_which_nothing_comes_through_is_found_out() {
    let (bench, first, second) = Bench::start().await;
    bench.read().await;
    first.frozen.cancel();
    assert_eq!(bench.read().await, 2, "the second attempt went over the second way");
    assert_eq!(bench.way().await, (1, second.address.clone()));
    bench.program.stop().await;
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
    let log = program.stop().await;
    assert!(log.contains("cell-7"), "the log names the group");
}

/// A channel keeps its line for a while after its work. More meters than may be talked to at a time, and more than a group has room for, do not wait for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_kept_open_for_nothing_keep_nobody_waiting() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    (config.security, config.count) = (Security::None, 20);
    let fleet = Fleet::start(config).await.unwrap();
    let program = Program::start(
        "[collector]\nmax_sessions = 6\nlinger = \"10m\"\ngroup_start = 2\ngroup_floor = 1\ngroup_ceiling = 2\n",
    )
    .await;
    let addresses: Vec<_> = fleet.addresses().iter().map(|address| format!("'{address}'")).collect();
    let serials: Vec<_> = fleet.meters().iter().map(|meter| format!("'{}'", meter.serial())).collect();
    program.sql(&format!(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security, throttle_group)
         SELECT serial, 'sed302', address, 1, 16, 'UTC', 'none', CASE WHEN place <= 10 THEN 'cell-7' END
         FROM unnest(ARRAY[{}], ARRAY[{}]) WITH ORDINALITY AS m (serial, address, place);
         INSERT INTO job (meter_id, kind) SELECT id, 'read_clock' FROM meter",
        serials.join(","),
        addresses.join(",")
    ));
    let read = async {
        while program.sql("SELECT count(*) FROM job WHERE kind = 'read_clock' AND state = 'done'") != "20" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("every meter is read long before a line would be left");
    program.stop().await;
}
