//! Prepaid energy that is low, by a level of the head-end's own: an event when what remains falls below the level, and another when it has come far enough above it again.
//! In between it is low, whatever it does.
//!
//! What was decided is in `credit_state`, in the transaction of the value that decided it. Every value is judged once, in the order of time: one that is not later
//! than the last that was judged is known, or says nothing of now. The rows stay locked until the end of the transaction, so that two writers do not decide beside each other.

use collectors::MeterId;
use dlms::{Obis, Unit};
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use models::Decimal;
use sqlx::{FromRow, PgConnection};

use super::super::registers::Register;
use super::super::{AlarmSeverity, Error, Store, failed};
use super::NewEvent;
use super::bits::{VALUE, seen};
use crate::config::CreditLevel;

/// Code of the event that credit became low; of the one that it is not any more, its negative.
const LOW: i64 = 1;

/// Values of one register of one meter, in the order of time.
type Shown<'a> = [&'a Register<'a>];

/// What was decided of a register before.
#[derive(FromRow)]
struct State {
    /// Which register, from 1.
    n: i64,
    is_low: bool,
    /// Time of the latest value that was judged.
    before_ts: Option<SqlTimestamp>,
    /// The level of the meter's own, as it was read last, with its scaler and unit.
    own: Option<i64>,
    scaler: Option<i16>,
    unit: Option<i16>,
}

/// Where credit becomes low, and where it is not low any more.
#[derive(Debug, Clone, Copy)]
struct Level {
    low: Decimal,
    again: Decimal,
}

/// What the registers of a batch, which are stored already, tell of credit. Credit that is low with its first value counts as fallen.
pub(in crate::store) async fn reminders(
    connection: &mut PgConnection,
    store: &Store,
    registers: &[Register<'_>],
) -> Result<Vec<NewEvent>, Error> {
    let is_watched = |(.., read): &&Register<'_>| {
        read.attribute == VALUE
            && store.remaining.contains(&read.obis)
            && store.credit.contains_key(read.unit.symbol())
    };
    let mut read: Vec<&Register<'_>> = registers.iter().filter(is_watched).collect();
    if read.is_empty() {
        return Ok(Vec::new());
    }
    read.sort_by_key(|(meter, _, read)| (*meter, read.obis, read.at));
    // Of two values of one instant the first is stored.
    read.dedup_by_key(|(meter, _, read)| (*meter, read.obis, read.at));
    let shown: Vec<&Shown<'_>> = read.chunk_by(|one, other| subject(one) == subject(other)).collect();
    let (mut events, mut changed) = (Vec::new(), Vec::new());
    for state in judged(connection, store, &shown).await? {
        let Some(values) = usize::try_from(state.n - 1).ok().and_then(|place| shown.get(place)) else {
            continue;
        };
        let crossings = state.crossings(store, values);
        if let Some((register, is_low)) = crossings.last()
            && *is_low != state.is_low
        {
            changed.push((subject(register), *is_low));
        }
        events.extend(crossings.into_iter().map(|(register, is_low)| event(register, is_low)));
    }
    note(connection, &changed).await?;
    Ok(events)
}

/// Whose credit a register is about.
fn subject((meter, _, read): &Register<'_>) -> (MeterId, Obis) {
    (*meter, read.obis)
}

/// Notes up to when registers are judged now, and returns what was decided before, of those that are the credit of their meter's model.
async fn judged(
    connection: &mut PgConnection,
    store: &Store,
    shown: &[&Shown<'_>],
) -> Result<Vec<State>, Error> {
    let last: Vec<&Register<'_>> = shown.iter().filter_map(|values| values.last().copied()).collect();
    let models = store.models.iter().filter_map(|(name, model)| Some((name.as_str(), model.credit?)));
    let models: Vec<_> = models.collect();
    let octets = |obis: Obis| obis.octets().to_vec();
    sqlx::query_as(
        "/* store::events::judge_credit */
         WITH shown AS (
             SELECT e.n, e.meter_id, e.obis, e.ts, c.own
             FROM unnest($1::int4[], $2::bytea[], $3::timestamptz[]) WITH ORDINALITY AS e (meter_id, obis, ts, n)
             JOIN meter m ON m.id = e.meter_id
             JOIN unnest($4::text[], $5::bytea[], $6::bytea[]) AS c (model, remaining, own)
                 ON c.model = m.model AND c.remaining = e.obis),
         judged AS (
             INSERT INTO credit_state AS s (meter_id, obis, judged_ts)
             SELECT meter_id, obis, ts FROM shown ORDER BY meter_id, obis
             ON CONFLICT (meter_id, obis) DO UPDATE
                 SET before_ts = s.judged_ts, judged_ts = greatest(s.judged_ts, EXCLUDED.judged_ts)
             RETURNING s.meter_id, s.obis, s.is_low, s.before_ts)
         SELECT e.n, j.is_low, j.before_ts, l.value AS own, l.scaler, l.unit
         FROM judged j JOIN shown e ON e.meter_id = j.meter_id AND e.obis = j.obis
         LEFT JOIN LATERAL (
             SELECT r.value, r.scaler, r.unit FROM register_row r
             WHERE r.meter_id = e.meter_id AND r.obis = e.own AND r.attribute = $7
             ORDER BY r.ts DESC LIMIT 1) l ON true
         ORDER BY e.n",
    )
    .bind(last.iter().map(|(meter, ..)| *meter).collect::<Vec<_>>())
    .bind(last.iter().map(|(.., read)| octets(read.obis)).collect::<Vec<_>>())
    .bind(last.iter().map(|(.., read)| read.at.to_sqlx()).collect::<Vec<_>>())
    .bind(models.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    .bind(models.iter().map(|(_, credit)| octets(credit.remaining)).collect::<Vec<_>>())
    .bind(models.iter().map(|(_, credit)| credit.low.map(octets)).collect::<Vec<_>>())
    .bind(i16::from(VALUE))
    .fetch_all(connection)
    .await
    .map_err(failed("store::events::judge_credit"))
}

/// Writes down whose credit is low now, or is not any more.
async fn note(connection: &mut PgConnection, changed: &[((MeterId, Obis), bool)]) -> Result<(), Error> {
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "/* store::events::note_credit */
         UPDATE credit_state s SET is_low = c.is_low
         FROM unnest($1::int4[], $2::bytea[], $3::bool[]) AS c (meter_id, obis, is_low)
         WHERE s.meter_id = c.meter_id AND s.obis = c.obis",
    )
    .bind(changed.iter().map(|((meter, _), _)| *meter).collect::<Vec<_>>())
    .bind(changed.iter().map(|((_, obis), _)| obis.octets().to_vec()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, is_low)| *is_low).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::events::note_credit"))
    .map(drop)
}

impl State {
    /// The values with which credit became low (`true`), or is not any more.
    fn crossings<'a>(&self, store: &Store, values: &Shown<'a>) -> Vec<(&'a Register<'a>, bool)> {
        let before = self.before_ts.map(|before| before.to_jiff());
        let mut is_low = self.is_low;
        let news = values.iter().filter(|(.., read)| before.is_none_or(|before| read.at > before));
        let crossing = |register: &&'a Register<'a>| {
            let (.., read) = register;
            let level = self.level(read.unit, store.credit.get(read.unit.symbol()).copied()?)?;
            if level.is_low(is_low, Decimal::new(read.value, read.scaler)) == is_low {
                return None;
            }
            is_low = !is_low;
            Some((*register, is_low))
        };
        news.filter_map(crossing).collect()
    }

    /// The level of a meter: its own where it has one, else that of the configuration.
    fn level(&self, unit: Unit, configured: CreditLevel) -> Option<Level> {
        let own = self.own(unit).and_then(|own| Level::new(own, configured.margin));
        own.or_else(|| Level::new(configured.low, configured.margin))
    }

    /// The level of the meter's own. Nothing means that it was told none.
    fn own(&self, unit: Unit) -> Option<Decimal> {
        let scaler = i8::try_from(self.scaler?).ok()?;
        let is_same = self.unit? == i16::from(unit.0);
        self.own.filter(|own| is_same && *own > 0).map(|own| Decimal::new(own, scaler))
    }
}

impl Level {
    /// `None` when the sum has more digits than are counted exactly.
    fn new(low: Decimal, margin: Decimal) -> Option<Self> {
        Some(Self { low, again: low.plus(margin)? })
    }

    /// Whether credit is low at a value, when it was or was not before.
    fn is_low(self, was_low: bool, value: Decimal) -> bool {
        value < if was_low { self.again } else { self.low }
    }
}

/// The event of a value with which credit became low, or is not any more.
fn event(register: &Register<'_>, is_low: bool) -> NewEvent {
    let low = ("credit.low", AlarmSeverity::Warning, LOW);
    seen(register, if is_low { low } else { ("credit.restored", AlarmSeverity::Info, -LOW) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level(low: &str, margin: &str) -> Level {
        Level::new(low.parse().unwrap(), margin.parse().unwrap()).unwrap()
    }

    #[test]
    fn credit_is_low_below_the_level_and_until_it_is_the_margin_above_it() {
        let level = level("20", "5");
        for (was_low, value, is_low) in [
            (false, "20", false),
            (false, "19.99", true),
            (true, "20", true),
            (true, "24.99", true),
            (true, "25", false),
        ] {
            assert_eq!(level.is_low(was_low, value.parse().unwrap()), is_low, "{was_low} {value}");
        }
    }

    #[test]
    fn a_level_of_the_meters_own_goes_before_that_of_the_configuration() {
        let configured = CreditLevel { low: "20000".parse().unwrap(), margin: "100".parse().unwrap() };
        let state = |own, scaler, unit| State {
            n: 1,
            is_low: false,
            before_ts: None,
            own: Some(own),
            scaler: Some(scaler),
            unit: Some(unit),
        };
        let low = |state: State| state.level(Unit(30), configured).unwrap().low;
        assert_eq!(low(state(300, 1, 30)), "3000".parse().unwrap());
        assert_eq!(low(state(0, 1, 30)), configured.low, "it was told none");
        assert_eq!(low(state(300, 1, 10)), configured.low, "that is of another unit");
        assert_eq!(low(state(i64::MAX, 0, 30)), configured.low, "no exact sum");
    }

    proptest! {
        /// Whatever remains: credit that is low and credit that is not follow each other; it became low below the level, and is not any more at the margin above it.
        #[test]
        fn hb_16_every_crossing_is_one(
            low in -1000_i64..1000, margin in 0_i64..500, values in prop::collection::vec(-2000_i64..2000, 1..200)
        ) {
            let level = Level::new(Decimal::new(low, -2), Decimal::new(margin, -2)).unwrap();
            let (mut is_low, mut crossings) = (false, Vec::new());
            for (place, value) in values.iter().enumerate() {
                if level.is_low(is_low, Decimal::new(*value, -2)) != is_low {
                    is_low = !is_low;
                    crossings.push((place, is_low));
                }
            }
            for (number, (place, is_low)) in crossings.iter().enumerate() {
                prop_assert_eq!(*is_low, number % 2 == 0);
                let is_crossing = if *is_low { values[*place] < low } else { values[*place] >= low + margin };
                prop_assert!(is_crossing, "{} at {place}", values[*place]);
            }
            // And none is left out: of the values from one crossing to the next, none has crossed.
            let ends = crossings.iter().map(|(place, _)| *place).chain([values.len()]);
            let begins = [(0, false)].into_iter().chain(crossings.iter().copied());
            for ((begin, is_low), end) in begins.zip(ends) {
                let stays = |value: &i64| if is_low { *value < low + margin } else { *value >= low };
                prop_assert!(values[begin..end].iter().all(stays));
            }
        }
    }
}
