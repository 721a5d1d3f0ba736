//! What is lost of profiles. A meter that did not give something is asked for it once more before. A loss is covered as well: what is neither covered nor lost is a gap.

use std::time::Duration;

use collectors::{JobId, MeterId};
use dlms::Obis;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::{FromRow, PgConnection};

use super::jobs::interval;
use super::layouts::obis;
use super::profiles::{ProfileKey, Range};
use super::{Error, ProfileLossCause, Store, failed};
use crate::plan::GivenUp;
use crate::plan::ledger::SETTLES;

/// What a meter did not give of a range that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Absence {
    pub(super) key: ProfileKey,
    pub(super) range: Range,
    /// From how many seconds on it is a loss.
    pub(super) least_s: u32,
    /// Whether the meter gave something earlier with it.
    pub(super) follows: bool,
    /// What the meter was asked for, when it is asked again for what is missing at an end of that; `None` when it would not help.
    pub(super) asked: Option<Range>,
    /// For how many seconds the meter keeps a capture.
    pub(super) kept_s: Option<i64>,
    /// The job that asked.
    pub(super) job: JobId,
}

/// What came of a range that may have been taken for lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: ProfileKey,
    pub(super) range: Range,
    /// From how many seconds on what is left of a loss still is one.
    pub(super) least_s: u32,
}

/// Time of which a meter holds no captures.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProfileLoss {
    /// Number; a later one is higher.
    pub id: i64,
    /// Serial number of the meter.
    pub serial: String,
    /// Logical name of the profile, 6 octets.
    pub obis: Vec<u8>,
    /// Why.
    pub cause: ProfileLossCause,
    /// Where it begins; a capture at this instant is not lost.
    pub after_ts: SqlTimestamp,
    /// Where it ends; a capture at this instant is lost.
    pub until_ts: SqlTimestamp,
    /// The job that found it.
    pub job_id: Option<i64>,
    /// When that was stored.
    pub noticed_at: SqlTimestamp,
}

/// Why a profile of a meter is not read.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Hindrance {
    /// The meter.
    pub meter_id: MeterId,
    /// Logical name of the profile, 6 octets.
    pub obis: Vec<u8>,
    /// Why the last attempt failed, a word of `failure_reason`.
    pub reason: Option<String>,
    /// The same for a person.
    pub detail: Option<String>,
}

impl Store {
    /// Losses with numbers below `before`, the newest first, at most `limit`; only of some meters when `meters` is given.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_losses(
        &self,
        meters: Option<&[MeterId]>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<ProfileLoss>, Error> {
        let query = sqlx::query_as(
            "/* store::ledger::list_losses */
             SELECT l.*, m.serial FROM profile_loss l JOIN meter m ON m.id = l.meter_id
             WHERE ($1::int8 IS NULL OR l.id < $1) AND ($2::int4[] IS NULL OR l.meter_id = ANY ($2))
             ORDER BY l.id DESC LIMIT $3",
        );
        let query = query.bind(before).bind(meters).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::ledger::list_losses"))
    }

    /// Why profiles are not read, by the latest of their jobs; those whose latest job gave no reason are absent.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn hindrances(&self, profiles: &[(MeterId, Obis)]) -> Result<Vec<Hindrance>, Error> {
        sqlx::query_as(
            "/* store::ledger::hindrances */
             SELECT p.meter_id, p.obis, j.reason::text, j.detail FROM unnest($1::int4[], $2::bytea[]) AS p (meter_id, obis)
             CROSS JOIN LATERAL (
                 SELECT reason, detail, state FROM job j WHERE j.meter_id = p.meter_id AND j.obis = p.obis AND j.kind = 'read_profile'
                 ORDER BY id DESC LIMIT 1) AS j
             WHERE j.reason IS NOT NULL AND j.state <> 'done'",
        )
        .bind(profiles.iter().map(|(meter, _)| *meter).collect::<Vec<_>>())
        .bind(profiles.iter().map(|(_, profile)| profile.octets().to_vec()).collect::<Vec<_>>())
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::ledger::hindrances"))
    }

    /// Gives holes up: what of them is still not covered is lost, and covered. Returns how many losses that are.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`].
    pub async fn give_up(&self, holes: &[GivenUp]) -> Result<u64, Error> {
        if holes.is_empty() {
            return Ok(0);
        }
        let made: i64 = sqlx::query_scalar(
            "/* store::ledger::give_up */
             WITH holes AS (
                 SELECT meter_id, obis, range_agg(tstzrange(after, until, '(]')) AS ranges
                 FROM unnest($1::int4[], $2::bytea[], $3::timestamptz[], $4::timestamptz[]) AS h (meter_id, obis, after, until)
                 GROUP BY meter_id, obis),
             locked AS (
                 SELECT p.meter_id, p.obis, h.ranges, h.ranges - p.coverage AS lost FROM meter_profile p JOIN holes h USING (meter_id, obis)
                 ORDER BY p.meter_id, p.obis FOR NO KEY UPDATE OF p),
             made AS (
                 INSERT INTO profile_loss (meter_id, obis, cause, after_ts, until_ts)
                 SELECT meter_id, obis, 'given_up', lower(gap), upper(gap) FROM locked, unnest(lost) AS gap
                 ON CONFLICT (meter_id, obis, after_ts) DO NOTHING RETURNING 1),
             covered AS (
                 UPDATE meter_profile p SET coverage = p.coverage + l.ranges FROM locked l
                 WHERE p.meter_id = l.meter_id AND p.obis = l.obis)
             SELECT count(*) FROM made",
        )
        .bind(holes.iter().map(|hole| hole.meter).collect::<Vec<_>>())
        .bind(holes.iter().map(|hole| hole.profile.octets().to_vec()).collect::<Vec<_>>())
        .bind(holes.iter().map(|hole| hole.range.0.to_sqlx()).collect::<Vec<_>>())
        .bind(holes.iter().map(|hole| hole.range.1.to_sqlx()).collect::<Vec<_>>())
        .fetch_one(&self.pool)
        .await
        .map_err(failed("store::ledger::give_up"))?;
        Ok(made.unsigned_abs())
    }
}

/// What is missing at an end of what a meter was asked for, and is to be looked for once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) key: ProfileKey,
    pub(super) range: Range,
    /// Whether this was a first look. By a clock that is off by more than [`SETTLES`] it was none.
    pub(super) is_look: bool,
}

/// What of these ranges is no loss yet: an answer may be empty, or end early, once. What was missing at least `second_look` ago, and is again, is none of it.
/// It has to be called before the ranges are covered.
pub(super) async fn doubts(
    connection: &mut PgConnection,
    absent: &[Absence],
    second_look: Duration,
) -> Result<Vec<Doubt>, Error> {
    let asked: Vec<(&Absence, Range)> =
        absent.iter().filter_map(|absence| Some((absence, absence.asked?))).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let failed = failed("store::ledger::doubts");
    let rows: Vec<(MeterId, Vec<u8>, SqlTimestamp, SqlTimestamp, bool)> = sqlx::query_as(
        "/* store::ledger::doubts */
         SELECT a.meter_id, a.obis, lower(doubt), upper(doubt), NOT is_off
         FROM unnest($1::int4[], $2::bytea[], $3::timestamptz[], $4::timestamptz[], $5::int8[], $6::timestamptz[], $7::timestamptz[])
             AS a (meter_id, obis, after, until, least_s, asked_after, asked_until)
         LEFT JOIN meter_profile p ON p.meter_id = a.meter_id AND p.obis = a.obis
         LEFT JOIN meter_clock k ON k.meter_id = a.meter_id
         CROSS JOIN LATERAL (SELECT coalesce(abs(k.drift_ms) > $8, false) AS is_off) o
         CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(a.after, a.until, '(]')) - coalesce(p.coverage, '{}')) AS gap
         CROSS JOIN LATERAL unnest(tstzmultirange(gap)
             - CASE WHEN is_off OR p.absent_at > now() - $9 THEN '{}' ELSE coalesce(p.absent, '{}') END) AS doubt
         WHERE (lower(gap) = a.asked_after OR upper(gap) = a.asked_until) AND upper(doubt) - lower(doubt) >= a.least_s * interval '1 second'",
    )
    .bind(asked.iter().map(|(absence, _)| absence.key.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|(absence, _)| absence.key.1.octets().to_vec()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(absence, _)| absence.range.0.to_sqlx()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(absence, _)| absence.range.1.to_sqlx()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(absence, _)| i64::from(absence.least_s)).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, asked)| asked.0.to_sqlx()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, asked)| asked.1.to_sqlx()).collect::<Vec<_>>())
    .bind(i64::try_from(SETTLES.as_millis()).unwrap_or(i64::MAX))
    .bind(interval(second_look))
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let doubts = rows.into_iter().map(|(meter, profile, after, until, is_look)| {
        let range = (after.to_jiff(), until.to_jiff());
        Ok(Doubt { key: (meter, obis(&profile)?), range, is_look })
    });
    doubts.collect()
}

/// Notes what of these ranges is lost: what was not covered before, and is no sliver that a day of 25 hours or a month of 31 days leaves. It has
/// to be called before the ranges are covered. Returns how many losses that are.
pub(super) async fn insert_losses(connection: &mut PgConnection, absent: &[Absence]) -> Result<u64, Error> {
    if absent.is_empty() {
        return Ok(0);
    }
    let made = sqlx::query(
        "/* store::ledger::insert_losses */
         INSERT INTO profile_loss (meter_id, obis, cause, after_ts, until_ts, job_id)
         SELECT a.meter_id, a.obis,
             CASE WHEN NOT a.follows AND coalesce(lower(p.coverage) >= lower(gap), true) THEN 'before_first'
                  WHEN lower(gap) < now() - a.kept_s * interval '1 second' THEN 'overwritten'
                  ELSE 'not_recorded' END::profile_loss_cause,
             lower(gap), upper(gap), a.job_id
         FROM unnest($1::int4[], $2::bytea[], $3::timestamptz[], $4::timestamptz[], $5::int8[], $6::int8[], $7::int8[], $8::bool[])
             AS a (meter_id, obis, after, until, least_s, kept_s, job_id, follows)
         LEFT JOIN meter_profile p ON p.meter_id = a.meter_id AND p.obis = a.obis
         CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(a.after, a.until, '(]')) - coalesce(p.coverage, '{}')) AS gap
         WHERE upper(gap) - lower(gap) >= a.least_s * interval '1 second'
         ON CONFLICT (meter_id, obis, after_ts) DO NOTHING",
    )
    .bind(absent.iter().map(|absence| absence.key.0).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| absence.key.1.octets().to_vec()).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| absence.range.0.to_sqlx()).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| absence.range.1.to_sqlx()).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| i64::from(absence.least_s)).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| absence.kept_s).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| absence.job).collect::<Vec<_>>())
    .bind(absent.iter().map(|absence| absence.follows).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::ledger::insert_losses"))?;
    Ok(made.rows_affected())
}

/// Takes out of the losses what has come to light after all, and what of them is too short then for a capture to be missing in it.
pub(super) async fn restore(connection: &mut PgConnection, found: &[Found]) -> Result<(), Error> {
    if found.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::ledger::restore */
         WITH found AS (
             SELECT meter_id, obis, range_agg(tstzrange(after, until, '(]')) AS ranges, max(least_s) * interval '1 second' AS least
             FROM unnest($1::int4[], $2::bytea[], $3::timestamptz[], $4::timestamptz[], $5::int8[]) AS f (meter_id, obis, after, until, least_s)
             GROUP BY meter_id, obis),
         hit AS (
             DELETE FROM profile_loss l USING found f
             WHERE l.meter_id = f.meter_id AND l.obis = f.obis AND tstzrange(l.after_ts, l.until_ts, '(]') && f.ranges
             RETURNING l.*, f.ranges, f.least)
         INSERT INTO profile_loss (meter_id, obis, cause, after_ts, until_ts, job_id, noticed_at)
         SELECT meter_id, obis, cause, lower(rest), upper(rest), job_id, noticed_at
         FROM hit, unnest(tstzmultirange(tstzrange(after_ts, until_ts, '(]')) - ranges) AS rest WHERE upper(rest) - lower(rest) >= least",
    )
    .bind(found.iter().map(|found| found.key.0).collect::<Vec<_>>())
    .bind(found.iter().map(|found| found.key.1.octets().to_vec()).collect::<Vec<_>>())
    .bind(found.iter().map(|found| found.range.0.to_sqlx()).collect::<Vec<_>>())
    .bind(found.iter().map(|found| found.range.1.to_sqlx()).collect::<Vec<_>>())
    .bind(found.iter().map(|found| i64::from(found.least_s)).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::ledger::restore"))?;
    Ok(())
}
