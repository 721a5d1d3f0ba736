//! The knobs of the protocol log.

use std::time::Duration;

use collectors::MeterId;
use jiff_sqlx::Timestamp;
use sqlx::PgConnection;

use super::audit::{self, Entry};
use super::jobs::interval;
use super::{Error, Store, failed};

/// Meters and lines together that may be logged at the same time.
pub const MOST: i64 = 100;

/// Whose conversation is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// That with a meter.
    Meter(MeterId),
    /// That over a line, by its address.
    Line(String),
}

/// A knob as it is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Of whom.
    pub subject: Subject,
    /// What.
    pub layers: collectors::Layers,
    /// For how long; at most a day.
    pub time: Duration,
    /// Who sets it.
    pub set_by: String,
}

/// A knob that is set.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ProtocolLog {
    /// The meter, unless a line is meant.
    pub meter_id: Option<MeterId>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The address of the line, unless a meter is meant.
    pub address: Option<String>,
    /// Requests and what came of them.
    pub application: bool,
    /// Frames.
    pub frame: bool,
    /// Octets.
    pub bytes: bool,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

impl Store {
    /// Sets a knob in place of the one before, and audits it; what has ended is forgotten. `false`, and nothing was done, when
    /// [`MOST`] others are set.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`] for a meter that does not exist.
    pub async fn set_protocol_log(&self, setting: &Setting, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::protocol_log::set_protocol_log");
        let (meter, address) = split(&setting.subject);
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        clear(&mut transaction, &setting.subject).await?;
        let done = sqlx::query(
            "/* store::protocol_log::set_protocol_log */
             INSERT INTO protocol_log (meter_id, address, application, frame, bytes, until, set_by)
             SELECT $1, $2, $3, $4, $5, now() + $6, $7 WHERE (SELECT count(*) FROM protocol_log) < $8",
        )
        .bind(meter)
        .bind(address)
        .bind(setting.layers.application)
        .bind(setting.layers.frame)
        .bind(setting.layers.bytes)
        .bind(interval(setting.time))
        .bind(&setting.set_by)
        .bind(MOST)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }

    /// Takes a knob back, and audits it; what has ended is forgotten.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn clear_protocol_log(&self, subject: &Subject, entry: &Entry) -> Result<(), Error> {
        let failed = failed("store::protocol_log::clear_protocol_log");
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        clear(&mut transaction, subject).await?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(failed)
    }

    /// The knobs that are set now, in the order in which they end; at most [`MOST`].
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn protocol_logs(&self) -> Result<Vec<ProtocolLog>, Error> {
        let query = sqlx::query_as(
            "/* store::protocol_log::protocol_logs */
             SELECT meter_id, serial, p.address, application, frame, bytes, until, set_by, set_at
             FROM protocol_log p LEFT JOIN meter m ON m.id = p.meter_id WHERE until > now() ORDER BY until, p.id",
        );
        query.fetch_all(&self.pool).await.map_err(failed("store::protocol_log::protocol_logs"))
    }
}

async fn clear(connection: &mut PgConnection, subject: &Subject) -> Result<(), Error> {
    let (meter, address) = split(subject);
    sqlx::query(
        "/* store::protocol_log::clear */
         DELETE FROM protocol_log WHERE meter_id = $1 OR address = $2 OR until <= now()",
    )
    .bind(meter)
    .bind(address)
    .execute(connection)
    .await
    .map_err(failed("store::protocol_log::clear"))?;
    Ok(())
}

fn split(subject: &Subject) -> (Option<MeterId>, Option<&str>) {
    match subject {
        Subject::Meter(meter) => (Some(*meter), None),
        Subject::Line(address) => (None, Some(address)),
    }
}
