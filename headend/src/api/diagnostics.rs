//! `ami.v1.DiagnosticsService`.

mod captures;

use std::time::Duration;

use ami_proto::v1::diagnostics_service_server::DiagnosticsService;
use ami_proto::v1::{
    EndLineCaptureRequest, EndLineCaptureResponse, GetLineCaptureRequest, GetLineCaptureResponse,
    ListLineCapturesRequest, ListLineCapturesResponse, ListProtocolLogsRequest, ListProtocolLogsResponse,
    ListThrottleGroupsRequest, ListThrottleGroupsResponse, ProtocolLayers, ProtocolLog,
    SetProtocolLogRequest, SetProtocolLogResponse, StartLineCaptureRequest, StartLineCaptureResponse,
    ThrottleGroup, protocol_log, set_protocol_log_request::Subject as Asked, start_line_capture_request,
};
use collectors::Layers;
use tonic::{Request, Response, Status};

use super::orders::Asker;
use super::status::Refusal;
use super::{Parts, check, convert};
use crate::store::Store;
use crate::store::protocol_log::{self as stored, MOST, Setting, Subject};
use crate::store::throttles::Throttle;

/// How long is logged when the client does not care.
const DEFAULT_TIME: Duration = Duration::from_secs(600);
/// The shortest and the longest time.
const TIME: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// The service.
#[derive(Debug)]
pub(super) struct Diagnostics {
    store: Store,
}

impl Diagnostics {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone() }
    }

    async fn set(&self, asker: &Asker, target: &str, request: SetProtocolLogRequest) -> Result<(), Refusal> {
        let layers = layers(request.layers.unwrap_or_default());
        let subject = self.subject(request.subject).await?;
        if layers == Layers::default() {
            if request.time.is_some() {
                return Err(Refusal::field("time", "no time is expected where nothing is to be logged"));
            }
            let entry = asker.entry(target.to_owned(), "accepted", Some("off".into()));
            return Ok(self.store.clear_protocol_log(&subject, &entry).await?);
        }
        let time = time(request.time.as_ref())?;
        let detail = format!("{} for {}", told(layers), humantime::format_duration(time));
        let entry = asker.entry(target.to_owned(), "accepted", Some(detail));
        let setting = Setting { subject, layers, time, set_by: asker.principal.name.clone() };
        match self.store.set_protocol_log(&setting, &entry).await? {
            true => Ok(()),
            false => Err(Refusal::TooManyProtocolLogs { limit: MOST }),
        }
    }

    async fn subject(&self, subject: Option<Asked>) -> Result<Subject, Refusal> {
        match subject {
            Some(Asked::MeterSerial(serial)) => self.meter(serial).await,
            Some(Asked::Address(address)) => self.line(&address),
            None => Err(Refusal::field("subject", "a meter or an address is expected")),
        }
    }

    async fn meter(&self, serial: String) -> Result<Subject, Refusal> {
        check::serial("meter_serial", &serial)?;
        let meter = self.store.meter(&serial).await?.ok_or(Refusal::MeterNotFound { serial })?;
        Ok(Subject::Meter(meter.id))
    }

    fn line(&self, address: &str) -> Result<Subject, Refusal> {
        Ok(Subject::Line(check::address("address", address)?.to_string()))
    }
}

#[tonic::async_trait]
impl DiagnosticsService for Diagnostics {
    async fn set_protocol_log(
        &self,
        request: Request<SetProtocolLogRequest>,
    ) -> Result<Response<SetProtocolLogResponse>, Status> {
        let asker = Asker::of(&request, "DiagnosticsService/SetProtocolLog")?;
        let request = request.into_inner();
        let target = match &request.subject {
            Some(Asked::MeterSerial(serial)) => serial.clone(),
            Some(Asked::Address(address)) => format!("line {address}"),
            None => String::new(),
        };
        let set = self.set(&asker, &target, request).await;
        asker.audited(&self.store, target, set).await?;
        Ok(Response::new(SetProtocolLogResponse {}))
    }

    async fn list_protocol_logs(
        &self,
        _: Request<ListProtocolLogsRequest>,
    ) -> Result<Response<ListProtocolLogsResponse>, Status> {
        let logs = self.store.protocol_logs().await.map_err(Refusal::from)?;
        Ok(Response::new(ListProtocolLogsResponse { logs: logs.into_iter().map(shown).collect() }))
    }

    async fn list_throttle_groups(
        &self,
        _: Request<ListThrottleGroupsRequest>,
    ) -> Result<Response<ListThrottleGroupsResponse>, Status> {
        let groups = self.store.throttles().await.map_err(Refusal::from)?;
        Ok(Response::new(ListThrottleGroupsResponse { groups: groups.into_iter().map(group).collect() }))
    }

    async fn start_line_capture(
        &self,
        request: Request<StartLineCaptureRequest>,
    ) -> Result<Response<StartLineCaptureResponse>, Status> {
        use start_line_capture_request::Subject;
        let asker = Asker::of(&request, "DiagnosticsService/StartLineCapture")?;
        let request = request.into_inner();
        let target = match &request.subject {
            Some(Subject::MeterSerial(serial)) => serial.clone(),
            Some(Subject::Address(address)) => format!("line {address}"),
            None => String::new(),
        };
        let started = self.start(&asker, &target, request).await;
        let capture_id = asker.audited(&self.store, target, started).await?;
        Ok(Response::new(StartLineCaptureResponse { capture_id }))
    }

    async fn end_line_capture(
        &self,
        request: Request<EndLineCaptureRequest>,
    ) -> Result<Response<EndLineCaptureResponse>, Status> {
        let asker = Asker::of(&request, "DiagnosticsService/EndLineCapture")?;
        let request = request.into_inner();
        let target = format!("line capture {}", request.capture_id);
        let ended = self.end(&asker, &target, request).await;
        asker.audited(&self.store, target, ended).await?;
        Ok(Response::new(EndLineCaptureResponse {}))
    }

    async fn list_line_captures(
        &self,
        _: Request<ListLineCapturesRequest>,
    ) -> Result<Response<ListLineCapturesResponse>, Status> {
        let captures = self.store.line_captures().await.map_err(Refusal::from)?;
        let captures = captures.into_iter().map(captures::shown).collect();
        Ok(Response::new(ListLineCapturesResponse { captures }))
    }

    type GetLineCaptureStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<GetLineCaptureResponse, Status>>>;

    async fn get_line_capture(
        &self,
        request: Request<GetLineCaptureRequest>,
    ) -> Result<Response<Self::GetLineCaptureStream>, Status> {
        let pieces = self.file(request.into_inner().capture_id).await?;
        let pieces: Vec<_> = pieces.into_iter().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(pieces)))
    }
}

fn group(throttle: Throttle) -> ThrottleGroup {
    ThrottleGroup {
        name: throttle.name,
        open: throttle.open.unsigned_abs(),
        limit: throttle.most.unsigned_abs(),
        collector: throttle.owner.to_string(),
        noted_at: Some(convert::stored(throttle.noted_at)),
    }
}

fn layers(asked: ProtocolLayers) -> Layers {
    let ProtocolLayers { application, frame, bytes } = asked;
    Layers { application, frame, bytes }
}

/// The parts in words, for the audit.
fn told(layers: Layers) -> String {
    let parts = [("application", layers.application), ("frame", layers.frame), ("bytes", layers.bytes)];
    parts.into_iter().filter(|(_, on)| *on).map(|(part, _)| part).collect::<Vec<_>>().join(", ")
}

fn time(asked: Option<&prost_types::Duration>) -> Result<Duration, Refusal> {
    let Some(asked) = asked else { return Ok(DEFAULT_TIME) };
    let time = Duration::try_from(*asked).ok().filter(|time| TIME.contains(time));
    time.ok_or_else(|| Refusal::field("time", "1 s to 24 h are expected"))
}

fn shown(log: stored::ProtocolLog) -> ProtocolLog {
    use protocol_log::Subject;
    ProtocolLog {
        subject: log.serial.map(Subject::MeterSerial).or(log.address.map(Subject::Address)),
        layers: Some(ProtocolLayers { application: log.application, frame: log.frame, bytes: log.bytes }),
        until: Some(convert::stored(log.until)),
        set_by: log.set_by,
        set_at: Some(convert::stored(log.set_at)),
    }
}
