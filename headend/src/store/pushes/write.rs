//! What is kept of a batch of pushes.

use std::collections::BTreeMap;

use dlms::Obis;
use dlms::security::ReplayWindow;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use models::CimCodes;
use sqlx::PgConnection;

use super::super::events::{self, NewEvent, Way};
use super::super::{ALARM_CHANNEL, AlarmSource, Error, PushFate, failed};
use super::{NewAlarm, Quarantined, Recording, Verdict};
use crate::telemetry::metrics;

/// How much the quarantine keeps; the oldest entries make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Entries.
    pub entries: u32,
    /// Octets of all entries together.
    pub octets: u64,
}

/// What became of pushes, and how many.
pub type Tally = BTreeMap<PushFate, u64>;

impl Recording {
    /// Keeps what is to be kept and ends the transaction. When this returns without an error it is durable. Returns what became of
    /// the pushes.
    ///
    /// # Errors
    /// Every [`Error`]; nothing was kept then, unless the answer to the commit was lost.
    pub async fn keep(mut self, verdict: &Verdict, kept: Kept) -> Result<Tally, Error> {
        let connection: &mut PgConnection = &mut self.transaction;
        let (heard, numbers) = write_events(connection, &self.cim, &verdict.alarms).await?;
        let (stored, repeated) = insert_alarms(connection, &verdict.alarms, &numbers).await?;
        use_counters(connection, &verdict.counters).await?;
        let evicted = quarantine(connection, &verdict.quarantined, kept).await?;
        let mut tally = verdict.tally.clone();
        let mut add = |fate, pushes| *tally.entry(fate).or_default() += pushes;
        add(PushFate::Stored, stored);
        add(PushFate::Repeated, repeated);
        add(PushFate::Evicted, evicted);
        verdict.quarantined.iter().for_each(|entry| add(entry.reason, 1));
        tally.retain(|_, pushes| *pushes > 0);
        count(connection, &tally).await?;
        if stored > 0 {
            sqlx::query("/* store::pushes::notify */ SELECT pg_notify($1, '')")
                .bind(ALARM_CHANNEL)
                .execute(connection)
                .await
                .map_err(failed("store::pushes::notify"))?;
        }
        self.transaction.commit().await.map_err(failed("store::pushes::commit"))?;
        metrics::events_stored("pushed", &heard);
        Ok(tally)
    }
}

/// Writes the events that alarms tell of, which are those with a code of a log and a time. Returns their numbers by the places of the alarms.
async fn write_events(
    connection: &mut PgConnection,
    cim: &CimCodes,
    alarms: &[NewAlarm],
) -> Result<(events::Written, BTreeMap<usize, i64>), Error> {
    let (places, told): (Vec<usize>, Vec<NewEvent>) =
        alarms.iter().enumerate().filter_map(|(place, alarm)| Some((place, event(alarm)?))).unzip();
    let (written, numbers) = events::write(connection, cim, &told).await?;
    Ok((written, places.into_iter().zip(numbers).collect()))
}

/// The event that an alarm tells of.
fn event(alarm: &NewAlarm) -> Option<NewEvent> {
    if alarm.source != AlarmSource::Event {
        return None;
    }
    Some(NewEvent {
        meter: alarm.meter,
        log: Obis::new(alarm.obis?),
        code: alarm.code?.into(),
        logged: alarm.logged,
        at: alarm.clock_ts,
        time: alarm.meter_time?,
        key: alarm.key.clone(),
        severity: alarm.severity,
        phase: alarm.phase,
        node: None,
        way: Way::Pushed { at: alarm.received_at, authenticated: alarm.authenticated },
    })
}

/// An alarm, and how often and when it was repeated within the batch.
struct Merged<'a> {
    alarm: &'a NewAlarm,
    event: Option<i64>,
    repetitions: i32,
    last: jiff::Timestamp,
}

/// What makes two alarms of one batch the same.
type Sameness<'a> =
    (i32, &'a str, u8, Option<[u8; 6]>, Option<u32>, bool, Option<[u8; 12]>, Option<&'a [u8]>);

fn sameness(alarm: &NewAlarm) -> Sameness<'_> {
    // With a time of the meter that is what tells two occurrences apart; without, it is what the push says.
    let said = match alarm.meter_time {
        Some(_) => None,
        None if alarm.raw.first() == Some(&dlms::apdu::tag::DATA_NOTIFICATION) => alarm.raw.get(5..),
        None => Some(alarm.raw.as_slice()),
    };
    let NewAlarm { meter, obis, code, authenticated, meter_time, .. } = *alarm;
    (meter, &alarm.key, alarm.source as u8, obis, code, authenticated, meter_time, said)
}

fn merge<'a>(alarms: &'a [NewAlarm], events: &BTreeMap<usize, i64>) -> Vec<Merged<'a>> {
    let mut places: BTreeMap<Sameness<'_>, usize> = BTreeMap::new();
    let mut merged: Vec<Merged<'_>> = Vec::new();
    for (place, alarm) in alarms.iter().enumerate() {
        match places.get(&sameness(alarm)) {
            Some(&place) => {
                merged[place].repetitions += 1;
                merged[place].last = alarm.received_at;
            }
            None => {
                places.insert(sameness(alarm), merged.len());
                let event = events.get(&place).copied();
                merged.push(Merged { alarm, event, repetitions: 0, last: alarm.received_at });
            }
        }
    }
    merged
}

/// Stores alarms; one that was stored within the last ten minutes is counted there instead. Returns how many are new, and
/// how many pushes were repetitions.
async fn insert_alarms(
    connection: &mut PgConnection,
    alarms: &[NewAlarm],
    events: &BTreeMap<usize, i64>,
) -> Result<(u64, u64), Error> {
    if alarms.is_empty() {
        return Ok((0, 0));
    }
    let merged = merge(alarms, events);
    let query = sqlx::query_scalar::<_, i64>(
        "/* store::pushes::insert_alarms */
         WITH new AS (
             SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::int2[], $5::text[], $6::bytea[], $7::int8[],
                 $8::timestamptz[], $9::bytea[], $10::timestamptz[], $11::bool[], $12::text[], $13::bytea[], $14::int4[],
                 $15::timestamptz[], $16::int8[]) WITH ORDINALITY AS n (meter_id, key, severity, phase, source, obis, code, meter_ts,
                 meter_time, received_at, authenticated, peer, raw, repetitions, repeated_at, event_id, place)),
         known AS (
             UPDATE alarm a SET repetitions = a.repetitions + n.repetitions + 1, repeated_at = n.repeated_at,
                 event_id = coalesce(a.event_id, n.event_id)
             FROM new n
             WHERE a.meter_id = n.meter_id AND a.received_at > n.received_at - interval '10 minutes'
                 AND a.key = n.key AND a.source = n.source::alarm_source AND a.authenticated = n.authenticated
                 AND a.obis IS NOT DISTINCT FROM n.obis AND a.code IS NOT DISTINCT FROM n.code
                 AND a.meter_time IS NOT DISTINCT FROM n.meter_time
                 AND (n.meter_time IS NOT NULL OR push_content(a.raw) = push_content(n.raw))
             RETURNING n.place),
         made AS (
             INSERT INTO alarm (meter_id, key, severity, phase, source, obis, code, meter_ts, meter_time, received_at,
                 authenticated, peer, raw, repetitions, repeated_at, event_id)
             SELECT meter_id, key, severity::alarm_severity, phase, source::alarm_source, obis, code, meter_ts, meter_time,
                 received_at, authenticated, peer, raw, repetitions, CASE WHEN repetitions > 0 THEN repeated_at END, event_id
             FROM new WHERE place NOT IN (SELECT place FROM known) ORDER BY place RETURNING id)
         SELECT count(*) FROM made",
    );
    fn column<'a, T>(merged: &[Merged<'a>], cell: impl Fn(&'a NewAlarm) -> T) -> Vec<T> {
        merged.iter().map(|merged| cell(merged.alarm)).collect()
    }
    let stored = query
        .bind(column(&merged, |alarm| alarm.meter))
        .bind(column(&merged, |alarm| alarm.key.as_str()))
        .bind(column(&merged, |alarm| alarm.severity.word()))
        .bind(column(&merged, |alarm| alarm.phase.map(i16::from)))
        .bind(column(&merged, |alarm| alarm.source.word()))
        .bind(column(&merged, |alarm| alarm.obis.as_ref().map(|obis| &obis[..])))
        .bind(column(&merged, |alarm| alarm.code.map(i64::from)))
        .bind(column(&merged, |alarm| alarm.meter_ts.map(|at| at.to_sqlx())))
        .bind(column(&merged, |alarm| alarm.meter_time.as_ref().map(|time| &time[..])))
        .bind(column(&merged, |alarm| alarm.received_at.to_sqlx()))
        .bind(column(&merged, |alarm| alarm.authenticated))
        .bind(column(&merged, |alarm| alarm.peer.as_str()))
        .bind(column(&merged, |alarm| alarm.raw.as_slice()))
        .bind(merged.iter().map(|merged| merged.repetitions).collect::<Vec<_>>())
        .bind(merged.iter().map(|merged| merged.last.to_sqlx()).collect::<Vec<SqlTimestamp>>())
        .bind(merged.iter().map(|merged| merged.event).collect::<Vec<_>>())
        .fetch_one(connection)
        .await
        .map_err(failed("store::pushes::insert_alarms"))?;
    let stored = stored.unsigned_abs();
    Ok((stored, (alarms.len() as u64).saturating_sub(stored)))
}

async fn use_counters(
    connection: &mut PgConnection,
    used: &BTreeMap<i32, ReplayWindow>,
) -> Result<(), Error> {
    if used.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "/* store::pushes::use_counters */
         INSERT INTO meter_push_counter (meter_id, last, seen)
         SELECT * FROM unnest($1::int4[], $2::int8[], $3::int8[])
         ON CONFLICT (meter_id) DO UPDATE SET last = EXCLUDED.last, seen = EXCLUDED.seen",
    );
    let query = query
        .bind(used.keys().copied().collect::<Vec<_>>())
        .bind(used.values().map(|used| i64::from(used.last)).collect::<Vec<_>>())
        .bind(used.values().map(|used| used.seen.cast_signed()).collect::<Vec<_>>());
    query.execute(connection).await.map_err(failed("store::pushes::use_counters")).map(drop)
}

/// Puts pushes into the quarantine and lets the oldest entries go that are too many. Returns how many went.
async fn quarantine(
    connection: &mut PgConnection,
    entries: &[Quarantined],
    kept: Kept,
) -> Result<u64, Error> {
    if entries.is_empty() {
        return Ok(0);
    }
    let query = sqlx::query(
        "/* store::pushes::quarantine */
         INSERT INTO push_quarantine (received_at, peer, reason, detail, meter_id, octets)
         SELECT received_at, peer, reason::push_fate, detail, meter_id, octets
         FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::bytea[])
             AS q (received_at, peer, reason, detail, meter_id, octets)",
    );
    query
        .bind(entries.iter().map(|entry| entry.received_at.to_sqlx()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.peer.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.reason.word()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.detail.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.meter).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.octets.as_slice()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .map_err(failed("store::pushes::quarantine"))?;
    let query = sqlx::query(
        "/* store::pushes::evict */
         DELETE FROM push_quarantine q USING (
             SELECT id, row_number() OVER newest AS entries, sum(octet_length(octets)) OVER newest AS octets
             FROM push_quarantine WINDOW newest AS (ORDER BY id DESC)) k
         WHERE k.id = q.id AND (k.entries > $1 OR k.octets > $2)",
    );
    let octets = i64::try_from(kept.octets).unwrap_or(i64::MAX);
    let gone = query.bind(i64::from(kept.entries)).bind(octets).execute(connection).await;
    Ok(gone.map_err(failed("store::pushes::evict"))?.rows_affected())
}

/// Counts what became of the pushes of a batch.
async fn count(connection: &mut PgConnection, tally: &Tally) -> Result<(), Error> {
    let query = sqlx::query(
        "/* store::pushes::count */
         INSERT INTO push_tally AS t (fate, pushes)
         SELECT fate::push_fate, pushes FROM unnest($1::text[], $2::int8[]) AS n (fate, pushes)
         ON CONFLICT (fate) DO UPDATE SET pushes = t.pushes + EXCLUDED.pushes",
    );
    let query = query
        .bind(tally.keys().map(|fate| fate.word()).collect::<Vec<_>>())
        .bind(tally.values().map(|pushes| i64::try_from(*pushes).unwrap_or(i64::MAX)).collect::<Vec<_>>());
    query.execute(connection).await.map_err(failed("store::pushes::count")).map(drop)
}
