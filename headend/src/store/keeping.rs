//! How long readings and events are kept, and what is made of them meanwhile. The functions of the schema do the same with TimescaleDB and without.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;

use super::{Error, Store, failed};

/// Entries of the log of readings that are followed in one transaction.
const ENTRIES: i32 = 500;

/// Rows of a table that one call forgets at most.
const FORGET_LIMIT: i32 = 50_000;

impl Store {
    /// Adds up the days that readings came of since it was last done, and all days of meters whose zone was corrected, a bounded part of them; returns how many
    /// entries of the log and meters that were, 0 when there are no more.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn add_up_days(&self) -> Result<i32, Error> {
        let query = sqlx::query_scalar("/* store::add_up_days */ SELECT add_up_days($1)").bind(ENTRIES);
        query.fetch_one(self.pool()).await.map_err(failed("store::add_up_days"))
    }

    /// Forgets readings that are older than an instant, and what belongs to them: captures by whole months or chunks, of other tables 50,000 rows at most. Returns
    /// about how many readings that were.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn forget_readings(&self, before: Timestamp) -> Result<i64, Error> {
        let query = sqlx::query_scalar("/* store::forget_readings */ SELECT forget_readings($1, $2)");
        let query = query.bind(before.to_sqlx()).bind(FORGET_LIMIT);
        query.fetch_one(self.pool()).await.map_err(failed("store::forget_readings"))
    }

    /// Forgets events that were stored before an instant, 50,000 at most, and returns how many.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn forget_events(&self, before: Timestamp) -> Result<i64, Error> {
        let query = sqlx::query_scalar("/* store::forget_events */ SELECT forget_events($1, $2)");
        let query = query.bind(before.to_sqlx()).bind(FORGET_LIMIT);
        query.fetch_one(self.pool()).await.map_err(failed("store::forget_events"))
    }

    /// Has the server compress captures that are older than this, by itself from now on, where TimescaleDB may; returns whether it does.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn compress_captures(&self, age: Duration) -> Result<bool, Error> {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar(
            "/* store::compress_captures */ SELECT compress_captures($1 * interval '1 second')",
        );
        query.bind(seconds).fetch_one(self.pool()).await.map_err(failed("store::compress_captures"))
    }
}
