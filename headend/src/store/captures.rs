//! Captures of profiles: how they get into `profile_row`.
//!
//! New ones go in by COPY, which is twice as fast as anything else, where the high-water mark proves them new. All others go
//! in by `INSERT … ON CONFLICT DO NOTHING`; when fewer land than were sent, the rest is compared with what is stored, and
//! what differs takes its place while the old row is kept in `profile_row_rev`. In the end the counts have to add up.

mod copy;
mod merge;

use std::collections::BTreeSet;
use std::sync::PoisonError;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::PgConnection;

use super::log::Changes;
use super::{Error, Store, failed};

/// Values that a stored capture has room for.
pub const SLOTS: usize = 16;

/// A capture as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The meter.
    pub meter: i32,
    /// What the values mean.
    pub layout: i32,
    /// The end of its interval, in microseconds since 1970.
    pub ts: i64,
    /// Bits of the status column.
    pub status: Option<i32>,
    /// The meter's offset from UTC in minutes, positive to the east.
    pub clock_offset_min: Option<i16>,
    /// Clock status bits.
    pub clock_status: i16,
    /// The job that brought it.
    pub job: i64,
    /// The meter's own integers.
    pub values: [Option<i64>; SLOTS],
}

impl Row {
    /// What makes it one capture of one profile.
    pub(super) fn key(&self) -> (i32, i32, i64) {
        (self.meter, self.layout, self.ts)
    }

    /// Whether it says the same as another row with the same key, whichever job brought it.
    fn says_the_same(&self, other: &Self) -> bool {
        self.status == other.status
            && self.clock_offset_min == other.clock_offset_min
            && self.clock_status == other.clock_status
            && self.values == other.values
    }
}

/// What became of captures. `sent` is the sum of the other three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Captures handed over.
    pub sent: u64,
    /// New ones.
    pub inserted: u64,
    /// Known ones with the same content.
    pub identical: u64,
    /// Known ones with other content; the old content was kept as a revision.
    pub revised: u64,
}

impl Stored {
    /// Adds the outcome of other captures.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.inserted += other.inserted;
        self.identical += other.identical;
        self.revised += other.revised;
    }

    /// Refuses an outcome that does not add up.
    fn reconciled(self) -> Result<Self, Error> {
        let Self { sent, inserted, identical, revised } = self;
        if sent == inserted + identical + revised {
            return Ok(self);
        }
        Err(Error::Unreconciled { sent, inserted, identical, revised })
    }
}

/// Writes captures inside of a transaction, which come to count at `stored_at`, and notes in `changes` what is new or different now, and in `late` those of them that are not new. `is_new` says which captures
/// lie beyond everything that is stored of their profile; should another process store one of those at the same time, the
/// outcome is an error for which [`Error::is_duplicate`] holds, and the transaction has to be repeated with `is_new` always
/// false.
pub(super) async fn write(
    connection: &mut PgConnection,
    rows: &[Row],
    is_new: impl Fn(&Row) -> bool,
    stored_at: SqlTimestamp,
    changes: &mut Changes,
    late: &mut Changes,
) -> Result<Stored, Error> {
    let (fresh, known): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_new(row));
    let (round, same, later) = rounds(fresh);
    let mut stored = Stored { sent: same, identical: same, ..Stored::default() };
    if !round.is_empty() {
        stored.add(copy::copy(connection, &round, stored_at, changes).await?);
    }
    // A key that occurs again with other content goes into a round of its own, after the earlier one.
    for mut rest in [later, known] {
        while !rest.is_empty() {
            let (round, same, later) = rounds(rest);
            stored.add(Stored { sent: same, identical: same, ..Stored::default() });
            stored.add(merge::merge(connection, &round, stored_at, late).await?);
            rest = later;
        }
    }
    changes.join(late);
    stored.reconciled()
}

/// Microseconds since 1970 as the driver takes them.
pub(super) fn instant(microseconds: i64) -> Result<SqlTimestamp, Error> {
    let time = Timestamp::from_microsecond(microseconds)
        .map_err(|error| Error::Unreadable { what: "time of a capture", detail: error.to_string() })?;
    Ok(time.to_sqlx())
}

/// Sorts rows by key and keeps the first of each: returns these, the number of repetitions with the same content, and the
/// repetitions that say something else, in the order they came.
fn rounds(mut rows: Vec<&Row>) -> (Vec<&Row>, u64, Vec<&Row>) {
    // The sort is stable, so of two rows with one key the earlier comes first.
    rows.sort_by_key(|row| row.key());
    let mut round: Vec<&Row> = Vec::with_capacity(rows.len());
    let (mut same, mut later) = (0, Vec::new());
    for row in rows {
        match round.last() {
            Some(last)
                if last.key() == row.key()
                    && last.says_the_same(row)
                    && later.last().is_none_or(|l: &&Row| l.key() != row.key()) =>
            {
                same += 1;
            }
            Some(last) if last.key() == row.key() => later.push(row),
            _ => round.push(row),
        }
    }
    (round, same, later)
}

impl Store {
    /// Makes the partitions that captures at these instants need. It is a transaction of its own: making a partition locks
    /// more than storing does.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn ensure_partitions(
        &self,
        instants: impl IntoIterator<Item = Timestamp>,
    ) -> Result<(), Error> {
        let mut months: BTreeSet<i32> = instants.into_iter().map(month).collect();
        months.retain(|month| !self.months.lock().unwrap_or_else(PoisonError::into_inner).contains(month));
        for &month in &months {
            super::repeat("store::captures::ensure_partitions", || async move {
                sqlx::query(
                    "/* store::captures::ensure_partitions */
                     SELECT ensure_profile_partitions(month, month)
                     FROM make_timestamptz($1, $2, 1, 0, 0, 0, 'UTC') AS month",
                )
                .bind(month.div_euclid(12))
                .bind(month.rem_euclid(12) + 1)
                .execute(&self.pool)
                .await
                .map_err(failed("store::captures::ensure_partitions"))
            })
            .await?;
        }
        self.months.lock().unwrap_or_else(PoisonError::into_inner).append(&mut months);
        Ok(())
    }
}

/// Months since the year 0, in UTC as the partitions are.
fn month(instant: Timestamp) -> i32 {
    let date = TimeZone::UTC.to_datetime(instant).date();
    i32::from(date.year()) * 12 + i32::from(date.month()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ts: i64, value: i64, job: i64) -> Row {
        let mut values = [None; SLOTS];
        values[0] = Some(value);
        Row { meter: 1, layout: 1, ts, status: None, clock_offset_min: None, clock_status: 0, job, values }
    }

    #[test]
    fn repetitions_are_counted_and_contradictions_wait_for_the_next_round() {
        let rows = [row(2, 5, 1), row(1, 7, 1), row(2, 5, 2), row(2, 6, 3), row(2, 5, 4), row(1, 7, 5)];
        let (round, same, later) = rounds(rows.iter().collect());
        assert_eq!(round, [&row(1, 7, 1), &row(2, 5, 1)]);
        assert_eq!(same, 2, "one of ts 1, one of ts 2 before the contradiction");
        assert_eq!(later, [&row(2, 6, 3), &row(2, 5, 4)], "back to the first content is a change again");
    }

    #[test]
    fn an_outcome_that_does_not_add_up_is_an_error() {
        let good = Stored { sent: 6, inserted: 3, identical: 2, revised: 1 };
        assert_eq!(good.reconciled(), Ok(good));
        let bad = Stored { sent: 7, ..good };
        assert_eq!(
            bad.reconciled(),
            Err(Error::Unreconciled { sent: 7, inserted: 3, identical: 2, revised: 1 })
        );
    }

    #[test]
    fn months_are_those_of_utc() {
        let at = |text: &str| month(text.parse().unwrap());
        assert_eq!(at("2024-01-31T23:59:59Z"), 2024 * 12);
        assert_eq!(at("2024-02-01T00:30:00+01:00"), 2024 * 12);
        assert_eq!(at("2024-02-01T00:00:00Z"), 2024 * 12 + 1);
    }
}
