//! Alarms as they are given out: followed, listed, acknowledged; and the pushes that became none.
//!
//! Numbers of alarms ascend in the order in which they were committed (see [`super::pushes`]), so a number is a place in the log:
//! nothing appears below a number that was seen.

use jiff_sqlx::{Timestamp, ToSqlx as _};

use super::audit::{self, Entry};
use super::{AlarmSeverity, AlarmSource, Error, PushFate, Store, failed};

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Alarm {
    /// Number: stable, and the place in the log.
    pub id: i64,
    /// The meter.
    pub meter_id: i32,
    /// Serial number of the meter.
    pub serial: String,
    /// Canonical key.
    pub key: String,
    /// How urgent it is.
    pub severity: AlarmSeverity,
    /// Phase that it is about.
    pub phase: Option<i16>,
    /// What the push held.
    pub source: AlarmSource,
    /// Logical name of the log, register or object, 6 octets.
    pub obis: Option<Vec<u8>>,
    /// Code in the log, or number of the bit.
    pub code: Option<i64>,
    /// When it happened, by the meter's clock.
    pub meter_ts: Option<Timestamp>,
    /// The same as the meter sent it, 12 octets.
    pub meter_time: Option<Vec<u8>>,
    /// When its first push arrived.
    pub received_at: Timestamp,
    /// Whether the push was ciphered with the meter's keys.
    pub authenticated: bool,
    /// Where the push came from.
    pub peer: String,
    /// The push in the clear.
    pub raw: Vec<u8>,
    /// How often the same was pushed again.
    pub repetitions: i32,
    /// When it was last pushed again.
    pub repeated_at: Option<Timestamp>,
    /// When somebody took notice.
    pub acknowledged_at: Option<Timestamp>,
    /// Who did.
    pub acknowledged_by: Option<String>,
    /// What that person wrote.
    pub note: Option<String>,
    /// The event that it tells of.
    pub event_id: Option<i64>,
}

/// Which alarms; what is empty or `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmFilter {
    /// Only of these meters.
    pub meters: Option<Vec<i32>>,
    /// Only with these keys.
    pub keys: Option<Vec<String>>,
    /// Only as urgent as this, or more.
    pub least: Option<AlarmSeverity>,
    /// Only acknowledged (`true`) or not (`false`).
    pub acknowledged: Option<bool>,
    /// Only received then or later.
    pub from: Option<jiff::Timestamp>,
    /// Only received then or earlier.
    pub to: Option<jiff::Timestamp>,
}

/// A push that became no alarm.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct QuarantineEntry {
    /// Number; a later one is higher.
    pub id: i64,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Where it came from.
    pub peer: String,
    /// Why it became no alarm.
    pub reason: PushFate,
    /// The same for a person.
    pub detail: String,
    /// Serial number of the meter that it claims to be from.
    pub serial: Option<String>,
    /// What arrived.
    pub octets: Vec<u8>,
}

/// Who takes notice of alarms, and what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice<'a> {
    /// What to write down with the alarms; empty = nothing.
    pub note: &'a str,
    /// Who takes notice, and the row of the audit about it.
    pub entry: &'a Entry,
}

/// What came of acknowledging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// All of them are acknowledged now, by this or by an earlier call.
    All(Vec<Alarm>),
    /// There is no alarm with this number; nothing was changed.
    Missing(i64),
}

impl AlarmFilter {
    /// Whether an alarm that was just stored fits; what is acknowledged or when does not matter here.
    pub fn fits(&self, alarm: &Alarm) -> bool {
        self.meters.as_ref().is_none_or(|meters| meters.binary_search(&alarm.meter_id).is_ok())
            && self.keys.as_ref().is_none_or(|keys| keys.contains(&alarm.key))
            && self.least.is_none_or(|least| alarm.severity >= least)
    }
}

impl Store {
    /// The number of the latest alarm; 0 when there is none.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn alarms_end(&self) -> Result<i64, Error> {
        let query = sqlx::query_scalar("/* store::alarms_end */ SELECT coalesce(max(id), 0) FROM alarm");
        query.fetch_one(self.pool()).await.map_err(failed("store::alarms_end"))
    }

    /// Alarms with numbers above `after` and up to `until`, in their order, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn alarms_after(
        &self,
        after: i64,
        until: i64,
        filter: &AlarmFilter,
        limit: i64,
    ) -> Result<Vec<Alarm>, Error> {
        let query = sqlx::query_as(
            "/* store::alarms_after */ SELECT a.*, m.serial FROM alarm a JOIN meter m ON m.id = a.meter_id
             WHERE a.id > $1 AND a.id <= $2 AND ($3::int4[] IS NULL OR a.meter_id = ANY($3))
                 AND ($4::text[] IS NULL OR a.key = ANY($4)) AND ($5::alarm_severity IS NULL OR a.severity >= $5)
             ORDER BY a.id LIMIT $6",
        );
        let query = query.bind(after).bind(until).bind(filter.meters.as_deref()).bind(filter.keys.as_deref());
        let query = query.bind(filter.least).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::alarms_after"))
    }

    /// Alarms with numbers below `before`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_alarms(
        &self,
        filter: &AlarmFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Alarm>, Error> {
        let query = sqlx::query_as(
            "/* store::list_alarms */ SELECT a.*, m.serial FROM alarm a JOIN meter m ON m.id = a.meter_id
             WHERE ($1::int8 IS NULL OR a.id < $1) AND ($2::int4[] IS NULL OR a.meter_id = ANY($2))
                 AND ($3::text[] IS NULL OR a.key = ANY($3)) AND ($4::alarm_severity IS NULL OR a.severity >= $4)
                 AND ($5::bool IS NULL OR (a.acknowledged_at IS NOT NULL) = $5)
                 AND ($6::timestamptz IS NULL OR a.received_at >= $6)
                 AND ($7::timestamptz IS NULL OR a.received_at <= $7)
             ORDER BY a.id DESC LIMIT $8",
        );
        let query = query.bind(before).bind(filter.meters.as_deref()).bind(filter.keys.as_deref());
        let query = query.bind(filter.least).bind(filter.acknowledged);
        let query = query.bind(filter.from.map(|from| from.to_sqlx())).bind(filter.to.map(|to| to.to_sqlx()));
        query.bind(limit).fetch_all(self.pool()).await.map_err(failed("store::list_alarms"))
    }

    /// Notes that somebody took notice of alarms, all of them or none. One that was acknowledged before stays as it is.
    ///
    /// # Errors
    /// Every [`Error`] of the server; nothing was noted then, unless the answer to the commit was lost.
    pub async fn acknowledge_alarms(&self, ids: &[i64], notice: Notice<'_>) -> Result<Acknowledged, Error> {
        let failed = failed("store::acknowledge_alarms");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        // In the order of their numbers, so that two who take notice of the same do not wait for each other.
        let query = sqlx::query(
            "/* store::acknowledge_alarms */ WITH open AS (
                 SELECT id FROM alarm WHERE id = ANY($1) AND acknowledged_at IS NULL ORDER BY id FOR UPDATE)
             UPDATE alarm a SET acknowledged_at = now(), acknowledged_by = $2, note = nullif($3, '')
             FROM open WHERE a.id = open.id",
        );
        let query = query.bind(ids).bind(&notice.entry.principal).bind(notice.note);
        query.execute(&mut *transaction).await.map_err(&failed)?;
        let query = sqlx::query_as::<_, Alarm>(
            "/* store::acknowledge_alarms */ SELECT a.*, m.serial FROM alarm a JOIN meter m ON m.id = a.meter_id
             WHERE a.id = ANY($1) ORDER BY a.id",
        );
        let alarms = query.bind(ids).fetch_all(&mut *transaction).await.map_err(&failed)?;
        let missing = ids.iter().find(|id| alarms.binary_search_by_key(*id, |alarm| alarm.id).is_err());
        if let Some(&missing) = missing {
            transaction.rollback().await.map_err(&failed)?;
            return Ok(Acknowledged::Missing(missing));
        }
        audit::insert(&mut transaction, notice.entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Acknowledged::All(alarms))
    }

    /// Entries of the quarantine with numbers below `before`, only with one of these reasons when `reasons` is not empty; the newest first, at
    /// most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_quarantine(
        &self,
        reasons: &[PushFate],
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<QuarantineEntry>, Error> {
        let query = sqlx::query_as(
            "/* store::list_quarantine */ SELECT q.id, q.received_at, q.peer, q.reason, q.detail, m.serial, q.octets
             FROM push_quarantine q LEFT JOIN meter m ON m.id = q.meter_id
             WHERE ($1::int8 IS NULL OR q.id < $1) AND (cardinality($2::text[]) = 0 OR q.reason::text = ANY($2))
             ORDER BY q.id DESC LIMIT $3",
        );
        let words: Vec<_> = reasons.iter().map(|reason| reason.word()).collect();
        let query = query.bind(before).bind(words).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::list_quarantine"))
    }

    /// What became of pushes since the beginning.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn push_tally(&self) -> Result<Vec<(PushFate, i64)>, Error> {
        let query =
            sqlx::query_as("/* store::push_tally */ SELECT fate, pushes FROM push_tally ORDER BY fate");
        query.fetch_all(self.pool()).await.map_err(failed("store::push_tally"))
    }
}
