//! What the planner looks at, and the jobs it makes.

use std::collections::BTreeMap;

use collectors::MeterId;
use dlms::Obis;
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::{FromRow, Postgres, QueryBuilder};

use super::layouts::{obis, small};
use super::troubles::WHOLE;
use super::{Error, JOB_CHANNEL, JobKind, Store, failed};
use crate::plan::{Look, MeterState, PlannedJob, ProfileState};

#[derive(FromRow)]
struct MeterRow {
    id: i32,
    serial: String,
    model: String,
    created_at: SqlTimestamp,
    look_at: SqlTimestamp,
    identified_at: Option<SqlTimestamp>,
    identify_tried_at: Option<SqlTimestamp>,
    registers_tried_at: Option<SqlTimestamp>,
    nodes_tried_at: Option<SqlTimestamp>,
    throttle_group: Option<String>,
    is_subunit: bool,
}

#[derive(FromRow)]
struct ProfileRow {
    meter_id: i32,
    obis: Vec<u8>,
    period_s: Option<i32>,
    capacity: Option<i64>,
    last_ts: Option<SqlTimestamp>,
    read_at: Option<SqlTimestamp>,
    tried_at: Option<SqlTimestamp>,
    hole_tried_at: Option<SqlTimestamp>,
    absent_after: Option<SqlTimestamp>,
    absent_at: Option<SqlTimestamp>,
    after: Vec<SqlTimestamp>,
    until: Vec<SqlTimestamp>,
}

/// The columns of [`MeterRow`].
const COLUMNS: &str = "SELECT m.id, m.serial, m.model, m.created_at, p.look_at, m.identified_at, m.identify_tried_at, m.registers_tried_at, m.nodes_tried_at,
    m.throttle_group, m.subunit IS NOT NULL AS is_subunit FROM meter m JOIN meter_plan p ON p.meter_id = m.id ";

impl Store {
    /// Meters that are to be looked at until `now`, the longest due first, at most `limit`, and how far their profiles have been read.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn due_looks(&self, now: Timestamp, limit: u16) -> Result<Vec<MeterState>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::planned::due_looks */ ");
        query.push(COLUMNS).push("WHERE p.look_at <= ").push_bind(now.to_sqlx());
        query.push(" AND m.state = 'active' ORDER BY p.look_at LIMIT ").push_bind(i64::from(limit));
        let meters = query.build_query_as().fetch_all(&self.pool).await;
        self.states(meters.map_err(failed("store::planned::due_looks"))?).await
    }

    /// Active meters with an id above `after`, in order, at most `limit`, and how far their profiles have been read.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn planning_page(&self, after: MeterId, limit: u16) -> Result<Vec<MeterState>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::planned::planning_page */ ");
        query.push(COLUMNS).push("WHERE m.id > ").push_bind(after);
        query.push(" AND m.state = 'active' ORDER BY m.id LIMIT ").push_bind(i64::from(limit));
        let meters = query.build_query_as().fetch_all(&self.pool).await;
        self.states(meters.map_err(failed("store::planned::planning_page"))?).await
    }

    /// The same of these meters, as far as they are active.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn planning_states(&self, meters: &[MeterId]) -> Result<Vec<MeterState>, Error> {
        let mut query = QueryBuilder::<Postgres>::new("/* store::planned::planning_states */ ");
        query.push(COLUMNS).push("WHERE m.id = ANY (").push_bind(meters.to_vec());
        query.push(") AND m.state = 'active' ORDER BY m.id");
        let meters = query.build_query_as().fetch_all(&self.pool).await;
        self.states(meters.map_err(failed("store::planned::planning_states"))?).await
    }

    /// Says when meters are to be looked at again, unless something has happened since they were looked at.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn looked(&self, looks: &[Look]) -> Result<(), Error> {
        if looks.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "/* store::planned::looked */
             UPDATE meter_plan p SET look_at = l.again FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[]) AS l (id, was, again)
             WHERE p.meter_id = l.id AND p.look_at = l.was",
        )
        .bind(looks.iter().map(|look| look.meter).collect::<Vec<_>>())
        .bind(looks.iter().map(|look| look.was.to_sqlx()).collect::<Vec<_>>())
        .bind(looks.iter().map(|look| look.again.to_sqlx()).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .map_err(failed("store::planned::looked"))?;
        Ok(())
    }

    /// Notes what the planning of each model depends on; has the meters of those that are new or changed looked at at once. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn plan_by(&self, bases: &[(&str, [u8; 32])]) -> Result<u64, Error> {
        let looks = sqlx::query(
            "/* store::planned::plan_by */
             WITH changed AS (
                 INSERT INTO plan_basis AS b (model, digest) SELECT * FROM unnest($1::text[], $2::bytea[])
                 ON CONFLICT (model) DO UPDATE SET digest = EXCLUDED.digest WHERE b.digest <> EXCLUDED.digest RETURNING model)
             UPDATE meter_plan p SET look_at = now() FROM changed c JOIN meter m ON m.model = c.model
             WHERE p.meter_id = m.id AND m.state = 'active' AND p.look_at > now()",
        )
        .bind(bases.iter().map(|(model, _)| (*model).to_owned()).collect::<Vec<_>>())
        .bind(bases.iter().map(|(_, digest)| digest.to_vec()).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .map_err(failed("store::planned::plan_by"))?;
        Ok(looks.rows_affected())
    }

    /// Meters with how far their profiles have been read.
    async fn states(&self, meters: Vec<MeterRow>) -> Result<Vec<MeterState>, Error> {
        let rows: Vec<ProfileRow> = sqlx::query_as(
            "/* store::planned::states */
             SELECT p.meter_id, p.obis, (SELECT period_s FROM profile_layout l WHERE l.id = p.layout_id) AS period_s, p.capacity, p.last_ts, p.read_at, p.tried_at, p.hole_tried_at,
                 lower(p.absent) AS absent_after, p.absent_at, c.after, c.until
             FROM meter_profile p CROSS JOIN LATERAL (
                 SELECT coalesce(array_agg(lower(r) ORDER BY r), '{}') AS after,
                        coalesce(array_agg(upper(r) ORDER BY r), '{}') AS until FROM unnest(p.coverage) AS r) AS c
             WHERE p.meter_id = ANY ($1) ORDER BY p.meter_id",
        )
        .bind(meters.iter().map(|meter| meter.id).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::planned::states"))?;
        let mut profiles: BTreeMap<MeterId, BTreeMap<Obis, ProfileState>> = BTreeMap::new();
        for row in rows {
            profiles.entry(row.meter_id).or_default().insert(obis(&row.obis)?, row.state()?);
        }
        let rows: Vec<(MeterId, String, bool)> = sqlx::query_as(
            "/* store::planned::states */ SELECT meter_id, scope, needs_person FROM meter_trouble WHERE meter_id = ANY ($1)",
        )
        .bind(meters.iter().map(|meter| meter.id).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::planned::states"))?;
        let mut troubles: BTreeMap<MeterId, Vec<(String, bool)>> = BTreeMap::new();
        for (meter, scope, needs_person) in rows {
            troubles.entry(meter).or_default().push((scope, needs_person));
        }
        Ok(meters.into_iter().map(|meter| meter.state(&mut profiles, &mut troubles)).collect())
    }

    /// Makes jobs of what was planned. What waits or runs already is not made again; `OFFSET 0` has that looked up by the meter, whatever the server believes of its
    /// indexes. Returns how many were made.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`] for a meter that does not exist.
    pub async fn insert_planned(&self, jobs: &[PlannedJob]) -> Result<u64, Error> {
        if jobs.is_empty() {
            return Ok(0);
        }
        let made: i64 = sqlx::query_scalar(
            "/* store::planned::insert_planned */
             WITH made AS (
                 INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, max_attempts, priority, wanted_by, kept_s)
                 SELECT meter_id, kind, obis, from_ts, to_ts, max_attempts, priority, wanted_by, kept_s
                 FROM unnest($1::int4[], $2::job_kind[], $3::bytea[], $4::timestamptz[], $5::timestamptz[], $6::int2[], $7::int2[],
                     $8::timestamptz[], $9::int8[])
                     AS p (meter_id, kind, obis, from_ts, to_ts, max_attempts, priority, wanted_by, kept_s)
                 WHERE NOT EXISTS (
                     SELECT FROM job j WHERE j.meter_id = p.meter_id AND j.kind = p.kind
                         AND coalesce(j.obis, '') = coalesce(p.obis, '')
                         AND j.finished_at IS NULL AND j.priority = p.priority AND (p.priority = 0 OR j.from_ts = p.from_ts) OFFSET 0)
                 ON CONFLICT DO NOTHING RETURNING id),
             told AS (SELECT pg_notify($10, min(id)::text) FROM made HAVING count(*) > 0)
             SELECT (SELECT count(*) FROM made) + 0 * (SELECT count(*) FROM told)",
        )
        .bind(jobs.iter().map(|job| job.meter).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.kind).collect::<Vec<JobKind>>())
        .bind(jobs.iter().map(|job| job.obis.map(|obis| obis.octets().to_vec())).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.range.map(|(from, _)| from.to_sqlx())).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.range.map(|(_, to)| to.to_sqlx())).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.max_attempts).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.priority).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.wanted_by.to_sqlx()).collect::<Vec<_>>())
        .bind(jobs.iter().map(|job| job.kept.map(|kept| kept.as_secs())).collect::<Vec<_>>())
        .bind(JOB_CHANNEL)
        .fetch_one(&self.pool)
        .await
        .map_err(failed("store::planned::insert_planned"))?;
        Ok(made.unsigned_abs())
    }
}

impl MeterRow {
    fn state(
        self,
        profiles: &mut BTreeMap<MeterId, BTreeMap<Obis, ProfileState>>,
        troubles: &mut BTreeMap<MeterId, Vec<(String, bool)>>,
    ) -> MeterState {
        let troubles = troubles.remove(&self.id).unwrap_or_default();
        MeterState {
            meter: self.id,
            serial: self.serial,
            model: self.model,
            since: self.created_at.to_jiff(),
            look_at: self.look_at.to_jiff(),
            identified_at: self.identified_at.map(SqlTimestamp::to_jiff),
            identify_tried_at: self.identify_tried_at.map(SqlTimestamp::to_jiff),
            registers_tried_at: self.registers_tried_at.map(SqlTimestamp::to_jiff),
            nodes_tried_at: self.nodes_tried_at.map(SqlTimestamp::to_jiff),
            throttle_group: self.throttle_group,
            is_subunit: self.is_subunit,
            is_silent: troubles.iter().any(|(scope, _)| scope == WHOLE),
            stuck: troubles.into_iter().filter_map(|(scope, needs)| needs.then_some(scope)).collect(),
            schedules: Vec::new(),
            profiles: profiles.remove(&self.id).unwrap_or_default(),
        }
    }
}

impl ProfileRow {
    fn state(&self) -> Result<ProfileState, Error> {
        let coverage =
            self.after.iter().zip(&self.until).map(|(after, until)| (after.to_jiff(), until.to_jiff()));
        Ok(ProfileState {
            period_s: self.period_s.map(|period| small("capture period", period)).transpose()?,
            capacity: self.capacity.map(|rows| small("capacity", rows)).transpose()?,
            last_ts: self.last_ts.map(SqlTimestamp::to_jiff),
            read_at: self.read_at.map(SqlTimestamp::to_jiff),
            tried_at: self.tried_at.map(SqlTimestamp::to_jiff),
            hole_tried_at: self.hole_tried_at.map(SqlTimestamp::to_jiff),
            coverage: coverage.collect(),
            absent: self.absent_after.zip(self.absent_at).map(|(after, at)| (after.to_jiff(), at.to_jiff())),
        })
    }
}
