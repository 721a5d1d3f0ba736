//! How an order becomes commands: all of them or none, once for each idempotency key.

use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::audit::{self, Entry};
use crate::store::{CommandKind, Error, JOB_CHANNEL, Store, failed};

/// Attempts that the job of a command is listed with: its end comes from the rules of commands, not from this number.
pub(super) const LISTED_ATTEMPTS: i16 = 100;

/// An order that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Who orders.
    pub principal: String,
    /// The caller's own name for it.
    pub idempotency_key: String,
    /// What is to be done.
    pub kind: CommandKind,
    /// SHA-256 of everything that is ordered.
    pub fingerprint: [u8; 32],
    /// What the kind needs beside meter and time, as encoded message of `ami.v1`.
    pub arguments: Option<Vec<u8>>,
    /// Why.
    pub reason: String,
    /// The request.
    pub request_id: Uuid,
    /// W3C trace context of the request, when it is traced.
    pub trace_parent: Option<String>,
    /// The meters, each once.
    pub meters: Vec<i32>,
    /// Priority of the jobs.
    pub priority: i16,
    /// Nothing is sent before.
    pub not_before: jiff::Timestamp,
    /// Nothing is sent after.
    pub deadline: jiff::Timestamp,
    /// Whether the commands wait for a second person.
    pub needs_approval: bool,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// Its commands, in the order of the meters; they may exist from an earlier order with the same key.
    Commands(Vec<i64>),
    /// The key was used for another order.
    KeyReused,
    /// A meter is out of service; nothing was ordered.
    Retired(i32),
}

impl Store {
    /// Makes the commands of an order and their jobs, or commands that wait for a second person, writes `entry` into the audit, and wakes the collectors: one transaction.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn place_order(&self, order: &NewOrder, entry: &Entry) -> Result<Placed, Error> {
        super::super::repeat("store::place_order", || self.try_place(order, entry)).await
    }

    async fn try_place(&self, order: &NewOrder, entry: &Entry) -> Result<Placed, Error> {
        let failed = failed("store::place_order");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let Some(id) = insert_order(&mut transaction, order).await? else {
            return existing(&mut transaction, order).await;
        };
        // The share lock keeps a retirement from slipping in between.
        let active: Vec<i32> = sqlx::query_scalar(
            "/* store::place_order */ SELECT id FROM meter WHERE id = ANY ($1) AND state = 'active' ORDER BY id FOR SHARE",
        )
        .bind(&order.meters)
        .fetch_all(&mut *transaction)
        .await
        .map_err(&failed)?;
        if let Some(retired) = order.meters.iter().find(|meter| active.binary_search(meter).is_err()) {
            return Ok(Placed::Retired(*retired));
        }
        let commands = match order.needs_approval {
            true => insert_waiting(&mut transaction, id, order).await?,
            false => insert_commands(&mut transaction, id, order).await?,
        };
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Placed::Commands(commands))
    }
}

/// The new order's id; `None` when the key was used.
async fn insert_order(connection: &mut PgConnection, order: &NewOrder) -> Result<Option<Uuid>, Error> {
    sqlx::query_scalar(
        "/* store::place_order */
         INSERT INTO command_order (id, principal, idempotency_key, kind, fingerprint, arguments, reason, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (principal, idempotency_key) DO NOTHING RETURNING id",
    )
    .bind(Uuid::now_v7())
    .bind(&order.principal)
    .bind(&order.idempotency_key)
    .bind(order.kind)
    .bind(order.fingerprint.as_slice())
    .bind(&order.arguments)
    .bind(&order.reason)
    .bind(order.request_id)
    .fetch_optional(connection)
    .await
    .map_err(failed("store::place_order"))
}

/// The commands of the order that used the key before.
async fn existing(connection: &mut PgConnection, order: &NewOrder) -> Result<Placed, Error> {
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "/* store::place_order */
         SELECT o.fingerprint, c.id FROM command_order o JOIN command c ON c.order_id = o.id
         WHERE o.principal = $1 AND o.idempotency_key = $2 ORDER BY array_position($3, c.meter_id), c.id",
    )
    .bind(&order.principal)
    .bind(&order.idempotency_key)
    .bind(&order.meters)
    .fetch_all(connection)
    .await
    .map_err(failed("store::place_order"))?;
    if rows.iter().any(|(fingerprint, _)| *fingerprint != order.fingerprint) {
        return Ok(Placed::KeyReused);
    }
    Ok(Placed::Commands(rows.into_iter().map(|(_, id)| id).collect()))
}

/// Commands without jobs: a second person makes these.
async fn insert_waiting(
    connection: &mut PgConnection,
    id: Uuid,
    order: &NewOrder,
) -> Result<Vec<i64>, Error> {
    sqlx::query_scalar(
        "/* store::place_order */
         WITH wanted AS (SELECT meter, place FROM unnest($2::int4[]) WITH ORDINALITY AS w (meter, place)),
         made AS (
             INSERT INTO command (order_id, meter_id, kind, state, priority, not_before, deadline)
             SELECT $1, meter, $3, 'awaiting_approval', $4, $5, $6 FROM wanted ORDER BY place RETURNING id, meter_id)
         SELECT m.id FROM made m JOIN wanted w ON w.meter = m.meter_id ORDER BY w.place",
    )
    .bind(id)
    .bind(&order.meters)
    .bind(order.kind)
    .bind(order.priority)
    .bind(order.not_before.to_sqlx())
    .bind(order.deadline.to_sqlx())
    .fetch_all(connection)
    .await
    .map_err(failed("store::place_order"))
}

async fn insert_commands(
    connection: &mut PgConnection,
    id: Uuid,
    order: &NewOrder,
) -> Result<Vec<i64>, Error> {
    sqlx::query_scalar(
        "/* store::place_order */
         WITH wanted AS (SELECT meter, place FROM unnest($2::int4[]) WITH ORDINALITY AS w (meter, place)),
         jobs AS (
             INSERT INTO job (meter_id, kind, priority, due_at, max_attempts, request_id, trace_parent)
             SELECT meter, 'command', $4, greatest($5, now()), $7, $8, $10 FROM wanted ORDER BY place RETURNING id, meter_id),
         made AS (
             INSERT INTO command (order_id, meter_id, kind, priority, not_before, deadline, job_id)
             SELECT $1, w.meter, $3, $4, $5, $6, j.id FROM wanted w JOIN jobs j ON j.meter_id = w.meter ORDER BY w.place
             RETURNING id, meter_id, job_id)
         SELECT m.id FROM made m JOIN wanted w ON w.meter = m.meter_id, pg_notify($9, m.job_id::text) ORDER BY w.place",
    )
    .bind(id)
    .bind(&order.meters)
    .bind(order.kind)
    .bind(order.priority)
    .bind(order.not_before.to_sqlx())
    .bind(order.deadline.to_sqlx())
    .bind(LISTED_ATTEMPTS)
    .bind(order.request_id)
    .bind(JOB_CHANNEL)
    .bind(&order.trace_parent)
    .fetch_all(connection)
    .await
    .map_err(failed("store::place_order"))
}
