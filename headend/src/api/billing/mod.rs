//! `ami.v1.BillingService`: `run` goes through the meters, `gather` collects what the store knows of some of them, `assemble` makes the sets, `cycle` says
//! from when to when, `quantity` what an object is to billing.

mod assemble;
mod cycle;
mod doubt;
mod gather;
mod quantity;
mod run;

use std::sync::Arc;

use ::models::Script;
use ami_proto::v1::{
    CloseBillingPeriodRequest, CloseBillingPeriodResponse, Command, GetBillingSetsRequest,
    GetBillingSetsResponse, OrderTerms, ResetDemandRequest, ResetDemandResponse,
    billing_service_server::BillingService,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::orders::{self, Asker, Wanted};
use super::status::Refusal;
use super::{Models, Parts, as_of, known};
use crate::store::billing::BilledFilter;
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};
use cycle::Cycle;
use run::Run;

/// Meters that can be named in a question.
const MAX_METERS: usize = 1_000;
/// Runs at once: each keeps a connection to the database busy.
const MAX_RUNS: usize = 4;

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Billing {
    store: Store,
    models: Arc<Models>,
    shutdown: CancellationToken,
    runs: Arc<Semaphore>,
}

impl Billing {
    /// A service over the store.
    pub(super) fn new(parts: &Parts, shutdown: CancellationToken) -> Self {
        Self {
            store: parts.store.clone(),
            models: Arc::clone(&parts.models),
            shutdown,
            runs: Arc::new(Semaphore::new(MAX_RUNS)),
        }
    }

    async fn run(&self, request: GetBillingSetsRequest) -> Result<Run, Refusal> {
        let turn = self.runs.clone().try_acquire_owned();
        let turn = turn.map_err(|_| Refusal::TooManyBillingRuns { limit: MAX_RUNS })?;
        let cycle = Cycle::of(request.cycle.as_ref())?;
        let known_at = as_of::settled(&self.store, request.known_at.as_ref()).await?;
        let named = known::meters(&self.store, &request.meter_serials, MAX_METERS).await?;
        let filter = BilledFilter {
            meters: Some(named).filter(|_| !request.meter_serials.is_empty()),
            model: request.model,
            serial_prefix: request.serial_prefix,
            throttle_group: request.throttle_group,
            line: request.line,
        };
        Ok(Run::new(self.store.clone(), filter, cycle, known_at, turn))
    }

    /// Orders a reset of meters that can do it.
    async fn reset(
        &self,
        asker: &Asker,
        kind: CommandKind,
        meter_serials: &[String],
        terms: Option<&OrderTerms>,
    ) -> Result<Vec<Command>, Refusal> {
        let wanted = Wanted { kind, meter_serials, terms, arguments: None, reason_needed: true };
        orders::place(&self.store, asker, wanted, |meter| self.script(meter, kind).map(drop)).await
    }

    /// How a meter is reset, by its model.
    fn script(&self, meter: &Meter, kind: CommandKind) -> Result<Script, String> {
        let model = orders::model(&self.models, meter)?;
        let (what, script) = match kind {
            CommandKind::CloseBillingPeriod => {
                ("end a billing period", model.billing.as_ref().and_then(|billing| billing.close))
            }
            _ => ("reset maximum demands", model.billing.as_ref().and_then(|billing| billing.reset_demand)),
        };
        script.ok_or_else(|| format!("model {} can not {what} from afar", model.name))
    }
}

#[tonic::async_trait]
impl BillingService for Billing {
    type GetBillingSetsStream = Messages<GetBillingSetsResponse>;

    async fn get_billing_sets(
        &self,
        request: Request<GetBillingSetsRequest>,
    ) -> Result<Response<Self::GetBillingSetsStream>, Status> {
        let run = self.run(request.into_inner()).await?;
        Ok(Response::new(run.messages(self.shutdown.clone())))
    }

    async fn close_billing_period(
        &self,
        request: Request<CloseBillingPeriodRequest>,
    ) -> Result<Response<CloseBillingPeriodResponse>, Status> {
        let asker = Asker::of(&request, "BillingService/CloseBillingPeriod")?;
        let CloseBillingPeriodRequest { meter_serials, terms } = request.into_inner();
        let kind = CommandKind::CloseBillingPeriod;
        let commands = self.reset(&asker, kind, &meter_serials, terms.as_ref()).await?;
        Ok(Response::new(CloseBillingPeriodResponse { commands }))
    }

    async fn reset_demand(
        &self,
        request: Request<ResetDemandRequest>,
    ) -> Result<Response<ResetDemandResponse>, Status> {
        let asker = Asker::of(&request, "BillingService/ResetDemand")?;
        let ResetDemandRequest { meter_serials, terms } = request.into_inner();
        let commands = self.reset(&asker, CommandKind::ResetDemand, &meter_serials, terms.as_ref()).await?;
        Ok(Response::new(ResetDemandResponse { commands }))
    }
}
