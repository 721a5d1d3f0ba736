//! How jobs end: only by the owner of their lease, and only once.

use std::collections::BTreeMap;
use std::time::Duration;

use collectors::{Covered, Failure, JobId, MeterId, Reason};
use dlms::Obis;
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::{FromRow, PgConnection};
use tracing::{Span, warn};
use uuid::Uuid;

use super::commands::ends::CommandEnd;
use super::layouts::obis;
use super::{CommandState, Error, JobKind, JobState, failed, jobs, troubles};
use crate::command::Next;
use crate::plan::SCHEDULED;
use crate::retry::{Retry, retry};
use crate::telemetry::{self, metrics};

/// A running job that is ours to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) meter: MeterId,
    pub(super) kind: JobKind,
    pub(super) profile: Option<Obis>,
    /// The first instant that is to be read of it.
    pub(super) from: Option<Timestamp>,
    /// It was planned, and not ordered.
    pub(super) planned: bool,
    /// It was planned to fill a hole.
    pub(super) is_hole: bool,
    /// For how many seconds the meter keeps a capture of the profile.
    pub(super) kept_s: Option<i64>,
    pub(super) attempts: i16,
    pub(super) max_attempts: i16,
    /// When this attempt began.
    pub(super) started_at: Option<Timestamp>,
    /// Place of the request that ordered it in its trace.
    pub(super) trace_parent: Option<String>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) job: JobId,
    pub(super) running: Running,
    /// What becomes of the command that it carries out.
    pub(super) command: Option<CommandEnd>,
    /// Done, failed or due.
    pub(super) state: JobState,
    wait: Duration,
    reason: Option<Reason>,
    detail: Option<String>,
    bytes_on_wire: Option<i64>,
}

impl End {
    /// Whether it came to a final state.
    pub(super) fn is_final(&self) -> bool {
        self.state != JobState::Due
    }

    /// The meter of the job.
    pub(super) fn meter(&self) -> MeterId {
        self.running.meter
    }

    /// Why the attempt failed.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The same for a person; of a read that is done, what of it did not come.
    pub(super) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Counts it, and links the span of the batch to the call that ordered the job.
    pub(super) fn show(&self) {
        metrics::job_ended(self.running.kind, self.state, self.reason);
        telemetry::link(&Span::current(), self.running.trace_parent.as_deref());
    }
}

#[derive(FromRow)]
struct Stored {
    id: i64,
    meter_id: i32,
    kind: JobKind,
    obis: Option<Vec<u8>>,
    from_ts: Option<SqlTimestamp>,
    kept_s: Option<i64>,
    priority: i16,
    attempts: i16,
    max_attempts: i16,
    started_at: Option<SqlTimestamp>,
    trace_parent: Option<String>,
}

/// Finds and locks those of the jobs that `owner` runs, and decides what becomes of each. The others were taken from us or
/// called off: they end without us.
pub(super) async fn decide(
    connection: &mut PgConnection,
    owner: Uuid,
    outcomes: &BTreeMap<JobId, (MeterId, &Result<Covered, Failure>)>,
) -> Result<Vec<End>, Error> {
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Stored> = sqlx::query_as(
        "/* store::ends::decide */
         SELECT id, meter_id, kind, obis, from_ts, kept_s, priority, attempts, max_attempts, started_at, trace_parent FROM job
         WHERE id = ANY ($1) AND state = 'running' AND lease_owner = $2 ORDER BY id FOR UPDATE",
    )
    .bind(outcomes.keys().copied().collect::<Vec<_>>())
    .bind(owner)
    .fetch_all(connection)
    .await
    .map_err(failed("store::ends::decide"))?;
    let mut ends = Vec::with_capacity(rows.len());
    for row in rows {
        let job = row.id;
        if let Some((_, outcome)) = outcomes.get(&job) {
            let running = row.running()?;
            ends.push(match running.kind {
                JobKind::Command => command_end(job, running, outcome),
                _ => end(job, running, outcome),
            });
        }
    }
    for job in outcomes.keys().filter(|job| ends.iter().all(|end| end.job != **job)) {
        warn!(job, %owner, "a job ended that is not ours any more: its lease was lost or it was called off");
    }
    Ok(ends)
}

impl Stored {
    fn running(self) -> Result<Running, Error> {
        Ok(Running {
            meter: self.meter_id,
            kind: self.kind,
            profile: self.obis.as_deref().map(obis).transpose()?,
            from: self.from_ts.map(SqlTimestamp::to_jiff),
            planned: self.priority <= SCHEDULED,
            is_hole: self.priority < SCHEDULED,
            kept_s: self.kept_s,
            attempts: self.attempts,
            max_attempts: self.max_attempts,
            started_at: self.started_at.map(SqlTimestamp::to_jiff),
            trace_parent: self.trace_parent,
        })
    }
}

/// The end of a read.
fn end(job: JobId, running: Running, outcome: &Result<Covered, Failure>) -> End {
    let (state, wait) = match outcome {
        Ok(_) => (JobState::Done, Duration::ZERO),
        Err(failure) => match retry(failure.reason, running.attempts, running.max_attempts) {
            Retry::After(wait) => (JobState::Due, wait),
            Retry::Never => (JobState::Failed, Duration::ZERO),
        },
    };
    concluded(job, running, outcome, (state, wait), None)
}

/// The end of an attempt to carry out a command: the job follows the command.
fn command_end(job: JobId, running: Running, outcome: &Result<Covered, Failure>) -> End {
    let command = CommandEnd::of(job, outcome, running.attempts);
    let (state, wait) = match command.next {
        Next::Over(CommandState::Confirmed) => (JobState::Done, Duration::ZERO),
        Next::Over(_) => (JobState::Failed, Duration::ZERO),
        Next::Again(_, wait) => (JobState::Due, wait),
    };
    concluded(job, running, outcome, (state, wait), Some(command))
}

fn concluded(
    job: JobId,
    running: Running,
    outcome: &Result<Covered, Failure>,
    (state, wait): (JobState, Duration),
    command: Option<CommandEnd>,
) -> End {
    let octets = |covered: &Covered| i64::try_from(covered.bytes_on_wire).unwrap_or(i64::MAX);
    let failure = outcome.as_ref().err();
    End {
        job,
        running,
        command,
        state,
        wait,
        reason: failure.map(|failure| failure.reason),
        detail: match outcome {
            Ok(covered) => covered.note.clone(),
            Err(failure) => Some(failure.detail.clone()),
        },
        bytes_on_wire: outcome.as_ref().ok().map(octets),
    }
}

/// Writes the ends of jobs that [`decide`] has locked, and what each job brought in this attempt. What a read that is done tells takes the place of why an earlier attempt failed. Waits are up to a quarter shorter, by chance:
/// what failed together, because what carries it was away, does not come again together.
pub(super) async fn write(
    connection: &mut PgConnection,
    ends: &[End],
    brought: impl Fn(JobId) -> i64,
) -> Result<(), Error> {
    if ends.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::ends::write */
         UPDATE job j SET state = e.state, lease_owner = NULL, captures = j.captures + e.captures,
             reason = CASE WHEN e.state = 'done' AND e.detail IS NOT NULL THEN NULL ELSE coalesce(e.reason::failure_reason, j.reason) END,
             detail = coalesce(e.detail, j.detail),
             due_at = CASE WHEN e.state = 'due' THEN now() + e.wait * (1 - random() / 4) ELSE j.due_at END,
             finished_at = CASE WHEN e.state = 'due' THEN NULL ELSE now() END,
             bytes_on_wire = coalesce(e.bytes_on_wire, j.bytes_on_wire)
         FROM unnest($1::int8[], $2::job_state[], $3::text[], $4::text[], $5::interval[], $6::int8[], $7::int8[])
             AS e (id, state, reason, detail, wait, bytes_on_wire, captures)
         WHERE j.id = e.id",
    )
    .bind(ends.iter().map(|end| end.job).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.state).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.reason.map(Reason::as_str)).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.detail.clone()).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| jobs::interval(end.wait)).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.bytes_on_wire).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| brought(end.job)).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .map_err(failed("store::ends::write"))?;
    note_attempts(connection, ends).await?;
    troubles::note(connection, ends).await
}

/// Notes on the meter when a planned identification, read of registers or look at nodes ended: the next is planned from there. That of
/// profiles stands with the profile.
async fn note_attempts(connection: &mut PgConnection, ends: &[End]) -> Result<(), Error> {
    let meters = |kind: JobKind| -> Vec<MeterId> {
        let planned =
            ends.iter().filter(|end| end.is_final() && end.running.planned && end.running.kind == kind);
        planned.map(|end| end.running.meter).collect()
    };
    let (identified, registers) = (meters(JobKind::Identify), meters(JobKind::ReadRegisters));
    let nodes = meters(JobKind::ListNodes);
    let is_read = |end: &&End| {
        let Running { kind, planned, .. } = end.running;
        end.state == JobState::Done && planned && kind == JobKind::ReadRegisters
    };
    let (read, begun): (Vec<MeterId>, Vec<SqlTimestamp>) = ends
        .iter()
        .filter(is_read)
        .filter_map(|end| Some((end.running.meter, end.running.started_at?.to_sqlx())))
        .unzip();
    if identified.is_empty() && registers.is_empty() && nodes.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::ends::note_attempts */
         UPDATE meter SET
             identify_tried_at = CASE WHEN id = ANY ($1) THEN now() ELSE identify_tried_at END,
             registers_tried_at = CASE WHEN id = ANY ($2) THEN now() ELSE registers_tried_at END,
             registers_read_at = coalesce(
                 (SELECT max(r.begun) FROM unnest($4::int4[], $5::timestamptz[]) AS r (meter_id, begun) WHERE r.meter_id = meter.id), registers_read_at),
             nodes_tried_at = CASE WHEN id = ANY ($3) THEN now() ELSE nodes_tried_at END
         WHERE id = ANY ($1 || $2 || $3)",
    )
    .bind(identified)
    .bind(registers)
    .bind(nodes)
    .bind(read)
    .bind(begun)
    .execute(connection)
    .await
    .map_err(failed("store::ends::note_attempts"))?;
    Ok(())
}
