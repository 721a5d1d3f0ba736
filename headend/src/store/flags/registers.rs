//! Registers that were read on their own: against what they can be, the others of the read, their values before, and the captures that hold them, too.
//!
//! With captures the value before the new one is compared: by now the captures around it are there. Those that are less than an hour away are left out,
//! because captures bear the meter's time and registers ours.

use std::collections::BTreeMap;

use collectors::{JobId, MeterId};
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::{FromRow, PgConnection};

use super::super::digest::Digest;
use super::super::registers::Register;
use super::super::{Error, FlagRule, failed};
use super::judge::Known;
use super::write::NewFlag;
use crate::validate::{
    Counter, Intervals, Numbers, Point, Shown, against_captures, against_each_other, against_intervals,
    bound, counter_of, follow, is_no_value,
};

/// The last values before new ones; around the latest of them the captures that hold the same, or, where none do, the energies of the intervals since the one
/// before it.
const EARLIER: &str = "/* store::flags::earlier_registers */
     SELECT e.n, b.ts, b.value, b.scaler, b.job_id, s.scaler AS captured, earlier.ts AS earlier_ts, earlier.value AS earlier,
         later.ts AS later_ts, later.value AS later, i.since, i.scaler AS interval_scaler, i.count AS intervals, sums.around, sums.within
     FROM unnest($1::int4[], $2::bytea[], $3::int2[], $4::timestamptz[]) WITH ORDINALITY AS e (meter_id, obis, attribute, ts, n)
     CROSS JOIN LATERAL (
         SELECT r.ts, r.value, r.scaler, r.job_id, row_number() OVER back AS back,
             lead(r.ts) OVER back AS since_ts, lead(r.value) OVER back AS since, lead(r.scaler) OVER back AS since_scaler
         FROM register_row r
         WHERE r.meter_id = e.meter_id AND r.obis = e.obis AND r.attribute = e.attribute AND r.ts < e.ts
         WINDOW back AS (ORDER BY r.ts DESC)
         ORDER BY r.ts DESC LIMIT 3) b
     LEFT JOIN LATERAL (
         SELECT s.layout_id, s.slot, s.scaler FROM meter_profile p
         JOIN profile_layout l ON l.id = p.layout_id AND l.period_s BETWEEN 1 AND 3600
         JOIN profile_slot s ON s.layout_id = l.id AND s.slot IS NOT NULL AND s.obis = e.obis AND s.attribute = e.attribute
             AND s.data_index = 0
         WHERE p.meter_id = e.meter_id LIMIT 1) s ON b.back = 1
     LEFT JOIN LATERAL (
         SELECT r.ts, (ARRAY[r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14,
                             r.v15])[s.slot + 1] AS value
         FROM profile_row r WHERE r.meter_id = e.meter_id AND r.layout_id = s.layout_id
             AND r.ts BETWEEN b.ts - interval '1 day' AND b.ts - interval '1 hour'
             AND NOT EXISTS (SELECT FROM reading_flag f WHERE f.meter_id = r.meter_id AND f.ts = r.ts AND f.layout_id = r.layout_id
                 AND f.withdrawn_at IS NULL)
         ORDER BY r.ts DESC LIMIT 1) earlier ON true
     LEFT JOIN LATERAL (
         SELECT r.ts, (ARRAY[r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14,
                             r.v15])[s.slot + 1] AS value
         FROM profile_row r WHERE r.meter_id = e.meter_id AND r.layout_id = s.layout_id
             AND r.ts BETWEEN b.ts + interval '1 hour' AND b.ts + interval '1 day'
             AND NOT EXISTS (SELECT FROM reading_flag f WHERE f.meter_id = r.meter_id AND f.ts = r.ts AND f.layout_id = r.layout_id
                 AND f.withdrawn_at IS NULL)
         ORDER BY r.ts LIMIT 1) later ON true
     LEFT JOIN LATERAL (
         SELECT p.layout_id, s.slot, s.scaler, l.stride, b.since, l.from_ts, l.to_ts,
             (extract(epoch FROM l.to_ts - l.from_ts) / l.period_s)::int8 AS count
         FROM meter_profile p
         JOIN LATERAL (
             SELECT id, period_s, w.stride, date_bin(w.stride, b.since_ts - interval '1 hour', 'epoch') AS from_ts,
                 date_bin(w.stride, b.ts + interval '1 hour', 'epoch') + w.stride AS to_ts
             FROM profile_layout CROSS JOIN LATERAL (SELECT period_s * interval '1 second' AS stride) AS w
             WHERE id = p.layout_id AND period_s BETWEEN 1 AND 3600) l ON true
         JOIN profile_slot s ON s.layout_id = l.id AND s.slot IS NOT NULL AND s.obis = set_byte(e.obis, 3, 29) AND s.attribute = e.attribute
             AND s.data_index = 0 AND NOT s.is_float
         WHERE p.meter_id = e.meter_id AND get_byte(e.obis, 3) = 8
             AND NOT EXISTS (SELECT FROM reading_flag f WHERE f.meter_id = e.meter_id AND f.ts IN (b.ts, b.since_ts)
                 AND f.layout_id IS NULL AND f.obis = e.obis AND f.withdrawn_at IS NULL)
         LIMIT 1) i ON b.back = 1 AND s.layout_id IS NULL AND b.scaler = b.since_scaler AND b.ts - b.since_ts <= interval '2 days'
     LEFT JOIN LATERAL (
         SELECT CASE WHEN count(v.value) = i.count AND max(v.value) < 1e15 THEN sum(v.value)::int8 END AS around,
             CASE WHEN max(v.value) < 1e15 THEN sum(v.value) FILTER (WHERE v.is_within)::int8 END AS within
         FROM (SELECT (ARRAY[r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14,
                             r.v15])[i.slot + 1] AS value,
                 r.ts - i.stride >= b.since_ts + interval '1 hour' AND r.ts <= b.ts - interval '1 hour' AS is_within
             FROM profile_row r WHERE r.meter_id = e.meter_id AND r.layout_id = i.layout_id AND r.ts > i.from_ts AND r.ts <= i.to_ts
                 AND NOT EXISTS (SELECT FROM reading_flag f WHERE f.meter_id = r.meter_id AND f.ts = r.ts AND f.layout_id = r.layout_id
                     AND f.withdrawn_at IS NULL)
             LIMIT 5000) AS v) sums ON i.layout_id IS NOT NULL
     ORDER BY e.n, b.ts";

/// An earlier value of a register, with the captures around it.
#[derive(FromRow)]
struct Before {
    /// Which register, from 1.
    n: i64,
    ts: SqlTimestamp,
    value: i64,
    scaler: i16,
    job_id: i64,
    /// Scaler of the column.
    captured: Option<i16>,
    earlier_ts: Option<SqlTimestamp>,
    earlier: Option<i64>,
    later_ts: Option<SqlTimestamp>,
    later: Option<i64>,
    /// The value before it, where captures of interval energies are compared.
    since: Option<i64>,
    /// Scaler of their column.
    interval_scaler: Option<i16>,
    /// How many intervals touch the time between the two values, and what all of them hold, which is known of each.
    intervals: Option<i64>,
    around: Option<i64>,
    /// What those hold that lie between the two for certain.
    within: Option<i64>,
}

/// Adds what the rules say about the registers of a batch.
pub(super) async fn judge(
    connection: &mut PgConnection,
    known: &Known<'_>,
    digest: &Digest<'_>,
    flags: &mut Vec<NewFlag>,
) -> Result<(), Error> {
    let mut counters: Vec<(&Register<'_>, Counter)> = Vec::new();
    let mut reads: BTreeMap<(MeterId, JobId), Vec<&Register<'_>>> = BTreeMap::new();
    for register in &digest.registers {
        let (meter, job, read) = register;
        let validation = known.validation(*meter);
        let numbers = Numbers { value: Some(read.value), scaler: read.scaler, ..Numbers::default() };
        if is_no_value(read.value, read.unit, read.scaler, validation) {
            flags.push(flag(register, FlagRule::NoValue, numbers));
            continue;
        }
        if read.attribute != 2 {
            continue;
        }
        reads.entry((*meter, *job)).or_default().push(register);
        if let Some(counter) = counter_of(read.obis, read.unit, read.scaler, validation) {
            counters.push((register, counter));
        } else if let Some(bound) = bound(read.obis, read.unit, read.scaler, 0, validation)
            && read.value.unsigned_abs() > bound.unsigned_abs()
        {
            flags.push(flag(register, FlagRule::Spike, Numbers { bound: Some(bound), ..numbers }));
        }
    }
    for ((meter, _), registers) in &reads {
        let shown: Vec<Shown> = registers.iter().map(|register| shown(register)).collect();
        let off = against_each_other(&shown, known.validation(*meter)).into_iter();
        let off = off.filter_map(|(place, numbers)| Some((*registers.get(place)?, numbers)));
        flags.extend(off.map(|(register, numbers)| flag(register, FlagRule::SumMismatch, numbers)));
    }
    over_time(connection, &counters, flags).await
}

/// Adds what the rules say about counters that were read before.
async fn over_time(
    connection: &mut PgConnection,
    counters: &[(&Register<'_>, Counter)],
    flags: &mut Vec<NewFlag>,
) -> Result<(), Error> {
    if counters.is_empty() {
        return Ok(());
    }
    let mut before: BTreeMap<i64, Vec<Before>> = BTreeMap::new();
    for row in earlier(connection, counters).await? {
        before.entry(row.n).or_default().push(row);
    }
    for ((register, counter), n) in counters.iter().zip(1_i64..) {
        let Some(before) = before.get(&n) else { continue };
        let (.., read) = register;
        let same = || before.iter().filter(|before| before.scaler == i16::from(read.scaler));
        if let Some((rule, about, numbers)) =
            follow(*counter, same().map(Before::point), shown(register).point)
        {
            let earlier = same().find(|before| before.point() == about);
            let job = earlier.map_or(register.1, |before| before.job_id);
            flags.push(NewFlag { ts: about.ts, job, ..flag(register, rule, numbers) });
        }
        if let Some(last) = before.last()
            && let Some(numbers) = last.against_captures().or_else(|| last.against_intervals())
        {
            let about = flag(register, FlagRule::RegisterMismatch, numbers);
            flags.push(NewFlag { ts: last.point().ts, job: last.job_id, ..about });
        }
    }
    Ok(())
}

fn shown((.., read): &Register<'_>) -> Shown {
    let point = Point { ts: read.at.as_microsecond(), value: read.value };
    Shown { obis: read.obis, scaler: read.scaler, point }
}

fn flag((meter, job, read): &Register<'_>, rule: FlagRule, numbers: Numbers) -> NewFlag {
    NewFlag {
        meter: *meter,
        rule,
        ts: read.at.as_microsecond(),
        layout: None,
        obis: read.obis.octets(),
        attribute: read.attribute.into(),
        numbers,
        unit: read.unit.0.into(),
        octets: None,
        job: *job,
    }
}

impl Before {
    fn point(&self) -> Point {
        Point { ts: self.ts.to_jiff().as_microsecond(), value: self.value }
    }

    fn against_captures(&self) -> Option<Numbers> {
        let point = |ts: Option<SqlTimestamp>, value: Option<i64>| {
            Some(Point { ts: ts?.to_jiff().as_microsecond(), value: value? })
        };
        let around = (point(self.earlier_ts, self.earlier), point(self.later_ts, self.later));
        let scaler = i8::try_from(self.scaler).ok()?;
        against_captures((self.point(), scaler), around, i8::try_from(self.captured?).ok()?)
    }

    fn against_intervals(&self) -> Option<Numbers> {
        let intervals = Intervals {
            within: self.within,
            around: self.around,
            count: self.intervals?,
            scaler: i8::try_from(self.interval_scaler?).ok()?,
        };
        against_intervals((self.since?, self.value, i8::try_from(self.scaler).ok()?), intervals)
    }
}

/// The last values of registers before the new ones, in order, and of the latest of them the captures around it.
async fn earlier(
    connection: &mut PgConnection,
    counters: &[(&Register<'_>, Counter)],
) -> Result<Vec<Before>, Error> {
    let each = || counters.iter().map(|(register, _)| register);
    sqlx::query_as(EARLIER)
        .bind(each().map(|(meter, ..)| *meter).collect::<Vec<_>>())
        .bind(each().map(|(.., read)| read.obis.octets().to_vec()).collect::<Vec<_>>())
        .bind(each().map(|(.., read)| i16::from(read.attribute)).collect::<Vec<_>>())
        .bind(each().map(|(.., read)| read.at.to_sqlx()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(failed("store::flags::earlier_registers"))
}
