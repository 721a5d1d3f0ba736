//! What captures add up to in days of the meters' zones.

use jiff::civil;
use jiff_sqlx::{Date, Timestamp, ToSqlx as _};

use super::super::{Error, Store, failed};

/// A column of a profile in a day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Day {
    /// The day.
    pub day: Date,
    /// IANA time zone of the meter.
    pub zone: String,
    /// What the slots mean.
    pub layout_id: i32,
    /// Which of the values.
    pub slot: i16,
    /// Logical name of the profile, 6 octets.
    pub profile: Vec<u8>,
    /// Logical name of the captured object, 6 octets.
    pub obis: Vec<u8>,
    /// Captured attribute.
    pub attribute: i16,
    /// Power of ten of the values.
    pub scaler: i16,
    /// Unit code.
    pub unit: i16,
    /// Captures that there are.
    pub captures: i32,
    /// Captures that a whole day has.
    pub expected: i32,
    /// Instant of the last one.
    pub last_ts: Timestamp,
    /// Its value; `None` when it has none.
    pub last: Option<i64>,
    /// How far it came since the midnight before, in digits; `None` without a capture of that midnight.
    pub advance: Option<String>,
    /// Power of ten of that: the lower one where the columns changed in between.
    pub advance_scaler: Option<i16>,
    /// The lowest value.
    pub low: i64,
    /// The highest value.
    pub high: i64,
    /// The sum of the values, in digits.
    pub total: String,
    /// When it was added up.
    pub made_at: Timestamp,
}

/// Which days of a meter, in the order of layout, day and slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRange<'a> {
    /// The meter.
    pub meter: i32,
    /// Only these logical names; empty = any.
    pub obis: &'a [Vec<u8>],
    /// First day, inclusive.
    pub from: civil::Date,
    /// Last day, inclusive.
    pub to: civil::Date,
    /// The lowest layout, day and slot that are wanted.
    pub first: (i32, civil::Date, i16),
}

impl Store {
    /// At most `limit` days of a range.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn days(&self, range: &DayRange<'_>, limit: i64) -> Result<Vec<Day>, Error> {
        let query = sqlx::query_as(
            "/* store::days */
             SELECT d.day, m.zone, d.layout_id, s.slot, l.obis AS profile, s.obis, s.attribute, s.scaler, s.unit, d.captures,
                 (extract(epoch FROM day_begins(d.day + 1, m.zone) - day_begins(d.day, m.zone)) / l.period_s)::int4 AS expected,
                 d.last_ts, d.last[s.slot + 1] AS last, least(s.scaler, p.scaler) AS advance_scaler,
                 (d.last[s.slot + 1] * ('1e' || s.scaler - least(s.scaler, p.scaler))::numeric
                     - p.value * ('1e' || p.scaler - least(s.scaler, p.scaler))::numeric)::text AS advance,
                 d.low[s.slot + 1] AS low, d.high[s.slot + 1] AS high, d.total[s.slot + 1]::text AS total, d.made_at
             FROM reading_day d JOIN meter m ON m.id = d.meter_id JOIN profile_layout l ON l.id = d.layout_id
             JOIN profile_slot s ON s.layout_id = d.layout_id AND s.slot IS NOT NULL
             LEFT JOIN LATERAL value_before(d.meter_id, d.layout_id, s.slot, d.day, m.zone) p ON true
             WHERE d.meter_id = $1 AND (d.layout_id, d.day, s.slot) >= ($2, $3, $4) AND d.layout_id >= $2 AND d.day BETWEEN $5 AND $6
                 AND (cardinality($7::bytea[]) = 0 OR s.obis = ANY ($7)) AND d.high[s.slot + 1] IS NOT NULL
             ORDER BY d.layout_id, d.day, s.slot LIMIT $8",
        );
        let (layout, day, slot) = range.first;
        let query = query.bind(range.meter).bind(layout).bind(day.to_sqlx()).bind(slot);
        let query = query.bind(range.from.to_sqlx()).bind(range.to.to_sqlx()).bind(range.obis).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::days"))
    }
}
