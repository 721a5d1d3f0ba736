//! Result files of concentrators: what became of each, and for which meters they are.

use std::time::Duration;

use collectors::{JobId, MeterId};
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::FromRow;

use super::jobs::interval;
use super::{Error, ResultState, Store, failed};

/// A file that is to be noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResultFile {
    /// The concentrator.
    pub concentrator: MeterId,
    /// Its name.
    pub name: String,
    /// SHA-256 of its octets.
    pub digest: [u8; 32],
    /// Its length.
    pub octets: u64,
    /// What became of it.
    pub state: ResultState,
    /// Captures that it brought.
    pub captures: u64,
    /// Entries of logs that it brought.
    pub events: u64,
    /// What is wrong with it.
    pub detail: String,
    /// The number that stands beside what it brought.
    pub job: JobId,
}

/// A file that is known.
#[derive(Debug, Clone, FromRow)]
pub struct ResultFile {
    /// Number; a later one is higher.
    pub id: i64,
    /// Serial number of the concentrator.
    pub serial: String,
    /// Its name.
    pub name: String,
    /// Its length.
    pub octets: i64,
    /// What became of it.
    pub state: ResultState,
    /// Captures that it brought.
    pub captures: i64,
    /// Entries of logs that it brought.
    pub events: i64,
    /// What is wrong with it.
    pub detail: String,
    /// The number that stands beside what it brought.
    pub job_id: i64,
    /// When that was noted.
    pub noted_at: SqlTimestamp,
}

/// A meter behind a concentrator.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct NodeMeter {
    /// Its name there.
    pub node: String,
    /// The meter.
    pub id: i32,
    /// Name of its model.
    pub model: String,
}

impl Store {
    /// The concentrator in service with that serial number, and the name of its model.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn concentrator(&self, serial: &str) -> Result<Option<(MeterId, String)>, Error> {
        sqlx::query_as(
            "/* store::result_files::concentrator */
             SELECT id, model FROM meter WHERE serial = $1 AND line = 'concentrator://' || serial AND state = 'active'",
        )
        .bind(serial)
        .fetch_optional(self.pool())
        .await
        .map_err(failed("store::result_files::concentrator"))
    }

    /// The meters in service behind a concentrator.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn meters_behind(&self, serial: &str) -> Result<Vec<NodeMeter>, Error> {
        sqlx::query_as(
            "/* store::result_files::meters_behind */
             SELECT substr(address, length('concentrator://' || $1 || '/') + 1) AS node, id, model FROM meter
             WHERE line = 'concentrator://' || $1 AND starts_with(address, 'concentrator://' || $1 || '/') AND state = 'active'
                 AND parent_id IS NULL",
        )
        .bind(serial)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::result_files::meters_behind"))
    }

    /// The name under which these octets were taken before; files that bring nothing are all alike, and none is the same as another.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn taken_result(
        &self,
        concentrator: MeterId,
        digest: &[u8; 32],
    ) -> Result<Option<String>, Error> {
        sqlx::query_scalar(
            "/* store::result_files::taken_result */
             SELECT name FROM result_file WHERE concentrator_id = $1 AND digest = $2 AND state = 'taken'
                 AND captures + events > 0",
        )
        .bind(concentrator)
        .bind(&digest[..])
        .fetch_optional(self.pool())
        .await
        .map_err(failed("store::result_files::taken_result"))
    }

    /// A number to stand beside what a file brings, which no job has.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn result_number(&self) -> Result<JobId, Error> {
        sqlx::query_scalar(
            "/* store::result_files::result_number */ SELECT nextval(pg_get_serial_sequence('job', 'id'))",
        )
        .fetch_one(self.pool())
        .await
        .map_err(failed("store::result_files::result_number"))
    }

    /// Notes what became of a file, and returns its number.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`] when another process has taken the same octets meanwhile.
    pub async fn note_result(&self, file: &NewResultFile) -> Result<i64, Error> {
        let noted = sqlx::query_scalar(
            "/* store::result_files::note_result */
             INSERT INTO result_file (concentrator_id, name, digest, octets, state, captures, events, detail, job_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        )
        .bind(file.concentrator)
        .bind(&file.name)
        .bind(&file.digest[..])
        .bind(i64::try_from(file.octets).unwrap_or(i64::MAX))
        .bind(file.state)
        .bind(i64::try_from(file.captures).unwrap_or(i64::MAX))
        .bind(i64::try_from(file.events).unwrap_or(i64::MAX))
        .bind(&file.detail)
        .bind(file.job)
        .fetch_one(self.pool())
        .await
        .map_err(failed("store::result_files::note_result"))?;
        self.tally.forget(file.job);
        Ok(noted)
    }

    /// Files with numbers below `before`, the newest first, at most `limit`; only of one concentrator, and only those that were not taken as a whole, when
    /// that is asked for.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn list_results(
        &self,
        concentrator: Option<MeterId>,
        problems: bool,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<ResultFile>, Error> {
        sqlx::query_as(
            "/* store::result_files::list_results */
             SELECT f.id, m.serial, f.name, f.octets, f.state, f.captures, f.events, f.detail, f.job_id, f.noted_at
             FROM result_file f JOIN meter m ON m.id = f.concentrator_id
             WHERE ($1::int4 IS NULL OR f.concentrator_id = $1) AND NOT ($2 AND f.state = 'taken') AND ($3::int8 IS NULL OR f.id < $3)
             ORDER BY f.id DESC LIMIT $4",
        )
        .bind(concentrator)
        .bind(problems)
        .bind(before)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::result_files::list_results"))
    }

    /// Forgets files that were noted longer ago than `age`, at most 10000 a call. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn purge_results(&self, age: Duration) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::result_files::purge_results */ DELETE FROM result_file WHERE id IN (
                 SELECT id FROM result_file WHERE noted_at < now() - $1 ORDER BY noted_at LIMIT 10000)",
        )
        .bind(interval(age))
        .execute(self.pool())
        .await
        .map_err(failed("store::result_files::purge_results"))?;
        Ok(done.rows_affected())
    }
}
