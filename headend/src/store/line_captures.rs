//! Line captures and what is in them.

use std::time::Duration;

use collectors::{CaptureId, MeterId};
use jiff_sqlx::Timestamp;

use super::audit::{self, Entry};
use super::jobs::interval;
use super::protocol_log::Subject;
use super::{Error, Store, failed};

/// Captures that are kept at most, those that ended included.
pub const MOST: i64 = 20;
/// How long a capture is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What a packet costs besides its octets.
const PACKET_COST: i32 = 64;

/// A capture as it is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Of whom.
    pub subject: Subject,
    /// For how long; at most a day.
    pub time: Duration,
    /// Octets with which it is full.
    pub octets_max: i32,
    /// Who asks for it.
    pub set_by: String,
}

/// A capture.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LineCapture {
    /// Its number.
    pub id: CaptureId,
    /// The meter, unless a line is meant.
    pub meter_id: Option<MeterId>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The address of the line, unless a meter is meant.
    pub address: Option<String>,
    /// When it ends or ended, unless it was full before.
    pub until: Timestamp,
    /// Octets so far.
    pub octets: i32,
    /// Packets so far.
    pub packets: i32,
    /// Whether it ended because it was full.
    pub is_full: bool,
    /// Whether more may come.
    pub is_running: bool,
    /// Who began it.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

/// Something that happened on a line, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Packet {
    /// The capture.
    pub capture_id: CaptureId,
    /// When.
    pub at: Timestamp,
    /// The address of the meter.
    pub line: String,
    /// `tcp`, `udp` or `serial`.
    pub carrier: String,
    /// `opened`, `sent` or `received`.
    pub what: String,
    /// The octets.
    pub octets: Vec<u8>,
}

impl Store {
    /// Begins a capture, and audits it; what is older than a week is forgotten. `None`, and nothing was done, when [`MOST`] are kept.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`] for a meter that does not exist.
    pub async fn begin_line_capture(
        &self,
        beginning: &Beginning,
        entry: &Entry,
    ) -> Result<Option<CaptureId>, Error> {
        let failed = failed("store::line_captures::begin_line_capture");
        let (meter, address) = match &beginning.subject {
            Subject::Meter(meter) => (Some(*meter), None),
            Subject::Line(address) => (None, Some(address)),
        };
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        sqlx::query(
            "/* store::line_captures::begin_line_capture */
             DELETE FROM line_capture WHERE until <= now() - $1",
        )
        .bind(interval(KEPT))
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        let id = sqlx::query_scalar(
            "/* store::line_captures::begin_line_capture */
             INSERT INTO line_capture (meter_id, address, until, octets_max, set_by)
             SELECT $1, $2, now() + $3, $4, $5 WHERE (SELECT count(*) FROM line_capture) < $6 RETURNING id",
        )
        .bind(meter)
        .bind(address)
        .bind(interval(beginning.time))
        .bind(beginning.octets_max)
        .bind(&beginning.set_by)
        .bind(MOST)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&failed)?;
        if id.is_some() {
            audit::insert(&mut transaction, entry).await?;
            transaction.commit().await.map_err(&failed)?;
        }
        Ok(id)
    }

    /// Ends a capture that runs, or with `forget` takes it away with all that is in it, and audits it. False when there is none with the number.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn end_line_capture(&self, id: CaptureId, forget: bool, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::line_captures::end_line_capture");
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        let statement = match forget {
            true => "/* store::line_captures::end_line_capture */ DELETE FROM line_capture WHERE id = $1",
            false => {
                "/* store::line_captures::end_line_capture */
                 UPDATE line_capture SET until = least(until, now()) WHERE id = $1"
            }
        };
        let done = sqlx::query(statement).bind(id).execute(&mut *transaction).await.map_err(&failed)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }

    /// The captures, the newest first; at most [`MOST`].
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn line_captures(&self) -> Result<Vec<LineCapture>, Error> {
        let query = sqlx::query_as(
            "/* store::line_captures::line_captures */
             SELECT c.id, meter_id, serial, c.address, until, octets, packets, is_full, until > now() AND NOT is_full AS is_running, set_by, set_at
             FROM line_capture c LEFT JOIN meter m ON m.id = c.meter_id ORDER BY c.id DESC",
        );
        query.fetch_all(&self.pool).await.map_err(failed("store::line_captures::line_captures"))
    }

    /// Adds what was captured, as far as it fits; a capture that something did not fit into is full.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn add_captured(&self, packets: &[Packet]) -> Result<(), Error> {
        let column = |of: fn(&Packet) -> &str| packets.iter().map(of).collect::<Vec<_>>();
        sqlx::query(
            "/* store::line_captures::add_captured */
             WITH come AS (
                 SELECT p.*, c.octets + sum(length(p.octets) + $7) OVER (PARTITION BY p.capture_id ORDER BY p.n) <= c.octets_max AS fits
                 FROM unnest($1::int8[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bytea[])
                          WITH ORDINALITY AS p (capture_id, at, line, carrier, what, octets, n)
                 JOIN line_capture c ON c.id = p.capture_id
             ), kept AS (
                 INSERT INTO line_capture_packet (capture_id, at, line, carrier, what, octets)
                 SELECT capture_id, at, line, carrier, what, octets FROM come WHERE fits ORDER BY n
             )
             UPDATE line_capture c SET octets = c.octets + s.octets, packets = c.packets + s.packets, is_full = c.is_full OR s.is_full
             FROM (SELECT capture_id, coalesce(sum(length(octets) + $7) FILTER (WHERE fits), 0)::int4 AS octets,
                          (count(*) FILTER (WHERE fits))::int4 AS packets, bool_or(NOT fits) AS is_full
                   FROM come GROUP BY capture_id) s
             WHERE c.id = s.capture_id",
        )
        .bind(packets.iter().map(|packet| packet.capture_id).collect::<Vec<_>>())
        .bind(packets.iter().map(|packet| packet.at).collect::<Vec<_>>())
        .bind(column(|packet| &packet.line))
        .bind(column(|packet| &packet.carrier))
        .bind(column(|packet| &packet.what))
        .bind(packets.iter().map(|packet| packet.octets.as_slice()).collect::<Vec<_>>())
        .bind(PACKET_COST)
        .execute(&self.pool)
        .await
        .map_err(failed("store::line_captures::add_captured"))?;
        Ok(())
    }

    /// What is in a capture, in order; `None` when there is none with the number.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn captured(&self, id: CaptureId) -> Result<Option<Vec<Packet>>, Error> {
        let failed = failed("store::line_captures::captured");
        let known: Option<i32> = sqlx::query_scalar(
            "/* store::line_captures::captured */ SELECT packets FROM line_capture WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .map_err(&failed)?;
        if known.is_none() {
            return Ok(None);
        }
        let query = sqlx::query_as(
            "/* store::line_captures::captured */
             SELECT capture_id, at, line, carrier, what, octets FROM line_capture_packet WHERE capture_id = $1 ORDER BY number",
        );
        query.bind(id).fetch_all(&self.pool).await.map(Some).map_err(failed)
    }
}
