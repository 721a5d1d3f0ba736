//! Captures that may be known already: insert what is new, compare the rest, keep what was contradicted.

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, Postgres};

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
    ") SELECT * FROM ",
    sent!(),
    " ON CONFLICT DO NOTHING RETURNING meter_id, layout_id, ts"
);

/// The bounds of meter and time ($24 to $27) let the server leave out partitions and compressed segments.
const REVISE: &str = concat!(
    "/* store::captures::revise */
     WITH matched AS MATERIALIZED (
         SELECT s.*, (r.status, r.clock_offset_min, r.clock_status,
                      r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7,
                      r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15)
                 IS DISTINCT FROM
                     (s.status, s.clock_offset_min, s.clock_status,
                      s.v0, s.v1, s.v2, s.v3, s.v4, s.v5, s.v6, s.v7,
                      s.v8, s.v9, s.v10, s.v11, s.v12, s.v13, s.v14, s.v15) AS differs
         FROM ",
    sent!(),
    " JOIN profile_row r ON r.meter_id = s.meter_id AND r.layout_id = s.layout_id AND r.ts = s.ts
         WHERE r.meter_id BETWEEN $24 AND $25 AND r.ts BETWEEN $26 AND $27),
     kept AS (
         INSERT INTO profile_row_rev (",
    columns!(),
    ", stored_at, replaced_by)
         SELECT r.meter_id, r.layout_id, r.ts, r.status, r.clock_offset_min, r.clock_status, r.job_id,
                r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7,
                r.v8, r.v9, r.v10, r.v11, r.v12, r.v13, r.v14, r.v15, r.stored_at, m.job_id
         FROM matched m JOIN profile_row r ON r.meter_id = m.meter_id AND r.layout_id = m.layout_id AND r.ts = m.ts
         WHERE m.differs AND r.meter_id BETWEEN $24 AND $25 AND r.ts BETWEEN $26 AND $27
         RETURNING 1),
     changed AS (
         UPDATE profile_row r SET status = m.status, clock_offset_min = m.clock_offset_min,
                clock_status = m.clock_status, job_id = m.job_id, stored_at = now(),
                v0 = m.v0, v1 = m.v1, v2 = m.v2, v3 = m.v3, v4 = m.v4, v5 = m.v5, v6 = m.v6, v7 = m.v7,
                v8 = m.v8, v9 = m.v9, v10 = m.v10, v11 = m.v11, v12 = m.v12, v13 = m.v13, v14 = m.v14, v15 = m.v15
         FROM matched m
         WHERE m.differs AND r.meter_id = m.meter_id AND r.layout_id = m.layout_id AND r.ts = m.ts
             AND r.meter_id BETWEEN $24 AND $25 AND r.ts BETWEEN $26 AND $27
         RETURNING r.meter_id, r.layout_id, r.ts)
     SELECT (SELECT count(*) FROM matched) AS matched, (SELECT count(*) FROM kept) AS kept, c.meter_id, c.layout_id, c.ts
     FROM (SELECT) AS always LEFT JOIN changed c ON true"
);

/// Key of a row that was made.
type Made = (i32, i32, SqlTimestamp);

/// A row that was changed, beside the counts over all rows; only the counts when none was.
#[derive(FromRow)]
struct Changed {
    matched: i64,
    kept: i64,
    meter_id: Option<i32>,
    layout_id: Option<i32>,
    ts: Option<SqlTimestamp>,
}

/// Writes rows whose keys differ from each other.
pub(super) async fn merge(
    connection: &mut PgConnection,
    rows: &[&Row],
    changes: &mut Changes,
) -> Result<Stored, Error> {
    let sent = rows.len() as u64;
    let made: Vec<Made> = bind_all(sqlx::query_as(INSERT), rows)?
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
    let revised = revise(connection, rows, changes).await?;
    Ok(Stored { sent, inserted, identical: sent.saturating_sub(inserted + revised), revised })
}

/// Compares rows with what is stored and puts those that differ in its place. Returns how many did.
async fn revise(connection: &mut PgConnection, rows: &[&Row], changes: &mut Changes) -> Result<u64, Error> {
    let failed = failed("store::captures::revise");
    // On a hypertable with compressed chunks a nested loop is 2000 times slower than a hash join.
    sqlx::query(
        "/* store::captures::revise */ SELECT set_config('enable_nestloop', 'off', true)
         FROM pg_class WHERE oid = 'profile_row'::regclass AND relkind = 'r'",
    )
    .execute(&mut *connection)
    .await
    .map_err(&failed)?;
    let meters = rows.iter().map(|row| row.meter);
    let times = rows.iter().map(|row| row.ts);
    let found: Vec<Changed> = bind_all(sqlx::query_as(REVISE), rows)?
        .bind(meters.clone().min())
        .bind(meters.max())
        .bind(times.clone().min().map(instant).transpose()?)
        .bind(times.max().map(instant).transpose()?)
        .fetch_all(connection)
        .await
        .map_err(&failed)?;
    let (matched, kept) =
        found.first().map_or((0, 0), |row| (row.matched.unsigned_abs(), row.kept.unsigned_abs()));
    let mut revised = 0;
    for row in found {
        if let (Some(meter), Some(ts)) = (row.meter_id, row.ts) {
            revised += 1;
            changes.note(meter, row.layout_id, ts.to_jiff().as_microsecond());
        }
    }
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
