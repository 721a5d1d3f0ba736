//! How flags are raised and withdrawn.

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::PgConnection;

use super::super::captures::instant;
use super::super::{Error, FlagRule, failed};
use crate::validate::Numbers;

/// A flag that is to be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFlag {
    /// The meter.
    pub meter: i32,
    /// The rule that does not hold.
    pub rule: FlagRule,
    /// Instant of the reading, in microseconds since 1970.
    pub ts: i64,
    /// Layout of the capture; `None` for a register and a read as a whole.
    pub layout: Option<i32>,
    /// Logical name of the object that it is about.
    pub obis: [u8; 6],
    /// Attribute of that object.
    pub attribute: i16,
    /// The numbers that made it.
    pub numbers: Numbers,
    /// Unit code of the numbers.
    pub unit: i16,
    /// What the meter sent, where it could not be read.
    pub octets: Option<Vec<u8>>,
    /// The job that brought the reading.
    pub job: i64,
}

/// Flags of each rule that were raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raised([u64; FlagRule::ALL.len()]);

impl Raised {
    /// Adds what another batch raised.
    pub fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// Each rule with the flags that were raised for it.
    pub fn each(&self) -> impl Iterator<Item = (FlagRule, u64)> + '_ {
        FlagRule::ALL.into_iter().zip(self.0)
    }

    fn count(&mut self, rule: FlagRule) {
        self.0
            .iter_mut()
            .zip(FlagRule::ALL)
            .filter(|(_, other)| *other == rule)
            .for_each(|(sum, _)| *sum += 1);
    }
}

/// Raises flags; those that stand already stay as they are.
pub(in crate::store) async fn raise(
    connection: &mut PgConnection,
    flags: &[NewFlag],
    raised_at: SqlTimestamp,
) -> Result<Raised, Error> {
    let mut raised = Raised::default();
    if flags.is_empty() {
        return Ok(raised);
    }
    let number =
        |of: fn(&Numbers) -> Option<i64>| flags.iter().map(|flag| of(&flag.numbers)).collect::<Vec<_>>();
    let new: Vec<FlagRule> = sqlx::query_scalar(
        "/* store::flags::raise */
         INSERT INTO reading_flag (meter_id, rule, ts, layout_id, obis, attribute, value, reference, bound, scaler, unit, job_id, octets, raised_at)
         SELECT *, $14::timestamptz FROM unnest($1::int4[], $2::flag_rule[], $3::timestamptz[], $4::int4[], $5::bytea[], $6::int2[], $7::int8[],
                              $8::int8[], $9::int8[], $10::int2[], $11::int2[], $12::int8[], $13::bytea[])
         ON CONFLICT DO NOTHING RETURNING rule",
    )
    .bind(flags.iter().map(|flag| flag.meter).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.rule).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| instant(flag.ts)).collect::<Result<Vec<_>, _>>()?)
    .bind(flags.iter().map(|flag| flag.layout).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.obis.to_vec()).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.attribute).collect::<Vec<_>>())
    .bind(number(|numbers| numbers.value))
    .bind(number(|numbers| numbers.reference))
    .bind(number(|numbers| numbers.bound))
    .bind(flags.iter().map(|flag| i16::from(flag.numbers.scaler)).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.unit).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.job).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.octets.as_deref()).collect::<Vec<_>>())
    .bind(raised_at)
    .fetch_all(connection)
    .await
    .map_err(failed("store::flags::raise"))?;
    new.into_iter().for_each(|rule| raised.count(rule));
    Ok(raised)
}

/// A profile with the instants, in microseconds since 1970, between which its captures were held against the rules anew.
pub(super) type Checked = ((i32, i32), (i64, i64));

/// Withdraws the flags about captures in these ranges that are not among `flags`.
pub(super) async fn withdraw(
    connection: &mut PgConnection,
    ranges: &[Checked],
    flags: &[NewFlag],
    withdrawn_at: SqlTimestamp,
) -> Result<(), Error> {
    let times = |end: fn(&(i64, i64)) -> i64| {
        ranges.iter().map(|(_, range)| instant(end(range))).collect::<Result<Vec<_>, _>>()
    };
    let rules: Vec<FlagRule> = FlagRule::ALL.into_iter().filter(|rule| rule.is_about_captures()).collect();
    sqlx::query(
        "/* store::flags::withdraw */
         UPDATE reading_flag f SET withdrawn_at = $14::timestamptz
         FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[]) AS c (meter_id, layout_id, from_ts, to_ts)
         WHERE f.meter_id = c.meter_id AND f.layout_id = c.layout_id AND f.ts BETWEEN c.from_ts AND c.to_ts
             AND f.withdrawn_at IS NULL AND f.rule = ANY($5)
             AND NOT EXISTS (
                 SELECT FROM unnest($6::int4[], $7::int4[], $8::timestamptz[], $9::bytea[], $10::int2[], $11::flag_rule[],
                             $12::int8[], $13::int8[])
                     AS k (meter_id, layout_id, ts, obis, attribute, rule, value, reference)
                 WHERE k.meter_id = f.meter_id AND k.layout_id = f.layout_id AND k.ts = f.ts AND k.obis = f.obis
                     AND k.attribute = f.attribute AND k.rule = f.rule
                     AND (k.value, k.reference) IS NOT DISTINCT FROM (f.value, f.reference))",
    )
    .bind(ranges.iter().map(|((meter, _), _)| *meter).collect::<Vec<_>>())
    .bind(ranges.iter().map(|((_, layout), _)| *layout).collect::<Vec<_>>())
    .bind(times(|range| range.0)?)
    .bind(times(|range| range.1)?)
    .bind(rules)
    .bind(flags.iter().map(|flag| flag.meter).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.layout).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| instant(flag.ts)).collect::<Result<Vec<_>, _>>()?)
    .bind(flags.iter().map(|flag| flag.obis.to_vec()).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.attribute).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.rule).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.numbers.value).collect::<Vec<_>>())
    .bind(flags.iter().map(|flag| flag.numbers.reference).collect::<Vec<_>>())
    .bind(withdrawn_at)
    .execute(connection)
    .await
    .map_err(failed("store::flags::withdraw"))?;
    Ok(())
}
