//! The log of what was stored: one entry for each meter and layout of a transaction. It is read in [`super::readings`].

use std::collections::BTreeMap;

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::PgConnection;

use super::captures::instant;
use super::{Error, failed};

/// Readings that a transaction made or changed: the earliest and the latest instant, in microseconds since 1970, for each
/// meter and layout; without a layout, register values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes(BTreeMap<(i32, Option<i32>), (i64, i64)>);

impl Changes {
    /// Notes one reading.
    pub(super) fn note(&mut self, meter: i32, layout: Option<i32>, ts: i64) {
        let range = self.0.entry((meter, layout)).or_insert((ts, ts));
        *range = (range.0.min(ts), range.1.max(ts));
    }

    /// Notes what others have noted.
    pub(super) fn join(&mut self, other: &Self) {
        for (&(meter, layout), &(first, last)) in &other.0 {
            self.note(meter, layout, first);
            self.note(meter, layout, last);
        }
    }

    /// Captures that were noted: meter and layout, the earliest and the latest instant.
    pub(super) fn captures(&self) -> impl Iterator<Item = ((i32, i32), (i64, i64))> + '_ {
        self.0.iter().filter_map(|((meter, layout), range)| Some(((*meter, (*layout)?), *range)))
    }

    /// Meters with new or changed readings, ascending, each once.
    pub(super) fn meters(&self) -> Vec<i32> {
        let mut meters: Vec<i32> = self.0.keys().map(|(meter, _)| *meter).collect();
        meters.dedup();
        meters
    }
}

/// Writes the entries of a transaction.
pub(super) async fn insert(connection: &mut PgConnection, changes: &Changes) -> Result<(), Error> {
    if changes.0.is_empty() {
        return Ok(());
    }
    let times = |end: fn(&(i64, i64)) -> i64| -> Result<Vec<SqlTimestamp>, Error> {
        changes.0.values().map(|range| instant(end(range))).collect()
    };
    sqlx::query(
        "/* store::log::insert */
         INSERT INTO reading_batch (meter_id, layout_id, from_ts, to_ts)
         SELECT * FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[])",
    )
    .bind(changes.0.keys().map(|(meter, _)| *meter).collect::<Vec<_>>())
    .bind(changes.0.keys().map(|(_, layout)| *layout).collect::<Vec<_>>())
    .bind(times(|range| range.0)?)
    .bind(times(|range| range.1)?)
    .execute(connection)
    .await
    .map_err(failed("store::log::insert"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_spans_what_changed_and_each_meter_is_told_of_once() {
        let mut changes = Changes::default();
        for (meter, layout, ts) in [(2, Some(1), 30), (2, Some(1), 10), (2, None, 99), (1, Some(1), 5)] {
            changes.note(meter, layout, ts);
        }
        let expected = [((1, Some(1)), (5, 5)), ((2, None), (99, 99)), ((2, Some(1)), (10, 30))];
        assert_eq!(changes.0.iter().map(|(key, range)| (*key, *range)).collect::<Vec<_>>(), expected);
        assert_eq!(changes.meters(), [1, 2]);
    }
}
