//! `ami.v1.EventsService`: `watch` follows the log of events; here it is listed.

mod watch;

use std::sync::Arc;

use ami_proto::v1::{
    ListEventLossesRequest, ListEventLossesResponse, ListEventsRequest, ListEventsResponse,
    WatchEventsRequest, WatchEventsResponse, events_service_server::EventsService,
};
use dlms::Obis;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::notices::Notices;
use super::status::Refusal;
use super::{Limits, Parts, check, convert, known, token};
use crate::store::Store;
use crate::store::events::EventFilter;

/// Meters in a filter at most.
const MAX_LIST: usize = 1_000;

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Events {
    store: Store,
    limits: Limits,
    notices: Notices,
    shutdown: CancellationToken,
    turns: Arc<Semaphore>,
}

impl Events {
    /// A service over the store.
    pub(super) fn new(parts: &Parts, notices: Notices, shutdown: CancellationToken) -> Self {
        let turns = Arc::new(Semaphore::new(parts.limits.watches));
        Self { store: parts.store.clone(), limits: parts.limits.clone(), notices, shutdown, turns }
    }

    /// The part of a filter that following and listing share.
    async fn filter(
        &self,
        serials: &[String],
        keys: &[String],
        least: i32,
        log: &str,
    ) -> Result<EventFilter, Refusal> {
        let meters = known::meters(&self.store, serials, MAX_LIST).await?;
        check::keys(keys)?;
        let log = Some(log).filter(|log| !log.is_empty()).map(|log| check::obis("log", log)).transpose()?;
        Ok(EventFilter {
            meters: Some(meters).filter(|_| !serials.is_empty()),
            keys: Some(keys.to_vec()).filter(|keys| !keys.is_empty()),
            least: check::least_severity(least)?,
            log: log.map(Obis::octets),
            ..EventFilter::default()
        })
    }

    async fn list(&self, question: ListEventsRequest) -> Result<ListEventsResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListEventsRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let before = token::number(fingerprint, &question.page_token)?;
        let (from, to) = check::range(question.from.as_ref(), question.to.as_ref())?;
        let ListEventsRequest { meter_serials, keys, min_severity, log, .. } = &question;
        let filter = EventFilter {
            from: question.from.map(|_| from),
            to: question.to.map(|_| to),
            ..self.filter(meter_serials, keys, *min_severity, log).await?
        };
        let mut events = self.store.list_events(&filter, before, i64::from(limit) + 1).await?;
        let next = token::next_page(fingerprint, &mut events, limit, |event| event.id);
        let events = events.into_iter().map(convert::event).collect::<Result<_, _>>()?;
        Ok(ListEventsResponse { events, next_page_token: next })
    }

    async fn losses(&self, question: ListEventLossesRequest) -> Result<ListEventLossesResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListEventLossesRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let before = token::number(fingerprint, &question.page_token)?;
        let meters = known::meters(&self.store, &question.meter_serials, MAX_LIST).await?;
        let meters = Some(meters).filter(|_| !question.meter_serials.is_empty());
        let mut losses =
            self.store.list_event_losses(meters.as_deref(), before, i64::from(limit) + 1).await?;
        let next = token::next_page(fingerprint, &mut losses, limit, |loss| loss.id);
        let losses = losses.into_iter().map(convert::event_loss).collect::<Result<_, _>>()?;
        Ok(ListEventLossesResponse { losses, next_page_token: next })
    }
}

#[tonic::async_trait]
impl EventsService for Events {
    type WatchEventsStream = Messages<WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Ok(Response::new(self.watch(request.into_inner()).await?))
    }

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn list_event_losses(
        &self,
        request: Request<ListEventLossesRequest>,
    ) -> Result<Response<ListEventLossesResponse>, Status> {
        Ok(Response::new(self.losses(request.into_inner()).await?))
    }
}
