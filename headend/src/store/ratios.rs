//! Ratios of the transformers in front of meters. Written by [`super::batch`], inside of its transaction. No reading is ever multiplied by them: that they
//! change is written down, and told by a flag.

use std::collections::BTreeMap;

use collectors::{JobId, MeterId, Ratio, Ratios};
use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::PgConnection;

use super::flags::NewFlag;
use super::{Error, FlagRule, Store, failed};
use crate::validate::Numbers;

/// Epochs of one meter that are told at most, the newest.
const EPOCHS: i64 = 100;
/// The attribute that holds the number of a data object.
const VALUE: i16 = 2;
/// Unit code of a number without unit.
const NO_UNIT: i16 = 255;
/// The numbers of the ratios in the order of the table: current transformers and voltage transformers, numerator and denominator (IEC 62056-6-1, 7.3.4).
const NAMES: [[u8; 6]; 4] =
    [[1, 0, 0, 4, 2, 255], [1, 0, 0, 4, 5, 255], [1, 0, 0, 4, 3, 255], [1, 0, 0, 4, 6, 255]];

/// Ratios with the time for which they held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct RatioEpoch {
    /// When they were first read.
    pub since: Timestamp,
    /// When those before were last read: the change lies between that and `since`. `None` for the first.
    pub before: Option<Timestamp>,
    /// When they were last read.
    pub read_at: Timestamp,
    /// Numerator of the current transformers; `None` when the meter never showed it.
    pub current_numerator: Option<i64>,
    /// Denominator of the current transformers.
    pub current_denominator: Option<i64>,
    /// Numerator of the voltage transformers.
    pub voltage_numerator: Option<i64>,
    /// Denominator of the voltage transformers.
    pub voltage_denominator: Option<i64>,
    /// The job that read them first.
    pub job_id: i64,
}

/// A beginning of an epoch: what it has, and what the one before had.
#[derive(sqlx::FromRow)]
struct Begun {
    meter_id: MeterId,
    since: Timestamp,
    job_id: JobId,
    numbers: Vec<Option<i64>>,
    were: Vec<Option<i64>>,
}

impl Store {
    /// The ratios of a meter, the latest first.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn ratio_epochs(&self, meter: MeterId) -> Result<Vec<RatioEpoch>, Error> {
        sqlx::query_as(
            "/* store::ratio_epochs */
             SELECT since, before, read_at, current_numerator, current_denominator, voltage_numerator, voltage_denominator, job_id
             FROM meter_ratio WHERE meter_id = $1 ORDER BY since DESC LIMIT $2",
        )
        .bind(meter)
        .bind(EPOCHS)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::ratio_epochs"))
    }
}

/// Notes which ratios meters show, the latest read of each; a ratio that a meter does not show stays as it was. Where one is another than before, a new epoch
/// begins, and there is a flag for each number that changed.
pub(super) async fn write(
    connection: &mut PgConnection,
    ratios: &BTreeMap<MeterId, (JobId, Ratios)>,
    stored_at: Timestamp,
) -> Result<Vec<NewFlag>, Error> {
    if ratios.is_empty() {
        return Ok(Vec::new());
    }
    let number = |of: fn(&Ratios) -> Option<Ratio>, part: fn(Ratio) -> i64| {
        ratios.values().map(|(_, ratios)| of(ratios).map(part)).collect::<Vec<_>>()
    };
    let begun: Vec<Begun> = sqlx::query_as(
        "/* store::ratios::write */
         WITH read AS (
             SELECT n.*, k.since AS known, k.read_at AS before,
                 ARRAY[coalesce(n.cn, k.current_numerator), coalesce(n.cd, k.current_denominator),
                     coalesce(n.vn, k.voltage_numerator), coalesce(n.vd, k.voltage_denominator)] AS numbers,
                 ARRAY[k.current_numerator, k.current_denominator, k.voltage_numerator, k.voltage_denominator] AS were
             FROM unnest($1::int4[], $2::int8[], $3::timestamptz[], $4::int8[], $5::int8[], $6::int8[], $7::int8[])
                 AS n (meter_id, job_id, at, cn, cd, vn, vd)
             JOIN meter m ON m.id = n.meter_id
             LEFT JOIN LATERAL (SELECT * FROM meter_ratio r WHERE r.meter_id = n.meter_id ORDER BY since DESC LIMIT 1) k ON true
             WHERE k.read_at IS NULL OR k.read_at < n.at),
         same AS (
             UPDATE meter_ratio r SET read_at = n.at FROM read n
             WHERE r.meter_id = n.meter_id AND r.since = n.known AND n.numbers = n.were),
         begun AS (
             INSERT INTO meter_ratio (meter_id, since, before, read_at, current_numerator, current_denominator, voltage_numerator,
                 voltage_denominator, job_id, stored_at)
             SELECT meter_id, at, before, at, numbers[1], numbers[2], numbers[3], numbers[4], job_id, $8::timestamptz FROM read
             WHERE known IS NULL OR numbers <> were
             RETURNING meter_id, since)
         SELECT b.meter_id, b.since, n.job_id, n.numbers, n.were FROM begun b JOIN read n USING (meter_id)",
    )
    .bind(ratios.keys().copied().collect::<Vec<_>>())
    .bind(ratios.values().map(|(job, _)| *job).collect::<Vec<_>>())
    .bind(ratios.values().map(|(_, ratios)| ratios.read_at.to_sqlx()).collect::<Vec<_>>())
    .bind(number(|ratios| ratios.current, |ratio| ratio.numerator))
    .bind(number(|ratios| ratios.current, |ratio| ratio.denominator))
    .bind(number(|ratios| ratios.voltage, |ratio| ratio.numerator))
    .bind(number(|ratios| ratios.voltage, |ratio| ratio.denominator))
    .bind(stored_at)
    .fetch_all(connection)
    .await
    .map_err(failed("store::ratios::write"))?;
    Ok(begun.iter().flat_map(changes).collect())
}

/// A flag for each number that is another one now; one that is seen for the first time is none.
fn changes(begun: &Begun) -> impl Iterator<Item = NewFlag> + '_ {
    let numbers = NAMES.into_iter().zip(begun.numbers.iter().zip(&begun.were));
    numbers.filter_map(|(obis, (value, reference))| {
        reference.filter(|_| value != reference)?;
        Some(NewFlag {
            meter: begun.meter_id,
            rule: FlagRule::RatioChanged,
            ts: begun.since.to_jiff().as_microsecond(),
            layout: None,
            obis,
            attribute: VALUE,
            numbers: Numbers { value: *value, reference: *reference, ..Numbers::default() },
            unit: NO_UNIT,
            octets: None,
            job: begun.job_id,
        })
    })
}
