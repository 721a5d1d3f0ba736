//! What the clocks of meters showed: the latest of each, and what was kept before. Written by [`super::batch`], inside of its transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use collectors::{ClockReading, ClockSetup, JobId, MeterId, ZoneFault};
use jiff::SignedDuration;
use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::PgConnection;

use super::jobs::interval;
use super::{Error, Store, failed};

/// Measurements that one statement deletes at most.
const PURGE: i64 = 10_000;

/// What a meter's clock showed, and the job that looked.
pub(super) type Shown = (MeterId, JobId, ClockReading);

/// The latest that is known of the clock of a meter.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MeterClock {
    /// The meter.
    pub meter_id: MeterId,
    /// Its serial number.
    pub serial: String,
    /// When it was looked at.
    pub read_at: Timestamp,
    /// What it showed.
    pub meter_ts: Timestamp,
    /// Milliseconds by which it is ahead of the collector's clock.
    pub drift_ms: i64,
    /// How far the true difference may be from that.
    pub uncertainty_ms: i64,
    /// Its offset from UTC in minutes; `None` when it did not say.
    pub offset_min: Option<i16>,
    /// Clock status bits; 255 = not given.
    pub status: i16,
    /// Milliseconds by which the collector's clock was ahead of the database's; `None` when they were not compared.
    pub server_ms: Option<i64>,
    /// What will be wrong in the zone of its place, a word of `clock_zone_fault`; `None` where nothing is known to be.
    pub zone_fault: Option<String>,
}

/// Which clocks to list; what is `None` or false does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockFilter {
    /// Only those that are off by at least so many milliseconds.
    pub least_ms: i64,
    /// Only of meters of this model.
    pub model: Option<String>,
    /// Only those that are set up for another zone than that of their place.
    pub zone_faults: bool,
}

/// A clock that is to be put right by itself.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct WrongClock {
    /// The meter.
    pub meter_id: MeterId,
    /// Its serial number.
    pub serial: String,
}

/// The columns of [`MeterClock`], and where they come from.
const LATEST: &str = "SELECT k.meter_id, m.serial, k.read_at, k.meter_ts, k.drift_ms, k.uncertainty_ms, k.offset_min, k.status, k.server_ms,
    z.zone_fault::text
    FROM meter_clock k JOIN meter m ON m.id = k.meter_id LEFT JOIN meter_clock_setup z ON z.meter_id = k.meter_id";

impl Store {
    /// How far the clock of this machine is ahead of that of the database, and how far the truth may be from that.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn compare_clock(&self) -> Result<(SignedDuration, SignedDuration), Error> {
        let failed = failed("store::compare_clock");
        let mut connection = self.pool().acquire().await.map_err(&failed)?;
        let begun = Instant::now();
        let server: Timestamp = sqlx::query_scalar("/* store::compare_clock */ SELECT clock_timestamp()")
            .fetch_one(&mut *connection)
            .await
            .map_err(&failed)?;
        let (now, took) = (jiff::Timestamp::now(), begun.elapsed());
        let half = SignedDuration::try_from(took / 2).unwrap_or(SignedDuration::MAX);
        Ok((now.duration_since(server.to_jiff()) - half, half))
    }

    /// Clocks of meters in service, the one that is farthest off first; behind a place of the list, given by drift and meter, when there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn worst_clocks(
        &self,
        filter: &ClockFilter,
        behind: Option<(i64, MeterId)>,
        limit: i64,
    ) -> Result<Vec<MeterClock>, Error> {
        let (drift, meter) = behind.unzip();
        let statement = format!(
            "/* store::worst_clocks */ {LATEST}
             WHERE m.state = 'active' AND abs(k.drift_ms) >= $1 AND ($2::text IS NULL OR m.model = $2)
                 AND ($3::int8 IS NULL OR (abs(k.drift_ms), k.meter_id) < ($3, $4))
             AND (NOT $6 OR z.zone_fault IS NOT NULL)
             ORDER BY abs(k.drift_ms) DESC, k.meter_id DESC LIMIT $5"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(filter.least_ms)
            .bind(&filter.model)
            .bind(drift)
            .bind(meter)
            .bind(limit)
            .bind(filter.zone_faults)
            .fetch_all(self.pool())
            .await
            .map_err(failed("store::worst_clocks"))
    }

    /// What was kept of the clock of a meter, the newest first, and only what is older than `before`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn clock_readings(
        &self,
        meter: MeterId,
        before: Option<jiff::Timestamp>,
        limit: i64,
    ) -> Result<Vec<MeterClock>, Error> {
        sqlx::query_as(
            "/* store::clock_readings */
             SELECT k.meter_id, m.serial, k.read_at, k.meter_ts, k.drift_ms, k.uncertainty_ms, k.offset_min, k.status, k.server_ms,
                 NULL AS zone_fault
             FROM clock_reading k JOIN meter m ON m.id = k.meter_id
             WHERE k.meter_id = $1 AND ($2::timestamptz IS NULL OR k.read_at < $2) ORDER BY k.read_at DESC LIMIT $3",
        )
        .bind(meter)
        .bind(before.map(|before| before.to_sqlx()))
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::clock_readings"))
    }

    /// Clocks that are off by more than `tolerance_ms`, and by less than their model's number of `models`, the worst first: of meters in service
    /// that were looked at within a day, and of which none was ordered to be put right since then.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn clocks_to_sync(
        &self,
        models: &BTreeMap<&str, i64>,
        tolerance_ms: i64,
        limit: i64,
    ) -> Result<Vec<WrongClock>, Error> {
        sqlx::query_as(
            "/* store::clocks_to_sync */
             SELECT k.meter_id, m.serial FROM meter_clock k JOIN meter m ON m.id = k.meter_id
             JOIN unnest($1::text[], $2::int8[]) AS c (model, most_ms) ON c.model = m.model
             WHERE abs(k.drift_ms) > $3 AND abs(k.drift_ms) < c.most_ms AND abs(k.drift_ms) > k.uncertainty_ms
                 AND m.state = 'active' AND m.subunit IS NULL AND k.read_at > now() - interval '1 day'
                 AND NOT EXISTS (
                     SELECT FROM command o WHERE o.meter_id = k.meter_id AND o.kind = 'sync_clock' AND o.created_at > now() - interval '1 day')
             ORDER BY abs(k.drift_ms) DESC LIMIT $4",
        )
        .bind(models.keys().map(|model| (*model).to_owned()).collect::<Vec<_>>())
        .bind(models.values().copied().collect::<Vec<_>>())
        .bind(tolerance_ms)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::clocks_to_sync"))
    }

    /// How many meters in service have a clock that is off by more than `tolerance_ms`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn wrong_clocks(&self, tolerance_ms: i64) -> Result<i64, Error> {
        sqlx::query_scalar(
            "/* store::wrong_clocks */
             SELECT count(*) FROM meter_clock k JOIN meter m ON m.id = k.meter_id
             WHERE abs(k.drift_ms) > $1 AND m.state = 'active'",
        )
        .bind(tolerance_ms)
        .fetch_one(self.pool())
        .await
        .map_err(failed("store::wrong_clocks"))
    }

    /// Deletes measurements that are older than `keep`, some at a time; the latest of each meter stays. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn purge_clocks(&self, keep: Duration) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::purge_clocks */
             DELETE FROM clock_reading WHERE ctid IN (
                 SELECT ctid FROM clock_reading WHERE read_at < now() - $1::interval LIMIT $2)",
        )
        .bind(interval(keep))
        .bind(PURGE)
        .execute(self.pool())
        .await
        .map_err(failed("store::purge_clocks"))?;
        Ok(done.rows_affected())
    }
}

/// Stores what clocks showed while the clock of this machine was `server_ms` ahead of the database's. What somebody asked for is kept, as is
/// what was found out about an order; of what was looked at beside something else one in an hour, and every change by more than a second.
pub(super) async fn write(
    connection: &mut PgConnection,
    clocks: &[Shown],
    server_ms: Option<i64>,
) -> Result<(), Error> {
    if clocks.is_empty() {
        return Ok(());
    }
    let whole = |duration: SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    sqlx::query(
        "/* store::clocks::write */
         WITH n AS (
             SELECT * FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $4::int2[], $5::int2[], $6::int8[], $7::int8[], $8::int8[],
                 $9::int8[]) AS n (meter_id, read_at, meter_ts, offset_min, status, delay_ms, job_id, drift_ms, uncertainty_ms)),
         kept AS (
             INSERT INTO clock_reading (meter_id, read_at, meter_ts, offset_min, status, delay_ms, job_id, drift_ms, uncertainty_ms, server_ms)
             SELECT n.*, $10 FROM n
             LEFT JOIN job j ON j.id = n.job_id LEFT JOIN meter_clock k ON k.meter_id = n.meter_id
             WHERE k.meter_id IS NULL OR coalesce(j.kind, 'command') IN ('read_clock', 'command')
                 OR k.kept_at < n.read_at - interval '1 hour' OR k.kept_status <> n.status
                 OR abs(k.kept_drift_ms - n.drift_ms) > 1000 + n.uncertainty_ms
             ON CONFLICT DO NOTHING RETURNING meter_id, read_at, drift_ms, status)
         INSERT INTO meter_clock AS c (meter_id, read_at, meter_ts, drift_ms, uncertainty_ms, offset_min, status, server_ms, kept_at,
             kept_drift_ms, kept_status)
         SELECT DISTINCT ON (n.meter_id) n.meter_id, n.read_at, n.meter_ts, n.drift_ms, n.uncertainty_ms, n.offset_min, n.status, $10,
             coalesce(e.read_at, k.kept_at, n.read_at), coalesce(e.drift_ms, k.kept_drift_ms, n.drift_ms),
             coalesce(e.status, k.kept_status, n.status)
         FROM n JOIN meter m ON m.id = n.meter_id LEFT JOIN meter_clock k ON k.meter_id = n.meter_id
         LEFT JOIN kept e ON e.meter_id = n.meter_id
         ORDER BY n.meter_id, n.read_at DESC, e.read_at DESC
         ON CONFLICT (meter_id) DO UPDATE SET read_at = EXCLUDED.read_at, meter_ts = EXCLUDED.meter_ts, drift_ms = EXCLUDED.drift_ms,
             uncertainty_ms = EXCLUDED.uncertainty_ms, offset_min = EXCLUDED.offset_min, status = EXCLUDED.status,
             server_ms = EXCLUDED.server_ms, kept_at = EXCLUDED.kept_at, kept_drift_ms = EXCLUDED.kept_drift_ms,
             kept_status = EXCLUDED.kept_status
         WHERE c.read_at <= EXCLUDED.read_at",
    )
    .bind(clocks.iter().map(|(meter, ..)| *meter).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| clock.read_at.to_sqlx()).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| clock.shown.to_sqlx()).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| clock.offset_min).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| i16::from(clock.status)).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| i64::try_from(clock.delay.as_millis()).unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(_, job, _)| *job).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| whole(clock.drift())).collect::<Vec<_>>())
    .bind(clocks.iter().map(|(.., clock)| whole(clock.uncertainty())).collect::<Vec<_>>())
    .bind(server_ms)
    .execute(connection)
    .await
    .map_err(failed("store::clocks::write"))?;
    Ok(())
}

/// Stores how clocks are set up.
pub(super) async fn write_setups(
    connection: &mut PgConnection,
    setups: &BTreeMap<MeterId, (ClockSetup, Option<ZoneFault>)>,
) -> Result<(), Error> {
    if setups.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::clocks::write_setups */
         INSERT INTO meter_clock_setup (meter_id, standard_min, summer, saving_min, zone_fault)
         SELECT n.meter_id, n.standard_min, n.summer, n.saving_min, n.zone_fault::clock_zone_fault
         FROM unnest($1::int4[], $2::int2[], $3::bool[], $4::int2[], $5::text[]) AS n (meter_id, standard_min, summer, saving_min, zone_fault)
         JOIN meter m ON m.id = n.meter_id
         ON CONFLICT (meter_id) DO UPDATE SET read_at = now(), standard_min = EXCLUDED.standard_min, summer = EXCLUDED.summer,
             saving_min = EXCLUDED.saving_min, zone_fault = EXCLUDED.zone_fault",
    )
    .bind(setups.keys().copied().collect::<Vec<_>>())
    .bind(setups.values().map(|(setup, _)| setup.standard_min).collect::<Vec<_>>())
    .bind(setups.values().map(|(setup, _)| setup.summer).collect::<Vec<_>>())
    .bind(setups.values().map(|(setup, _)| setup.saving_min).collect::<Vec<_>>())
    .bind(setups.values().map(|(_, fault)| fault.map(ZoneFault::as_str)).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::clocks::write_setups"))?;
    Ok(())
}
