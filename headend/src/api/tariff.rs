//! `ami.v1.TariffService`.

use std::sync::Arc;

use ami_proto::v1::{
    CheckTariffRequest, CheckTariffResponse, DayTypeNumber, DiffTariffRequest, DiffTariffResponse,
    FieldViolation, PushTariffRequest, PushTariffResponse, TariffDifference, TariffOrder,
    check_tariff_request::Taker, tariff_service_server::TariffService,
};
use collectors::HeldTariff;
use dlms::cosem::Difference;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use models::Model;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::notices::Notices;
use super::on_demand::{self, OnDemand};
use super::orders::{self, Asker, Unfit, Wanted};
use super::request_id::RequestId;
use super::status::Refusal;
use super::{Models, Parts, check, convert};
use crate::store::job_list::Order;
use crate::store::meters::Meter;
use crate::store::{CommandKind, JobKind, Store};
use crate::tariff::{File, Problem};
use crate::telemetry;

/// Problems of a file that a refusal tells: it travels in a header of HTTP/2.
const MAX_TOLD: usize = 20;
/// Where a local time passes last.
const LAST_ZONE_H: i8 = -12;

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Tariffs {
    store: Store,
    models: Arc<Models>,
    on_demand: OnDemand,
}

impl Tariffs {
    /// A service over the store.
    pub(super) fn new(parts: &Parts, notices: Notices, shutdown: CancellationToken) -> Self {
        Self {
            store: parts.store.clone(),
            models: Arc::clone(&parts.models),
            on_demand: OnDemand::new(parts, notices, shutdown),
        }
    }

    async fn check(&self, request: CheckTariffRequest) -> Result<CheckTariffResponse, Refusal> {
        let (model, zone) = match request.taker {
            Some(Taker::Model(name)) => {
                let known = || self.models.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let model = self.models.get(&name);
                let model =
                    model.ok_or_else(|| Refusal::field("model", format!("known models are {}", known())))?;
                // Whose meter it is, is not known: only what is past everywhere is past.
                (&**model, TimeZone::fixed(Offset::constant(LAST_ZONE_H)))
            }
            Some(Taker::MeterSerial(serial)) => {
                let meter = self.meter(&serial).await?;
                (self.model(&meter)?, zone(&meter)?)
            }
            None => return Err(Refusal::field("model", "a model or a meter is expected")),
        };
        let problems = match File::parse(&request.file) {
            Ok(file) => file.check(model, Timestamp::now(), &zone).err().unwrap_or_default(),
            Err(problem) => vec![problem],
        };
        let violation = |Problem { field, problem }| FieldViolation { field, problem };
        Ok(CheckTariffResponse { problems: problems.into_iter().map(violation).collect() })
    }

    async fn diff(&self, request: DiffTariffRequest, id: RequestId) -> Result<DiffTariffResponse, Refusal> {
        let wait = on_demand::wait(request.wait.as_ref())?;
        let meter = self.meter(&request.meter_serial).await?;
        let model = self.model(&meter)?;
        let file = File::parse(&request.file).map_err(|problem| refused(vec![problem]))?;
        // Whether its time has passed does not matter here.
        let tariff = file.tariff(model).map_err(refused)?;
        let order = Order {
            meter: meter.id,
            kind: JobKind::ReadTariff,
            obis: None,
            range: None,
            priority: on_demand::PRIORITY,
            max_attempts: on_demand::MAX_ATTEMPTS,
            request_id: id.0,
            trace_parent: telemetry::trace_parent(),
        };
        let job = self.on_demand.run(&meter.serial, &order, wait).await?;
        let objects = self.store.tariff_of_job(meter.id, job.id).await?.ok_or(Refusal::Internal)?;
        let dates = model.tariff.as_ref().map(|tariff| tariff.dates).unwrap_or_default();
        let held = HeldTariff::decode(&objects, dates).map_err(|error| Refusal::NotCapable {
            field: "meter_serial".into(),
            serial: meter.serial.clone(),
            problem: format!("what it holds is no tariff: {error}"),
        })?;
        let day_types = tariff.day_types().iter().zip(1..);
        Ok(DiffTariffResponse {
            job: Some(convert::job(job)?),
            active: differences(Difference::of_calendars(&held.active, tariff.calendar())),
            passive: differences(Difference::of_calendars(&held.passive, tariff.calendar())),
            special_days: differences(match objects.special_days {
                Some(_) => Difference::of_special_days(&held.special_days, tariff.special_days()),
                None => Vec::new(),
            }),
            activation_time: held.activation_text().unwrap_or_default(),
            day_types: day_types.map(|(name, number)| DayTypeNumber { number, name: name.clone() }).collect(),
        })
    }

    async fn push(&self, request: PushTariffRequest, asker: Asker) -> Result<PushTariffResponse, Refusal> {
        let file = File::parse(&request.file).map_err(|problem| refused(vec![problem]));
        let file = asker.audited(&self.store, request.meter_serials.join(" "), file).await?;
        let wanted = Wanted {
            kind: CommandKind::PushTariff,
            meter_serials: &request.meter_serials,
            terms: request.terms.as_ref(),
            arguments: Some(TariffOrder { file: request.file }.encode_to_vec()),
            reason_needed: false,
        };
        let now = Timestamp::now();
        let fits = |meter: &Meter| {
            self.is_capable(meter)?;
            let zone = TimeZone::get(&meter.zone).map_err(|_| unknown_zone(meter))?;
            let checked = file.check(orders::model(&self.models, meter)?, now, &zone);
            checked.map(drop).map_err(|problems| Unfit::Fields(violations(problems)))
        };
        let commands = orders::place(&self.store, &asker, wanted, fits).await?;
        Ok(PushTariffResponse { commands })
    }

    fn is_capable(&self, meter: &Meter) -> Result<(), String> {
        let model = orders::model(&self.models, meter)?;
        match model.tariff {
            Some(_) => Ok(()),
            None => Err(format!("model {} takes no tariffs", model.name)),
        }
    }

    /// The model of a meter that takes tariffs.
    fn model(&self, meter: &Meter) -> Result<&Model, Refusal> {
        let incapable = |problem| Refusal::NotCapable {
            field: "meter_serial".into(),
            serial: meter.serial.clone(),
            problem,
        };
        self.is_capable(meter).and_then(|()| orders::model(&self.models, meter)).map_err(incapable)
    }

    async fn meter(&self, serial: &str) -> Result<Meter, Refusal> {
        check::serial("meter_serial", serial)?;
        let meter = self.store.meter(serial).await?;
        meter.ok_or_else(|| Refusal::MeterNotFound { serial: serial.to_owned() })
    }
}

#[tonic::async_trait]
impl TariffService for Tariffs {
    async fn check_tariff(
        &self,
        request: Request<CheckTariffRequest>,
    ) -> Result<Response<CheckTariffResponse>, Status> {
        Ok(Response::new(self.check(request.into_inner()).await?))
    }

    async fn diff_tariff(
        &self,
        request: Request<DiffTariffRequest>,
    ) -> Result<Response<DiffTariffResponse>, Status> {
        let id = RequestId::of(&request);
        Ok(Response::new(self.diff(request.into_inner(), id).await?))
    }

    async fn push_tariff(
        &self,
        request: Request<PushTariffRequest>,
    ) -> Result<Response<PushTariffResponse>, Status> {
        let asker = Asker::of(&request, "TariffService/PushTariff")?;
        Ok(Response::new(self.push(request.into_inner(), asker).await?))
    }
}

fn refused(problems: Vec<Problem>) -> Refusal {
    Refusal::InvalidFields { violations: violations(problems) }
}

/// Problems of the file as violations of the request's field `file`, as many as fit into a refusal.
fn violations(problems: Vec<Problem>) -> Vec<FieldViolation> {
    let more = problems.len().saturating_sub(MAX_TOLD);
    let told = problems.into_iter().take(MAX_TOLD).map(|Problem { field, problem }| {
        let field = if field.is_empty() { "file".into() } else { format!("file.{field}") };
        FieldViolation { field, problem }
    });
    let rest = (more > 0).then(|| FieldViolation {
        field: "file".into(),
        problem: format!("{more} more problems; CheckTariff tells all of them"),
    });
    told.chain(rest).collect()
}

fn differences(differences: Vec<Difference>) -> Vec<TariffDifference> {
    let told = differences.into_iter().map(|Difference { place, held, wanted }| TariffDifference {
        place,
        held,
        wanted,
    });
    told.collect()
}

fn zone(meter: &Meter) -> Result<TimeZone, Refusal> {
    TimeZone::get(&meter.zone).map_err(|_| Refusal::NotCapable {
        field: "meter_serial".into(),
        serial: meter.serial.clone(),
        problem: unknown_zone(meter),
    })
}

fn unknown_zone(meter: &Meter) -> String {
    format!("time zone {} is not known to this server", meter.zone)
}
