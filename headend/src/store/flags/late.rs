//! Captures that came between others, or took the place of others, are held against the rules together with what is stored around them: flags may have to be
//! raised and withdrawn before and behind them, too.

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{FromRow, PgConnection};

use super::super::captures::instant;
use super::super::digest::Digest;
use super::super::log::Changes;
use super::super::readings::Capture;
use super::super::{Error, failed};
use super::judge::{Judged, Plans, flag};
use super::write::{Checked, NewFlag, withdraw};
use crate::validate::{Memory, Stamp};

/// Captures behind the range that are looked at, too: what they are compared with may lie in it.
const BEHIND: usize = 3;

/// A stored capture of one of the ranges.
#[derive(FromRow)]
struct Around {
    #[sqlx(flatten)]
    capture: Capture,
    /// Which range, from 1.
    n: i64,
}

/// Looks at captures that are new or different now, and adds what the rules say. Of a profile at most 20,000 captures are looked at.
pub(super) async fn recheck(
    connection: &mut PgConnection,
    late: &Changes,
    plans: &mut Plans<'_>,
    digest: &Digest<'_>,
    judged: &mut Judged,
    stored_at: SqlTimestamp,
) -> Result<(), Error> {
    let mut ranges: Vec<Checked> = late.captures().collect();
    if ranges.is_empty() {
        return Ok(());
    }
    let stored = around(connection, &ranges).await?;
    let mut flags = Vec::new();
    for (((meter, layout_id), (from, to)), n) in ranges.iter_mut().zip(1_i64..) {
        let captures = || stored.iter().filter(|around| around.n == n).map(|around| &around.capture);
        let Some((layout, plan)) = plans.get(*meter, *layout_id) else { continue };
        let (mut memory, mut found, mut behind) = (Memory::default(), Vec::new(), 0);
        let until = *to;
        // What comes may show that the capture before it was none.
        let before = captures().map(|capture| capture.ts.as_microsecond()).filter(|ts| *ts < *from);
        *from = before.max().unwrap_or(*from);
        for capture in captures() {
            let ts = capture.ts.as_microsecond();
            let stamp = Stamp { ts, clock_status: capture.clock_status, status: capture.status };
            plan.check(&mut memory, stamp, &capture.values, &mut found);
            flags.extend(found.drain(..).filter(|found| found.ts >= *from).map(|found| {
                let about = captures().find(|about| about.ts.as_microsecond() == found.ts).unwrap_or(capture);
                flag(*meter, about.job_id, (*layout_id, layout), found)
            }));
            behind += usize::from(ts > until);
            *to = ts.max(*to);
        }
        let key = (*meter, layout.obis);
        let is_latest = digest.advances.get(&key).is_some_and(|advance| advance.layout == Some(*layout_id));
        if behind < BEHIND && is_latest {
            judged.trusted.insert(key, memory);
        }
    }
    // What was said of the captures of this batch alone does not count where their neighbours are known.
    let is_rechecked = |flag: &NewFlag| {
        ranges.iter().any(|(key, (from, to))| {
            flag.layout.map(|layout| (flag.meter, layout)) == Some(*key) && (*from..=*to).contains(&flag.ts)
        })
    };
    judged.flags.retain(|flag| !is_rechecked(flag));
    withdraw(connection, &ranges, &flags, stored_at).await?;
    judged.flags.extend(flags);
    Ok(())
}

/// What is stored in the ranges, a few captures before them and a few behind, in order.
async fn around(connection: &mut PgConnection, ranges: &[Checked]) -> Result<Vec<Around>, Error> {
    let times = |end: fn(&(i64, i64)) -> i64| {
        ranges.iter().map(|(_, range)| instant(end(range))).collect::<Result<Vec<_>, _>>()
    };
    sqlx::query_as(
        "/* store::flags::around */
         SELECT r.layout_id, r.ts, r.status, r.clock_offset_min, r.clock_status, r.job_id, r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6,
             r.v7, r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15, e.n
         FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY
             AS e (meter_id, layout_id, from_ts, to_ts, n)
         CROSS JOIN LATERAL (
             (SELECT * FROM profile_row r WHERE r.meter_id = e.meter_id AND r.layout_id = e.layout_id AND r.ts < e.from_ts
              ORDER BY r.ts DESC LIMIT 5)
             UNION ALL
             (SELECT * FROM profile_row r WHERE r.meter_id = e.meter_id AND r.layout_id = e.layout_id
                  AND r.ts BETWEEN e.from_ts AND e.to_ts ORDER BY r.ts LIMIT 20000)
             UNION ALL
             (SELECT * FROM profile_row r WHERE r.meter_id = e.meter_id AND r.layout_id = e.layout_id AND r.ts > e.to_ts
              ORDER BY r.ts LIMIT $5)) r
         ORDER BY e.n, r.ts",
    )
    .bind(ranges.iter().map(|((meter, _), _)| *meter).collect::<Vec<_>>())
    .bind(ranges.iter().map(|((_, layout), _)| *layout).collect::<Vec<_>>())
    .bind(times(|range| range.0)?)
    .bind(times(|range| range.1)?)
    .bind(BEHIND as i64)
    .fetch_all(connection)
    .await
    .map_err(failed("store::flags::around"))
}
