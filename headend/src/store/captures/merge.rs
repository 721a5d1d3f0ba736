//! Captures that may be known already: insert what is new, compare the rest, keep what was contradicted.

use std::collections::BTreeSet;

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{PgConnection, Postgres};

use super::{Row, SLOTS, Stored, instant};
use crate::store::log::Changes;
use crate::store::{Error, failed};

macro_rules! columns {
    () => {
        "meter_id, layout_id, ts, status, clock_offset_min, clock_status, job_id, \
         v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15"
    };
}

macro_rules! sent {
    () => {
        concat!(
            "unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::int4[], $5::int2[], $6::int2[], $7::int8[], \
             $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::int8[], \
             $16::int8[], $17::int8[], $18::int8[], $19::int8[], $20::int8[], $21::int8[], $22::int8[], $23::int8[]) \
             AS s (",
            columns!(),
            ")"
        )
    };
}

const INSERT: &str = concat!(
    "/* store::captures::merge */ INSERT INTO profile_row (",
    columns!(),
    ", stored_at) SELECT *, $24::timestamptz FROM ",
    sent!(),
    " ON CONFLICT DO NOTHING RETURNING meter_id, layout_id, ts"
);

/// What is stored under the keys of what was sent. The bounds of meter and time ($24 to $26) let the server leave out partitions and compressed segments.
macro_rules! stored {
    () => {
        "r.meter_id = s.meter_id AND r.layout_id = s.layout_id AND r.ts = s.ts
         AND r.meter_id = ANY ($24) AND r.ts BETWEEN $25 AND $26"
    };
}

macro_rules! differs {
    () => {
        "(r.status, r.clock_offset_min, r.clock_status,
          r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7,
          r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15)
         IS DISTINCT FROM
         (s.status, s.clock_offset_min, s.clock_status,
          s.v0, s.v1, s.v2, s.v3, s.v4, s.v5, s.v6, s.v7,
          s.v8, s.v9, s.v10, s.v11, s.v12, s.v13, s.v14, s.v15)"
    };
}

const COMPARE: &str = concat!(
    "/* store::captures::compare */ SELECT s.meter_id, s.layout_id, s.ts, ",
    differs!(),
    " FROM ",
    sent!(),
    ", profile_row r WHERE ",
    stored!(),
);

const REVISE: &str = concat!(
    "/* store::captures::revise */
     WITH kept AS (
         INSERT INTO profile_row_rev (",
    columns!(),
    ", stored_at, replaced_by, seen_at)
         SELECT r.meter_id, r.layout_id, r.ts, r.status, r.clock_offset_min, r.clock_status, r.job_id,
                r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7,
                r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15, r.stored_at, s.job_id, $27::timestamptz
         FROM ",
    sent!(),
    ", profile_row r WHERE ",
    stored!(),
    " AND ",
    differs!(),
    "    RETURNING 1),
     changed AS (
         UPDATE profile_row r SET status = s.status, clock_offset_min = s.clock_offset_min,
                clock_status = s.clock_status, job_id = s.job_id, stored_at = $27::timestamptz,
                v0 = s.v0, v1 = s.v1, v2 = s.v2, v3 = s.v3, v4 = s.v4, v5 = s.v5, v6 = s.v6, v7 = s.v7,
                v8 = s.v8, v9 = s.v9, v10 = s.v10, v11 = s.v11, v12 = s.v12, v13 = s.v13, v14 = s.v14, v15 = s.v15
         FROM ",
    sent!(),
    " WHERE ",
    stored!(),
    " AND ",
    differs!(),
    "    RETURNING r.meter_id, r.layout_id, r.ts)
     SELECT (SELECT count(*) FROM kept), c.meter_id, c.layout_id, c.ts FROM changed c"
);

/// Key of a row that was made.
type Made = (i32, i32, SqlTimestamp);

/// Key of a row that was sent and is stored, and whether what is stored says something else.
type Compared = (i32, i32, SqlTimestamp, bool);

/// A row that was changed, beside the number of all that were kept as revisions.
type Changed = (i64, i32, i32, SqlTimestamp);

/// Writes rows whose keys differ from each other.
pub(super) async fn merge(
    connection: &mut PgConnection,
    rows: &[&Row],
    stored_at: SqlTimestamp,
    changes: &mut Changes,
) -> Result<Stored, Error> {
    let sent = rows.len() as u64;
    let made: Vec<Made> = bind_all(sqlx::query_as(INSERT), rows)?
        .bind(stored_at)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("store::captures::merge"))?;
    let inserted = made.len() as u64;
    for (meter, layout, ts) in made {
        changes.note(meter, Some(layout), ts.to_jiff().as_microsecond());
    }
    if inserted == sent {
        return Ok(Stored { sent, inserted, ..Stored::default() });
    }
    let revised = revise(connection, rows, stored_at, changes).await?;
    Ok(Stored { sent, inserted, identical: sent.saturating_sub(inserted + revised), revised })
}

/// Puts those rows in the place of what is stored that differ from it. Returns how many did.
async fn revise(
    connection: &mut PgConnection,
    rows: &[&Row],
    stored_at: SqlTimestamp,
    changes: &mut Changes,
) -> Result<u64, Error> {
    plan_for_compression(connection, true).await?;
    // Asked first: the server decompresses all that an update could be about before it looks at what differs.
    let (matched, differing) = compare(connection, rows).await?;
    let (mut kept, mut revised) = (0, 0);
    if !differing.is_empty() {
        let changed: Vec<Changed> = bind_bounds(bind_all(sqlx::query_as(REVISE), &differing)?, &differing)?
            .bind(stored_at)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed("store::captures::revise"))?;
        for (revisions, meter, layout, ts) in changed {
            kept = revisions.unsigned_abs();
            revised += 1;
            changes.note(meter, Some(layout), ts.to_jiff().as_microsecond());
        }
    }
    plan_for_compression(connection, false).await?;
    // Every row is in the table now, so each finds itself, and each that differed left a revision.
    let sent = rows.len() as u64;
    if matched != sent || kept != revised {
        return Err(Error::Unreconciled {
            sent,
            inserted: 0,
            identical: matched.saturating_sub(revised),
            revised: kept,
        });
    }
    Ok(revised)
}

/// How many of the rows are stored, and which of them with other content.
async fn compare<'a>(connection: &mut PgConnection, rows: &[&'a Row]) -> Result<(u64, Vec<&'a Row>), Error> {
    let found: Vec<Compared> = bind_bounds(bind_all(sqlx::query_as(COMPARE), rows)?, rows)?
        .fetch_all(connection)
        .await
        .map_err(failed("store::captures::compare"))?;
    let matched = found.len() as u64;
    let differing: BTreeSet<(i32, i32, i64)> = found
        .into_iter()
        .filter(|(.., differs)| *differs)
        .map(|(meter, layout, ts, _)| (meter, layout, ts.to_jiff().as_microsecond()))
        .collect();
    Ok((matched, rows.iter().copied().filter(|row| differing.contains(&row.key())).collect()))
}

/// Has the server plan for compressed chunks of a hypertable, or as ever again. The planner takes their rows for very few, for which a nested loop seems right; an update
/// whose bounds it does not know decompresses whole chunks; and all of the few days that one is about may be decompressed.
async fn plan_for_compression(connection: &mut PgConnection, begins: bool) -> Result<(), Error> {
    let (nestloop, plans) = if begins { ("off", "force_custom_plan") } else { ("on", "auto") };
    let settings = sqlx::query(
        "/* store::captures::plan_for_compression */
         SELECT set_config('enable_nestloop', $1, true), set_config('plan_cache_mode', $2, true),
             set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)
         FROM pg_class WHERE oid = 'profile_row'::regclass AND relkind = 'r'",
    );
    let settings = settings.bind(nestloop).bind(plans).execute(connection).await;
    settings.map_err(failed("store::captures::plan_for_compression"))?;
    Ok(())
}

/// Binds the bounds of meter and time behind the rows.
fn bind_bounds<O>(
    query: QueryAs<'static, Postgres, O, PgArguments>,
    rows: &[&Row],
) -> Result<QueryAs<'static, Postgres, O, PgArguments>, Error> {
    let meters: BTreeSet<i32> = rows.iter().map(|row| row.meter).collect();
    let times = rows.iter().map(|row| row.ts);
    Ok(query
        .bind(meters.into_iter().collect::<Vec<_>>())
        .bind(times.clone().min().map(instant).transpose()?)
        .bind(times.max().map(instant).transpose()?))
}

/// Binds the 23 arrays that both statements begin with.
fn bind_all<O>(
    mut query: QueryAs<'static, Postgres, O, PgArguments>,
    rows: &[&Row],
) -> Result<QueryAs<'static, Postgres, O, PgArguments>, Error> {
    let times: Vec<SqlTimestamp> = rows.iter().map(|row| instant(row.ts)).collect::<Result<_, _>>()?;
    query = query
        .bind(rows.iter().map(|row| row.meter).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.layout).collect::<Vec<_>>())
        .bind(times)
        .bind(rows.iter().map(|row| row.status).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.clock_offset_min).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.clock_status).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.job).collect::<Vec<_>>());
    for slot in 0..SLOTS {
        query = query.bind(rows.iter().map(|row| row.values[slot]).collect::<Vec<_>>());
    }
    Ok(query)
}
