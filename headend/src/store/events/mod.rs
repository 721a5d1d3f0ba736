//! Events: what meters logged, each once. How they get in is in `write.rs`, which of two ways of hearing of one are the same in `pair.rs`, what registers
//! tell whose bits are events in `bits.rs`, and when prepaid energy is low in `credit.rs`.
//!
//! Numbers of events ascend in the order in which they were committed (`event_order()` of the schema), so a number is a place in the log: nothing
//! appears below a number that was seen.

mod bits;
mod credit;
mod pair;
mod write;

use jiff_sqlx::{Timestamp, ToSqlx as _};

use super::{AlarmSeverity, Error, EventLossCause, Store, failed};

pub(super) use bits::{told, words};
pub(super) use credit::reminders;
pub(super) use write::{Loss, insert_losses, link_alarms, write};
pub use write::{NewEvent, Way, Written};

/// Key of a code that the tables of the model do not have.
pub const UNKNOWN: &str = "unknown";

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    /// Number: stable, and the place in the log of events.
    pub id: i64,
    /// Serial number of the meter.
    pub serial: String,
    /// Logical name of the meter's log, or of the register that tells of it, 6 octets.
    pub log: Vec<u8>,
    /// Code in the log, or the value of one bit of a status word; of credit 1 when it became low and -1 when it is not any more.
    pub code: i64,
    /// The code, the whole status word, or what the register of the credit showed.
    pub logged: i64,
    /// When it happened, by the meter's clock.
    pub meter_ts: Option<Timestamp>,
    /// The same as the meter has it, 12 octets.
    pub meter_time: Vec<u8>,
    /// Clock status bits of that time; 255 not given.
    pub clock_status: i16,
    /// Canonical key.
    pub key: String,
    /// How urgent it is.
    pub severity: AlarmSeverity,
    /// Phase that it is about.
    pub phase: Option<i16>,
    /// The node that a concentrator logged it of, as its log names it.
    pub node: Option<String>,
    /// EndDeviceEventType of IEC 61968-9.
    pub cim: Option<String>,
    /// Whether it was read from the log, or pushed under the meter's keys.
    pub authenticated: bool,
    /// When it was first pushed.
    pub pushed_at: Option<Timestamp>,
    /// When it was first read from the log.
    pub polled_at: Option<Timestamp>,
    /// The job that first read it.
    pub job_id: Option<i64>,
    /// When it was first heard of.
    pub stored_at: Timestamp,
}

/// Which events; what is empty or `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of these meters.
    pub meters: Option<Vec<i32>>,
    /// Only with these keys.
    pub keys: Option<Vec<String>>,
    /// Only as urgent as this, or more.
    pub least: Option<AlarmSeverity>,
    /// Only of this log.
    pub log: Option<[u8; 6]>,
    /// Only what happened then or later, by the meter's clock.
    pub from: Option<jiff::Timestamp>,
    /// Only what happened then or earlier, by the meter's clock.
    pub to: Option<jiff::Timestamp>,
}

/// Entries of a log that may be lost.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventLoss {
    /// Number; a later one is higher.
    pub id: i64,
    /// Serial number of the meter.
    pub serial: String,
    /// Logical name of the log, 6 octets.
    pub log: Vec<u8>,
    /// How it came.
    pub cause: EventLossCause,
    /// Time of the latest entry that was read before.
    pub after_ts: Timestamp,
    /// Time of the earliest entry that was there instead.
    pub until_ts: Option<Timestamp>,
    /// Entries that were there.
    pub entries: i32,
    /// When it was noticed.
    pub noticed_at: Timestamp,
}

impl Store {
    /// The number of the latest event; 0 when there is none.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn events_end(&self) -> Result<i64, Error> {
        let query = sqlx::query_scalar("/* store::events_end */ SELECT coalesce(max(id), 0) FROM event");
        query.fetch_one(self.pool()).await.map_err(failed("store::events_end"))
    }

    /// Events with numbers above `after` and up to `until`, in their order, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn events_after(
        &self,
        after: i64,
        until: i64,
        filter: &EventFilter,
        limit: i64,
    ) -> Result<Vec<Event>, Error> {
        let query = sqlx::query_as(
            "/* store::events_after */ SELECT e.*, m.serial FROM event e JOIN meter m ON m.id = e.meter_id
             WHERE e.id > $1 AND e.id <= $2 AND ($3::int4[] IS NULL OR e.meter_id = ANY($3))
                 AND ($4::text[] IS NULL OR e.key = ANY($4)) AND ($5::alarm_severity IS NULL OR e.severity >= $5)
                 AND ($6::bytea IS NULL OR e.log = $6)
             ORDER BY e.id LIMIT $7",
        );
        let query = query.bind(after).bind(until).bind(filter.meters.as_deref()).bind(filter.keys.as_deref());
        let query = query.bind(filter.least).bind(filter.log.as_ref().map(|log| &log[..])).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::events_after"))
    }

    /// Events with numbers below `before`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_events(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Event>, Error> {
        let query = sqlx::query_as(
            "/* store::list_events */ SELECT e.*, m.serial FROM event e JOIN meter m ON m.id = e.meter_id
             WHERE ($1::int8 IS NULL OR e.id < $1) AND ($2::int4[] IS NULL OR e.meter_id = ANY($2))
                 AND ($3::text[] IS NULL OR e.key = ANY($3)) AND ($4::alarm_severity IS NULL OR e.severity >= $4)
                 AND ($5::bytea IS NULL OR e.log = $5)
                 AND ($6::timestamptz IS NULL OR e.meter_ts >= $6)
                 AND ($7::timestamptz IS NULL OR e.meter_ts <= $7)
             ORDER BY e.id DESC LIMIT $8",
        );
        let query = query.bind(before).bind(filter.meters.as_deref()).bind(filter.keys.as_deref());
        let query = query.bind(filter.least).bind(filter.log.as_ref().map(|log| &log[..]));
        let query = query.bind(filter.from.map(|from| from.to_sqlx())).bind(filter.to.map(|to| to.to_sqlx()));
        query.bind(limit).fetch_all(self.pool()).await.map_err(failed("store::list_events"))
    }

    /// Logs of which entries may be lost, with numbers below `before`, the newest first, at most `limit`; only of some meters when `meters` is
    /// given.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_event_losses(
        &self,
        meters: Option<&[i32]>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<EventLoss>, Error> {
        let query = sqlx::query_as(
            "/* store::list_event_losses */ SELECT l.*, m.serial FROM event_loss l JOIN meter m ON m.id = l.meter_id
             WHERE ($1::int8 IS NULL OR l.id < $1) AND ($2::int4[] IS NULL OR l.meter_id = ANY($2))
             ORDER BY l.id DESC LIMIT $3",
        );
        let query = query.bind(before).bind(meters).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::list_event_losses"))
    }
}
