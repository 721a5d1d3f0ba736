//! Who has a connection open to which process.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use uuid::Uuid;

use super::jobs::interval;
use super::{Error, JOB_CHANNEL, Store, failed};

/// How long what a process says of its callers counts without a sign of life.
pub(crate) const LISTENER_EXPIRES: Duration = Duration::from_secs(20);
/// How long a caller is remembered that is no meter's.
const STRANGERS_EXPIRE: Duration = Duration::from_secs(600);

/// Somebody who called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// `inbound://` and what it calls itself.
    pub line: String,
    /// How it said so, in a word.
    pub dialect: &'static str,
    /// Transport, address and port.
    pub peer: String,
    /// When it said so first, in whole milliseconds.
    pub since: Timestamp,
    /// From when on it may be asked for what is not urgent.
    pub ready_at: Timestamp,
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beaten {
    /// As in [`Came`].
    pub line: String,
    /// As in [`Came`]: which connection it came over.
    pub since: Timestamp,
    /// When it came.
    pub at: Timestamp,
}

/// What a sign of life showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// It is the first one, or the first one after the process counted as dead: what it says of its callers has to be said again.
    pub is_first: bool,
    /// Connections of other processes that were ended because those gave no sign.
    pub ended: u64,
}

/// Somebody whose connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// As in [`Came`].
    pub line: String,
    /// As in [`Came`]: which connection it was.
    pub since: Timestamp,
    /// When it ended.
    pub at: Timestamp,
}

impl Store {
    /// Notes who has a connection open to this process, and who has it no more. Each line is named once. Of two connections of one caller,
    /// to two processes, the newer one counts. Returns the lines among `came` that are no meter's.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn note_callers(
        &self,
        owner: Uuid,
        came: &[Came],
        left: &[Left],
    ) -> Result<Vec<String>, Error> {
        let strangers = self.note_came(owner, came).await?;
        if !left.is_empty() {
            let times = |time: fn(&Left) -> Timestamp| -> Vec<SqlTimestamp> {
                left.iter().map(|left| time(left).to_sqlx()).collect()
            };
            sqlx::query(
                "/* store::callers::left */
                 UPDATE caller c SET left_at = greatest(l.at, c.since)
                 FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) AS l (line, since, at)
                 WHERE c.line = l.line AND c.owner = $1 AND c.since = l.since AND c.left_at IS NULL",
            )
            .bind(owner)
            .bind(left.iter().map(|left| left.line.clone()).collect::<Vec<_>>())
            .bind(times(|left| left.since))
            .bind(times(|left| left.at))
            .execute(&self.pool)
            .await
            .map_err(failed("store::callers::left"))?;
        }
        Ok(strangers)
    }

    async fn note_came(&self, owner: Uuid, came: &[Came]) -> Result<Vec<String>, Error> {
        if came.is_empty() {
            return Ok(Vec::new());
        }
        let texts = |text: fn(&Came) -> &str| -> Vec<String> {
            came.iter().map(|came| text(came).to_owned()).collect()
        };
        let times = |time: fn(&Came) -> Timestamp| -> Vec<SqlTimestamp> {
            came.iter().map(|came| time(came).to_sqlx()).collect()
        };
        sqlx::query_scalar(
            "/* store::callers::came */
             WITH given AS (
                 SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
                     AS g (line, dialect, peer, since, ready_at)),
             noted AS (
                 INSERT INTO caller AS c (line, owner, dialect, peer, since, ready_at, beat_at)
                 SELECT line, $1, dialect, peer, since, ready_at, since FROM given
                 ON CONFLICT (line) DO UPDATE SET owner = EXCLUDED.owner, dialect = EXCLUDED.dialect, peer = EXCLUDED.peer,
                     since = EXCLUDED.since, ready_at = EXCLUDED.ready_at, beat_at = EXCLUDED.beat_at, left_at = NULL
                     WHERE EXCLUDED.since >= c.since OR c.owner = EXCLUDED.owner),
             told AS (SELECT pg_notify($7, ''))
             SELECT g.line FROM given g, told
             WHERE NOT EXISTS (SELECT FROM meter m WHERE m.line = g.line AND m.state = 'active')
                 AND NOT EXISTS (SELECT FROM meter_path p WHERE p.line = g.line)
                 AND NOT EXISTS (
                     SELECT FROM meter d WHERE address_line(d.address) = g.line AND d.line = 'concentrator://' || d.serial
                         AND d.state = 'active')",
        )
        .bind(owner)
        .bind(texts(|came| &came.line))
        .bind(texts(|came| came.dialect))
        .bind(texts(|came| &came.peer))
        .bind(times(|came| came.since))
        .bind(times(|came| came.ready_at))
        .bind(JOB_CHANNEL)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::callers::came"))
    }

    /// Notes heartbeats of callers of this process. One that is gone meanwhile is left as it is.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn note_beats(&self, owner: Uuid, beats: &[Beaten]) -> Result<(), Error> {
        let times = |time: fn(&Beaten) -> Timestamp| -> Vec<SqlTimestamp> {
            beats.iter().map(|beat| time(beat).to_sqlx()).collect()
        };
        sqlx::query(
            "/* store::callers::note_beats */
             UPDATE caller c SET beat_at = b.at
             FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) AS b (line, since, at)
             WHERE c.line = b.line AND c.owner = $1 AND c.since = b.since AND c.left_at IS NULL",
        )
        .bind(owner)
        .bind(beats.iter().map(|beat| beat.line.as_str()).collect::<Vec<_>>())
        .bind(times(|beat| beat.since))
        .bind(times(|beat| beat.at))
        .execute(&self.pool)
        .await
        .map_err(failed("store::callers::note_beats"))?;
        Ok(())
    }

    /// Gives a sign of life of a process that meters call, and ends the connections of those that gave none for too long.
    ///
    /// Work that was made in the very moment in which its meter called does not know of that, and is put into the queue here.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn keep_listener(&self, owner: Uuid) -> Result<Sign, Error> {
        // Whoever ends the connections of a process deletes its row, in one statement: the process finds that out by its next sign, which
        // makes the row anew.
        let (is_first, ended): (bool, i64) = sqlx::query_as(
            "/* store::callers::keep_listener */
             WITH alive AS (
                 INSERT INTO listener (owner, seen_at) VALUES ($1, now())
                 ON CONFLICT (owner) DO UPDATE SET seen_at = now() RETURNING since = now() AS is_first),
             dead AS (DELETE FROM listener WHERE owner <> $1 AND seen_at < now() - $2 RETURNING owner),
             queued AS (
                 UPDATE job j SET waits = false FROM caller c CROSS JOIN LATERAL lines_over(c.line) AS o (line) JOIN meter m ON m.line = o.line
                 WHERE c.owner = $1 AND c.left_at IS NULL AND c.since > now() - interval '1 minute' AND j.meter_id = m.id
                     AND j.finished_at IS NULL AND j.state = 'due' AND j.waits),
             ended AS (
                 UPDATE caller c SET left_at = greatest(now(), c.since) FROM dead d WHERE c.owner = d.owner AND c.left_at IS NULL
                 RETURNING 1)
             SELECT is_first, (SELECT count(*) FROM ended) FROM alive",
        )
        .bind(owner)
        .bind(interval(LISTENER_EXPIRES))
        .fetch_one(&self.pool)
        .await
        .map_err(failed("store::callers::keep_listener"))?;
        Ok(Sign { is_first, ended: ended.cast_unsigned() })
    }

    /// Deletes callers that left some time ago and are no meter's. Returns how many these were.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn forget_strangers(&self) -> Result<u64, Error> {
        let forgotten = sqlx::query(
            "/* store::callers::forget_strangers */
             DELETE FROM caller c WHERE c.left_at < now() - $1
                 AND NOT EXISTS (SELECT FROM meter m WHERE m.line = c.line)
                 AND NOT EXISTS (SELECT FROM meter_path p WHERE p.line = c.line)
                 AND NOT EXISTS (
                     SELECT FROM meter d WHERE address_line(d.address) = c.line AND d.line = 'concentrator://' || d.serial)",
        )
        .bind(interval(STRANGERS_EXPIRE))
        .execute(&self.pool)
        .await
        .map_err(failed("store::callers::forget_strangers"))?;
        Ok(forgotten.rows_affected())
    }

    /// A process stops: its callers have left.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn end_listener(&self, owner: Uuid) -> Result<(), Error> {
        sqlx::query(
            "/* store::callers::end_listener */
             WITH gone AS (DELETE FROM listener WHERE owner = $1)
             UPDATE caller SET left_at = greatest(now(), since) WHERE owner = $1 AND left_at IS NULL",
        )
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("store::callers::end_listener"))?;
        Ok(())
    }
}
