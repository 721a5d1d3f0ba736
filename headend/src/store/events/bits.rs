//! Events of registers that are words of bits: a bit that is set now and was not before, or was and is not any more. One that the model has no meaning for is told,
//! too, when it is set. The meter says nothing of when; what is known is when it was seen.

use collectors::RegisterValue;
use dlms::Obis;
use jiff_sqlx::ToSqlx as _;
use models::{AlarmBit, Model, Severity};
use sqlx::{FromRow, PgConnection};

use super::super::registers::Register;
use super::super::{AlarmSeverity, Error, Store, failed};
use super::{NewEvent, UNKNOWN, Way};

/// Attribute that holds the value of a register.
pub(super) const VALUE: i8 = 2;
/// A time that the meter did not give.
const NO_TIME: [u8; 12] = [0xFF; 12];
/// The highest bit of a word whose value has a sign to spare.
const BIT_MAX: u8 = 62;

/// What a register held before, and what type of meter it is of.
#[derive(FromRow)]
struct Before {
    /// Which register, from 1.
    n: i64,
    model: String,
    value: Option<i64>,
}

/// The registers of a model that are read and whose bits it has in its tables.
pub(in crate::store) fn words(model: &Model) -> impl Iterator<Item = Obis> {
    let registers = model.registers.iter().map(|register| register.obis);
    registers.filter(move |obis| model.alarms.bits.iter().any(|alarm| alarm.register == *obis))
}

/// What the registers of a batch, which are stored already, tell beside those before them. Of the first word of a meter the bits that are set count.
pub(in crate::store) async fn told(
    connection: &mut PgConnection,
    store: &Store,
    registers: &[Register<'_>],
) -> Result<Vec<NewEvent>, Error> {
    let is_word = |(.., read): &&Register<'_>| read.attribute == VALUE && store.words.contains(&read.obis);
    let read: Vec<&Register<'_>> = registers.iter().filter(is_word).collect();
    if read.is_empty() {
        return Ok(Vec::new());
    }
    let before = before(connection, &read).await?;
    let mut told = Vec::new();
    for Before { n, model, value } in before {
        let register = usize::try_from(n - 1).ok().and_then(|place| read.get(place));
        if let (Some(register), Some(model)) = (register, store.models.get(&model)) {
            told.extend(changes(model, register, value.unwrap_or_default()));
        }
    }
    Ok(told)
}

/// The last value of each register before the new one.
async fn before(connection: &mut PgConnection, read: &[&Register<'_>]) -> Result<Vec<Before>, Error> {
    sqlx::query_as(
        "/* store::events::words_before */
         SELECT e.n, m.model, b.value
         FROM unnest($1::int4[], $2::bytea[], $3::timestamptz[]) WITH ORDINALITY AS e (meter_id, obis, ts, n)
         JOIN meter m ON m.id = e.meter_id
         LEFT JOIN LATERAL (
             SELECT r.value FROM register_row r
             WHERE r.meter_id = e.meter_id AND r.obis = e.obis AND r.attribute = $4 AND r.ts < e.ts
             ORDER BY r.ts DESC LIMIT 1) b ON true
         ORDER BY e.n",
    )
    .bind(read.iter().map(|(meter, ..)| *meter).collect::<Vec<_>>())
    .bind(read.iter().map(|(.., read)| read.obis.octets().to_vec()).collect::<Vec<_>>())
    .bind(read.iter().map(|(.., read)| read.at.to_sqlx()).collect::<Vec<_>>())
    .bind(i16::from(VALUE))
    .fetch_all(connection)
    .await
    .map_err(failed("store::events::words_before"))
}

/// The events between two values of a register. The code is the value of the bit, negative where it went away.
fn changes<'a>(
    model: &'a Model,
    register: &'a Register<'a>,
    before: i64,
) -> impl Iterator<Item = NewEvent> + 'a {
    let (.., read) = register;
    (0..=BIT_MAX).filter_map(move |bit| {
        let alarm = model.alarms.bits.iter().find(|alarm| alarm.register == read.obis && alarm.bit == bit);
        let (key, severity, code) = change(alarm, 1 << bit, before, read)?;
        let phase = alarm.and_then(|alarm| alarm.phase);
        Some(NewEvent { phase, ..seen(register, (key, severity.into(), code)) })
    })
}

/// An event that a register told when it was read: key, severity and code.
pub(super) fn seen(
    (meter, job, read): &Register<'_>,
    (key, severity, code): (&str, AlarmSeverity, i64),
) -> NewEvent {
    NewEvent {
        meter: *meter,
        log: read.obis,
        code,
        logged: read.value,
        at: Some(read.at),
        time: NO_TIME,
        key: key.to_owned(),
        severity,
        phase: None,
        node: None,
        way: Way::Polled { job: *job },
    }
}

/// What became of a bit, if that is an event: key, severity and code.
fn change<'a>(
    alarm: Option<&'a AlarmBit>,
    bit: i64,
    before: i64,
    read: &RegisterValue,
) -> Option<(&'a str, Severity, i64)> {
    match (before & bit != 0, read.value & bit != 0) {
        (false, true) => match alarm {
            Some(alarm) => Some((&alarm.key, alarm.severity, bit)),
            None => Some((UNKNOWN, Severity::Info, bit)),
        },
        (true, false) => Some((alarm?.cleared.as_deref()?, Severity::Info, -bit)),
        _ => None,
    }
}
