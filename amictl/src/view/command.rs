//! Commands and the entries of their lives as rows.

use ami_proto::v1::{Command, CommandChange, CommandKind, CommandOutcome, CommandState, FailureReason};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// A command.
#[derive(Debug, Serialize)]
pub(crate) struct CommandRow {
    id: i64,
    meter: String,
    kind: String,
    state: String,
    outcome: Option<String>,
    failure: Option<String>,
    detail: Option<String>,
    progress_done: i32,
    progress_total: i32,
    ordered_by: String,
    approved_by: Option<String>,
    reason: Option<String>,
    order_id: String,
    idempotency_key: String,
    priority: i32,
    not_before: String,
    deadline: String,
    created_at: String,
    sent_at: Option<String>,
    finished_at: Option<String>,
}

impl CommandRow {
    /// Every field with its name, for one command in full.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let rest = [
            ("ordered_by", self.ordered_by.clone()),
            ("approved_by", cell(&self.approved_by)),
            ("reason", cell(&self.reason)),
            ("order_id", self.order_id.clone()),
            ("idempotency_key", self.idempotency_key.clone()),
            ("priority", self.priority.to_string()),
            ("not_before", self.not_before.clone()),
            ("deadline", self.deadline.clone()),
            ("sent_at", cell(&self.sent_at)),
            ("finished_at", cell(&self.finished_at)),
        ];
        Self::COLUMNS.iter().copied().zip(self.cells()).chain(rest).collect()
    }

    /// What became of it, in one line: `SIM00017: disconnect confirmed (disconnected)`.
    pub(crate) fn sentence(&self) -> String {
        let mut text = format!("{}: {} {}", self.meter, self.kind, self.state);
        if let Some(word) = self.outcome.as_ref().or(self.failure.as_ref()) {
            text.push_str(&format!(" ({word})"));
        }
        if let Some(detail) = &self.detail {
            text.push_str(&format!(": {detail}"));
        }
        text
    }
}

impl From<Command> for CommandRow {
    fn from(command: Command) -> Self {
        Self {
            id: command.id,
            kind: word!(CommandKind, command.kind),
            state: word!(CommandState, command.state),
            outcome: given(word!(CommandOutcome, command.outcome)),
            failure: given(word!(FailureReason, command.failure)),
            not_before: time::text(command.not_before.as_ref()),
            deadline: time::text(command.deadline.as_ref()),
            created_at: time::text(command.created_at.as_ref()),
            sent_at: given(time::text(command.sent_at.as_ref())),
            finished_at: given(time::text(command.finished_at.as_ref())),
            meter: command.meter_serial,
            detail: given(command.detail),
            progress_done: command.progress_done,
            progress_total: command.progress_total,
            ordered_by: command.ordered_by,
            approved_by: given(command.approved_by),
            reason: given(command.reason),
            order_id: command.order_id,
            idempotency_key: command.idempotency_key,
            priority: command.priority,
        }
    }
}

impl Row for CommandRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "meter", "kind", "state", "outcome", "failure", "progress", "created_at", "detail"];
    const NUMBERS: &'static [&'static str] = &["id", "progress"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            self.kind.clone(),
            self.state.clone(),
            cell(&self.outcome),
            cell(&self.failure),
            progress(self.progress_done, self.progress_total),
            self.created_at.clone(),
            cell(&self.detail),
        ]
    }
}

/// An entry in the life of a command.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeRow {
    at: String,
    command: i64,
    meter: Option<String>,
    kind: Option<String>,
    state: String,
    what: Option<String>,
    value: Option<String>,
    progress_done: i32,
    progress_total: i32,
}

impl ChangeRow {
    /// An entry, with the command that it is about, if that is told with it.
    pub(crate) fn of(change: CommandChange, command: Option<&Command>) -> Self {
        Self {
            at: time::text(change.at.as_ref()),
            command: change.command_id,
            meter: command.map(|command| command.meter_serial.clone()),
            kind: command.map(|command| word!(CommandKind, command.kind)),
            state: word!(CommandState, change.state),
            what: given(change.what),
            value: given(change.value),
            progress_done: change.progress_done,
            progress_total: change.progress_total,
        }
    }
}

impl Row for ChangeRow {
    const COLUMNS: &'static [&'static str] =
        &["at", "command", "meter", "kind", "state", "progress", "what", "value"];
    const NUMBERS: &'static [&'static str] = &["command", "progress"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.at.clone(),
            self.command.to_string(),
            cell(&self.meter),
            cell(&self.kind),
            self.state.clone(),
            progress(self.progress_done, self.progress_total),
            cell(&self.what),
            cell(&self.value),
        ]
    }
}

/// Steps done of all steps; empty where there are none.
fn progress(done: i32, total: i32) -> String {
    match total {
        0 => String::new(),
        total => format!("{done}/{total}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed() -> Command {
        Command {
            id: 7,
            meter_serial: "SIM00017".into(),
            kind: CommandKind::Disconnect.into(),
            state: CommandState::Confirmed.into(),
            outcome: CommandOutcome::Disconnected.into(),
            progress_done: 3,
            progress_total: 61,
            ..Command::default()
        }
    }

    #[test]
    fn what_became_of_a_command_is_one_line() {
        let row = CommandRow::from(confirmed());
        assert_eq!(row.sentence(), "SIM00017: disconnect confirmed (disconnected)");
        let refused = Command {
            state: CommandState::Refused.into(),
            outcome: CommandOutcome::Unspecified.into(),
            failure: FailureReason::NotEffective.into(),
            detail: "Look at the meter.".into(),
            ..confirmed()
        };
        let expected = "SIM00017: disconnect refused (not_effective): Look at the meter.";
        assert_eq!(CommandRow::from(refused).sentence(), expected);
    }

    #[test]
    fn steps_are_told_where_there_are_some() {
        let cells = CommandRow::from(confirmed()).cells();
        assert_eq!(cells.len(), CommandRow::COLUMNS.len());
        assert_eq!(cells[6], "3/61");
        let without = Command { progress_total: 0, ..confirmed() };
        assert_eq!(CommandRow::from(without).cells()[6], "");
    }

    #[test]
    fn an_entry_names_its_meter_where_the_command_is_known() {
        let change = CommandChange {
            command_id: 7,
            state: CommandState::Sending.into(),
            what: "state before".into(),
            value: "connected".into(),
            ..CommandChange::default()
        };
        let cells = ChangeRow::of(change.clone(), Some(&confirmed())).cells();
        assert_eq!(cells[1..], ["7", "SIM00017", "disconnect", "sending", "", "state before", "connected"]);
        assert_eq!(ChangeRow::of(change, None).cells()[2], "");
    }
}
