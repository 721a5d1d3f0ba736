//! Schedules, and what came of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jiff_sqlx::{Date as SqlDate, Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::FromRow;

use super::audit::Entry;
use super::layouts::obis;
use super::{Error, Store, audit, failed};
use crate::plan::schedule::{Day, Forecast, Goal, LineProgress, Progress, Schedule, needed};

/// Schedules that there may be.
pub const MOST_SCHEDULES: i64 = 100;

/// Which meters a schedule is about, behind `FROM meter m`: parameters 1 to 3.
pub(super) const COVERED: &str = "m.state = 'active' AND ($1::text IS NULL OR m.model = $1) AND ($2::text IS NULL OR m.throttle_group = $2)
    AND ($3::text IS NULL OR starts_with(m.serial, $3))";

#[derive(FromRow)]
struct Row {
    id: i32,
    name: String,
    obis: Vec<u8>,
    model: Option<String>,
    throttle_group: Option<String>,
    serial_prefix: Option<String>,
    zone: String,
    by_min: Vec<i16>,
    permille: Vec<i16>,
}

/// Members, complete, troubled, when, and of each shared line how many are complete, how many are left, and since when.
type Noted = (i32, i32, i32, SqlTimestamp, Vec<i64>, Vec<i64>, Vec<SqlTimestamp>);

/// How far a schedule came with a day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ScheduleDay {
    /// The day.
    pub day: SqlDate,
    /// Its meters.
    pub members: i32,
    /// Those that are complete.
    pub complete: i32,
    /// Those of these that have lost something.
    pub lost: i32,
    /// Those that are not complete, and could not be read.
    pub troubled: i32,
    /// How many become complete in a day at the rate of late.
    pub per_day: i32,
    /// When that was so.
    pub noted_at: SqlTimestamp,
    /// Goals: by when.
    pub due_at: Vec<SqlTimestamp>,
    /// Goals: how many of a thousand.
    pub permille: Vec<i16>,
    /// Goals: when they were reached.
    pub met_at: Vec<Option<SqlTimestamp>>,
    /// Goals: when they would be reached.
    pub forecast_at: Vec<Option<SqlTimestamp>>,
}

impl Store {
    /// All schedules, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "/* store::schedules::schedules */
             SELECT s.id, s.name, s.obis, s.model, s.throttle_group, s.serial_prefix, s.zone,
                 array_agg(g.by_min ORDER BY g.by_min) AS by_min, array_agg(g.permille ORDER BY g.by_min) AS permille
             FROM schedule s JOIN schedule_goal g ON g.schedule_id = s.id GROUP BY s.id ORDER BY s.name",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::schedules::schedules"))?;
        rows.into_iter().map(Row::schedule).collect()
    }

    /// Keeps a schedule, in the place of the one of that name, and has its meters planned by it at once. False when there are as many as there
    /// may be.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn put_schedule(&self, schedule: &Schedule, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::schedules::put_schedule");
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        let zone = schedule.zone.iana_name().unwrap_or("UTC");
        let id: Option<i32> = sqlx::query_scalar(
            "/* store::schedules::put_schedule */
             INSERT INTO schedule AS s (name, obis, model, throttle_group, serial_prefix, zone)
             SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM schedule WHERE name <> $1) < $7
             ON CONFLICT (name) DO UPDATE SET obis = EXCLUDED.obis, model = EXCLUDED.model, throttle_group = EXCLUDED.throttle_group,
                 serial_prefix = EXCLUDED.serial_prefix, zone = EXCLUDED.zone, changed_at = now()
             RETURNING id",
        )
        .bind(&schedule.name)
        .bind(schedule.profile.octets().to_vec())
        .bind(&schedule.model)
        .bind(&schedule.throttle_group)
        .bind(&schedule.serial_prefix)
        .bind(zone)
        .bind(MOST_SCHEDULES)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&failed)?;
        let Some(id) = id else { return Ok(false) };
        sqlx::query(
            "/* store::schedules::put_schedule */
             WITH gone AS (DELETE FROM schedule_goal WHERE schedule_id = $1 AND by_min <> ALL ($2))
             INSERT INTO schedule_goal (schedule_id, by_min, permille) SELECT $1, * FROM unnest($2::int2[], $3::int2[])
             ON CONFLICT (schedule_id, by_min) DO UPDATE SET permille = EXCLUDED.permille",
        )
        .bind(id)
        .bind(schedule.goals.iter().map(|goal| goal.by_min).collect::<Vec<_>>())
        .bind(schedule.goals.iter().map(|goal| goal.permille).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        let looks = format!(
            "/* store::schedules::put_schedule */
             UPDATE meter_plan p SET look_at = now() FROM meter m WHERE p.meter_id = m.id AND p.look_at > now() AND {COVERED}"
        );
        covered(sqlx::query(sqlx::AssertSqlSafe(looks)), schedule)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }

    /// Forgets a schedule and what came of it. False when there is none of that name.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn delete_schedule(&self, name: &str, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::schedules::delete_schedule");
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        let deleted =
            sqlx::query("/* store::schedules::delete_schedule */ DELETE FROM schedule WHERE name = $1")
                .bind(name)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }

    /// Notes how far a schedule has come with a day, and what will become of its goals.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn note_progress(&self, schedule: &Schedule, day: Day) -> Result<Progress, Error> {
        let counted = format!(
            "/* store::schedules::note_progress */
             WITH member AS (
                 SELECT m.id, m.line, p.read_at, coalesce(p.coverage @> tstzrange($5, $6, '(]'), false) AS is_complete, t.meter_id IS NOT NULL AS is_troubled
                 FROM meter m LEFT JOIN meter_profile p ON p.meter_id = m.id AND p.obis = $4
                 LEFT JOIN (SELECT DISTINCT meter_id FROM meter_trouble WHERE scope IN ('', 'read_profile ' || obis_text($4))) t
                     ON t.meter_id = m.id
                 WHERE {COVERED} AND m.created_at < $6),
             shared AS (
                 SELECT line, count(*) FILTER (WHERE is_complete) AS complete, count(*) FILTER (WHERE NOT is_complete AND NOT is_troubled) AS rest,
                     coalesce(min(read_at) FILTER (WHERE is_complete AND read_at > $6), $6) AS since
                 FROM member GROUP BY line HAVING count(*) > 1),
             counted AS (
                 SELECT count(*) AS members, count(*) FILTER (WHERE is_complete) AS complete,
                     (SELECT count(DISTINCT l.meter_id) FROM profile_loss l JOIN member c ON c.id = l.meter_id AND c.is_complete
                      WHERE l.obis = $4 AND l.until_ts > $5 AND l.after_ts < $6) AS lost,
                     count(*) FILTER (WHERE is_troubled AND NOT is_complete) AS troubled FROM member)
             INSERT INTO schedule_day AS d (schedule_id, day, members, complete, lost, troubled, per_day)
             SELECT $7, $8, members, complete, lost, troubled,
                 complete * 86400 / greatest(extract(epoch FROM now() - $6)::int8, 60) FROM counted
             ON CONFLICT (schedule_id, day) DO UPDATE SET members = EXCLUDED.members, complete = EXCLUDED.complete, lost = EXCLUDED.lost,
                 troubled = EXCLUDED.troubled, noted_at = now(),
                 per_day = (15 * d.per_day::int8 + greatest(EXCLUDED.complete - d.complete, 0)::int8 * 86400
                     / greatest(extract(epoch FROM now() - d.noted_at)::int8, 60)) / 16
             RETURNING members, complete, troubled, noted_at,
                 (SELECT coalesce(array_agg(complete ORDER BY line), '{{}}') FROM shared WHERE complete > 0 AND rest > 0),
                 (SELECT coalesce(array_agg(rest ORDER BY line), '{{}}') FROM shared WHERE complete > 0 AND rest > 0),
                 (SELECT coalesce(array_agg(since ORDER BY line), '{{}}') FROM shared WHERE complete > 0 AND rest > 0)"
        );
        let query = sqlx::query_as::<_, Noted>(sqlx::AssertSqlSafe(counted));
        let (members, complete, troubled, noted_at, done, left, since) = query
            .bind(&schedule.model)
            .bind(&schedule.throttle_group)
            .bind(&schedule.serial_prefix)
            .bind(schedule.profile.octets().to_vec())
            .bind(day.from.to_sqlx())
            .bind(day.until.to_sqlx())
            .bind(schedule.id)
            .bind(day.date.to_sqlx())
            .fetch_one(&self.pool)
            .await
            .map_err(failed("store::schedules::note_progress"))?;
        let lines = done.into_iter().zip(left).zip(since);
        let lines =
            lines.map(|((complete, left), since)| LineProgress { complete, left, since: since.to_jiff() });
        let progress = Progress { members, complete, troubled, lines: lines.collect() };
        self.note_outcome(schedule, day, &progress, noted_at.to_jiff()).await?;
        Ok(progress)
    }

    /// What was noted of the days of a schedule, the latest first, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn schedule_days(&self, schedule: i32, limit: i64) -> Result<Vec<ScheduleDay>, Error> {
        sqlx::query_as(
            "/* store::schedules::schedule_days */
             SELECT d.day, d.members, d.complete, d.lost, d.troubled, d.per_day, d.noted_at,
                 array_agg(o.due_at ORDER BY o.due_at) AS due_at, array_agg(o.permille ORDER BY o.due_at) AS permille,
                 array_agg(o.met_at ORDER BY o.due_at) AS met_at, array_agg(o.forecast_at ORDER BY o.due_at) AS forecast_at
             FROM schedule_day d JOIN schedule_outcome o ON o.schedule_id = d.schedule_id AND o.day = d.day
             WHERE d.schedule_id = $1 GROUP BY d.schedule_id, d.day ORDER BY d.day DESC LIMIT $2",
        )
        .bind(schedule)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::schedules::schedule_days"))
    }

    /// Forgets days that ended longer ago than so many days.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn purge_schedule_days(&self, older_than_days: i32) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::schedules::purge_schedule_days */
             WITH outcomes AS (DELETE FROM schedule_outcome WHERE day < current_date - $1)
             DELETE FROM schedule_day WHERE day < current_date - $1",
        )
        .bind(older_than_days)
        .execute(&self.pool)
        .await
        .map_err(failed("store::schedules::purge_schedule_days"))?;
        Ok(done.rows_affected())
    }

    /// What becomes of the goals of a day. Once reached, a goal stays so, whatever is found out of its meters later. That is noted to the minute: whoever looks
    /// at the time of a goal comes a moment after it.
    async fn note_outcome(
        &self,
        schedule: &Schedule,
        day: Day,
        progress: &Progress,
        noted_at: Timestamp,
    ) -> Result<(), Error> {
        let goals: BTreeMap<Timestamp, i16> =
            schedule.goals.iter().map(|goal| (schedule.due_at(day, *goal), goal.permille)).collect();
        let forecasts = goals.values().map(|permille| progress.forecast(*permille, day, noted_at));
        let forecasts: Vec<Option<SqlTimestamp>> = forecasts
            .map(|forecast| match forecast {
                Forecast::At(at) => Some(at.to_sqlx()),
                Forecast::Met | Forecast::Never => None,
            })
            .collect();
        let met = |permille: &i16| i64::from(progress.complete) >= needed(progress.members, *permille);
        sqlx::query(
            "/* store::schedules::note_outcome */
             INSERT INTO schedule_outcome AS o (schedule_id, day, permille, due_at, met_at, forecast_at)
             SELECT $1, $2, permille, due_at, CASE WHEN is_met THEN date_trunc('minute', $7) END, forecast_at
             FROM unnest($3::int2[], $4::timestamptz[], $5::bool[], $6::timestamptz[]) AS n (permille, due_at, is_met, forecast_at)
             ON CONFLICT (schedule_id, day, due_at) DO UPDATE SET permille = EXCLUDED.permille,
                 met_at = coalesce(o.met_at, EXCLUDED.met_at), forecast_at = EXCLUDED.forecast_at",
        )
        .bind(schedule.id)
        .bind(day.date.to_sqlx())
        .bind(goals.values().copied().collect::<Vec<i16>>())
        .bind(goals.keys().map(|due| due.to_sqlx()).collect::<Vec<_>>())
        .bind(goals.values().map(met).collect::<Vec<_>>())
        .bind(forecasts)
        .bind(noted_at.to_sqlx())
        .execute(&self.pool)
        .await
        .map_err(failed("store::schedules::note_outcome"))?;
        Ok(())
    }
}

impl Row {
    fn schedule(self) -> Result<Schedule, Error> {
        let zone = TimeZone::get(&self.zone);
        Ok(Schedule {
            id: self.id,
            profile: obis(&self.obis)?,
            zone: zone.map_err(|_| Error::Unreadable { what: "zone of a schedule", detail: self.zone })?,
            goals: self
                .by_min
                .iter()
                .zip(&self.permille)
                .map(|(by_min, permille)| Goal { by_min: *by_min, permille: *permille })
                .collect(),
            name: self.name,
            model: self.model,
            throttle_group: self.throttle_group,
            serial_prefix: self.serial_prefix,
        })
    }
}

/// The parameters of [`COVERED`].
fn covered<'q>(
    query: sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>,
    schedule: &Schedule,
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    query
        .bind(schedule.model.clone())
        .bind(schedule.throttle_group.clone())
        .bind(schedule.serial_prefix.clone())
}
