//! The knobs of the protocol log through the public interface: set, listed, bounded in number and time, and audited.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use ami_proto::v1::diagnostics_service_client::DiagnosticsServiceClient;
use ami_proto::v1::{
    ErrorReason, ListProtocolLogsRequest, ProtocolLayers, ProtocolLog, SetProtocolLogRequest, protocol_log,
    set_protocol_log_request::Subject,
};
use served::{Served, reason};
use tonic::{Code, Status};

const FRAMES: ProtocolLayers = ProtocolLayers { application: false, frame: true, bytes: false };

fn meter(serial: &str) -> Option<Subject> {
    Some(Subject::MeterSerial(serial.into()))
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

async fn set(served: &Served, request: SetProtocolLogRequest) -> Result<(), Status> {
    DiagnosticsServiceClient::new(served.channel.clone()).set_protocol_log(request).await.map(|_| ())
}

async fn list(served: &Served) -> Vec<ProtocolLog> {
    let mut client = DiagnosticsServiceClient::new(served.channel.clone());
    client.list_protocol_logs(ListProtocolLogsRequest {}).await.unwrap().into_inner().logs
}

#[tokio::test]
async fn a_knob_is_set_replaced_and_taken_back_and_each_is_audited() {
    let served = Served::new().await;
    served.database.meter("P1");
    let request = |layers, time| SetProtocolLogRequest { subject: meter("P1"), layers, time };
    set(&served, request(Some(FRAMES), None)).await.unwrap();
    let line = Some(Subject::Address("10.0.0.1:4059".into()));
    set(&served, SetProtocolLogRequest { subject: line, layers: Some(FRAMES), time: seconds(86_400) })
        .await
        .unwrap();
    let all = ProtocolLayers { application: true, frame: true, bytes: true };
    set(&served, request(Some(all), seconds(60))).await.unwrap();

    let listed = list(&served).await;
    let subjects: Vec<_> = listed.iter().map(|log| log.subject.clone().unwrap()).collect();
    let expected = [
        protocol_log::Subject::MeterSerial("P1".into()),
        protocol_log::Subject::Address("10.0.0.1:4059".into()),
    ];
    assert_eq!(subjects, expected, "in the order in which they end");
    assert_eq!((listed[0].layers, listed[0].set_by.as_str()), (Some(all), "loopback"));
    let span = |log: &ProtocolLog| log.until.unwrap().seconds - log.set_at.unwrap().seconds;
    assert_eq!(listed.iter().map(span).collect::<Vec<_>>(), [60, 86_400]);

    set(&served, request(None, None)).await.unwrap();
    assert_eq!(list(&served).await.len(), 1);
    let audit = served.database.sql("SELECT target, outcome, detail FROM audit ORDER BY id");
    let expected = "P1|accepted|frame for 10m\nline 10.0.0.1:4059|accepted|frame for 1day\n\
                    P1|accepted|application, frame, bytes for 1m\nP1|accepted|off";
    assert_eq!(audit, expected);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_and_nothing_is_logged() {
    let served = Served::new().await;
    served.database.meter("P1");
    let layers = Some(FRAMES);
    let line = |address: &str| Some(Subject::Address(address.into()));
    let cases = [
        (SetProtocolLogRequest { subject: None, layers, time: None }, "subject"),
        (SetProtocolLogRequest { subject: meter(""), layers, time: None }, "meter_serial"),
        (SetProtocolLogRequest { subject: line("nowhere"), layers, time: None }, "address"),
        (SetProtocolLogRequest { subject: meter("P1"), layers, time: seconds(0) }, "time"),
        (SetProtocolLogRequest { subject: meter("P1"), layers, time: seconds(86_401) }, "time"),
        (SetProtocolLogRequest { subject: meter("P1"), layers: None, time: seconds(60) }, "time"),
    ];
    for (request, field) in cases {
        let refused = set(&served, request).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused)),
            (Code::InvalidArgument, (ErrorReason::InvalidField, field.into()))
        );
    }
    let unknown = SetProtocolLogRequest { subject: meter("P2"), layers, time: None };
    let refused = set(&served, unknown).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).0), (Code::NotFound, ErrorReason::MeterNotFound));
    assert_eq!(list(&served).await, []);
    assert_eq!(served.database.sql("SELECT count(*) FROM audit WHERE outcome = 'meter_not_found'"), "1");
}

#[tokio::test]
async fn no_more_than_a_hundred_are_set_and_those_that_ended_do_not_count() {
    let served = Served::new().await;
    served.database.meter("P1");
    served.database.sql(
        "INSERT INTO protocol_log (address, application, frame, bytes, until, set_by)
         SELECT 'h:' || n, true, false, false, now() + interval '1 hour', 'anna' FROM generate_series(1, 100) AS n",
    );
    let request = || SetProtocolLogRequest { subject: meter("P1"), layers: Some(FRAMES), time: None };
    let refused = set(&served, request()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).0),
        (Code::ResourceExhausted, ErrorReason::TooManyProtocolLogs)
    );
    served.database.sql("UPDATE protocol_log SET until = now() WHERE address = 'h:1'");
    set(&served, request()).await.unwrap();
    assert_eq!(list(&served).await.len(), 100);
    assert_eq!(served.database.sql("SELECT count(*) FROM protocol_log"), "100");
}
