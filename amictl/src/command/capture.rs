//! `capture`: begun, listed, saved, ended.

use std::{fs, io::Write, path::Path};

use ami_proto::v1::{
    EndLineCaptureRequest, GetLineCaptureRequest, ListLineCapturesRequest, StartLineCaptureRequest,
    diagnostics_service_client::DiagnosticsServiceClient, start_line_capture_request::Subject,
};
use tonic::transport::Channel;

use crate::{
    args::{Capture, StartCaptureArgs},
    connection::request,
    error::Error,
    output::Output,
    view::CaptureRow,
};

/// Does what `capture` was asked for.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Capture,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = DiagnosticsServiceClient::new(channel);
    match command {
        Capture::Start(args) => start(client, args, output).await,
        Capture::List => {
            let answer = client.list_line_captures(request(ListLineCapturesRequest {})).await?.into_inner();
            let rows: Vec<_> = answer.captures.into_iter().map(CaptureRow::from).collect();
            output.page(&rows)
        }
        Capture::Save { id, file } => save(client, id, &file, output).await,
        Capture::Stop { id } => {
            client.end_line_capture(request(EndLineCaptureRequest { capture_id: id, forget: false })).await?;
            output.line(&format!("capture {id} has ended: amictl capture save {id} FILE"))
        }
        Capture::Forget { id } => {
            client.end_line_capture(request(EndLineCaptureRequest { capture_id: id, forget: true })).await?;
            output.line(&format!("capture {id} is forgotten"))
        }
    }
}

async fn start<W: Write>(
    mut client: DiagnosticsServiceClient<Channel>,
    args: StartCaptureArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let StartCaptureArgs { serial, line, time, max_octets } = args;
    let question = StartLineCaptureRequest {
        subject: serial.map(Subject::MeterSerial).or(line.map(Subject::Address)),
        time: Some(prost_types::Duration {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanos: time.subsec_nanos().cast_signed(),
        }),
        max_octets,
    };
    let id = client.start_line_capture(request(question)).await?.into_inner().capture_id;
    let time = humantime::format_duration(time);
    output.line(&format!("capture {id} runs for {time}: amictl capture save {id} FILE"))
}

async fn save<W: Write>(
    mut client: DiagnosticsServiceClient<Channel>,
    id: i64,
    path: &Path,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut pieces =
        client.get_line_capture(request(GetLineCaptureRequest { capture_id: id })).await?.into_inner();
    let mut octets = Vec::new();
    while let Some(piece) = pieces.message().await? {
        octets.extend_from_slice(&piece.octets);
    }
    fs::write(path, &octets).map_err(|error| Error::Local(format!("{}: {error}", path.display())))?;
    output.line(&format!("{} octets in {}", octets.len(), path.display()))
}
