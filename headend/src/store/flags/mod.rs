//! What is doubtful about readings. What the rules say is in [`crate::validate`]; `judge.rs` asks them while a batch is written, `late.rs` again where captures
//! came between others or took their place, `registers.rs` about registers, `write.rs` raises flags and withdraws them, and `settle.rs` withdraws those about
//! what could not be read. Here they are read.

mod judge;
mod late;
mod registers;
mod settle;
mod write;

use jiff_sqlx::{Timestamp, ToSqlx as _};

use super::{Error, FlagRule, Store, failed};

pub(super) use judge::{Judged, judge, unread};
pub(super) use settle::{again, rows as settle_rows};
pub(super) use write::raise;
pub use write::{NewFlag, Raised};

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Flag {
    /// Number; a later one is higher.
    pub id: i64,
    /// Serial number of the meter.
    pub serial: String,
    /// The rule that does not hold.
    pub rule: FlagRule,
    /// Instant of the reading or capture; of a read as a whole, when it was noticed.
    pub ts: Timestamp,
    /// Logical name of the profile of the capture, 6 octets; `None` for a register and a read as a whole.
    pub profile: Option<Vec<u8>>,
    /// Logical name of the object that it is about, 6 octets.
    pub obis: Vec<u8>,
    /// Attribute of that object.
    pub attribute: i16,
    /// What the rule does not like.
    pub value: Option<i64>,
    /// What it was compared with.
    pub reference: Option<i64>,
    /// How far it may be from that, or from 0.
    pub bound: Option<i64>,
    /// The three numbers times ten to the power of the scaler are in the unit.
    pub scaler: i16,
    /// Unit code.
    pub unit: i16,
    /// What the meter sent, where it could not be read.
    pub octets: Option<Vec<u8>>,
    /// The job that brought it.
    pub job_id: i64,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it did not hold any more.
    pub withdrawn_at: Option<Timestamp>,
}

/// Which flags; what is empty or `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlagFilter {
    /// Only of these meters.
    pub meters: Option<Vec<i32>>,
    /// Only of these rules.
    pub rules: Option<Vec<FlagRule>>,
    /// Only about this instant or later ones.
    pub from: Option<jiff::Timestamp>,
    /// Only about this instant or earlier ones.
    pub to: Option<jiff::Timestamp>,
    /// Also those that were withdrawn.
    pub withdrawn: bool,
}

/// A standing flag as readings bear it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Borne {
    /// Instant of the reading.
    pub ts: Timestamp,
    /// Layout of its capture; `None` for a register.
    pub layout_id: Option<i32>,
    /// Logical name of the object, 6 octets.
    pub obis: Vec<u8>,
    /// Attribute of that object.
    pub attribute: i16,
    /// The rule.
    pub rule: FlagRule,
}

impl Store {
    /// Flags with numbers below `before`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_flags(
        &self,
        filter: &FlagFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Flag>, Error> {
        let query = sqlx::query_as(
            "/* store::list_flags */ SELECT f.*, m.serial, l.obis AS profile
             FROM reading_flag f JOIN meter m ON m.id = f.meter_id LEFT JOIN profile_layout l ON l.id = f.layout_id
             WHERE ($1::int8 IS NULL OR f.id < $1) AND ($2::int4[] IS NULL OR f.meter_id = ANY($2))
                 AND ($3::flag_rule[] IS NULL OR f.rule = ANY($3))
                 AND ($4::timestamptz IS NULL OR f.ts >= $4) AND ($5::timestamptz IS NULL OR f.ts <= $5)
                 AND ($6 OR f.withdrawn_at IS NULL)
             ORDER BY f.id DESC LIMIT $7",
        );
        let query = query.bind(before).bind(filter.meters.as_deref()).bind(filter.rules.as_deref());
        let query = query.bind(filter.from.map(|from| from.to_sqlx())).bind(filter.to.map(|to| to.to_sqlx()));
        let query = query.bind(filter.withdrawn).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::list_flags"))
    }

    /// The flags about readings of a meter between two instants, both inclusive: those that stand, or that stood at `known_at`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn flags_borne(
        &self,
        meter: i32,
        (from, to): (jiff::Timestamp, jiff::Timestamp),
        known_at: Option<jiff::Timestamp>,
    ) -> Result<Vec<Borne>, Error> {
        let query = sqlx::query_as(
            "/* store::flags_borne */ SELECT ts, layout_id, obis, attribute, rule FROM reading_flag
             WHERE meter_id = $1 AND ts BETWEEN $2 AND $3 AND ($4::timestamptz IS NULL AND withdrawn_at IS NULL
                 OR raised_at <= $4 AND (withdrawn_at IS NULL OR withdrawn_at > $4))
             ORDER BY rule",
        );
        let query = query.bind(meter).bind(from.to_sqlx()).bind(to.to_sqlx());
        let query = query.bind(known_at.map(|known_at| known_at.to_sqlx()));
        query.fetch_all(self.pool()).await.map_err(failed("store::flags_borne"))
    }
}
