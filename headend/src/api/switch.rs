//! `ami.v1.SwitchService`.

use std::sync::Arc;

use ::models::{DayTime, DayTimes};
use ami_proto::v1::{
    Command, DisconnectRequest, DisconnectResponse, FieldViolation, OrderTerms, ReconnectRequest,
    ReconnectResponse, ReleaseTamperLockRequest, ReleaseTamperLockResponse, SetTimesRequest,
    SetTimesResponse, SwitchTime, TimesOrder, switch_service_server::SwitchService,
};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::orders::{self, Asker, Unfit, Wanted};
use super::status::Refusal;
use super::{Models, Parts};
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};

/// The service.
#[derive(Debug)]
pub(super) struct Switch {
    store: Store,
    models: Arc<Models>,
}

impl Switch {
    /// A service over the store.
    pub(super) fn new(parts: &Parts) -> Self {
        Self { store: parts.store.clone(), models: Arc::clone(&parts.models) }
    }

    async fn order(
        &self,
        asker: Asker,
        kind: CommandKind,
        (meter_serials, terms): (&[String], Option<&OrderTerms>),
    ) -> Result<Vec<Command>, Refusal> {
        let reason_needed = matches!(kind, CommandKind::ReleaseTamperLock | CommandKind::ForceReconnect);
        let wanted = Wanted { kind, meter_serials, terms, arguments: None, reason_needed };
        orders::place(&self.store, &asker, wanted, |meter| self.is_capable(kind, meter)).await
    }

    /// What speaks against times for a meter.
    fn takes(&self, meter: &Meter, times: &DayTimes) -> Result<(), Unfit> {
        let model = orders::model(&self.models, meter)?;
        let spec = model.times.as_ref();
        let spec = spec.ok_or_else(|| format!("model {} does not switch at times of the day", model.name))?;
        spec.admit(times).map_err(|problem| {
            let problem = format!("for meter {}: {problem}", meter.serial);
            Unfit::Fields(vec![FieldViolation { field: "times".into(), problem }])
        })
    }

    fn is_capable(&self, kind: CommandKind, meter: &Meter) -> Result<(), String> {
        let model = orders::model(&self.models, meter)?;
        match (&model.switch, kind) {
            (None, _) => Err(format!("model {} has no load switch", model.name)),
            (Some(switch), CommandKind::ReleaseTamperLock) if switch.tamper_lock.is_none() => {
                Err(format!("model {} has no tamper lock that can be released from afar", model.name))
            }
            (Some(_), CommandKind::ForceReconnect) if model.load.is_none() => Err(format!(
                "model {} never locks its switch for its load: order it without `force`",
                model.name
            )),
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl SwitchService for Switch {
    async fn disconnect(
        &self,
        request: Request<DisconnectRequest>,
    ) -> Result<Response<DisconnectResponse>, Status> {
        let asker = Asker::of(&request, "SwitchService/Disconnect")?;
        let request = request.into_inner();
        let what = (request.meter_serials.as_slice(), request.terms.as_ref());
        let commands = self.order(asker, CommandKind::Disconnect, what).await?;
        Ok(Response::new(DisconnectResponse { commands }))
    }

    async fn reconnect(
        &self,
        request: Request<ReconnectRequest>,
    ) -> Result<Response<ReconnectResponse>, Status> {
        let asker = Asker::of(&request, "SwitchService/Reconnect")?;
        let request = request.into_inner();
        let what = (request.meter_serials.as_slice(), request.terms.as_ref());
        let kind = if request.force { CommandKind::ForceReconnect } else { CommandKind::Reconnect };
        let commands = self.order(asker, kind, what).await?;
        Ok(Response::new(ReconnectResponse { commands }))
    }

    async fn set_times(
        &self,
        request: Request<SetTimesRequest>,
    ) -> Result<Response<SetTimesResponse>, Status> {
        let asker = Asker::of(&request, "SwitchService/SetTimes")?;
        let SetTimesRequest { meter_serials, times, terms } = request.into_inner();
        // What is beyond every clock is refused with the limits of the model.
        let minute = |time: &SwitchTime| u16::try_from(time.minute).unwrap_or(u16::MAX);
        let ordered =
            DayTimes(times.iter().map(|time| DayTime { minute: minute(time), on: time.on }).collect());
        let wanted = Wanted {
            kind: CommandKind::SetTimes,
            meter_serials: &meter_serials,
            terms: terms.as_ref(),
            arguments: Some(TimesOrder { times }.encode_to_vec()),
            reason_needed: false,
        };
        let fits = |meter: &Meter| self.takes(meter, &ordered);
        let commands = orders::place(&self.store, &asker, wanted, fits).await?;
        Ok(Response::new(SetTimesResponse { commands }))
    }

    async fn release_tamper_lock(
        &self,
        request: Request<ReleaseTamperLockRequest>,
    ) -> Result<Response<ReleaseTamperLockResponse>, Status> {
        let asker = Asker::of(&request, "SwitchService/ReleaseTamperLock")?;
        let request = request.into_inner();
        let what = (request.meter_serials.as_slice(), request.terms.as_ref());
        let commands = self.order(asker, CommandKind::ReleaseTamperLock, what).await?;
        Ok(Response::new(ReleaseTamperLockResponse { commands }))
    }
}
