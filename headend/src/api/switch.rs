//! `ami.v1.SwitchService`.

use std::sync::Arc;

use ami_proto::v1::{
    Command, DisconnectRequest, DisconnectResponse, OrderTerms, ReconnectRequest, ReconnectResponse,
    ReleaseTamperLockRequest, ReleaseTamperLockResponse, switch_service_server::SwitchService,
};
use tonic::{Request, Response, Status};

use super::orders::{self, Asker, Wanted};
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
