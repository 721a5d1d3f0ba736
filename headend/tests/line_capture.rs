//! Line captures of the running program: begun through the interface while it runs, handed out as a file, bounded, audited, and never a secret in it.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod program;
mod template;

use std::time::{Duration, Instant};

use ami_proto::v1::diagnostics_service_client::DiagnosticsServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    ClockTarget, EndLineCaptureRequest, GetLineCaptureRequest, LineCapture, ListLineCapturesRequest,
    ReadNowRequest, StartLineCaptureRequest, read_now_request::Target, start_line_capture_request::Subject,
};
use pcapng::{Carrier, What};
use program::Program;
use simulator::{Fleet, FleetConfig, Framing, Security};
use tonic::{Code, Status};

const LIMIT: Duration = Duration::from_secs(30);

async fn read_clock(program: &Program, serial: &str) {
    let target = Some(Target::Clock(ClockTarget {}));
    let request = ReadNowRequest { meter_serial: serial.to_owned(), target, wait: None };
    ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
}

async fn start(program: &Program, serial: &str, max_octets: u32) -> i64 {
    let subject = Some(Subject::MeterSerial(serial.to_owned()));
    let request = StartLineCaptureRequest { subject, time: None, max_octets };
    let mut client = DiagnosticsServiceClient::new(program.channel.clone());
    client.start_line_capture(request).await.unwrap().into_inner().capture_id
}

async fn end(program: &Program, capture_id: i64, forget: bool) -> Result<(), Status> {
    let request = EndLineCaptureRequest { capture_id, forget };
    DiagnosticsServiceClient::new(program.channel.clone()).end_line_capture(request).await.map(|_| ())
}

async fn list(program: &Program) -> Vec<LineCapture> {
    let mut client = DiagnosticsServiceClient::new(program.channel.clone());
    client.list_line_captures(ListLineCapturesRequest {}).await.unwrap().into_inner().captures
}

async fn file(program: &Program, capture_id: i64) -> Result<Vec<u8>, Status> {
    let mut client = DiagnosticsServiceClient::new(program.channel.clone());
    let mut pieces = client.get_line_capture(GetLineCaptureRequest { capture_id }).await?.into_inner();
    let mut octets = Vec::new();
    while let Some(piece) = pieces.message().await? {
        octets.extend_from_slice(&piece.octets);
    }
    Ok(octets)
}

/// Reads the meter's clock, again and again, until the newest capture is as it is expected.
async fn read_until(program: &Program, serial: &str, expected: impl Fn(&LineCapture) -> bool) {
    let begun = Instant::now();
    while !list(program).await.first().is_some_and(&expected) {
        assert!(begun.elapsed() < LIMIT, "{:?}", list(program).await);
        read_clock(program, serial).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_captured_while_it_is_asked_for_into_a_file_without_a_secret() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    (config.security, config.history_days, config.framing) = (Security::Lls, 1, Framing::Datagrams);
    let fleet = Fleet::start(config).await.unwrap();
    let program = Program::start("[collector]\nlinger = \"0s\"\n").await;
    let address = format!("udp://{}", fleet.addresses()[0]);
    let serial = program.register_at(&fleet, 0, address.clone()).await;
    let capture = start(&program, &serial, 0).await;
    read_until(&program, &serial, |capture| capture.packets > 20).await;
    end(&program, capture, false).await.unwrap();
    let listed = list(&program).await.remove(0);
    assert_eq!((listed.capture_id, listed.running, listed.full), (capture, false, false));
    let found = pcapng::read(&file(&program, capture).await.unwrap()).unwrap();
    assert!(found.packets.len() > 20);
    assert_eq!(found.lines.len(), 1);
    assert_eq!(found.lines[0].name, address);
    assert_eq!(found.lines[0].carrier, Carrier::Udp);
    for what in [What::Opened, What::Sent, What::Received] {
        assert!(found.packets.iter().any(|packet| packet.what == what), "{what:?}");
    }
    assert!(found.packets.is_sorted_by_key(|packet| packet.at_us));
    let password = fleet.meters()[0].secrets().password;
    let holds = |octets: &[u8]| octets.windows(password.len()).any(|some| some == password.as_bytes());
    assert!(!found.packets.iter().any(|packet| holds(&packet.octets)));

    // One that is full ends by itself, and holds no more than it may.
    let small = start(&program, &serial, 1024).await;
    read_until(&program, &serial, |capture| capture.full).await;
    let listed = list(&program).await.remove(0);
    assert!(!listed.running && listed.octets <= 1024 && listed.packets > 0, "{listed:?}");
    end(&program, small, true).await.unwrap();
    assert_eq!(file(&program, small).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(end(&program, small, false).await.unwrap_err().code(), Code::NotFound);
    drop(program.stop().await);
    fleet.shutdown().await;
}
