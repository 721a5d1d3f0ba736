//! Jobs, as they are ordered and listed.

use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{Error, JOB_CHANNEL, JobKind, JobState, Store, failed};

/// A job as people see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Job {
    /// Key; a newer job has a higher one.
    pub id: i64,
    /// Serial number of its meter.
    pub serial: String,
    /// What it does.
    pub kind: JobKind,
    /// The object it is about, 6 octets.
    pub obis: Option<Vec<u8>>,
    /// First instant of its range.
    pub from_ts: Option<Timestamp>,
    /// Last instant of its range, inclusive.
    pub to_ts: Option<Timestamp>,
    /// Higher goes first; 0 is planned work.
    pub priority: i16,
    /// Where it stands.
    pub state: JobState,
    /// Not to be started before.
    pub due_at: Timestamp,
    /// By when it is wanted; `None` when at no certain time.
    pub wanted_by: Option<Timestamp>,
    /// Attempts begun.
    pub attempts: i16,
    /// Attempts allowed.
    pub max_attempts: i16,
    /// Why the last attempt failed, a word of `failure_reason`.
    pub reason: Option<String>,
    /// The same for a person.
    pub detail: Option<String>,
    /// The request that ordered it.
    pub request_id: Option<Uuid>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Captures and register values that it brought.
    pub captures: i64,
    /// Octets on the wire.
    pub bytes_on_wire: i64,
}

/// The columns of [`Job`].
const COLUMNS: &str = "SELECT job.id, meter.serial, kind, obis, from_ts, to_ts, priority, job.state, due_at,
    nullif(wanted_by, 'infinity') AS wanted_by, attempts, max_attempts,
    reason::text, detail, request_id, job.created_at, started_at, finished_at, captures, bytes_on_wire
    FROM job JOIN meter ON meter.id = job.meter_id ";

/// Which jobs to list; what is empty or `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only in one of these states.
    pub states: Vec<JobState>,
    /// Only of one of these kinds.
    pub kinds: Vec<JobKind>,
    /// Only of this meter.
    pub meter: Option<i32>,
}

/// How many jobs are alike.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct JobCount {
    /// Their state.
    pub state: JobState,
    /// Their kind.
    pub kind: JobKind,
    /// Why their last attempts failed, a word of `failure_reason`.
    pub reason: Option<String>,
    /// How many.
    pub jobs: i64,
    /// What they brought together.
    pub captures: i64,
}

/// A job that somebody orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The meter.
    pub meter: i32,
    /// What to do.
    pub kind: JobKind,
    /// The object it is about, 6 octets.
    pub obis: Option<[u8; 6]>,
    /// Range, both ends inclusive.
    pub range: Option<(jiff::Timestamp, jiff::Timestamp)>,
    /// Above 0.
    pub priority: i16,
    /// Attempts allowed.
    pub max_attempts: i16,
    /// The request that orders it.
    pub request_id: Uuid,
    /// Place of that request in its trace.
    pub trace_parent: Option<String>,
}

/// How many jobs of a kind are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// Their kind.
    pub kind: JobKind,
    /// Wait for a collector, and their time has come.
    pub due: i64,
    /// Run.
    pub running: i64,
}

impl Store {
    /// Puts an ordered job into the queue and wakes the collectors. `None` when the meter is not in service.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn order_job(&self, order: &Order) -> Result<Option<i64>, Error> {
        // The share lock keeps a retirement from slipping in between the look and the insert.
        let query = sqlx::query_scalar(
            "/* store::order_job */ WITH target AS (
                 SELECT id FROM meter WHERE id = $1 AND state = 'active' FOR SHARE),
             new AS (
                 INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, priority, max_attempts, request_id, trace_parent)
                 SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM target RETURNING id)
             SELECT id FROM new, pg_notify($10, new.id::text)",
        );
        let query = query.bind(order.meter).bind(order.kind).bind(order.obis.map(Vec::from));
        let query = query
            .bind(order.range.map(|(from, _)| from.to_sqlx()))
            .bind(order.range.map(|(_, to)| to.to_sqlx()));
        let query = query.bind(order.priority).bind(order.max_attempts).bind(order.request_id);
        let query = query.bind(&order.trace_parent).bind(JOB_CHANNEL);
        query.fetch_optional(self.pool()).await.map_err(failed("store::order_job"))
    }

    /// One job.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn job(&self, id: i64) -> Result<Option<Job>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::job */ ");
        query.push(COLUMNS).push("WHERE job.id = ").push_bind(id);
        query.build_query_as().fetch_optional(self.pool()).await.map_err(failed("store::job"))
    }

    /// Jobs, the newest first, those older than `before` only, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_jobs(
        &self,
        filter: &JobFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Job>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::list_jobs */ ");
        query.push(COLUMNS).push("WHERE true");
        // States are written into the text, so that the planner sees that an index over some states fits.
        if !filter.states.is_empty() {
            let words: Vec<_> = filter.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
            query.push(" AND job.state IN (").push(words.join(", ")).push(")");
        }
        if !filter.kinds.is_empty() {
            query.push(" AND kind = ANY(").push_bind(filter.kinds.clone()).push(")");
        }
        if let Some(meter) = filter.meter {
            query.push(" AND meter_id = ").push_bind(meter);
        }
        if let Some(before) = before {
            query.push(" AND job.id < ").push_bind(before);
        }
        query.push(" ORDER BY job.id DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(self.pool()).await.map_err(failed("store::list_jobs"))
    }

    /// How many jobs there are by state, kind and reason; only those made at or after `since`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn count_jobs(&self, since: Option<jiff::Timestamp>) -> Result<Vec<JobCount>, Error> {
        let query = sqlx::query_as(
            "/* store::count_jobs */ SELECT state, kind, reason::text, count(*) AS jobs, sum(captures)::int8 AS captures
             FROM job WHERE $1::timestamptz IS NULL OR created_at >= $1
             GROUP BY job.state, job.kind, job.reason ORDER BY job.state, job.kind, job.reason",
        );
        let query = query.bind(since.map(|since| since.to_sqlx()));
        query.fetch_all(self.pool()).await.map_err(failed("store::count_jobs"))
    }

    /// How many jobs wait and run now, for every kind.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn waiting_jobs(&self) -> Result<Vec<Waiting>, Error> {
        let query = sqlx::query_as(
            "/* store::waiting_jobs */ SELECT k AS kind, count(*) FILTER (WHERE j.state = 'due' AND j.due_at <= now()) AS due,
                 count(*) FILTER (WHERE j.state = 'running') AS running
             FROM unnest(enum_range(NULL::job_kind)) AS k LEFT JOIN job j ON j.kind = k AND j.finished_at IS NULL
             GROUP BY k ORDER BY k",
        );
        query.fetch_all(self.pool()).await.map_err(failed("store::waiting_jobs"))
    }
}
