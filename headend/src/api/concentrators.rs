//! `ami.v1.ConcentratorsService`.

use ami_proto::v1::concentrators_service_server::ConcentratorsService;
use ami_proto::v1::{ListNodesRequest, ListNodesResponse, Node, RefreshNodesRequest, RefreshNodesResponse};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::notices::Notices;
use super::on_demand::{self, OnDemand};
use super::request_id::RequestId;
use super::status::Refusal;
use super::{Parts, check, convert};
use crate::store::concentrators::{NodeFilter, StoredNode};
use crate::store::job_list::Order;
use crate::store::meters::Meter;
use crate::store::{JobKind, Store};
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
    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        let ListNodesRequest { concentrator_serial, unknown_only, lost_only } = request.into_inner();
        let concentrator = self.concentrator(&concentrator_serial).await?;
        let filter = NodeFilter { unknown: unknown_only, lost: lost_only };
        Ok(Response::new(ListNodesResponse { nodes: self.list(&concentrator, filter).await? }))
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
