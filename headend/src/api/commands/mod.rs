//! `ami.v1.CommandsService`.

pub(super) mod convert;
mod watch;

use std::sync::Arc;

use ami_proto::v1::{
    ApproveCommandRequest, ApproveCommandResponse, CancelCommandRequest, CancelCommandResponse, CommandKind,
    CommandState, GetCommandRequest, GetCommandResponse, ListCommandsRequest, ListCommandsResponse,
    WatchCommandsRequest, WatchCommandsResponse, commands_service_server::CommandsService,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::follow::Messages;
use super::notices::Notices;
use super::orders::Asker;
use super::status::Refusal;
use super::{Limits, Parts, check, token};
use crate::store::commands::{Approval, Approved, Cancelled, Command, CommandFilter};
use crate::store::{self, Store};
use crate::telemetry;

/// States or kinds in a filter at most.
const MAX_FILTER: usize = 16;
/// Entries of a life that are shown with a command.
const MAX_LIFE: i64 = 1_000;
/// The longest reason of a cancellation or an approval.
const MAX_REASON: usize = 1_000;

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    store: Store,
    notices: Notices,
    limits: Limits,
    watches: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Commands {
    /// A service over the store.
    pub(super) fn new(parts: &Parts, notices: Notices, shutdown: CancellationToken) -> Self {
        let watches = Arc::new(Semaphore::new(parts.limits.watches));
        Self { store: parts.store.clone(), notices, limits: parts.limits.clone(), watches, shutdown }
    }

    async fn one(&self, id: i64) -> Result<Command, Refusal> {
        self.store.commands(&[id]).await?.pop().ok_or(Refusal::CommandNotFound { id })
    }

    async fn get(&self, id: i64) -> Result<GetCommandResponse, Refusal> {
        let command = self.one(id).await?;
        let changes = self.store.life_of_command(id, MAX_LIFE).await?;
        Ok(GetCommandResponse {
            command: Some(convert::command(command)),
            changes: changes.into_iter().map(convert::change).collect(),
        })
    }

    async fn list(&self, question: ListCommandsRequest) -> Result<ListCommandsResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let page = ListCommandsRequest { page_size: 0, page_token: String::new(), ..question.clone() };
        let fingerprint = token::fingerprint(&page);
        let before = token::number(fingerprint, &question.page_token)?;
        let filter = self.filter(&question).await?;
        let mut commands = self.store.list_commands(&filter, before, i64::from(limit) + 1).await?;
        let more = commands.len() as u64 > u64::from(limit);
        commands.truncate(limit as usize);
        let next = commands
            .last()
            .filter(|_| more)
            .map(|command| token::encode(fingerprint, &command.id.to_be_bytes()));
        let commands = commands.into_iter().map(convert::command).collect();
        Ok(ListCommandsResponse { commands, next_page_token: next.unwrap_or_default() })
    }

    async fn filter(&self, question: &ListCommandsRequest) -> Result<CommandFilter, Refusal> {
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
        let order = match question.order_id.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| Refusal::field("order_id", "a UUID is expected"))?),
        };
        let states = question.states.iter().map(|state| stored_state(*state)).collect::<Result<_, _>>()?;
        let kinds = question.kinds.iter().map(|kind| stored_kind(*kind)).collect::<Result<_, _>>()?;
        Ok(CommandFilter { states, kinds, meter, order })
    }

    async fn approve(&self, asker: &Asker, id: i64, reason: &str) -> Result<Command, Refusal> {
        check_reason(reason)?;
        let entry = asker.entry(format!("command {id}"), "accepted", Some(reason.to_owned()));
        let approval = Approval {
            principal: asker.principal.name.clone(),
            request_id: asker.request.0,
            trace_parent: telemetry::trace_parent(),
        };
        match self.store.approve_command(id, &approval, &entry).await? {
            Approved::Yes => self.one(id).await,
            Approved::SamePerson => Err(Refusal::SecondPersonNeeded { id }),
            Approved::NotAwaiting => Err(Refusal::NotAwaitingApproval { id }),
            Approved::Retired(serial) => Err(Refusal::MeterRetired { serial }),
            Approved::NotFound => Err(Refusal::CommandNotFound { id }),
        }
    }

    async fn cancel(&self, asker: &Asker, id: i64, reason: &str) -> Result<Command, Refusal> {
        check_reason(reason)?;
        let entry = asker.entry(format!("command {id}"), "accepted", Some(reason.to_owned()));
        match self.store.cancel_command(id, reason, &entry).await? {
            Cancelled::Yes => self.one(id).await,
            Cancelled::Begun => Err(Refusal::CommandBegun { id }),
            Cancelled::NotFound => Err(Refusal::CommandNotFound { id }),
        }
    }
}

#[tonic::async_trait]
impl CommandsService for Commands {
    type WatchCommandsStream = Messages<WatchCommandsResponse>;

    async fn get_command(
        &self,
        request: Request<GetCommandRequest>,
    ) -> Result<Response<GetCommandResponse>, Status> {
        Ok(Response::new(self.get(request.into_inner().id).await?))
    }

    async fn list_commands(
        &self,
        request: Request<ListCommandsRequest>,
    ) -> Result<Response<ListCommandsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn watch_commands(
        &self,
        request: Request<WatchCommandsRequest>,
    ) -> Result<Response<Self::WatchCommandsStream>, Status> {
        Ok(Response::new(self.watch(request.into_inner()).await?))
    }

    async fn approve_command(
        &self,
        request: Request<ApproveCommandRequest>,
    ) -> Result<Response<ApproveCommandResponse>, Status> {
        let asker = Asker::of(&request, "CommandsService/ApproveCommand")?;
        let ApproveCommandRequest { id, reason } = request.into_inner();
        let approved = self.approve(&asker, id, &reason).await;
        let command = asker.audited(&self.store, format!("command {id}"), approved).await?;
        Ok(Response::new(ApproveCommandResponse { command: Some(convert::command(command)) }))
    }

    async fn cancel_command(
        &self,
        request: Request<CancelCommandRequest>,
    ) -> Result<Response<CancelCommandResponse>, Status> {
        let asker = Asker::of(&request, "CommandsService/CancelCommand")?;
        let CancelCommandRequest { id, reason } = request.into_inner();
        let cancelled = self.cancel(&asker, id, &reason).await;
        let command = asker.audited(&self.store, format!("command {id}"), cancelled).await?;
        Ok(Response::new(CancelCommandResponse { command: Some(convert::command(command)) }))
    }
}

fn check_reason(reason: &str) -> Result<(), Refusal> {
    match reason.trim().is_empty() || reason.chars().count() > MAX_REASON {
        true => Err(Refusal::field("reason", "1 to 1000 characters are expected")),
        false => Ok(()),
    }
}

fn stored_state(state: i32) -> Result<store::CommandState, Refusal> {
    match CommandState::try_from(state) {
        Ok(CommandState::Accepted) => Ok(store::CommandState::Accepted),
        Ok(CommandState::AwaitingApproval) => Ok(store::CommandState::AwaitingApproval),
        Ok(CommandState::Quarantined) => Ok(store::CommandState::Quarantined),
        Ok(CommandState::Sending) => Ok(store::CommandState::Sending),
        Ok(CommandState::Unknown) => Ok(store::CommandState::Unknown),
        Ok(CommandState::Confirmed) => Ok(store::CommandState::Confirmed),
        Ok(CommandState::Refused) => Ok(store::CommandState::Refused),
        Ok(CommandState::Expired) => Ok(store::CommandState::Expired),
        Ok(CommandState::Cancelled) => Ok(store::CommandState::Cancelled),
        Ok(CommandState::Unspecified) | Err(_) => {
            Err(Refusal::field("states", "a state of ami.v1.CommandState is expected"))
        }
    }
}

fn stored_kind(kind: i32) -> Result<store::CommandKind, Refusal> {
    match CommandKind::try_from(kind) {
        Ok(CommandKind::Disconnect) => Ok(store::CommandKind::Disconnect),
        Ok(CommandKind::Reconnect) => Ok(store::CommandKind::Reconnect),
        Ok(CommandKind::ReleaseTamperLock) => Ok(store::CommandKind::ReleaseTamperLock),
        Ok(CommandKind::PushTariff) => Ok(store::CommandKind::PushTariff),
        Ok(CommandKind::InstallFirmware) => Ok(store::CommandKind::InstallFirmware),
        Ok(CommandKind::SetParameter) => Ok(store::CommandKind::SetParameter),
        Ok(CommandKind::SyncClock) => Ok(store::CommandKind::SyncClock),
        Ok(CommandKind::CloseBillingPeriod) => Ok(store::CommandKind::CloseBillingPeriod),
        Ok(CommandKind::ResetDemand) => Ok(store::CommandKind::ResetDemand),
        Ok(CommandKind::TakeSnapshot) => Ok(store::CommandKind::TakeSnapshot),
        Ok(CommandKind::BuyCredit) => Ok(store::CommandKind::BuyCredit),
        Ok(CommandKind::ForceReconnect) => Ok(store::CommandKind::ForceReconnect),
        Ok(CommandKind::SetTimes) => Ok(store::CommandKind::SetTimes),
        Ok(CommandKind::Clear) => Ok(store::CommandKind::Clear),
        Ok(CommandKind::Unspecified) | Err(_) => {
            Err(Refusal::field("kinds", "a kind of ami.v1.CommandKind is expected"))
        }
    }
}
