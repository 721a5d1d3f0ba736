//! What billing asks for, as it was known at a time: meters in order, captures at the ends of a cycle, intervals that are there and that are missing, maxima.
//!
//! Each statement is about some meters, each with a piece of time of its own, and gives back a few rows for each of them, however many captures it looks at.

use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

use super::flags::Borne;
use super::readings::{Capture, WIDTH};
use super::{Error, FlagRule, Store, failed};

/// Which meters to bill; what is empty or `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BilledFilter {
    /// Only these, by key.
    pub meters: Option<Vec<i32>>,
    /// Only of this model.
    pub model: String,
    /// Only with a serial number that begins so.
    pub serial_prefix: String,
    /// Only of this throttle group.
    pub throttle_group: String,
    /// Only of this line.
    pub line: String,
}

/// A meter to be billed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Billed {
    /// Key.
    pub id: i32,
    /// Serial number.
    pub serial: String,
    /// Name of its model.
    pub model: String,
    /// IANA time zone.
    pub zone: String,
    /// Serial number of the meter that it is a sub-unit of.
    pub parent: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was taken out of service; `None` while it is active.
    pub retired_at: Option<Timestamp>,
}

/// A piece of time of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<'a> {
    /// The meter.
    pub meter: i32,
    /// Its IANA time zone.
    pub zone: &'a str,
    /// Its beginning.
    pub from: jiff::Timestamp,
    /// Its end.
    pub to: jiff::Timestamp,
}

/// A capture with its meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The capture.
    pub capture: Capture,
    /// The meter.
    pub meter: i32,
    /// When this content was stored; `None` when that was not noted.
    pub stored_at: Option<jiff::Timestamp>,
}

impl FromRow<'_, PgRow> for Known {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        const METER: usize = 6 + WIDTH;
        Ok(Self {
            capture: Capture::from_row(row)?,
            meter: row.try_get(METER)?,
            stored_at: row.try_get::<Option<Timestamp>, _>(METER + 1)?.map(Timestamp::to_jiff),
        })
    }
}

/// Which capture of each layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outermost {
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// The intervals of a load profile of a meter.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Intervals {
    /// The meter.
    pub meter: i32,
    /// Logical name of the profile, 6 octets.
    pub profile: Vec<u8>,
    /// Seconds of an interval, of the last one when it changed.
    pub period_s: i32,
    /// How many there are.
    pub present: i64,
    /// How many are missing before the last that is there.
    pub missing: i64,
    /// The end of the last one.
    pub last_ts: Timestamp,
    /// Where gaps begin, by time, the first 1,000.
    pub gaps_from: Vec<Timestamp>,
    /// Where they end.
    pub gaps_to: Vec<Timestamp>,
    /// How many intervals each has.
    pub gaps_missing: Vec<i64>,
    /// When the latest of them was stored.
    pub stored_at: Option<Timestamp>,
}

/// The highest demand that a load profile of a meter holds.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Highest {
    /// The meter.
    pub meter: i32,
    /// Logical name of the profile, 6 octets.
    pub profile: Vec<u8>,
    /// Logical name of the demand, 6 octets.
    pub obis: Vec<u8>,
    /// Power of ten of the value.
    pub scaler: i16,
    /// Unit code.
    pub unit: i16,
    /// The meter's own integer.
    pub value: i64,
    /// End of its interval, of the first one when there are several.
    pub ts: Timestamp,
    /// Layout of its capture.
    pub layout_id: i32,
}

/// A flag about a value of a meter.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Doubted {
    /// The meter.
    pub meter: i32,
    /// The flag.
    #[sqlx(flatten)]
    pub flag: Borne,
    /// When it was raised.
    pub raised_at: Timestamp,
}

/// How many intervals of a load profile of a meter have flags.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Flagged {
    /// The meter.
    pub meter: i32,
    /// Logical name of the profile, 6 octets.
    pub profile: Vec<u8>,
    /// Of this rule; `None` for those with a flag of any.
    pub rule: Option<FlagRule>,
    /// How many.
    pub intervals: i64,
    /// When the latest of the flags was raised.
    pub raised_at: Timestamp,
}

/// What a register of a meter showed last.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Shown {
    /// The meter.
    pub meter: i32,
    /// Logical name, 6 octets.
    pub obis: Vec<u8>,
    /// When it was read.
    pub ts: Timestamp,
    /// The meter's own integer.
    pub value: i64,
    /// Power of ten of the value.
    pub scaler: i16,
    /// Unit code.
    pub unit: i16,
    /// The job that brought it.
    pub job_id: i64,
    /// When it was stored.
    pub stored_at: Timestamp,
}

/// The meters `$1` with their pieces of time and zones, and what is known of their captures within, as of `$4`.
macro_rules! known {
    () => {
        "FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
             CROSS JOIN LATERAL captures_known(ARRAY[w.meter], w.from_ts, w.to_ts, $4) c"
    };
}

/// The columns of [`Known`].
macro_rules! columns {
    () => {
        "c.layout_id, c.ts, c.status, c.clock_offset_min, c.clock_status, c.job_id,
             c.v0, c.v1, c.v2, c.v3, c.v4, c.v5, c.v6, c.v7, c.v8, c.v9, c.v10, c.v11, c.v12, c.v13, c.v14, c.v15,
             w.meter, c.stored_at"
    };
}

/// Whether an interval counts that ends at an instant: when that is one of the period's since the beginning, by UTC or by the clock on the wall, which are two
/// where the period is longer than what the clock is put forward and back by. What a meter captures in between, because its clock was set or its power came
/// back, is none.
macro_rules! is_interval {
    ($ts:literal, $stride:literal) => {
        concat!(
            "(date_bin(",
            $stride,
            ", ",
            $ts,
            ", w.from_ts) = ",
            $ts,
            " OR date_bin(",
            $stride,
            ", ",
            $ts,
            " AT TIME ZONE w.zone, w.from_ts AT TIME ZONE w.zone) = ",
            $ts,
            " AT TIME ZONE w.zone)"
        )
    };
}

const INTERVALS: &str = concat!(
    "/* store::billing_intervals */
     WITH captured AS (
         SELECT w.meter, l.obis, l.period_s, l.stride, c.ts, c.stored_at,
             lag(c.ts, 1, w.from_ts) OVER (PARTITION BY w.meter, l.obis ORDER BY c.ts) AS before,
             lead(c.ts) OVER (PARTITION BY w.meter, l.obis ORDER BY c.ts) IS NULL AS is_last
         FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
         CROSS JOIN (
             SELECT id, obis, period_s, period_s * interval '1 second' AS stride FROM profile_layout WHERE period_s BETWEEN 1 AND 86399) AS l
         CROSS JOIN LATERAL captures_known(ARRAY[w.meter], w.from_ts, w.to_ts, $4) c
         WHERE c.layout_id = l.id AND c.ts > w.from_ts AND ",
    is_interval!("c.ts", "l.stride"),
    "),
     counted AS (
         SELECT *, CASE WHEN ts - before > stride THEN trunc(extract(epoch FROM ts - before) / period_s)::int8 - 1 ELSE 0 END AS missing FROM captured)
     SELECT meter, obis AS profile, max(period_s) FILTER (WHERE is_last) AS period_s, count(*) FILTER (WHERE before <> ts) AS present,
         sum(missing)::int8 AS missing, max(ts) AS last_ts, max(stored_at) AS stored_at,
         coalesce((array_agg(before ORDER BY ts) FILTER (WHERE missing > 0))[1:1000], '{}') AS gaps_from,
         coalesce((array_agg(before + missing * stride ORDER BY ts) FILTER (WHERE missing > 0))[1:1000], '{}') AS gaps_to,
         coalesce((array_agg(missing ORDER BY ts) FILTER (WHERE missing > 0))[1:1000], '{}') AS gaps_missing
     FROM counted GROUP BY meter, obis ORDER BY meter, obis"
);

/// Demands are D = 4 and 5, the current and the last average (IEC 62056-6-1, 5.4). Each is looked for by itself, in the captures that have it, and only the
/// highest of each leaves the scan.
const HIGHEST: &str =
    "/* store::billing_highest */
     SELECT DISTINCT ON (w.meter, d.obis) w.meter, d.profile, d.obis, d.scaler, d.unit, c.value, c.ts, d.id AS layout_id
     FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
     CROSS JOIN (
         SELECT l.id, l.obis AS profile, s.obis, s.slot, s.scaler, s.unit FROM profile_layout l JOIN profile_slot s ON s.layout_id = l.id
         WHERE l.period_s BETWEEN 1 AND 86399 AND s.slot IS NOT NULL AND get_byte(s.obis, 0) = 1 AND get_byte(s.obis, 3) IN (4, 5)) AS d
     CROSS JOIN LATERAL (
         SELECT v.value, k.ts FROM captures_known(ARRAY[w.meter], w.from_ts, w.to_ts, $4) k
         CROSS JOIN LATERAL (SELECT CASE d.slot
             WHEN 0 THEN k.v0 WHEN 1 THEN k.v1 WHEN 2 THEN k.v2 WHEN 3 THEN k.v3 WHEN 4 THEN k.v4 WHEN 5 THEN k.v5
             WHEN 6 THEN k.v6 WHEN 7 THEN k.v7 WHEN 8 THEN k.v8 WHEN 9 THEN k.v9 WHEN 10 THEN k.v10 WHEN 11 THEN k.v11
             WHEN 12 THEN k.v12 WHEN 13 THEN k.v13 WHEN 14 THEN k.v14 WHEN 15 THEN k.v15 END AS value) AS v
         WHERE k.layout_id = d.id AND k.ts > w.from_ts AND v.value IS NOT NULL ORDER BY v.value DESC, k.ts LIMIT 1) AS c
     ORDER BY w.meter, d.obis, scaled(c.value, d.scaler) DESC, c.ts, d.id";

const FLAGGED: &str = concat!(
    "/* store::billing_flagged */
     SELECT w.meter, l.obis AS profile, f.rule, count(DISTINCT f.ts) AS intervals, max(f.raised_at) AS raised_at
     FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
     JOIN reading_flag f ON f.meter_id = w.meter AND f.ts > w.from_ts AND f.ts <= w.to_ts
         AND f.raised_at <= $4 AND (f.withdrawn_at IS NULL OR f.withdrawn_at > $4)
     JOIN profile_layout l ON l.id = f.layout_id AND l.period_s BETWEEN 1 AND 86399
     WHERE ",
    is_interval!("f.ts", "l.period_s * interval '1 second'"),
    "
     GROUP BY GROUPING SETS ((w.meter, l.obis), (w.meter, l.obis, f.rule)) ORDER BY w.meter, l.obis, f.rule"
);

const WITHIN: &str = concat!(
    "/* store::billing_captures */ SELECT ",
    columns!(),
    " ",
    known!(),
    " ORDER BY w.meter, c.ts, c.layout_id"
);

const FIRST: &str = concat!(
    "/* store::billing_outermost */ SELECT DISTINCT ON (w.meter, c.layout_id) ",
    columns!(),
    " ",
    known!(),
    " ORDER BY w.meter, c.layout_id, c.ts"
);

const LAST: &str = concat!(
    "/* store::billing_outermost */ SELECT DISTINCT ON (w.meter, c.layout_id) ",
    columns!(),
    " ",
    known!(),
    " ORDER BY w.meter, c.layout_id, c.ts DESC"
);

impl Store {
    /// Meters in the order of their keys, from behind `after` on, at most `limit`, as the inventory described them at a time.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billed_meters(
        &self,
        filter: &BilledFilter,
        known_at: jiff::Timestamp,
        after: i32,
        limit: i64,
    ) -> Result<Vec<Billed>, Error> {
        let query = sqlx::query_as(
            "/* store::billed_meters */
             SELECT m.id, m.serial, k.model, k.zone, p.serial AS parent, m.created_at, k.retired_at
             FROM meter m CROSS JOIN LATERAL (
                 SELECT w.model, w.zone, w.parent_id, w.retired_at, w.until FROM meter_was w WHERE w.meter_id = m.id AND w.until > $8
                 UNION ALL SELECT m.model, m.zone, m.parent_id, m.retired_at, 'infinity'
                 ORDER BY until LIMIT 1) AS k
             LEFT JOIN meter p ON p.id = k.parent_id
             WHERE m.id > $1 AND ($2::int4[] IS NULL OR m.id = ANY ($2)) AND ($3 = '' OR k.model = $3) AND starts_with(m.serial, $4)
                 AND ($5 = '' OR m.throttle_group = $5) AND ($6 = '' OR m.line = $6)
             ORDER BY m.id LIMIT $7",
        );
        let query = query.bind(after).bind(&filter.meters).bind(&filter.model).bind(&filter.serial_prefix);
        let query =
            query.bind(&filter.throttle_group).bind(&filter.line).bind(limit).bind(known_at.to_sqlx());
        query.fetch_all(self.pool()).await.map_err(failed("store::billed_meters"))
    }

    /// The captures of meters within pieces of time, both ends inclusive.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_captures(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Known>, Error> {
        self.within(WITHIN, "store::billing_captures", windows, known_at).await
    }

    /// The first or the last capture of each layout of meters within pieces of time, both ends inclusive.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_outermost(
        &self,
        windows: &[Window<'_>],
        which: Outermost,
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Known>, Error> {
        let statement = match which {
            Outermost::First => FIRST,
            Outermost::Last => LAST,
        };
        self.within(statement, "store::billing_outermost", windows, known_at).await
    }

    /// The highest demands of the load profiles of meters within pieces of time, the beginnings excluded.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_highest(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Highest>, Error> {
        self.within(HIGHEST, "store::billing_highest", windows, known_at).await
    }

    /// The intervals of the load profiles of meters within pieces of time.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_intervals(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Intervals>, Error> {
        self.within(INTERVALS, "store::billing_intervals", windows, known_at).await
    }

    /// What the registers of meters showed last within pieces of time, both ends inclusive.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_registers(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Shown>, Error> {
        let statement = "/* store::billing_registers */
             SELECT DISTINCT ON (w.meter, r.obis) w.meter, r.obis, r.ts, r.value, r.scaler, r.unit, r.job_id, coalesce(r.stored_at, r.ts) AS stored_at
             FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
             JOIN register_row r ON r.meter_id = w.meter AND r.attribute = 2 AND r.ts >= w.from_ts AND r.ts <= w.to_ts
                 AND coalesce(r.stored_at, r.ts) <= $4
             ORDER BY w.meter, r.obis, r.ts DESC";
        self.within(statement, "store::billing_registers", windows, known_at).await
    }

    /// The meters of which a ratio of transformers changed within pieces of time, or may have, and when that was stored.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_ratio_changes(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<(i32, Timestamp)>, Error> {
        let statement = "/* store::billing_ratio_changes */
             SELECT w.meter, max(r.stored_at)
             FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
             JOIN meter_ratio r ON r.meter_id = w.meter AND r.since > w.from_ts AND r.before < w.to_ts AND r.stored_at <= $4
             GROUP BY w.meter";
        self.within(statement, "store::billing_ratio_changes", windows, known_at).await
    }

    /// The flags about readings of meters within pieces of time, both ends inclusive.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_flags(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Doubted>, Error> {
        let statement = "/* store::billing_flags */
             SELECT w.meter, f.ts, f.layout_id, f.obis, f.attribute, f.rule, f.raised_at
             FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $5::text[]) AS w (meter, from_ts, to_ts, zone)
             JOIN reading_flag f ON f.meter_id = w.meter AND f.ts >= w.from_ts AND f.ts <= w.to_ts
                 AND f.raised_at <= $4 AND (f.withdrawn_at IS NULL OR f.withdrawn_at > $4)
             ORDER BY w.meter, f.ts, f.rule";
        self.within(statement, "store::billing_flags", windows, known_at).await
    }

    /// How many intervals of the load profiles of meters have flags within pieces of time, by rule.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn billing_flagged(
        &self,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<Flagged>, Error> {
        self.within(FLAGGED, "store::billing_flagged", windows, known_at).await
    }

    async fn within<T>(
        &self,
        statement: &'static str,
        name: &'static str,
        windows: &[Window<'_>],
        known_at: jiff::Timestamp,
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query_as(statement);
        let query = query.bind(each(windows, |window| window.meter));
        let query = query.bind(each(windows, |window| window.from.to_sqlx()));
        let query = query.bind(each(windows, |window| window.to.to_sqlx())).bind(known_at.to_sqlx());
        let query = query.bind(each(windows, |window| window.zone));
        query.fetch_all(self.pool()).await.map_err(failed(name))
    }
}

fn each<'a, T>(windows: &[Window<'a>], part: impl Fn(&Window<'a>) -> T) -> Vec<T> {
    windows.iter().map(part).collect()
}
