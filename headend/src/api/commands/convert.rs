//! Commands and their lives as they go out.

use ami_proto::v1;
use ami_proto::words::Word as _;

use super::super::convert::{reason, stored};
use crate::store::commands::{Change, Command};
use crate::store::{CommandKind, CommandState};

/// A command.
pub(in crate::api) fn command(command: Command) -> v1::Command {
    v1::Command {
        id: command.id,
        order_id: command.order_id.to_string(),
        meter_serial: command.serial,
        kind: kind(command.kind).into(),
        state: state(command.state).into(),
        outcome: command
            .outcome
            .as_deref()
            .and_then(v1::CommandOutcome::from_word)
            .unwrap_or_default()
            .into(),
        failure: reason(command.failure.as_deref()).into(),
        detail: command.detail.unwrap_or_default(),
        ordered_by: command.principal,
        reason: command.reason,
        idempotency_key: command.idempotency_key,
        priority: command.priority.into(),
        not_before: Some(stored(command.not_before)),
        deadline: Some(stored(command.deadline)),
        created_at: Some(stored(command.created_at)),
        sent_at: command.sent_at.map(stored),
        finished_at: command.finished_at.map(stored),
        progress_done: command.progress_done,
        progress_total: command.progress_total,
        approved_by: command.approved_by.unwrap_or_default(),
        approved_at: command.approved_at.map(stored),
    }
}

/// An entry in the life of a command.
pub(super) fn change(change: Change) -> v1::CommandChange {
    v1::CommandChange {
        command_id: change.command,
        at: Some(stored(change.at)),
        state: state(change.state).into(),
        what: change.what.unwrap_or_default(),
        value: change.value.unwrap_or_default(),
        progress_done: change.done,
        progress_total: change.total,
    }
}

fn kind(kind: CommandKind) -> v1::CommandKind {
    match kind {
        CommandKind::Disconnect => v1::CommandKind::Disconnect,
        CommandKind::Reconnect => v1::CommandKind::Reconnect,
        CommandKind::ReleaseTamperLock => v1::CommandKind::ReleaseTamperLock,
        CommandKind::PushTariff => v1::CommandKind::PushTariff,
        CommandKind::InstallFirmware => v1::CommandKind::InstallFirmware,
        CommandKind::SetParameter => v1::CommandKind::SetParameter,
        CommandKind::SyncClock => v1::CommandKind::SyncClock,
        CommandKind::CloseBillingPeriod => v1::CommandKind::CloseBillingPeriod,
        CommandKind::ResetDemand => v1::CommandKind::ResetDemand,
        CommandKind::TakeSnapshot => v1::CommandKind::TakeSnapshot,
        CommandKind::BuyCredit => v1::CommandKind::BuyCredit,
        CommandKind::ForceReconnect => v1::CommandKind::ForceReconnect,
        CommandKind::SetTimes => v1::CommandKind::SetTimes,
        CommandKind::Clear => v1::CommandKind::Clear,
    }
}

fn state(state: CommandState) -> v1::CommandState {
    match state {
        CommandState::Accepted => v1::CommandState::Accepted,
        CommandState::AwaitingApproval => v1::CommandState::AwaitingApproval,
        CommandState::Quarantined => v1::CommandState::Quarantined,
        CommandState::Sending => v1::CommandState::Sending,
        CommandState::Unknown => v1::CommandState::Unknown,
        CommandState::Confirmed => v1::CommandState::Confirmed,
        CommandState::Refused => v1::CommandState::Refused,
        CommandState::Expired => v1::CommandState::Expired,
        CommandState::Cancelled => v1::CommandState::Cancelled,
    }
}
