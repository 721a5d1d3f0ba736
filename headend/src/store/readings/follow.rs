//! The log of what was stored, followed without leaving anything out.
//!
//! Transactions do not commit in the order in which they began, so a plain serial number would hide rows that commit late.
//! Each entry bears its transaction's id; a reader only looks at entries below the oldest transaction that still runs
//! (`pg_snapshot_xmin`), below which nothing can appear any more, and goes on from (transaction, number).

use jiff_sqlx::{Timestamp, ToSqlx as _};

use super::super::{Error, Store, failed};

/// Entries that one call of [`Store::trim_batches`] removes at most.
const TRIM_LIMIT: i64 = 50_000;

/// A place in the log; everything up to it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Transaction.
    pub xid: i64,
    /// Number of the entry.
    pub id: i64,
}

/// An entry of the log: readings of one meter that one transaction stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its place.
    pub position: Position,
    /// The meter.
    pub meter: i32,
    /// What was stored.
    pub stored: Stored,
    /// First instant, inclusive.
    pub from: jiff::Timestamp,
    /// Last instant, inclusive.
    pub to: jiff::Timestamp,
}

/// What an entry of the log tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Captures with this layout.
    Captures(i32),
    /// Register values.
    Registers,
}

type EntryRow =
    (bool, i64, Option<i64>, Option<i64>, Option<i32>, Option<i32>, Option<Timestamp>, Option<Timestamp>);

impl Store {
    /// The end of the log: only what is stored from now on lies behind it.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn log_end(&self) -> Result<Position, Error> {
        let query = sqlx::query_scalar(
            "/* store::log_end */ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8",
        );
        let xid = query.fetch_one(self.pool()).await.map_err(failed("store::log_end"))?;
        Ok(Position { xid, id: 0 })
    }

    /// Entries behind a place, at most `limit`, only of some meters when `meters` is given; and the place up to which the log was
    /// searched, which lies behind the last entry when there are no more. `None` when entries behind the place were forgotten already.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn batches_after(
        &self,
        position: Position,
        meters: Option<&[i32]>,
        limit: u32,
    ) -> Result<Option<(Vec<Batch>, Position)>, Error> {
        let query = sqlx::query_as::<_, EntryRow>(
            "/* store::batches_after */ SELECT horizon.whole, horizon.xmin::text::int8, b.*
             FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin, floor.xid < $1::text::xid8 AS whole
                 FROM reading_batch_floor floor) horizon LEFT JOIN LATERAL (
                 SELECT xid::text::int8 AS xid, id, meter_id, layout_id, from_ts, to_ts FROM reading_batch
                 WHERE (xid, id) > ($1::text::xid8, $2) AND xid < horizon.xmin
                     AND ($3::int4[] IS NULL OR meter_id = ANY($3))
                 ORDER BY reading_batch.xid, id LIMIT $4) b ON true
             ORDER BY b.xid, b.id",
        );
        let query =
            query.bind(position.xid.to_string()).bind(position.id).bind(meters).bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.map_err(failed("store::batches_after"))?;
        let Some(&(true, horizon, ..)) = rows.first() else { return Ok(None) };
        let batches: Vec<_> = rows.into_iter().filter_map(entry).collect();
        let searched = match batches.last() {
            Some(last) if batches.len() as u64 >= u64::from(limit) => last.position,
            // Entries of the transaction `horizon` itself may still come, and their numbers start at 1.
            _ => position.max(Position { xid: horizon, id: 0 }),
        };
        Ok(Some((batches, searched)))
    }

    /// Forgets entries older than `before`, at most 50,000, and returns how many. Places before them are refused from then on.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn trim_batches(&self, before: jiff::Timestamp) -> Result<u64, Error> {
        let query = sqlx::query_scalar::<_, i64>(
            "/* store::trim_batches */ WITH old AS (
                 SELECT xid, id FROM reading_batch WHERE recorded_at < $1 ORDER BY recorded_at LIMIT $2),
             gone AS (
                 DELETE FROM reading_batch b USING old WHERE b.xid = old.xid AND b.id = old.id RETURNING b.xid),
             floor AS (
                 UPDATE reading_batch_floor SET xid = top.xid
                 FROM (SELECT xid FROM gone ORDER BY xid DESC LIMIT 1) top WHERE top.xid > reading_batch_floor.xid)
             SELECT count(*) FROM gone",
        );
        let query = query.bind(before.to_sqlx()).bind(TRIM_LIMIT);
        let gone = query.fetch_one(self.pool()).await.map_err(failed("store::trim_batches"))?;
        Ok(gone.unsigned_abs())
    }
}

fn entry(row: EntryRow) -> Option<Batch> {
    let (_, _, xid, id, meter, layout, from, to) = row;
    Some(Batch {
        position: Position { xid: xid?, id: id? },
        meter: meter?,
        stored: layout.map_or(Stored::Registers, Stored::Captures),
        from: from?.to_jiff(),
        to: to?.to_jiff(),
    })
}
