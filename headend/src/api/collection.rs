//! `ami.v1.CollectionService`: gaps and losses here, the work list in `worklist`, schedules in `schedules`.

mod schedules;
mod worklist;

use std::collections::BTreeMap;
use std::sync::Arc;

use ami_proto::v1::{
    DeleteScheduleRequest, DeleteScheduleResponse, Gap, ListGapsRequest, ListGapsResponse,
    ListLateMetersRequest, ListLateMetersResponse, ListProfileLossesRequest, ListProfileLossesResponse,
    ListScheduleDaysRequest, ListScheduleDaysResponse, ListSchedulesRequest, ListSchedulesResponse,
    ListTroublesRequest, ListTroublesResponse, PutScheduleRequest, PutScheduleResponse,
    ResolveTroublesRequest, ResolveTroublesResponse, collection_service_server::CollectionService,
};
use collectors::MeterId;
use dlms::Obis;
use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::orders::Asker;
use super::status::Refusal;
use super::{Models, Parts, check, convert, known, token};
use crate::plan::{MeterState, ledger};
use crate::store::Store;
use crate::store::ledger::Hindrance;

/// Meters in a filter at most.
const MAX_LIST: usize = 1_000;

/// Meters that are looked at together, and how often one page goes on to the next ones.
const LOOK: (u16, u8) = (1_000, 20);

/// The service.
#[derive(Debug)]
pub(super) struct Collection {
    store: Store,
    models: Arc<Models>,
}

impl Collection {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone(), models: parts.models.clone() }
    }

    async fn gaps(&self, question: ListGapsRequest) -> Result<ListGapsResponse, Refusal> {
        let limit = check::page_size(question.page_size)? as usize;
        let fingerprint = token::fingerprint(&ListGapsRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let after = token::number(fingerprint, &question.page_token)?.unwrap_or(0);
        let mut after = MeterId::try_from(after).map_err(|_| Refusal::PageToken)?;
        let meters = known::meters(&self.store, &question.meter_serials, MAX_LIST).await?;
        let meters = Some(meters).filter(|_| !question.meter_serials.is_empty());
        let mut gaps = Vec::new();
        let (now, (meters_a_look, looks)) = (Timestamp::now(), LOOK);
        for _ in 0..looks {
            let page = match &meters {
                Some(meters) => self.store.planning_states(meters).await?,
                None => self.store.planning_page(after, meters_a_look).await?,
            };
            for state in &page {
                if gaps.len() >= limit && meters.is_none() {
                    break;
                }
                after = state.meter;
                gaps.extend(self.missing(state, question.holes_only, now));
            }
            let is_last = page.len() < usize::from(meters_a_look);
            if meters.is_some() || is_last && page.last().is_none_or(|last| last.meter == after) {
                return Ok(ListGapsResponse { gaps: self.explained(gaps).await?, ..Default::default() });
            }
            if gaps.len() >= limit {
                break;
            }
        }
        let next_page_token = token::encode(fingerprint, &i64::from(after).to_be_bytes());
        Ok(ListGapsResponse { gaps: self.explained(gaps).await?, next_page_token })
    }

    /// What is missing of a meter; nothing of one whose model is not known.
    fn missing(&self, state: &MeterState, holes_only: bool, now: Timestamp) -> Vec<((MeterId, Obis), Gap)> {
        let Some(model) = self.models.get(&state.model) else { return Vec::new() };
        let gaps = ledger::missing(state, model, now).into_iter();
        let wanted = gaps.filter(|gap| gap.is_hole || !holes_only);
        let name = |obis| model.profiles.iter().find(|profile| profile.obis == obis);
        let shown = wanted.map(|gap| {
            let shown = Gap {
                meter_serial: state.serial.clone(),
                profile: gap.profile.to_string(),
                profile_name: name(gap.profile).map(|profile| profile.name.clone()).unwrap_or_default(),
                after: Some(convert::instant(gap.range.0)),
                until: Some(convert::instant(gap.range.1)),
                captures: gap.captures,
                overwritten_from: Some(convert::instant(gap.overwritten_from)),
                hole: gap.is_hole,
                ..Gap::default()
            };
            ((state.meter, gap.profile), shown)
        });
        shown.collect()
    }

    /// Says why these gaps were not filled yet.
    async fn explained(&self, gaps: Vec<((MeterId, Obis), Gap)>) -> Result<Vec<Gap>, Refusal> {
        let mut profiles: Vec<_> = gaps.iter().map(|(profile, _)| *profile).collect();
        profiles.dedup();
        let hindrances = self.store.hindrances(&profiles).await?.into_iter();
        let hindrances: BTreeMap<(MeterId, Vec<u8>), Hindrance> =
            hindrances.map(|hindrance| ((hindrance.meter_id, hindrance.obis.clone()), hindrance)).collect();
        let explained = gaps.into_iter().map(|((meter, profile), gap)| {
            match hindrances.get(&(meter, profile.octets().to_vec())) {
                None => gap,
                Some(hindrance) => Gap {
                    reason: convert::reason(hindrance.reason.as_deref()).into(),
                    detail: hindrance.detail.clone().unwrap_or_default(),
                    ..gap
                },
            }
        });
        Ok(explained.collect())
    }

    async fn losses(&self, question: ListProfileLossesRequest) -> Result<ListProfileLossesResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListProfileLossesRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let before = token::number(fingerprint, &question.page_token)?;
        let meters = known::meters(&self.store, &question.meter_serials, MAX_LIST).await?;
        let meters = Some(meters).filter(|_| !question.meter_serials.is_empty());
        let mut losses = self.store.list_losses(meters.as_deref(), before, i64::from(limit) + 1).await?;
        let next_page_token = token::next_page(fingerprint, &mut losses, limit, |loss| loss.id);
        let losses = losses.into_iter().map(convert::profile_loss).collect::<Result<_, _>>()?;
        Ok(ListProfileLossesResponse { losses, next_page_token })
    }
}

#[tonic::async_trait]
impl CollectionService for Collection {
    async fn list_gaps(
        &self,
        request: Request<ListGapsRequest>,
    ) -> Result<Response<ListGapsResponse>, Status> {
        Ok(Response::new(self.gaps(request.into_inner()).await?))
    }

    async fn list_profile_losses(
        &self,
        request: Request<ListProfileLossesRequest>,
    ) -> Result<Response<ListProfileLossesResponse>, Status> {
        Ok(Response::new(self.losses(request.into_inner()).await?))
    }

    async fn list_troubles(
        &self,
        request: Request<ListTroublesRequest>,
    ) -> Result<Response<ListTroublesResponse>, Status> {
        Ok(Response::new(self.troubles(request.into_inner()).await?))
    }

    async fn resolve_troubles(
        &self,
        request: Request<ResolveTroublesRequest>,
    ) -> Result<Response<ResolveTroublesResponse>, Status> {
        let asker = Asker::of(&request, "CollectionService/ResolveTroubles")?;
        let request = request.into_inner();
        let serial = request.meter_serial.clone();
        let resolved = self.resolve(&asker, request).await;
        Ok(Response::new(asker.audited(&self.store, serial, resolved).await?))
    }

    async fn put_schedule(
        &self,
        request: Request<PutScheduleRequest>,
    ) -> Result<Response<PutScheduleResponse>, Status> {
        let asker = Asker::of(&request, "CollectionService/PutSchedule")?;
        let request = request.into_inner();
        let name = request.schedule.as_ref().map(|schedule| schedule.name.clone()).unwrap_or_default();
        let put = self.put(&asker, request).await;
        asker.audited(&self.store, name, put).await?;
        Ok(Response::new(PutScheduleResponse {}))
    }

    async fn delete_schedule(
        &self,
        request: Request<DeleteScheduleRequest>,
    ) -> Result<Response<DeleteScheduleResponse>, Status> {
        let asker = Asker::of(&request, "CollectionService/DeleteSchedule")?;
        let request = request.into_inner();
        let name = request.name.clone();
        let deleted = self.delete(&asker, request).await;
        asker.audited(&self.store, name, deleted).await?;
        Ok(Response::new(DeleteScheduleResponse {}))
    }

    async fn list_schedules(
        &self,
        _request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        Ok(Response::new(self.schedules().await?))
    }

    async fn list_schedule_days(
        &self,
        request: Request<ListScheduleDaysRequest>,
    ) -> Result<Response<ListScheduleDaysResponse>, Status> {
        Ok(Response::new(self.days(request.into_inner()).await?))
    }

    async fn list_late_meters(
        &self,
        request: Request<ListLateMetersRequest>,
    ) -> Result<Response<ListLateMetersResponse>, Status> {
        Ok(Response::new(self.late(request.into_inner()).await?))
    }
}
