//! How flags about what could not be read are withdrawn: when it was read after all.
//!
//! A value has a capture and a column, so it is looked for there. A row that was left out has no time by which it would be known again: it was read when nothing is missing
//! any more of what the read was to bring in which it was found, or, where nobody knows what there should be, when the same was read again without it.

use std::collections::BTreeMap;

use collectors::{Covered, JobId, Oddity};
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::PgConnection;

use super::super::captures::instant;
use super::super::digest::Digest;
use super::super::ends::End;
use super::super::log::Changes;
use super::super::profiles::{Mark, ProfileKey, Range};
use super::super::{Error, FlagRule, JobKind, JobState, failed};
use super::write::NewFlag;

/// A read of a profile that is done and left no row out.
struct Read {
    meter: i32,
    profile: [u8; 6],
    job: JobId,
    range: Range,
}

/// Withdraws the flags about values of captures that came again and have them now, with whatever columns.
pub(super) async fn values(
    connection: &mut PgConnection,
    late: &Changes,
    withdrawn_at: SqlTimestamp,
) -> Result<(), Error> {
    let ranges: Vec<_> = late.captures().collect();
    if ranges.is_empty() {
        return Ok(());
    }
    let times = |end: fn(&(i64, i64)) -> i64| ranges.iter().map(|(_, range)| end(range)).collect::<Vec<_>>();
    let (from, to) = (times(|range| range.0), times(|range| range.1));
    let instants = |times: &[i64]| times.iter().copied().map(instant).collect::<Result<Vec<_>, _>>();
    sqlx::query(
        "/* store::flags::settle_values */
         UPDATE reading_flag f SET withdrawn_at = $5
         FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[]) AS c (meter_id, layout_id, from_ts, to_ts)
         JOIN profile_layout l ON l.id = c.layout_id
         WHERE f.meter_id = c.meter_id AND f.ts BETWEEN c.from_ts AND c.to_ts AND f.rule = 'unreadable' AND f.withdrawn_at IS NULL
             AND EXISTS (SELECT FROM profile_layout o WHERE o.id = f.layout_id AND o.obis = l.obis)
             AND (SELECT bool_and(CASE WHEN s.slot IS NULL THEN r.status IS NOT NULL
                     ELSE (ARRAY[r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14,
                                 r.v15])[s.slot + 1] IS NOT NULL END)
                 FROM profile_row r JOIN profile_slot s ON s.layout_id = r.layout_id AND s.obis = f.obis AND s.attribute = f.attribute
                 WHERE r.meter_id = c.meter_id AND r.layout_id = c.layout_id AND r.ts = f.ts AND r.ts BETWEEN $6 AND $7)",
    )
    .bind(ranges.iter().map(|((meter, _), _)| *meter).collect::<Vec<_>>())
    .bind(ranges.iter().map(|((_, layout), _)| *layout).collect::<Vec<_>>())
    .bind(instants(&from)?)
    .bind(instants(&to)?)
    .bind(withdrawn_at)
    .bind(from.iter().min().copied().map(instant).transpose()?)
    .bind(to.iter().max().copied().map(instant).transpose()?)
    .execute(connection)
    .await
    .map_err(failed("store::flags::settle_values"))?;
    Ok(())
}

/// Notes that rows which are flagged already were left out again: by the job of this flag.
pub(in crate::store) async fn again(connection: &mut PgConnection, flags: &[NewFlag]) -> Result<(), Error> {
    let is_row = |flag: &&NewFlag| flag.rule == FlagRule::Unreadable && flag.layout.is_none();
    let rows: Vec<&NewFlag> = flags.iter().filter(is_row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::flags::again */
         UPDATE reading_flag f SET job_id = n.job_id
         FROM unnest($1::int4[], $2::timestamptz[], $3::bytea[], $4::bytea[], $5::int8[]) AS n (meter_id, ts, obis, octets, job_id)
         WHERE f.meter_id = n.meter_id AND f.ts = n.ts AND f.obis = n.obis AND f.octets IS NOT DISTINCT FROM n.octets
             AND f.rule = 'unreadable' AND f.layout_id IS NULL AND f.withdrawn_at IS NULL",
    )
    .bind(rows.iter().map(|flag| flag.meter).collect::<Vec<_>>())
    .bind(rows.iter().map(|flag| instant(flag.ts)).collect::<Result<Vec<_>, _>>()?)
    .bind(rows.iter().map(|flag| flag.obis.to_vec()).collect::<Vec<_>>())
    .bind(rows.iter().map(|flag| flag.octets.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|flag| flag.job).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::flags::again"))?;
    Ok(())
}

/// Withdraws the flags about rows that were left out of a profile, once what they were part of is there. It has to be called when coverage and losses are written.
pub(in crate::store) async fn rows(
    connection: &mut PgConnection,
    (digest, marks): (&Digest<'_>, &BTreeMap<ProfileKey, Mark>),
    ends: &[End],
    withdrawn_at: SqlTimestamp,
) -> Result<(), Error> {
    let reads: Vec<Read> = ends.iter().filter_map(|end| read(digest, marks, end)).collect();
    if reads.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::flags::settle_rows */
         UPDATE reading_flag f SET withdrawn_at = $6
         FROM unnest($1::int4[], $2::bytea[], $3::int8[], $4::timestamptz[], $5::timestamptz[]) AS e (meter_id, obis, job_id, from_ts, to_ts)
         JOIN meter_profile p ON p.meter_id = e.meter_id AND p.obis = e.obis
         LEFT JOIN profile_layout l ON l.id = p.layout_id
         WHERE f.meter_id = e.meter_id AND f.obis = e.obis AND f.rule = 'unreadable' AND f.layout_id IS NULL AND f.withdrawn_at IS NULL
             AND NOT EXISTS (
                 SELECT FROM reading_flag o WHERE o.meter_id = e.meter_id AND o.obis = e.obis AND o.rule = 'unreadable' AND o.layout_id IS NULL
                     AND o.withdrawn_at IS NULL AND o.job_id = e.job_id)
             AND EXISTS (
                 SELECT FROM job j WHERE j.id = f.job_id AND CASE WHEN l.period_s > 0
                     THEN tstzrange(j.from_ts, j.to_ts, '[]') && tstzrange(e.from_ts, e.to_ts, '[]')
                         AND p.coverage @> tstzrange(j.from_ts, greatest(j.from_ts, least(j.to_ts, p.last_ts)), '[]')
                         AND NOT EXISTS (SELECT FROM profile_loss x WHERE x.meter_id = f.meter_id AND x.obis = f.obis
                             AND tstzrange(x.after_ts, x.until_ts, '(]') && tstzrange(j.from_ts, j.to_ts, '[]'))
                     ELSE tstzrange(e.from_ts, e.to_ts, '[]') @> tstzrange(j.from_ts, j.to_ts, '[]') END)",
    )
    .bind(reads.iter().map(|read| read.meter).collect::<Vec<_>>())
    .bind(reads.iter().map(|read| read.profile.to_vec()).collect::<Vec<_>>())
    .bind(reads.iter().map(|read| read.job).collect::<Vec<_>>())
    .bind(reads.iter().map(|read| read.range.0.to_sqlx()).collect::<Vec<_>>())
    .bind(reads.iter().map(|read| read.range.1.to_sqlx()).collect::<Vec<_>>())
    .bind(withdrawn_at)
    .execute(connection)
    .await
    .map_err(failed("store::flags::settle_rows"))?;
    Ok(())
}

/// What an ended job read without leaving a row out, as far as this batch shows it, of a profile of which rows were left out before.
fn read(digest: &Digest<'_>, marks: &BTreeMap<ProfileKey, Mark>, end: &End) -> Option<Read> {
    let profile = end.running.profile.filter(|_| end.running.kind == JobKind::ReadProfile)?;
    let rows = digest.odd.iter().filter(|(meter, _, oddity, _)| {
        *meter == end.meter() && matches!(oddity, Oddity::Row { .. } | Oddity::More { .. })
    });
    let has_left_out = marks.get(&(end.meter(), profile)).is_none_or(|mark| mark.has_left_out);
    if !has_left_out && rows.clone().next().is_none() {
        return None;
    }
    let (_, Ok(Covered { range: Some(range), .. })) = digest.ends.get(&end.job)? else { return None };
    // What is certain of a profile without a period begins with its first capture, what was asked for earlier.
    let (from, to) = *range;
    let from = end.running.from.map_or(from, |asked| asked.min(from));
    let is_whole = end.state == JobState::Done && !rows.clone().any(|(_, job, ..)| *job == end.job);
    is_whole.then(|| Read {
        meter: end.meter(),
        profile: profile.octets(),
        job: end.job,
        range: (from, to.max(from)),
    })
}
