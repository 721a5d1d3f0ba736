//! The protocol log of the running program: set through the interface while it runs, seen in its log, gone again, and never a secret in it.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod program;
mod template;

use std::time::{Duration, Instant};

use ami_proto::v1::diagnostics_service_client::DiagnosticsServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    ClockTarget, ProtocolLayers, ReadNowRequest, SetProtocolLogRequest, read_now_request::Target,
    set_protocol_log_request::Subject,
};
use program::Program;
use simulator::{Fleet, FleetConfig, Security};

const LIMIT: Duration = Duration::from_secs(30);
const EVERYTHING: ProtocolLayers = ProtocolLayers { application: true, frame: true, bytes: true };

async fn set(program: &Program, subject: Subject, layers: ProtocolLayers, seconds: Option<i64>) {
    let time = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
    let request = SetProtocolLogRequest { subject: Some(subject), layers: Some(layers), time };
    DiagnosticsServiceClient::new(program.channel.clone()).set_protocol_log(request).await.unwrap();
}

/// Reads a meter's clock, again and again, until the lines of the protocol log about it come or stay away, as expected.
async fn read_until(program: &Program, serial: &str, expected: bool) {
    let begun = Instant::now();
    loop {
        let before = lines(&program.log(), serial).len();
        let target = Some(Target::Clock(ClockTarget {}));
        let request = ReadNowRequest { meter_serial: serial.to_owned(), target, wait: None };
        ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
        if (lines(&program.log(), serial).len() > before) == expected {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{expected} is not seen in\n{}", program.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The objects of the log that the protocol log wrote about a meter.
fn lines(log: &str, serial: &str) -> Vec<serde_json::Value> {
    let objects = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_about = |line: &serde_json::Value| {
        let spans = line["spans"].as_array();
        line["target"] == "protocol"
            && spans.is_some_and(|spans| spans.iter().any(|span| span["serial"] == serial))
    };
    objects.filter(is_about).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_logged_while_it_is_asked_for_and_never_a_secret() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    (config.count, config.security, config.history_days) = (3, Security::Mixed, 1);
    let fleet = Fleet::start(config).await.unwrap();
    let sections = "[collector]\nlinger = \"10s\"\n[log]\nformat = \"json\"\nlevel = \"trace,sqlx=info\"\n";
    let program = Program::start(sections).await;
    let lls = program.register(&fleet, 1).await;
    let gmac = program.register(&fleet, 2).await;
    read_until(&program, &lls, false).await;
    read_until(&program, &gmac, false).await;

    // The association of the first is kept meanwhile: the knob reaches a channel that runs.
    set(&program, Subject::MeterSerial(lls.clone()), EVERYTHING, None).await;
    set(&program, Subject::Address(fleet.addresses()[2].to_string()), EVERYTHING, Some(3600)).await;
    read_until(&program, &lls, true).await;
    read_until(&program, &gmac, true).await;
    set(&program, Subject::MeterSerial(lls.clone()), ProtocolLayers::default(), None).await;
    read_until(&program, &lls, false).await;
    set(&program, Subject::MeterSerial(lls.clone()), EVERYTHING, Some(2)).await;
    read_until(&program, &lls, true).await;
    // Nobody ends it.
    read_until(&program, &lls, false).await;

    let log = program.stop().await;
    let seen = lines(&log, &gmac);
    for layer in ["application", "frame", "bytes"] {
        assert!(seen.iter().any(|line| line["fields"]["layer"] == layer), "{layer}");
    }
    let spans = seen[0]["spans"].as_array().unwrap();
    let has = |key: &str| spans.iter().any(|span| !span[key].is_null());
    assert!(["request_id", "job", "meter", "address"].iter().all(|key| has(key)), "{spans:?}");
    for secrets in fleet.meters().iter().map(|meter| meter.secrets()) {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let keys = [secrets.encryption_key, secrets.authentication_key].map(|key| hex(&key));
        for secret in [secrets.password.clone(), hex(secrets.password.as_bytes())].into_iter().chain(keys) {
            assert!(!log.to_lowercase().contains(&secret.to_lowercase()), "{secret}");
        }
    }
}
