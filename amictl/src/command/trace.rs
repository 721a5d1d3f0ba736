//! `trace` and `trace list`.

use std::io::Write;

use ami_proto::v1::{
    ListProtocolLogsRequest, ProtocolLayers, SetProtocolLogRequest,
    diagnostics_service_client::DiagnosticsServiceClient, set_protocol_log_request::Subject,
};
use tonic::transport::Channel;

use crate::{args::TraceArgs, connection::request, error::Error, output::Output, view::TraceRow};

/// Sets what is logged of a meter or a line.
pub(crate) async fn set<W: Write>(
    channel: Channel,
    args: TraceArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let TraceArgs { serial, line, application, frame, bytes, off, time, .. } = args;
    let whose = serial.clone().or_else(|| line.clone()).unwrap_or_default();
    let question = SetProtocolLogRequest {
        subject: serial.map(Subject::MeterSerial).or(line.map(Subject::Address)),
        layers: Some(ProtocolLayers { application, frame, bytes }),
        time: (!off).then(|| prost_types::Duration {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanos: time.subsec_nanos().cast_signed(),
        }),
    };
    DiagnosticsServiceClient::new(channel).set_protocol_log(request(question)).await?;
    match off {
        true => output.line(&format!("{whose} is not logged any more")),
        false => {
            let time = humantime::format_duration(time);
            output.line(&format!(
                "{whose} is logged for {time}: look for `protocol` in the log of the head-end"
            ))
        }
    }
}

/// Lists what is logged.
pub(crate) async fn list<W: Write>(channel: Channel, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = DiagnosticsServiceClient::new(channel);
    let answer = client.list_protocol_logs(request(ListProtocolLogsRequest {})).await?.into_inner();
    let rows: Vec<_> = answer.logs.into_iter().map(TraceRow::from).collect();
    output.page(&rows)
}
