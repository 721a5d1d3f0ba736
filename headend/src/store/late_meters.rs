//! Meters that are not complete for a day of a schedule: why, and when they will be.

use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::FromRow;

use super::schedules::COVERED;
use super::{Error, Store, failed};
use crate::plan::schedule::{Day, Schedule};

/// Which meters are meant.
#[derive(Debug, Clone, Copy)]
pub struct Late<'a> {
    /// Those of this schedule.
    pub schedule: &'a Schedule,
    /// For this day.
    pub day: Day,
    /// Only those that will not be complete by its last goal.
    pub will_miss: bool,
}

/// A meter that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LateMeter {
    /// The meter.
    pub id: i32,
    /// Its serial number.
    pub serial: String,
    /// Its latest capture.
    pub last_ts: Option<SqlTimestamp>,
    /// Why it could not be read when it was tried last, a word of `failure_reason`.
    pub reason: Option<String>,
    /// The same for a person.
    pub detail: Option<String>,
    /// Whether it takes a person.
    pub needs_person: bool,
    /// Why it is not complete yet, a word of `LateCause`.
    pub cause: String,
    /// What it waits for.
    pub behind: Option<String>,
    /// When it will be complete; `None` when not by itself.
    pub expected_at: Option<SqlTimestamp>,
    /// Whether that is after the last goal.
    pub will_miss: bool,
}

/// `member` is every meter of the schedule, with the name of its line where it shares it with others. A shared line goes on as it did since its first meter was
/// read, all other meters together as since the day ended, each in the order in which jobs are leased: the n-th that waits is complete after as long as n of them took.
/// `$1` to `$3` are those of [`COVERED`].
const LATE: &str = "
WITH member AS MATERIALIZED (
    SELECT m.id, m.serial, p.last_ts, p.read_at, coalesce(p.coverage @> tstzrange($5, $6, '(]'), false) AS is_complete,
        CASE WHEN count(*) OVER (PARTITION BY m.line) > 1 THEN m.line ELSE '' END AS shared
    FROM meter m LEFT JOIN meter_profile p ON p.meter_id = m.id AND p.obis = $4
    WHERE {COVERED} AND m.created_at < $6),
pace AS (
    SELECT shared, nullif(count(*) FILTER (WHERE is_complete), 0) AS complete,
        CASE shared WHEN '' THEN $6 ELSE coalesce(min(read_at) FILTER (WHERE is_complete AND read_at > $6), $6) END AS since
    FROM member GROUP BY shared),
late AS (
    SELECT m.*, t.reason, t.detail, coalesce(t.needs_person, false) AS needs_person, j.due_at, j.priority, j.wanted_by,
        CASE WHEN j.behind IS NOT NULL AND j.state = 'due' THEN j.behind END AS behind,
        CASE WHEN j.state = 'running' THEN 'running' WHEN t.needs_person THEN 'person' WHEN j.state IS NULL THEN 'nothing'
            WHEN j.waits THEN 'not_connected' WHEN j.due_at > now() THEN 'retry' WHEN j.behind IS NOT NULL THEN 'taken' ELSE 'turn' END AS cause
    FROM member m
    LEFT JOIN LATERAL (
        SELECT reason::text, detail, needs_person FROM meter_trouble t
        WHERE t.meter_id = m.id AND t.scope IN ('', 'read_profile ' || obis_text($4)) ORDER BY t.scope LIMIT 1) t ON true
    LEFT JOIN LATERAL (
        SELECT state, priority, wanted_by, due_at, waits, behind FROM job j
        WHERE j.meter_id = m.id AND j.finished_at IS NULL AND j.kind = 'read_profile' AND j.obis = $4 AND j.to_ts > $5
        ORDER BY j.state DESC, j.priority DESC, j.wanted_by, j.due_at LIMIT 1) j ON true
    WHERE NOT m.is_complete),
placed AS (
    SELECT l.*, count(*) FILTER (WHERE cause IN ('running', 'turn', 'taken'))
        OVER (PARTITION BY shared ORDER BY cause <> 'running', priority DESC, wanted_by, due_at, id) AS place FROM late l),
expected AS (
    SELECT l.*, CASE WHEN cause = 'retry' THEN due_at
        WHEN cause IN ('running', 'turn', 'taken') THEN now() + (now() - p.since) * l.place / p.complete END AS expected_at
    FROM placed l JOIN pace p USING (shared))
SELECT id, serial, last_ts, reason, detail, needs_person, cause, behind, expected_at, coalesce(expected_at > $7, true) AS will_miss
FROM expected WHERE id > $8 AND (NOT $9 OR coalesce(expected_at > $7, true)) ORDER BY id LIMIT $10";

impl Store {
    /// Meters of a schedule that are not complete for a day, with an id above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn late_meters(&self, of: Late<'_>, after: i32, limit: i64) -> Result<Vec<LateMeter>, Error> {
        let Late { schedule, day, will_miss } = of;
        let last_goal = schedule.goals.iter().map(|goal| schedule.due_at(day, *goal)).max();
        let query = format!("/* store::late_meters */{}", LATE.replace("{COVERED}", COVERED));
        sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(&schedule.model)
            .bind(&schedule.throttle_group)
            .bind(&schedule.serial_prefix)
            .bind(schedule.profile.octets().to_vec())
            .bind(day.from.to_sqlx())
            .bind(day.until.to_sqlx())
            .bind(last_goal.unwrap_or(day.until).to_sqlx())
            .bind(after)
            .bind(will_miss)
            .bind(limit)
            .fetch_all(self.pool())
            .await
            .map_err(failed("store::late_meters"))
    }
}
