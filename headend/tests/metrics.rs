//! Metrics of the running program as Prometheus gets them, and that nothing is listened on or sent unless it is configured.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod program;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ami_proto::v1::jobs_service_client::JobsServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    GetJobRequest, ProfileTarget, ReadNowRequest, RegistersTarget, read_now_request::Target,
};
use program::{Program, free_port};
use simulator::{Fleet, FleetConfig, PushOptions, Pusher, Security, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

/// What a plain HTTP client gets.
async fn fetch(port: u16, path: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Names and kinds of the metrics on a page.
fn shown(page: &str) -> BTreeMap<&str, &str> {
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// Names and kinds of the metrics in the document.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        (cells.next().unwrap().trim_matches('`'), cells.next().unwrap())
    })
    .collect()
}

/// The value of the sample whose name and labels contain all of `parts`.
fn value(page: &str, parts: &[&str]) -> f64 {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let mut found = samples.filter(|line| parts.iter().all(|part| line.contains(part)));
    let line = found.next().unwrap_or_else(|| panic!("{parts:?} is missing in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn read(program: &Program, serial: &str, target: Target) {
    let request = ReadNowRequest { meter_serial: serial.to_owned(), target: Some(target), wait: None };
    ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
}

fn last_day() -> Target {
    let now = jiff::Timestamp::now().as_second();
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    Target::Profile(ProfileTarget { profile: "energy".into(), from: at(now - 86_400), to: at(now) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_gets_what_is_documented_and_it_adds_up() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    (config.security, config.history_days) = (Security::Lls, 2);
    let fleet = Fleet::start(config).await.unwrap();
    let port = free_port();
    let pushes = free_port();
    let sections = format!(
        "[roles]\nlistener = true\n[listener]\ntcp = \"127.0.0.1:{pushes}\"\nudp = \"127.0.0.1:{pushes}\"\n\
         [telemetry]\nprometheus_listen = \"127.0.0.1:{port}\"\n[plan]\nhorizon = \"1h\"\n"
    );
    let program = Program::start(&sections).await;
    let serial = program.register(&fleet, 0).await;
    read(&program, &serial, Target::Registers(RegistersTarget::default())).await;
    read(&program, &serial, last_day()).await;
    let frame = Pusher::new().frame(
        &fleet.meters()[0],
        "power.last_gasp",
        PushOptions { plain: true, confirmed: true },
    );
    let to = ([127, 0, 0, 1], pushes).into();
    assert!(simulator::send(&frame.unwrap(), to, Transport::Tcp, true).await.unwrap());
    let unknown = JobsServiceClient::new(program.channel.clone()).get_job(GetJobRequest { id: 99_999 }).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);

    let page = fetch(port, "/metrics").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let mut expected = documented();
    assert!(expected.remove("headend_line_seconds_total").is_some(), "there is no serial line here");
    assert_eq!(shown(&page), expected, "left: the program, right: docs/metrics.md");
    assert_eq!(value(&page, &["api_call_duration_seconds_count", "ReadNow", "\"OK\""]), 2.0);
    assert_eq!(value(&page, &["api_call_duration_seconds_count", "GetJob", "\"NOT_FOUND\""]), 1.0);
    assert_eq!(value(&page, &["api_calls_open", "ReadNow"]), 0.0);
    assert!(value(&page, &["captures_stored_total", "\"new\""]) >= 95.0);
    assert!(
        value(&page, &["octets_bytes_total", "\"received\""])
            > value(&page, &["octets_bytes_total", "\"sent\""])
    );
    assert!(value(&page, &["jobs_ended_total", "\"read_profile\"", "\"done\""]) >= 1.0);
    assert_eq!(value(&page, &["pushes_total", "\"stored\""]), 1.0);
    assert_eq!(value(&page, &["pushes_total", "\"queue_full\""]), 0.0);
    assert_eq!(value(&page, &["push_duration_seconds_count"]), 1.0);
    assert!(fetch(port, "/other").await.starts_with("HTTP/1.1 404"));
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unless_it_is_configured_nothing_but_the_api_listens() {
    let program = Program::start("").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let sockets = sockets(program.pid());
    let listening = listening();
    assert_eq!(sockets.intersection(&listening).count(), 1, "{sockets:?} of {listening:?}");
    let log = program.stop().await;
    assert!(!log.contains("Prometheus") && !log.contains("opentelemetry"), "{log}");
}

/// The inodes of the sockets that a process has open (proc(5)).
fn sockets(pid: u32) -> BTreeSet<u64> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// The inodes of all TCP sockets that listen (proc(5)): state 0A, inode in the tenth column.
fn listening() -> BTreeSet<u64> {
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/net/{table}")).unwrap());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    let rows = rows.map(|row| row.split_whitespace().collect::<Vec<_>>()).filter(|cells| cells[3] == "0A");
    rows.map(|cells| cells[9].parse().unwrap()).collect()
}
