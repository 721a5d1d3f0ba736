//! Jobs and their counts as rows.

use ami_proto::v1::{FailureReason, Job, JobCount, JobKind, JobState};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// A job.
#[derive(Debug, Serialize)]
pub(crate) struct JobRow {
    id: i64,
    meter: String,
    kind: String,
    obis: Option<String>,
    from: Option<String>,
    to: Option<String>,
    priority: i32,
    state: String,
    due_at: String,
    wanted_by: Option<String>,
    attempts: i32,
    max_attempts: i32,
    reason: Option<String>,
    detail: Option<String>,
    request_id: Option<String>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    captures: i64,
    bytes_on_wire: i64,
}

impl JobRow {
    /// Every field with its name, for one job in full.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let rest = [
            ("from", cell(&self.from)),
            ("to", cell(&self.to)),
            ("priority", self.priority.to_string()),
            ("wanted_by", cell(&self.wanted_by)),
            ("attempts", format!("{} of {}", self.attempts, self.max_attempts)),
            ("request_id", cell(&self.request_id)),
            ("created_at", self.created_at.clone()),
            ("started_at", cell(&self.started_at)),
            ("finished_at", cell(&self.finished_at)),
            ("bytes_on_wire", self.bytes_on_wire.to_string()),
        ];
        Self::COLUMNS.iter().copied().zip(self.cells()).chain(rest).collect()
    }
}

impl From<Job> for JobRow {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: word!(JobKind, job.kind),
            from: given(time::text(job.from.as_ref())),
            to: given(time::text(job.to.as_ref())),
            state: word!(JobState, job.state),
            due_at: time::text(job.due_at.as_ref()),
            wanted_by: given(time::text(job.wanted_by.as_ref())),
            reason: given(word!(FailureReason, job.reason)),
            created_at: time::text(job.created_at.as_ref()),
            started_at: given(time::text(job.started_at.as_ref())),
            finished_at: given(time::text(job.finished_at.as_ref())),
            meter: job.meter_serial,
            obis: given(job.obis),
            priority: job.priority,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            detail: given(job.detail),
            request_id: given(job.request_id),
            captures: job.captures,
            bytes_on_wire: job.bytes_on_wire,
        }
    }
}

impl Row for JobRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "meter", "kind", "obis", "state", "due_at", "captures", "reason", "detail"];
    const NUMBERS: &'static [&'static str] = &["id", "captures"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            self.kind.clone(),
            cell(&self.obis),
            self.state.clone(),
            self.due_at.clone(),
            self.captures.to_string(),
            cell(&self.reason),
            cell(&self.detail),
        ]
    }
}

/// A number of jobs that are alike.
#[derive(Debug, Serialize)]
pub(crate) struct CountRow {
    state: String,
    kind: String,
    reason: Option<String>,
    jobs: i64,
    captures: i64,
}

impl From<&JobCount> for CountRow {
    fn from(count: &JobCount) -> Self {
        Self {
            state: word!(JobState, count.state),
            kind: word!(JobKind, count.kind),
            reason: given(word!(FailureReason, count.reason)),
            jobs: count.jobs,
            captures: count.captures,
        }
    }
}

impl Row for CountRow {
    const COLUMNS: &'static [&'static str] = &["state", "kind", "reason", "jobs", "captures"];
    const NUMBERS: &'static [&'static str] = &["jobs", "captures"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.state.clone(),
            self.kind.clone(),
            cell(&self.reason),
            self.jobs.to_string(),
            self.captures.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Output};

    #[test]
    fn counts_are_written_as_a_table() {
        let count = JobCount {
            state: JobState::Failed.into(),
            kind: JobKind::ReadProfile.into(),
            reason: FailureReason::Timeout.into(),
            jobs: 12,
            captures: 0,
        };
        let mut bytes = Vec::new();
        Output::new(&mut bytes, Format::Table).page(&[CountRow::from(&count)]).unwrap();
        let expected = " STATE   KIND          REASON   JOBS  CAPTURES\n failed  read_profile  timeout    12         0\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_job_in_full_tells_its_attempts() {
        let job = Job { id: 5, attempts: 1, max_attempts: 3, ..Default::default() };
        assert!(JobRow::from(job).fields().contains(&("attempts", "1 of 3".into())));
    }
}
