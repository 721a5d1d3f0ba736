//! `ami.v1.ReadingsService`: `query` pages through what is stored, `days` through what it adds up to, `read_now` orders a read and waits for it, `watch` follows what
//! is stored, `snapshots` orders some; `expand` turns stored rows into readings for all three, with the flags of `flags`, which lists them, too.

mod days;
pub(super) mod expand;
pub(super) mod flags;
mod query;
mod read_now;
mod snapshots;
mod watch;

use std::sync::Arc;

use ami_proto::v1::{
    ListFlagsRequest, ListFlagsResponse, QueryDaysRequest, QueryDaysResponse, QueryReadingsRequest,
    QueryReadingsResponse, ReadNowRequest, ReadNowResponse, TakeSnapshotRequest, TakeSnapshotResponse,
    WatchReadingsRequest, WatchReadingsResponse, readings_service_server::ReadingsService,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::notices::Notices;
use super::on_demand::OnDemand;
use super::orders::Asker;
use super::request_id::RequestId;
use super::status::Refusal;
use super::{Limits, Models, Parts, check, known};
use crate::store::Store;

/// Meters in a question at most.
const MAX_METERS: usize = 1_000;
/// Logical names in a question at most.
const MAX_OBIS: usize = 64;

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Readings {
    store: Store,
    models: Arc<Models>,
    limits: Limits,
    on_demand: OnDemand,
    notices: Notices,
    shutdown: CancellationToken,
    watches: Arc<Semaphore>,
}

impl Readings {
    /// A service over the store.
    pub(super) fn new(parts: &Parts, notices: Notices, shutdown: CancellationToken) -> Self {
        Self {
            store: parts.store.clone(),
            models: parts.models.clone(),
            watches: Arc::new(Semaphore::new(parts.limits.watches)),
            on_demand: OnDemand::new(parts, notices.clone(), shutdown.clone()),
            limits: parts.limits.clone(),
            notices,
            shutdown,
        }
    }

    /// The keys of meters in the order of their adding, each once.
    async fn meter_ids(&self, serials: &[String]) -> Result<Vec<i32>, Refusal> {
        known::meters(&self.store, serials, MAX_METERS).await
    }
}

/// Logical names of a filter, as the store has them.
fn obis_filter(obis: &[String]) -> Result<Vec<Vec<u8>>, Refusal> {
    check::list("obis", obis, MAX_OBIS)?;
    obis.iter().map(|text| Ok(check::obis("obis", text)?.octets().to_vec())).collect()
}

#[tonic::async_trait]
impl ReadingsService for Readings {
    type WatchReadingsStream = Messages<WatchReadingsResponse>;

    async fn query_readings(
        &self,
        request: Request<QueryReadingsRequest>,
    ) -> Result<Response<QueryReadingsResponse>, Status> {
        Ok(Response::new(self.query(request.into_inner()).await?))
    }

    async fn query_days(
        &self,
        request: Request<QueryDaysRequest>,
    ) -> Result<Response<QueryDaysResponse>, Status> {
        Ok(Response::new(self.days(request.into_inner()).await?))
    }

    async fn read_now(&self, request: Request<ReadNowRequest>) -> Result<Response<ReadNowResponse>, Status> {
        let request_id = RequestId::of(&request);
        Ok(Response::new(self.read(request.into_inner(), request_id).await?))
    }

    async fn watch_readings(
        &self,
        request: Request<WatchReadingsRequest>,
    ) -> Result<Response<Self::WatchReadingsStream>, Status> {
        Ok(Response::new(self.watch(request.into_inner()).await?))
    }

    async fn take_snapshot(
        &self,
        request: Request<TakeSnapshotRequest>,
    ) -> Result<Response<TakeSnapshotResponse>, Status> {
        let asker = Asker::of(&request, "ReadingsService/TakeSnapshot")?;
        Ok(Response::new(self.order_snapshot(&asker, request.into_inner()).await?))
    }

    async fn list_flags(
        &self,
        request: Request<ListFlagsRequest>,
    ) -> Result<Response<ListFlagsResponse>, Status> {
        Ok(Response::new(self.flags(request.into_inner()).await?))
    }
}
