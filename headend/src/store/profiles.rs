//! How far each profile of each meter has been read: layout, high-water mark and coverage.
//!
//! A covered range is `(after, until]`: a capture at the end of an interval covers that interval. A gap is a difference of
//! ranges.

use std::collections::BTreeMap;

use collectors::MeterId;
use dlms::Obis;
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::{FromRow, PgConnection};

use super::layouts::{obis, small};
use super::{Error, Store, failed};
use crate::validate::Memory;

/// A profile of a meter.
pub type ProfileKey = (MeterId, Obis);

/// A range of time without its first instant and with its last.
pub type Range = (Timestamp, Timestamp);

/// What is known of a profile before a batch is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// High-water mark, in microseconds since 1970.
    pub(super) last_ts: Option<i64>,
    /// Capture period of its layout, in seconds.
    pub(super) period_s: Option<u32>,
    /// Rows were left out of it that could not be read, and were not read since.
    pub(super) has_left_out: bool,
    /// The model of its meter.
    pub(super) model: String,
    /// What its next captures are compared with, and the layout that it is about.
    pub(super) trusted: Option<(i32, Memory)>,
}

/// What a batch adds to a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Advance {
    /// Its columns now.
    pub(super) layout: Option<i32>,
    /// Rows that it keeps now.
    pub(super) capacity: Option<u32>,
    /// They were read.
    pub(super) layout_read: bool,
    /// The latest capture.
    pub(super) last_ts: Option<Timestamp>,
    /// What is now covered.
    pub(super) covered: Vec<Range>,
    /// What it was asked for, and did not give, for the first time.
    pub(super) absent: Vec<Range>,
    /// A read of it succeeded.
    pub(super) read: bool,
    /// A planned read of new captures ended.
    pub(super) tried: bool,
    /// A planned read of a hole ended.
    pub(super) hole_tried: bool,
    /// What its next captures are compared with.
    pub(super) trusted: Option<Memory>,
}

#[derive(FromRow)]
struct MarkRow {
    meter_id: i32,
    obis: Vec<u8>,
    last_ts: Option<SqlTimestamp>,
    period_s: Option<i32>,
    has_left_out: bool,
    model: String,
    layout_id: Option<i32>,
    trusted: Option<Vec<u8>>,
}

impl MarkRow {
    fn mark(self) -> Result<(ProfileKey, Mark), Error> {
        let Self { last_ts, period_s, has_left_out, model, .. } = self;
        let mark = Mark {
            last_ts: last_ts.map(|time| time.to_jiff().as_microsecond()),
            period_s: period_s.map(|period| small("capture period", period)).transpose()?,
            has_left_out,
            model,
            trusted: self.layout_id.zip(self.trusted.as_deref().map(Memory::stored)),
        };
        Ok(((self.meter_id, obis(&self.obis)?), mark))
    }
}

impl Store {
    /// What is not covered of a profile between two instants, in order: exactly the difference of the ranges. All of it when
    /// the profile was never read.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn gaps(
        &self,
        meter: MeterId,
        profile: Obis,
        after: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Range>, Error> {
        if after >= until {
            return Ok(Vec::new());
        }
        let rows: Vec<(SqlTimestamp, SqlTimestamp)> = sqlx::query_as(
            "/* store::profiles::gaps */
             SELECT lower(gap), upper(gap) FROM unnest(tstzmultirange(tstzrange($3, $4, '(]')) - coalesce(
                 (SELECT coverage FROM meter_profile WHERE meter_id = $1 AND obis = $2), '{}')) AS gap ORDER BY 1",
        )
        .bind(meter)
        .bind(profile.octets().to_vec())
        .bind(after.to_sqlx())
        .bind(until.to_sqlx())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::profiles::gaps"))?;
        Ok(rows.into_iter().map(|(after, until)| (after.to_jiff(), until.to_jiff())).collect())
    }
}

/// Reads the marks of profiles and holds on to them until the transaction ends, so that two writers of one meter do not
/// both believe that a capture is new.
pub(super) async fn lock(
    connection: &mut PgConnection,
    profiles: &[ProfileKey],
) -> Result<BTreeMap<ProfileKey, Mark>, Error> {
    if profiles.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (meters, names) = split(profiles);
    let rows: Vec<MarkRow> = sqlx::query_as(
        "/* store::profiles::lock */
         SELECT p.meter_id, p.obis, p.last_ts, l.period_s, m.model, p.layout_id, p.trusted,
             EXISTS (SELECT FROM reading_flag f WHERE f.meter_id = p.meter_id AND f.obis = p.obis AND f.rule = 'unreadable' AND f.layout_id IS NULL
                 AND f.withdrawn_at IS NULL) AS has_left_out
         FROM meter_profile p JOIN meter m ON m.id = p.meter_id LEFT JOIN profile_layout l ON l.id = p.layout_id
         WHERE (p.meter_id, p.obis) IN (SELECT * FROM unnest($1::int4[], $2::bytea[]))
         ORDER BY p.meter_id, p.obis FOR NO KEY UPDATE OF p",
    )
    .bind(meters)
    .bind(names)
    .fetch_all(connection)
    .await
    .map_err(failed("store::profiles::lock"))?;
    rows.into_iter().map(MarkRow::mark).collect()
}

/// Moves the marks on; the high-water mark never moves back. The planner looks at meters whose profiles have holes.
pub(super) async fn advance(
    connection: &mut PgConnection,
    advances: &BTreeMap<ProfileKey, Advance>,
) -> Result<(), Error> {
    if advances.is_empty() {
        return Ok(());
    }
    let keys: Vec<ProfileKey> = advances.keys().copied().collect();
    let (meters, names) = split(&keys);
    let each = |value: fn(&Advance) -> bool| advances.values().map(value).collect::<Vec<bool>>();
    let ranges = || {
        advances.values().enumerate().flat_map(|(n, advance)| {
            let covered = advance.covered.iter().map(|range| (range, true));
            covered
                .chain(advance.absent.iter().map(|range| (range, false)))
                .map(move |(range, given)| (n, range, given))
        })
    };
    sqlx::query(
        "/* store::profiles::advance */
         WITH moved AS (
         INSERT INTO meter_profile AS p (meter_id, obis, layout_id, last_ts, coverage, read_at, tried_at, hole_tried_at, trusted, capacity, layout_read_at,
             absent, absent_at)
         SELECT a.meter_id, a.obis, a.layout_id, a.last_ts, coalesce(c.coverage, '{}'),
             CASE WHEN a.read THEN now() END, CASE WHEN a.tried THEN now() END, CASE WHEN a.hole_tried THEN now() END,
             a.trusted, a.capacity, CASE WHEN a.layout_read THEN now() END,
             coalesce(c.absent, '{}'), CASE WHEN c.absent IS NOT NULL THEN now() END
         FROM unnest($1::int4[], $2::bytea[], $3::int4[], $4::timestamptz[], $5::bool[], $6::bool[], $7::bool[], $11::bytea[], $12::int8[], $13::bool[])
             WITH ORDINALITY AS a (meter_id, obis, layout_id, last_ts, read, tried, hole_tried, trusted, capacity, layout_read, n)
         LEFT JOIN (
             SELECT n, range_agg(tstzrange(after, until, '(]')) FILTER (WHERE given) AS coverage,
                 range_agg(tstzrange(after, until, '(]')) FILTER (WHERE NOT given) AS absent
             FROM unnest($8::int4[], $9::timestamptz[], $10::timestamptz[], $14::bool[]) AS c (n, after, until, given) GROUP BY n) AS c ON c.n = a.n - 1
         ORDER BY a.meter_id, a.obis
         ON CONFLICT (meter_id, obis) DO UPDATE SET
             layout_id = coalesce(EXCLUDED.layout_id, p.layout_id),
             last_ts = greatest(EXCLUDED.last_ts, p.last_ts),
             coverage = p.coverage + EXCLUDED.coverage,
             absent = p.absent + EXCLUDED.absent - p.coverage - EXCLUDED.coverage,
             absent_at = CASE WHEN p.absent - p.coverage - EXCLUDED.coverage = '{}' THEN EXCLUDED.absent_at ELSE p.absent_at END,
             read_at = coalesce(EXCLUDED.read_at, p.read_at),
             tried_at = coalesce(EXCLUDED.tried_at, p.tried_at),
             layout_read_at = coalesce(EXCLUDED.layout_read_at, p.layout_read_at),
             hole_tried_at = coalesce(EXCLUDED.hole_tried_at, p.hole_tried_at),
             trusted = coalesce(EXCLUDED.trusted, p.trusted),
             capacity = coalesce(EXCLUDED.capacity, CASE WHEN EXCLUDED.layout_id <> p.layout_id AND EXCLUDED.layout_read_at IS NOT NULL THEN NULL ELSE p.capacity END)
         RETURNING p.meter_id, p.coverage <> tstzmultirange(range_merge(p.coverage)) OR p.absent <> '{}' AS has_hole)
         UPDATE meter_plan p SET look_at = now()
         FROM (SELECT DISTINCT meter_id FROM moved WHERE has_hole) h WHERE p.meter_id = h.meter_id AND p.look_at > now() + interval '1 minute'",
    )
    .bind(meters)
    .bind(names)
    .bind(advances.values().map(|advance| advance.layout).collect::<Vec<_>>())
    .bind(advances.values().map(|advance| advance.last_ts.map(|time| time.to_sqlx())).collect::<Vec<_>>())
    .bind(each(|advance| advance.read))
    .bind(each(|advance| advance.tried))
    .bind(each(|advance| advance.hole_tried))
    .bind(ranges().map(|(n, ..)| small("profile of a batch", n)).collect::<Result<Vec<i32>, Error>>()?)
    .bind(ranges().map(|(_, range, _)| range.0.to_sqlx()).collect::<Vec<_>>())
    .bind(ranges().map(|(_, range, _)| range.1.to_sqlx()).collect::<Vec<_>>())
    .bind(advances.values().map(|advance| advance.trusted.as_ref().map(Memory::to_stored)).collect::<Vec<_>>())
    .bind(advances.values().map(|advance| advance.capacity.map(i64::from)).collect::<Vec<_>>())
    .bind(each(|advance| advance.layout_read))
    .bind(ranges().map(|(.., given)| given).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::profiles::advance"))?;
    Ok(())
}

fn split(profiles: &[ProfileKey]) -> (Vec<i32>, Vec<Vec<u8>>) {
    profiles.iter().map(|(meter, profile)| (*meter, profile.octets().to_vec())).unzip()
}
