//! `ami.v1.JobsService`.

use ami_proto::v1::{
    GetJobRequest, GetJobResponse, JobKind, JobState, ListJobsRequest, ListJobsResponse, SummaryRequest,
    SummaryResponse, jobs_service_server::JobsService,
};
use tonic::{Request, Response, Status};

use super::status::Refusal;
use super::{Parts, check, convert, token};
use crate::store::job_list::JobFilter;
use crate::store::{self, Store};

/// States or kinds in a filter at most: each once.
const MAX_FILTER: usize = 8;

/// The service.
#[derive(Debug)]
pub(super) struct Jobs {
    store: Store,
}

impl Jobs {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone() }
    }

    async fn list(&self, question: ListJobsRequest) -> Result<ListJobsResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = fingerprint(&question);
        let before = token::number(fingerprint, &question.page_token)?;
        let filter = self.filter(&question).await?;
        let mut jobs = self.store.list_jobs(&filter, before, i64::from(limit) + 1).await?;
        let more = jobs.len() as u64 > u64::from(limit);
        jobs.truncate(limit as usize);
        let next = jobs.last().filter(|_| more).map(|job| token::encode(fingerprint, &job.id.to_be_bytes()));
        let jobs = jobs.into_iter().map(convert::job).collect::<Result<_, _>>()?;
        Ok(ListJobsResponse { jobs, next_page_token: next.unwrap_or_default() })
    }

    async fn filter(&self, question: &ListJobsRequest) -> Result<JobFilter, Refusal> {
        check::list("states", &question.states, MAX_FILTER)?;
        check::list("kinds", &question.kinds, MAX_FILTER)?;
        let meter = match question.meter_serial.as_str() {
            "" => None,
            serial => {
                check::serial("meter_serial", serial)?;
                let meter = self.store.meter(serial).await?;
                Some(meter.ok_or_else(|| Refusal::MeterNotFound { serial: serial.into() })?.id)
            }
        };
        let states = question.states.iter().map(|state| stored_state(*state)).collect::<Result<_, _>>()?;
        let kinds = question.kinds.iter().map(|kind| stored_kind(*kind)).collect::<Result<_, _>>()?;
        Ok(JobFilter { states, kinds, meter })
    }
}

#[tonic::async_trait]
impl JobsService for Jobs {
    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        let id = request.into_inner().id;
        let job = self.store.job(id).await.map_err(Refusal::from)?.ok_or(Refusal::JobNotFound { id })?;
        Ok(Response::new(GetJobResponse { job: Some(convert::job(job)?) }))
    }

    async fn summary(&self, request: Request<SummaryRequest>) -> Result<Response<SummaryResponse>, Status> {
        let since = request.into_inner().created_from;
        let since = since.map(|since| check::instant("created_from", &since)).transpose()?;
        let counts = self.store.count_jobs(since).await.map_err(Refusal::from)?;
        Ok(Response::new(SummaryResponse { counts: counts.iter().map(convert::count).collect() }))
    }
}

fn fingerprint(question: &ListJobsRequest) -> u64 {
    token::fingerprint(&ListJobsRequest { page_size: 0, page_token: String::new(), ..question.clone() })
}

fn stored_state(state: i32) -> Result<store::JobState, Refusal> {
    match JobState::try_from(state) {
        Ok(JobState::Due) => Ok(store::JobState::Due),
        Ok(JobState::Running) => Ok(store::JobState::Running),
        Ok(JobState::Done) => Ok(store::JobState::Done),
        Ok(JobState::Failed) => Ok(store::JobState::Failed),
        Ok(JobState::Cancelled) => Ok(store::JobState::Cancelled),
        Ok(JobState::Unspecified) | Err(_) => {
            Err(Refusal::field("states", "a state of ami.v1.JobState is expected"))
        }
    }
}

fn stored_kind(kind: i32) -> Result<store::JobKind, Refusal> {
    match JobKind::try_from(kind) {
        Ok(JobKind::Identify) => Ok(store::JobKind::Identify),
        Ok(JobKind::ReadClock) => Ok(store::JobKind::ReadClock),
        Ok(JobKind::ReadRegisters) => Ok(store::JobKind::ReadRegisters),
        Ok(JobKind::ReadProfile) => Ok(store::JobKind::ReadProfile),
        Ok(JobKind::ListNodes) => Ok(store::JobKind::ListNodes),
        Ok(JobKind::Discover) => Ok(store::JobKind::Discover),
        Ok(JobKind::ReadTariff) => Ok(store::JobKind::ReadTariff),
        Ok(JobKind::Command) => Ok(store::JobKind::Command),
        Ok(JobKind::Unspecified) | Err(_) => {
            Err(Refusal::field("kinds", "a kind of ami.v1.JobKind is expected"))
        }
    }
}
