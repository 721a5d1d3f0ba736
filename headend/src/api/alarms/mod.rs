//! `ami.v1.AlarmsService`: `subscribe` follows the log of alarms, of which `tail` reads the end for all; here it is listed and
//! acknowledged.

mod subscribe;
mod tail;

use std::sync::Arc;

use ami_proto::v1::{
    AcknowledgeAlarmsRequest, AcknowledgeAlarmsResponse, ListAlarmsRequest, ListAlarmsResponse,
    ListQuarantineRequest, ListQuarantineResponse, PushCount, PushFate, SubscribeAlarmsRequest,
    SubscribeAlarmsResponse, alarms_service_server::AlarmsService,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::orders::Asker;
use super::status::Refusal;
use super::{Limits, Parts, check, convert, known, token};
use crate::store::alarms::{Acknowledged, AlarmFilter, Notice};
use crate::store::{self, Store};

pub(super) use tail::Tail;

/// Meters in a filter, and alarms that are acknowledged at once, at most.
const MAX_LIST: usize = 1_000;
/// Reasons in a filter at most: each once.
const MAX_REASONS: usize = 16;
/// Characters of a note at most.
const MAX_NOTE: usize = 500;

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Alarms {
    store: Store,
    limits: Limits,
    tail: Tail,
    shutdown: CancellationToken,
    turns: Arc<Semaphore>,
}

impl Alarms {
    /// A service over the store; `tail` is run by whoever serves.
    pub(super) fn new(parts: &Parts, tail: Tail, shutdown: CancellationToken) -> Self {
        let turns = Arc::new(Semaphore::new(parts.limits.watches));
        Self { store: parts.store.clone(), limits: parts.limits.clone(), tail, shutdown, turns }
    }

    /// The part of a filter that following and listing share.
    async fn filter(&self, serials: &[String], keys: &[String], least: i32) -> Result<AlarmFilter, Refusal> {
        let meters = known::meters(&self.store, serials, MAX_LIST).await?;
        check::keys(keys)?;
        let least = check::least_severity(least)?;
        Ok(AlarmFilter {
            meters: Some(meters).filter(|_| !serials.is_empty()),
            keys: Some(keys.to_vec()).filter(|keys| !keys.is_empty()),
            least,
            ..AlarmFilter::default()
        })
    }

    async fn list(&self, question: ListAlarmsRequest) -> Result<ListAlarmsResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListAlarmsRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let before = token::number(fingerprint, &question.page_token)?;
        let (from, to) = check::range(question.from.as_ref(), question.to.as_ref())?;
        let filter = AlarmFilter {
            acknowledged: question.acknowledged,
            from: question.from.map(|_| from),
            to: question.to.map(|_| to),
            ..self.filter(&question.meter_serials, &question.keys, question.min_severity).await?
        };
        let mut alarms = self.store.list_alarms(&filter, before, i64::from(limit) + 1).await?;
        let next = token::next_page(fingerprint, &mut alarms, limit, |alarm| alarm.id);
        let alarms = alarms.into_iter().map(convert::alarm).collect::<Result<_, _>>()?;
        Ok(ListAlarmsResponse { alarms, next_page_token: next })
    }

    async fn acknowledge(
        &self,
        asker: &Asker,
        request: &AcknowledgeAlarmsRequest,
    ) -> Result<AcknowledgeAlarmsResponse, Refusal> {
        check::list("ids", &request.ids, MAX_LIST)?;
        if request.ids.is_empty() {
            return Err(Refusal::field("ids", "1 to 1,000 numbers of alarms are expected"));
        }
        if request.note.chars().count() > MAX_NOTE || request.note.contains('\0') {
            return Err(Refusal::field("note", "at most 500 characters are expected, none of them NUL"));
        }
        let detail = Some(request.note.clone()).filter(|note| !note.is_empty());
        let notice = Notice { note: &request.note, entry: &asker.entry(target(request), "accepted", detail) };
        match self.store.acknowledge_alarms(&request.ids, notice).await? {
            Acknowledged::Missing(id) => Err(Refusal::AlarmNotFound { id }),
            Acknowledged::All(alarms) => {
                let alarms = alarms.into_iter().map(convert::alarm).collect::<Result<_, _>>()?;
                Ok(AcknowledgeAlarmsResponse { alarms })
            }
        }
    }

    async fn quarantine(&self, question: ListQuarantineRequest) -> Result<ListQuarantineResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListQuarantineRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let before = token::number(fingerprint, &question.page_token)?;
        check::list("reasons", &question.reasons, MAX_REASONS)?;
        let reasons =
            question.reasons.iter().map(|reason| stored_fate(*reason)).collect::<Result<Vec<_>, _>>()?;
        let mut pushes = self.store.list_quarantine(&reasons, before, i64::from(limit) + 1).await?;
        let next = token::next_page(fingerprint, &mut pushes, limit, |push| push.id);
        let counts = self.store.push_tally().await?.into_iter();
        let counts = counts.map(|(fate, pushes)| PushCount { fate: convert::fate(fate).into(), pushes });
        Ok(ListQuarantineResponse {
            pushes: pushes.into_iter().map(convert::quarantined).collect(),
            next_page_token: next,
            counts: counts.collect(),
        })
    }
}

/// The alarms of a request, as the audit has them.
fn target(request: &AcknowledgeAlarmsRequest) -> String {
    let ids = request.ids.iter().take(MAX_LIST).map(i64::to_string).collect::<Vec<_>>();
    format!("alarms {}", ids.join(" "))
}

/// A fate that leads to the quarantine.
fn stored_fate(fate: i32) -> Result<store::PushFate, Refusal> {
    match PushFate::try_from(fate) {
        Ok(PushFate::UnknownSender) => Ok(store::PushFate::UnknownSender),
        Ok(PushFate::WrongTag) => Ok(store::PushFate::WrongTag),
        Ok(PushFate::ReplayedCounter) => Ok(store::PushFate::ReplayedCounter),
        Ok(PushFate::Undecodable) => Ok(store::PushFate::Undecodable),
        Ok(PushFate::TooMany) => Ok(store::PushFate::TooMany),
        _ => Err(Refusal::field(
            "reasons",
            "fates of ami.v1.PushFate that lead to the quarantine are expected",
        )),
    }
}

#[tonic::async_trait]
impl AlarmsService for Alarms {
    type SubscribeAlarmsStream = Messages<SubscribeAlarmsResponse>;

    async fn subscribe_alarms(
        &self,
        request: Request<SubscribeAlarmsRequest>,
    ) -> Result<Response<Self::SubscribeAlarmsStream>, Status> {
        Ok(Response::new(self.subscribe(request.into_inner()).await?))
    }

    async fn list_alarms(
        &self,
        request: Request<ListAlarmsRequest>,
    ) -> Result<Response<ListAlarmsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn acknowledge_alarms(
        &self,
        request: Request<AcknowledgeAlarmsRequest>,
    ) -> Result<Response<AcknowledgeAlarmsResponse>, Status> {
        let asker = Asker::of(&request, "AlarmsService/AcknowledgeAlarms")?;
        let request = request.into_inner();
        let outcome = self.acknowledge(&asker, &request).await;
        Ok(Response::new(asker.audited(&self.store, target(&request), outcome).await?))
    }

    async fn list_quarantine(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<ListQuarantineResponse>, Status> {
        Ok(Response::new(self.quarantine(request.into_inner()).await?))
    }
}
