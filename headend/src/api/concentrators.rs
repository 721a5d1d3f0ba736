//! `ami.v1.ConcentratorsService`.

use ami_proto::v1::concentrators_service_server::ConcentratorsService;
use ami_proto::v1::{
    Concentrator, ListConcentratorsRequest, ListConcentratorsResponse, ListNodesRequest, ListNodesResponse,
    ListResultFilesRequest, ListResultFilesResponse, Node, RefreshNodesRequest, RefreshNodesResponse,
    ResultFile, ResultState,
};
use ami_proto::words::Word as _;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::notices::Notices;
use super::on_demand::{self, OnDemand};
use super::request_id::RequestId;
use super::status::Refusal;
use super::{Parts, check, convert, token};
use crate::store::concentrators::{NodeFilter, StoredConcentrator, StoredNode};
use crate::store::job_list::Order;
use crate::store::meters::Meter;
use crate::store::{JobKind, Store, result_files};
use crate::telemetry;

/// The service.
#[derive(Debug)]
pub(super) struct Concentrators {
    store: Store,
    on_demand: OnDemand,
}

impl Concentrators {
    /// A service over the store.
    pub(super) fn new(parts: &Parts, notices: Notices, shutdown: CancellationToken) -> Self {
        Self { store: parts.store.clone(), on_demand: OnDemand::new(parts, notices, shutdown) }
    }

    async fn concentrator(&self, serial: &str) -> Result<Meter, Refusal> {
        check::serial("concentrator_serial", serial)?;
        let meter = self.store.meter(serial).await?;
        meter.ok_or_else(|| Refusal::MeterNotFound { serial: serial.to_owned() })
    }

    async fn page(&self, question: ListConcentratorsRequest) -> Result<ListConcentratorsResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListConcentratorsRequest::default());
        let after = token::number(fingerprint, &question.page_token)?.unwrap_or_default();
        let after = i32::try_from(after).map_err(|_| Refusal::PageToken)?;
        let mut found = self.store.concentrators(after, i64::from(limit) + 1).await?;
        let next_page_token = token::next_page(fingerprint, &mut found, limit, |found| found.id.into());
        let concentrators = found.into_iter().map(concentrator).collect();
        Ok(ListConcentratorsResponse { concentrators, next_page_token })
    }

    async fn files(&self, question: ListResultFilesRequest) -> Result<ListResultFilesResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let asked = ListResultFilesRequest { page_size: 0, page_token: String::new(), ..question.clone() };
        let fingerprint = token::fingerprint(&asked);
        let before = token::number(fingerprint, &question.page_token)?;
        let of = match question.concentrator_serial.as_str() {
            "" => None,
            serial => Some(self.concentrator(serial).await?.id),
        };
        let rows = i64::from(limit) + 1;
        let mut files = self.store.list_results(of, question.quarantine_only, before, rows).await?;
        let next_page_token = token::next_page(fingerprint, &mut files, limit, |file| file.id);
        Ok(ListResultFilesResponse { files: files.into_iter().map(result_file).collect(), next_page_token })
    }

    async fn list(&self, concentrator: &Meter, filter: NodeFilter) -> Result<Vec<Node>, Refusal> {
        let nodes = self.store.nodes(concentrator.id, filter).await?;
        Ok(nodes.into_iter().map(shown).collect())
    }

    async fn refresh(&self, request: RefreshNodesRequest, id: RequestId) -> Result<Vec<Node>, Refusal> {
        let wait = on_demand::wait(request.wait.as_ref())?;
        let serial = request.concentrator_serial;
        let concentrator = self.concentrator(&serial).await?;
        let order = Order {
            meter: concentrator.id,
            kind: JobKind::ListNodes,
            obis: None,
            range: None,
            priority: on_demand::PRIORITY,
            max_attempts: on_demand::MAX_ATTEMPTS,
            request_id: id.0,
            trace_parent: telemetry::trace_parent(),
        };
        self.on_demand.run(&serial, &order, wait).await?;
        self.list(&concentrator, NodeFilter::default()).await
    }
}

#[tonic::async_trait]
impl ConcentratorsService for Concentrators {
    async fn list_concentrators(
        &self,
        request: Request<ListConcentratorsRequest>,
    ) -> Result<Response<ListConcentratorsResponse>, Status> {
        Ok(Response::new(self.page(request.into_inner()).await?))
    }

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        let ListNodesRequest { concentrator_serial, unknown_only, lost_only } = request.into_inner();
        let concentrator = self.concentrator(&concentrator_serial).await?;
        let filter = NodeFilter { unknown: unknown_only, lost: lost_only };
        Ok(Response::new(ListNodesResponse { nodes: self.list(&concentrator, filter).await? }))
    }

    async fn list_result_files(
        &self,
        request: Request<ListResultFilesRequest>,
    ) -> Result<Response<ListResultFilesResponse>, Status> {
        Ok(Response::new(self.files(request.into_inner()).await?))
    }

    async fn refresh_nodes(
        &self,
        request: Request<RefreshNodesRequest>,
    ) -> Result<Response<RefreshNodesResponse>, Status> {
        let id = RequestId::of(&request);
        let nodes = self.refresh(request.into_inner(), id).await?;
        Ok(Response::new(RefreshNodesResponse { nodes }))
    }
}

fn concentrator(found: StoredConcentrator) -> Concentrator {
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let delay = found.clock_delay_ms.map(SignedDuration::from_millis);
    // The concentrator looked at its clock half way between question and answer.
    let ahead = found.clock_ts.zip(found.clock_read_at).map(|(shown, read_at)| {
        shown.to_jiff().duration_since(read_at.to_jiff()) + delay.unwrap_or_default() / 2
    });
    Concentrator {
        serial: found.serial,
        model: found.model,
        firmware: found.firmware.unwrap_or_default(),
        identified_at: found.identified_at.map(convert::stored),
        clock_ahead: ahead.map(duration),
        clock_delay: delay.map(duration),
        clock_read_at: found.clock_read_at.map(convert::stored),
        meters: count(found.meters),
        nodes: count(found.nodes),
        lost: count(found.lost),
        unknown: count(found.unknown),
        asked_at: found.asked_at.map(convert::stored),
        failure: convert::reason(found.reason.as_deref()).into(),
        failure_detail: found.detail.unwrap_or_default(),
    }
}

fn result_file(file: result_files::ResultFile) -> ResultFile {
    ResultFile {
        id: file.id,
        concentrator_serial: file.serial,
        name: file.name,
        octets: file.octets.unsigned_abs(),
        state: ResultState::from_word(file.state.word()).unwrap_or_default().into(),
        captures: file.captures.unsigned_abs(),
        events: file.events.unsigned_abs(),
        detail: file.detail,
        job_id: file.job_id,
        noted_at: Some(convert::stored(file.noted_at)),
    }
}

fn duration(length: SignedDuration) -> prost_types::Duration {
    prost_types::Duration { seconds: length.as_secs(), nanos: length.subsec_nanos() }
}

fn shown(node: StoredNode) -> Node {
    let small = |number: i16| u32::try_from(number).unwrap_or_default();
    Node {
        name: node.node,
        identity: node.identity.unwrap_or_default(),
        meter_serial: node.serial.unwrap_or_default(),
        linked: node.linked,
        phase: node.phase.map(small).unwrap_or_default(),
        repeaters: node.level.map(small),
        first_seen: Some(convert::stored(node.first_seen)),
        last_seen: node.last_seen.map(convert::stored),
        changed_at: Some(convert::stored(node.changed_at)),
    }
}
