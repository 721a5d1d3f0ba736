//! Stored readings, as they are given out: captures and registers by range, what days add up to (`days.rs`), and the log of what was stored (`follow.rs`).

mod days;
mod follow;

use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

use super::{Error, Store, failed};

pub use days::{Day, DayRange};
pub use follow::{Batch, Position, Stored};

/// The captures of a range. The bounds on ts alone choose the partitions.
macro_rules! captures_from {
    ($name:literal, $table:literal) => {
        concat!(
            $name,
            " SELECT layout_id, ts, status, clock_offset_min, clock_status, job_id,
                 v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15
             FROM ",
            $table,
            " WHERE meter_id = $1 AND ($2::int4[] IS NULL OR layout_id = ANY($2))
                 AND ts >= $3 AND ts <= $5 AND (ts, layout_id) >= ($3, $4)
             ORDER BY ts, layout_id LIMIT $6"
        )
    };
}

/// Values that a capture holds at most.
pub const WIDTH: usize = 16;

/// A value column of a layout.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Slot {
    /// The layout.
    pub layout_id: i32,
    /// Logical name of the profile, 6 octets.
    pub profile: Vec<u8>,
    /// Capture period of the profile in seconds; 0 when its captures are not periodic.
    pub period_s: i32,
    /// Which of the values, 0 to 15.
    pub slot: i16,
    /// Logical name of the captured object, 6 octets.
    pub obis: Vec<u8>,
    /// Captured attribute.
    pub attribute: i16,
    /// Power of ten of the values.
    pub scaler: i16,
    /// Unit code.
    pub unit: i16,
}

/// A stored capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// What its values mean.
    pub layout_id: i32,
    /// Its instant.
    pub ts: jiff::Timestamp,
    /// Bits of its status column.
    pub status: Option<i32>,
    /// The meter's offset from UTC in minutes.
    pub clock_offset_min: Option<i16>,
    /// Clock status bits; 255 = not given.
    pub clock_status: i16,
    /// The job that brought it.
    pub job_id: i64,
    /// Its values by slot.
    pub values: [Option<i64>; WIDTH],
}

impl FromRow<'_, PgRow> for Capture {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        const FIRST_VALUE: usize = 6;
        let mut values = [None; WIDTH];
        for (slot, value) in values.iter_mut().enumerate() {
            *value = row.try_get(FIRST_VALUE + slot)?;
        }
        Ok(Self {
            layout_id: row.try_get(0)?,
            ts: row.try_get::<Timestamp, _>(1)?.to_jiff(),
            status: row.try_get(2)?,
            clock_offset_min: row.try_get(3)?,
            clock_status: row.try_get(4)?,
            job_id: row.try_get(5)?,
            values,
        })
    }
}

/// A stored value of a register.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RegisterRow {
    /// Logical name, 6 octets.
    pub obis: Vec<u8>,
    /// Attribute.
    pub attribute: i16,
    /// When it was read.
    pub ts: Timestamp,
    /// The meter's own integer.
    pub value: i64,
    /// Power of ten of the value.
    pub scaler: i16,
    /// Unit code.
    pub unit: i16,
    /// The job that brought it.
    pub job_id: i64,
}

/// What a clock showed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ClockRow {
    /// When its answer came.
    pub read_at: Timestamp,
    /// What it showed.
    pub meter_ts: Timestamp,
    /// Its offset from UTC in minutes.
    pub offset_min: Option<i16>,
    /// Clock status bits; 255 = not given.
    pub status: i16,
    /// Milliseconds between question and answer.
    pub delay_ms: i64,
}

/// Which captures of a meter: those between two instants, in the order of instant and layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureRange<'a> {
    /// The meter.
    pub meter: i32,
    /// Only with these layouts; `None` = with any.
    pub layouts: Option<&'a [i32]>,
    /// First instant with the lowest layout of that instant that is wanted, inclusive.
    pub first: (jiff::Timestamp, i32),
    /// Last instant, inclusive.
    pub last: jiff::Timestamp,
    /// As they were known then; `None` = as they are known now.
    pub known_at: Option<jiff::Timestamp>,
}

/// Which register values of a meter: those between two instants, in the order of instant, logical name and attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRange<'a> {
    /// The meter.
    pub meter: i32,
    /// Only these logical names; empty = any.
    pub obis: &'a [Vec<u8>],
    /// First instant with the lowest logical name and attribute of that instant that is wanted, inclusive.
    pub first: (jiff::Timestamp, [u8; 6], i16),
    /// Last instant, inclusive.
    pub last: jiff::Timestamp,
    /// Those that were known then; `None` = all.
    pub known_at: Option<jiff::Timestamp>,
}

impl Store {
    /// The value columns of some layouts.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn slots(&self, layouts: &[i32]) -> Result<Vec<Slot>, Error> {
        let query = sqlx::query_as(
            "/* store::slots */ SELECT layout_id, layout.obis AS profile, period_s, slot, s.obis, attribute, scaler, unit
             FROM profile_slot s JOIN profile_layout layout ON layout.id = layout_id
             WHERE slot IS NOT NULL AND layout_id = ANY($1) ORDER BY layout_id, slot",
        );
        query.bind(layouts).fetch_all(self.pool()).await.map_err(failed("store::slots"))
    }

    /// The layouts that hold one of these logical names as a value.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn layouts_with(&self, obis: &[Vec<u8>]) -> Result<Vec<i32>, Error> {
        let query = sqlx::query_scalar(
            "/* store::layouts_with */ SELECT DISTINCT layout_id FROM profile_slot WHERE slot IS NOT NULL AND obis = ANY($1)",
        );
        query.bind(obis).fetch_all(self.pool()).await.map_err(failed("store::layouts_with"))
    }

    /// The layouts of a profile.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn layouts_of(&self, profile: [u8; 6]) -> Result<Vec<i32>, Error> {
        let query =
            sqlx::query_scalar("/* store::layouts_of */ SELECT id FROM profile_layout WHERE obis = $1");
        query.bind(&profile[..]).fetch_all(self.pool()).await.map_err(failed("store::layouts_of"))
    }

    /// At most `limit` captures of a range.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn captures(&self, range: &CaptureRange<'_>, limit: i64) -> Result<Vec<Capture>, Error> {
        let query = sqlx::query_as(match range.known_at {
            None => captures_from!("/* store::captures */", "profile_row"),
            Some(_) => captures_from!("/* store::captures */", "captures_known(ARRAY[$1], $3, $5, $7)"),
        });
        let (from, layout) = range.first;
        let query = query.bind(range.meter).bind(range.layouts).bind(from.to_sqlx()).bind(layout);
        let mut query = query.bind(range.last.to_sqlx()).bind(limit);
        if let Some(known_at) = range.known_at {
            query = query.bind(known_at.to_sqlx());
        }
        query.fetch_all(self.pool()).await.map_err(failed("store::captures"))
    }

    /// At most `limit` register values of a range.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn register_rows(
        &self,
        range: &RegisterRange<'_>,
        limit: i64,
    ) -> Result<Vec<RegisterRow>, Error> {
        let query = sqlx::query_as(
            "/* store::register_rows */ SELECT obis, attribute, ts, value, scaler, unit, job_id FROM register_row
             WHERE meter_id = $1 AND (cardinality($2::bytea[]) = 0 OR obis = ANY($2))
                 AND ts >= $3 AND ts <= $6 AND (ts, obis, attribute) >= ($3, $4, $5)
                 AND ($8::timestamptz IS NULL OR coalesce(stored_at, ts) <= $8)
             ORDER BY ts, obis, attribute LIMIT $7",
        );
        let (from, obis, attribute) = range.first;
        let query =
            query.bind(range.meter).bind(range.obis).bind(from.to_sqlx()).bind(obis.to_vec()).bind(attribute);
        let query = query.bind(range.last.to_sqlx()).bind(limit);
        let query = query.bind(range.known_at.map(|known_at| known_at.to_sqlx()));
        query.fetch_all(self.pool()).await.map_err(failed("store::register_rows"))
    }

    /// The register values that a job brought, at most `limit`, by logical name.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn registers_of_job(
        &self,
        meter: i32,
        job: i64,
        limit: i64,
    ) -> Result<Vec<RegisterRow>, Error> {
        let query = sqlx::query_as(
            "/* store::registers_of_job */ SELECT obis, attribute, ts, value, scaler, unit, job_id FROM register_row
             WHERE meter_id = $1 AND job_id = $2 ORDER BY obis, attribute, ts LIMIT $3",
        );
        let query = query.bind(meter).bind(job).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::registers_of_job"))
    }

    /// What the clock showed when a job read it.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn clock_of_job(&self, meter: i32, job: i64) -> Result<Option<ClockRow>, Error> {
        let query = sqlx::query_as(
            "/* store::clock_of_job */ SELECT read_at, meter_ts, offset_min, status, delay_ms FROM clock_reading
             WHERE meter_id = $1 AND job_id = $2 ORDER BY read_at DESC LIMIT 1",
        );
        query.bind(meter).bind(job).fetch_optional(self.pool()).await.map_err(failed("store::clock_of_job"))
    }
}
