//! Commands: [`order`] makes them, [`approve`] lets a second person accept them, [`ends`] lets attempts change them, [`holdings`] keeps what they clear, [`follow`] follows their lives; here they are looked at and taken back.
//!
//! The trigger `command_changed` writes every change of state into the life of the command and into the audit, in the same transaction.

mod approve;
pub(super) mod ends;
mod follow;
mod holdings;
mod order;

use jiff_sqlx::Timestamp;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

pub use approve::{Approval, Approved};
pub use follow::{Change, ChangeFilter};
pub use order::{NewOrder, Placed};

use super::audit::{self, Entry};
use super::{CommandKind, CommandState, Error, Store, failed};

/// A command as people see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Command {
    /// Key; a newer command has a higher one.
    pub id: i64,
    /// The order it is part of.
    pub order_id: Uuid,
    /// Serial number of its meter.
    pub serial: String,
    /// What it does.
    pub kind: CommandKind,
    /// Where it stands.
    pub state: CommandState,
    /// What the meter showed, a word of `command_outcome`.
    pub outcome: Option<String>,
    /// Why it was refused or its last attempt failed, a word of `failure_reason`.
    pub failure: Option<String>,
    /// The same for a person.
    pub detail: Option<String>,
    /// Who ordered it.
    pub principal: String,
    /// Why.
    pub reason: String,
    /// The caller's own name for the order.
    pub idempotency_key: String,
    /// Higher goes first.
    pub priority: i16,
    /// Nothing is sent before.
    pub not_before: Timestamp,
    /// Nothing is sent after.
    pub deadline: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When something may first have been sent.
    pub sent_at: Option<Timestamp>,
    /// From when on nothing more was going to be done by itself.
    pub finished_at: Option<Timestamp>,
    /// Steps done.
    pub progress_done: i32,
    /// Steps there are.
    pub progress_total: i32,
    /// Who approved it, where it needs a second person.
    pub approved_by: Option<String>,
    /// When that was.
    pub approved_at: Option<Timestamp>,
}

/// The columns of [`Command`].
const COLUMNS: &str = "SELECT c.id, c.order_id, m.serial, c.kind, c.state, c.outcome::text, c.failure::text, c.detail, o.principal, o.reason,
    o.idempotency_key, c.priority, c.not_before, c.deadline, c.created_at, c.sent_at, c.finished_at, c.progress_done, c.progress_total,
    c.approved_by, c.approved_at
    FROM command c JOIN command_order o ON o.id = c.order_id JOIN meter m ON m.id = c.meter_id ";

/// Which commands to list; what is empty or `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandFilter {
    /// Only in one of these states.
    pub states: Vec<CommandState>,
    /// Only of one of these kinds.
    pub kinds: Vec<CommandKind>,
    /// Only of this meter.
    pub meter: Option<i32>,
    /// Only of this order.
    pub order: Option<Uuid>,
}

/// What came of taking a command back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled, now or already.
    Yes,
    /// Something may have been sent, or it has ended.
    Begun,
    /// There is none.
    NotFound,
}

/// How many commands of a kind are open in a state, both as in SQL.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OpenCommands {
    /// Their kind.
    pub kind: String,
    /// Where they stand.
    pub state: String,
    /// How many.
    pub commands: i64,
}

/// Whether a command `c` has not come to its end: its states are named as the index of open commands has them.
macro_rules! is_open {
    () => {
        "c.state IN ('accepted', 'awaiting_approval', 'quarantined', 'sending', 'unknown') AND c.finished_at IS NULL"
    };
}

pub(super) use is_open;

impl Store {
    /// Commands by their numbers, ascending; unknown numbers are left out.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn commands(&self, ids: &[i64]) -> Result<Vec<Command>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::commands */ ");
        query.push(COLUMNS).push("WHERE c.id = ANY(").push_bind(ids).push(") ORDER BY c.id");
        query.build_query_as().fetch_all(self.pool()).await.map_err(failed("store::commands"))
    }

    /// Commands, the newest first, those older than `before` only, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_commands(
        &self,
        filter: &CommandFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Command>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::list_commands */ ");
        query.push(COLUMNS).push("WHERE true");
        if !filter.states.is_empty() {
            query.push(" AND c.state = ANY(").push_bind(filter.states.clone()).push(")");
        }
        if !filter.kinds.is_empty() {
            query.push(" AND c.kind = ANY(").push_bind(filter.kinds.clone()).push(")");
        }
        if let Some(meter) = filter.meter {
            query.push(" AND c.meter_id = ").push_bind(meter);
        }
        if let Some(order) = filter.order {
            query.push(" AND c.order_id = ").push_bind(order);
        }
        if let Some(before) = before {
            query.push(" AND c.id < ").push_bind(before);
        }
        query.push(" ORDER BY c.id DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(self.pool()).await.map_err(failed("store::list_commands"))
    }

    /// Takes a command back that was not begun, with `entry` in the audit. One that was taken back stays so.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn cancel_command(&self, id: i64, reason: &str, entry: &Entry) -> Result<Cancelled, Error> {
        super::repeat("store::cancel_command", || self.try_cancel(id, reason, entry)).await
    }

    async fn try_cancel(&self, id: i64, reason: &str, entry: &Entry) -> Result<Cancelled, Error> {
        let failed = failed("store::cancel_command");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let found: Option<(CommandState, Option<i64>)> =
            sqlx::query_as("/* store::cancel_command */ SELECT state, job_id FROM command WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(&failed)?;
        let (waits, job) = match found {
            None => return Ok(Cancelled::NotFound),
            Some((CommandState::Cancelled, _)) => return Ok(Cancelled::Yes),
            Some((state, job)) if state.may_become(CommandState::Cancelled) => {
                (state == CommandState::AwaitingApproval, job)
            }
            Some(_) => return Ok(Cancelled::Begun),
        };
        // The job first, as in a lease: whoever has the job decides.
        let called_off = sqlx::query(
            "/* store::cancel_command */ UPDATE job SET state = 'cancelled', finished_at = now(), reason = 'cancelled',
                 detail = 'The command was taken back.' WHERE id = $1 AND state = 'due'",
        )
        .bind(job)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        // What waits for a second person has no job yet.
        if called_off.rows_affected() == 0 && !waits {
            return Ok(Cancelled::Begun);
        }
        let cancelled = sqlx::query(
            "/* store::cancel_command */ UPDATE command SET state = 'cancelled', finished_at = now(), failure = 'cancelled',
                 detail = left('Taken back: ' || $2, 4096) WHERE id = $1 AND NOT ($3 AND state <> 'awaiting_approval')",
        )
        .bind(id)
        .bind(reason)
        .bind(waits)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        // Somebody approved it meanwhile.
        if cancelled.rows_affected() == 0 {
            return Ok(Cancelled::Begun);
        }
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Cancelled::Yes)
    }

    /// Keeps what the meter of a command shows before anything is sent, unless that was kept before; gives what is kept, or `None` when the command has come to
    /// its end.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn keep_baseline(&self, id: i64, shown: i64) -> Result<Option<i64>, Error> {
        let query = sqlx::query_scalar(
            "/* store::keep_baseline */ UPDATE command SET baseline = coalesce(baseline, $2)
             WHERE id = $1 AND finished_at IS NULL RETURNING baseline",
        );
        query.bind(id).bind(shown).fetch_optional(self.pool()).await.map_err(failed("store::keep_baseline"))
    }

    /// How many commands have not come to their end, for every kind and every state in which they may be.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn open_commands(&self) -> Result<Vec<OpenCommands>, Error> {
        let query = sqlx::query_as(concat!(
            "/* store::open_commands */
             SELECT k::text AS kind, s::text AS state, count(c.id) AS commands
             FROM unnest(enum_range(NULL::command_kind)) AS k
             CROSS JOIN unnest('{accepted, awaiting_approval, quarantined, sending, unknown}'::command_state[]) AS s
             LEFT JOIN command c ON ",
            is_open!(),
            " AND c.kind = k AND c.state = s
             GROUP BY k, s ORDER BY k, s"
        ));
        query.fetch_all(self.pool()).await.map_err(failed("store::open_commands"))
    }

    /// Ends commands that nobody will end otherwise: those whose work was called off because their meter was retired, those whose deadline passed before they
    /// were begun, and those that were begun and are still in doubt a day after their deadline. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn expire_commands(&self) -> Result<u64, Error> {
        let done = sqlx::query(concat!(
            "/* store::expire_commands */
             WITH late AS (
                 SELECT c.id, c.job_id, c.state, CASE WHEN j.state = 'cancelled' THEN j.detail END AS why
                 FROM command c LEFT JOIN job j ON j.id = c.job_id
                 WHERE ",
            is_open!(),
            " AND coalesce(j.state, 'failed') <> 'running' AND (j.state = 'cancelled'
                     OR (c.state IN ('accepted', 'awaiting_approval', 'quarantined') AND c.deadline < now())
                     OR (c.state IN ('sending', 'unknown') AND (j.id IS NULL OR j.state <> 'due' OR c.deadline < now() - interval '1 day')))
                 ORDER BY c.id LIMIT 1000),
             called_off AS (
                 UPDATE job j SET state = 'cancelled', finished_at = now(), reason = coalesce(j.reason, 'deadline_passed'),
                     detail = coalesce(j.detail, 'The deadline of the command passed.')
                 FROM late l WHERE j.id = l.job_id AND j.state = 'due' RETURNING j.id)
             UPDATE command c SET finished_at = now(),
                 state = CASE WHEN l.state IN ('sending', 'unknown') THEN 'unknown' WHEN l.why IS NOT NULL THEN 'cancelled'
                     ELSE 'expired' END::command_state,
                 failure = CASE WHEN l.why IS NOT NULL THEN 'cancelled' ELSE coalesce(c.failure, 'deadline_passed') END,
                 detail = CASE WHEN l.why IS NOT NULL AND l.state IN ('sending', 'unknown')
                     THEN 'Something may have been sent, and what came of it was not read: ' || l.why
                     WHEN l.why IS NOT NULL THEN l.why
                     WHEN l.state IN ('sending', 'unknown')
                     THEN 'Something may have been sent and the meter could not be read for a day; read it, or order again, which begins by reading.'
                     WHEN l.state = 'awaiting_approval' THEN 'The deadline passed before a second person approved it: nothing was sent.'
                     ELSE 'The deadline passed before the meter could be reached: nothing was sent. ' || coalesce(c.detail, '') END
             FROM late l LEFT JOIN called_off j ON j.id = l.job_id
             WHERE c.id = l.id AND c.finished_at IS NULL AND (j.id IS NOT NULL OR l.job_id IS NULL
                 OR NOT EXISTS (SELECT FROM job other WHERE other.id = l.job_id AND other.state IN ('due', 'running')))"
        ))
        .execute(self.pool())
        .await
        .map_err(failed("store::expire_commands"))?;
        Ok(done.rows_affected())
    }
}
