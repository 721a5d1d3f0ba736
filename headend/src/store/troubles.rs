//! Meters that cannot be read. Written by [`super::batch`], inside of its transaction, with the ends of jobs.

use std::collections::BTreeMap;

use collectors::{MeterId, Reason};
use dlms::Obis;
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{FromRow, PgConnection};

use super::audit::Entry;
use super::ends::End;
use super::{Error, JobKind, JobState, Store, audit, failed};
use crate::retry::Cause;

/// The scope of what concerns a meter as a whole.
pub const WHOLE: &str = "";

/// A trouble, and what helps to tell where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Trouble {
    /// Number; of a trouble that began later, a higher one.
    pub id: i64,
    /// Serial number of the meter.
    pub serial: String,
    /// [`WHOLE`], or what cannot be read while other things may.
    pub scope: String,
    /// What stands behind it.
    pub cause: Cause,
    /// Why the last job failed, a word of `failure_reason`.
    pub reason: String,
    /// The same for a person.
    pub detail: Option<String>,
    /// Jobs that have failed since.
    pub failures: i32,
    /// Time does not heal it.
    pub needs_person: bool,
    /// The last job that failed.
    pub job_id: i64,
    /// When the first of them failed.
    pub since: SqlTimestamp,
    /// When the last of them failed.
    pub last_at: SqlTimestamp,
    /// The line over which the meter is reached.
    pub line: String,
    /// Other meters in service on the same line.
    pub neighbours: i64,
    /// Those of them that are not reached either.
    pub silent_neighbours: i64,
    /// When it last told that it loses its supply, not long before.
    pub power_lost_at: Option<SqlTimestamp>,
    /// Whether it calls and is not connected.
    pub is_missing: bool,
}

/// Which troubles to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TroubleFilter {
    /// Only of these meters.
    pub meters: Option<Vec<MeterId>>,
    /// Only those that take a person.
    pub needs_person: bool,
    /// Only those that began at least so many seconds ago.
    pub older_than_s: i64,
}

impl Store {
    /// Troubles with numbers above `after`, what began first first, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_troubles(
        &self,
        filter: &TroubleFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Trouble>, Error> {
        sqlx::query_as(
            "/* store::troubles::list_troubles */
             WITH page AS MATERIALIZED (
                 SELECT t.*, m.serial, m.line FROM meter_trouble t JOIN meter m ON m.id = t.meter_id
                 WHERE t.id > $1 AND ($2::int4[] IS NULL OR t.meter_id = ANY ($2)) AND (t.needs_person OR NOT $3)
                     AND t.since <= now() - $4 * interval '1 second' AND m.state = 'active'
                 ORDER BY t.id LIMIT $5),
             lines AS (
                 SELECT l.line, count(*) AS meters, count(*) FILTER (WHERE EXISTS (
                     SELECT FROM meter_trouble x WHERE x.meter_id = m.id AND x.scope = '' AND x.cause IN ('route', 'busy'))) AS silent
                 FROM (SELECT DISTINCT line FROM page) l JOIN meter m ON m.line = l.line AND m.state = 'active' GROUP BY l.line)
             SELECT p.id, p.serial, p.scope, p.cause, p.reason::text, p.detail, p.failures, p.needs_person, p.job_id, p.since, p.last_at, p.line,
                 l.meters - 1 AS neighbours,
                 l.silent - CASE WHEN p.scope = '' AND p.cause IN ('route', 'busy') THEN 1 ELSE 0 END AS silent_neighbours,
                 (SELECT max(a.received_at) FROM alarm a WHERE a.meter_id = p.meter_id AND a.key = 'power.last_gasp'
                     AND a.received_at > p.since - interval '1 day') AS power_lost_at,
                 p.line LIKE 'inbound://%' AND NOT EXISTS (
                     SELECT FROM caller c WHERE c.line = p.line AND c.left_at IS NULL) AS is_missing
             FROM page p JOIN lines l ON l.line = p.line ORDER BY p.id",
        )
        .bind(after)
        .bind(filter.meters.as_deref())
        .bind(filter.needs_person)
        .bind(filter.older_than_s)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::troubles::list_troubles"))
    }

    /// Forgets the troubles of a meter, because somebody has put them right, and has all that is due of it planned at once. Returns how many
    /// there were.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn resolve_troubles(&self, meter: MeterId, entry: &Entry) -> Result<u64, Error> {
        let failed = failed("store::troubles::resolve_troubles");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let resolved = sqlx::query(
            "/* store::troubles::resolve_troubles */
             WITH looked AS (UPDATE meter_plan SET look_at = now() WHERE meter_id = $1 AND look_at > now() AND look_at < 'infinity')
             DELETE FROM meter_trouble WHERE meter_id = $1",
        )
        .bind(meter)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(resolved.rows_affected())
    }
}

/// The scope of a job: what it reads that other jobs do not.
pub fn scope(kind: JobKind, obis: Option<Obis>) -> String {
    match obis {
        Some(obis) => format!("{} {obis}", kind.as_str()),
        None => kind.as_str().to_owned(),
    }
}

/// Notes which jobs failed, and ends the troubles of what succeeded. Orders are not counted: whoever ordered hears of them.
pub(super) async fn note(connection: &mut PgConnection, ends: &[End]) -> Result<(), Error> {
    let reads = || ends.iter().filter(|end| end.running.kind != JobKind::Command);
    let scope = |end: &End| scope(end.running.kind, end.running.profile);
    let done: Vec<&End> = reads().filter(|end| end.state == JobState::Done).collect();
    let mut troubles = BTreeMap::new();
    for end in reads().filter(|end| end.state == JobState::Failed) {
        if let Some((reason, cause)) = end.reason().and_then(|reason| Some((reason, Cause::of(reason)?))) {
            let scope = if cause.is_of_meter() { WHOLE.to_owned() } else { scope(end) };
            troubles.insert((end.meter(), scope), (end, reason, cause));
        }
    }
    if !done.is_empty() {
        let (meters, scopes): (Vec<MeterId>, Vec<String>) =
            done.iter().map(|end| (end.meter(), scope(end))).unzip();
        ended(connection, meters, scopes).await?;
    }
    if !troubles.is_empty() {
        began(connection, &troubles).await?;
    }
    Ok(())
}

/// What was a matter for a person and has healed is planned like everything else again.
async fn ended(
    connection: &mut PgConnection,
    meters: Vec<MeterId>,
    scopes: Vec<String>,
) -> Result<(), Error> {
    sqlx::query(
        "/* store::troubles::ended */
         WITH healed AS (
             DELETE FROM meter_trouble t USING unnest($1::int4[], $2::text[]) AS d (meter_id, scope)
             WHERE t.meter_id = d.meter_id AND t.scope IN ('', d.scope) RETURNING t.meter_id, t.needs_person)
         UPDATE meter_plan p SET look_at = now() FROM healed h
         WHERE h.needs_person AND p.meter_id = h.meter_id AND p.look_at > now() AND p.look_at < 'infinity'",
    )
    .bind(meters)
    .bind(scopes)
    .execute(connection)
    .await
    .map_err(failed("store::troubles::ended"))?;
    Ok(())
}

async fn began(
    connection: &mut PgConnection,
    troubles: &BTreeMap<(MeterId, String), (&End, Reason, Cause)>,
) -> Result<(), Error> {
    sqlx::query(
        "/* store::troubles::began */
         INSERT INTO meter_trouble (meter_id, scope, cause, reason, detail, job_id, failures, patience_spent, needs_person)
         SELECT n.meter_id, n.scope, n.cause, n.reason::failure_reason, n.detail, n.job_id, coalesce(t.failures, 0) + 1,
             coalesce(t.patience_spent, 0) + (n.person_after IS NOT NULL)::int4,
             coalesce(t.needs_person, false) OR coalesce(coalesce(t.patience_spent, 0) + 1 >= n.person_after, false)
         FROM unnest($1::int4[], $2::text[], $3::trouble_cause[], $4::text[], $5::text[], $6::int4[], $7::int8[])
             AS n (meter_id, scope, cause, reason, detail, person_after, job_id)
         LEFT JOIN meter_trouble t ON t.meter_id = n.meter_id AND t.scope = n.scope
         ON CONFLICT (meter_id, scope) DO UPDATE SET cause = EXCLUDED.cause, reason = EXCLUDED.reason, detail = EXCLUDED.detail,
             failures = EXCLUDED.failures, patience_spent = EXCLUDED.patience_spent, job_id = EXCLUDED.job_id, last_at = now(), needs_person = EXCLUDED.needs_person",
    )
    .bind(troubles.keys().map(|(meter, _)| *meter).collect::<Vec<_>>())
    .bind(troubles.keys().map(|(_, scope)| scope.clone()).collect::<Vec<_>>())
    .bind(troubles.values().map(|(_, _, cause)| *cause).collect::<Vec<Cause>>())
    .bind(troubles.values().map(|(_, reason, _)| reason.as_str()).collect::<Vec<_>>())
    .bind(troubles.values().map(|(end, ..)| end.detail().map(str::to_owned)).collect::<Vec<_>>())
    .bind(troubles.values().map(|(_, reason, cause)| cause.person_after(*reason)).collect::<Vec<_>>())
    .bind(troubles.values().map(|(end, ..)| end.job).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::troubles::began"))?;
    Ok(())
}
