//! How events get in: what is known already is noted there, the rest is new.

use std::collections::BTreeMap;

use collectors::{JobId, LogLoss, LogLossCause, MeterId};
use dlms::Obis;
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use models::CimCodes;
use sqlx::{FromRow, PgConnection};

use super::super::layouts::small;
use super::super::{AlarmSeverity, EVENT_CHANNEL, Error, EventLossCause, failed};
use super::UNKNOWN;
use super::pair::{Candidate, pair};

/// An event that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The meter.
    pub meter: MeterId,
    /// Its log, or the register that tells of it.
    pub log: Obis,
    /// Code in the log, or the value of one bit of a status word; of credit 1 when it became low and -1 when it is not any more.
    pub code: i64,
    /// The code, the whole status word, or what the register of the credit showed.
    pub logged: i64,
    /// When it happened, by the meter's clock.
    pub at: Option<Timestamp>,
    /// The same as the meter has it.
    pub time: [u8; 12],
    /// Canonical key.
    pub key: String,
    /// How urgent it is.
    pub severity: AlarmSeverity,
    /// Phase that it is about.
    pub phase: Option<u8>,
    /// The node that a concentrator logged it of.
    pub node: Option<String>,
    /// How it was heard of.
    pub way: Way,
}

/// How an event was heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It was read from the log.
    Polled {
        /// By this job.
        job: JobId,
    },
    /// It was pushed.
    Pushed {
        /// When the push arrived.
        at: Timestamp,
        /// Whether it was ciphered with the meter's keys.
        authenticated: bool,
    },
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// New ones.
    pub new: u64,
    /// New ones whose code the tables of the model do not have.
    pub unknown: u64,
    /// Known ones that were now heard of in the other way, too.
    pub joined: u64,
    /// Known ones that were heard of in the same way again.
    pub known: u64,
    /// Logs of which entries may be lost.
    pub losses: u64,
}

impl Written {
    /// Adds what another transaction wrote.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.unknown += other.unknown;
        self.joined += other.joined;
        self.known += other.known;
        self.losses += other.losses;
    }
}

impl NewEvent {
    fn identity(&self) -> Identity {
        let without_time = if self.at.is_none() { Some(self.time) } else { None };
        (self.meter, self.log, self.code, self.at, without_time, self.node.clone())
    }

    fn pushed(&self) -> Option<(Timestamp, bool)> {
        match self.way {
            Way::Polled { .. } => None,
            Way::Pushed { at, authenticated } => Some((at, authenticated)),
        }
    }

    fn job(&self) -> Option<JobId> {
        match self.way {
            Way::Polled { job } => Some(job),
            Way::Pushed { .. } => None,
        }
    }

    fn is_authenticated(&self) -> bool {
        self.pushed().is_none_or(|(_, authenticated)| authenticated)
    }
}

/// What makes an event one: meter, log, code, time and node.
type Identity = (MeterId, Obis, i64, Option<Timestamp>, Option<[u8; 12]>, Option<String>);

#[derive(FromRow)]
struct Found {
    place: i64,
    id: i64,
    apart_s: i64,
    known_so: bool,
    proven: bool,
}

#[derive(FromRow)]
struct Made {
    place: i64,
    id: i64,
}

/// Writes events in the transaction of `connection`, after whoever else does so has ended. Returns what became of them, and the number of each in
/// the order of `events`, which are all heard of in the same way.
pub(in crate::store) async fn write(
    connection: &mut PgConnection,
    cim: &CimCodes,
    events: &[NewEvent],
) -> Result<(Written, Vec<i64>), Error> {
    if events.is_empty() {
        return Ok((Written::default(), Vec::new()));
    }
    order(connection).await?;
    let mut places: BTreeMap<Identity, usize> = BTreeMap::new();
    let mut each: Vec<&NewEvent> = Vec::new();
    let place_of: Vec<usize> = events
        .iter()
        .map(|event| {
            *places.entry(event.identity()).or_insert_with(|| {
                each.push(event);
                each.len() - 1
            })
        })
        .collect();
    let found = candidates(connection, &each).await?;
    let proven: BTreeMap<i64, bool> = found.iter().map(|found| (found.id, found.proven)).collect();
    let candidates: Vec<Candidate> = found.iter().map(Found::candidate).collect();
    let paired = pair(each.len(), &candidates);
    let news = |(place, (event, candidate)): (usize, (&&NewEvent, &Option<Candidate>))| {
        let candidate = (*candidate)?;
        let tells =
            !candidate.known_so || (event.is_authenticated() && proven.get(&candidate.id) == Some(&false));
        tells.then_some((place, candidate.id))
    };
    let known: Vec<(usize, i64)> = each.iter().zip(&paired).enumerate().filter_map(news).collect();
    note(connection, &each, &known).await?;
    let fresh: Vec<usize> = (0..each.len()).filter(|place| paired[*place].is_none()).collect();
    let made = insert(connection, cim, &each, &fresh).await?;
    let joined = paired.iter().flatten().filter(|candidate| !candidate.known_so).count() as u64;
    let written = Written {
        new: made.len() as u64,
        unknown: fresh.iter().filter(|place| each[**place].key == UNKNOWN).count() as u64,
        joined,
        known: (events.len() - fresh.len()) as u64 - joined,
        losses: 0,
    };
    if written.new > 0 {
        notify(connection).await?;
    }
    let number = |place: &usize| match paired[*place] {
        Some(candidate) => candidate.id,
        None => made.get(place).copied().unwrap_or_default(),
    };
    Ok((written, place_of.iter().map(number).collect()))
}

/// Waits for its turn to write events, and holds it until the end of the transaction.
pub(in crate::store) async fn order(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("/* store::events::order */ SELECT event_order()")
        .execute(connection)
        .await
        .map_err(failed("store::events::order"))
        .map(drop)
}

impl Found {
    fn candidate(&self) -> Candidate {
        Candidate {
            place: usize::try_from(self.place - 1).unwrap_or(usize::MAX),
            id: self.id,
            apart_s: self.apart_s,
            known_so: self.known_so,
        }
    }
}

/// What is stored of the same meter, log and code at about the same time.
async fn candidates(connection: &mut PgConnection, events: &[&NewEvent]) -> Result<Vec<Found>, Error> {
    let query = sqlx::query_as(
        "/* store::events::candidates */
         WITH heard AS (
             SELECT * FROM unnest($1::int4[], $2::bytea[], $3::int8[], $4::timestamptz[], $5::bytea[], $6::bool[], $7::text[])
                 WITH ORDINALITY AS h (meter_id, log, code, meter_ts, meter_time, polled, node, place))
         SELECT h.place, e.id, abs(extract(epoch FROM e.meter_ts - h.meter_ts))::int8 AS apart_s,
             CASE WHEN h.polled THEN e.polled_at ELSE e.pushed_at END IS NOT NULL AS known_so, e.authenticated AS proven
         FROM heard h JOIN event e ON e.meter_id = h.meter_id AND e.log = h.log AND e.code = h.code
             AND e.meter_ts BETWEEN h.meter_ts - interval '1 minute' AND h.meter_ts + interval '1 minute'
             AND e.node IS NOT DISTINCT FROM h.node
         UNION ALL
         SELECT h.place, e.id, 0,
             CASE WHEN h.polled THEN e.polled_at ELSE e.pushed_at END IS NOT NULL, e.authenticated
         FROM heard h JOIN event e ON e.meter_id = h.meter_id AND e.log = h.log AND e.code = h.code
             AND e.meter_ts IS NULL AND h.meter_ts IS NULL AND e.meter_time = h.meter_time AND e.node IS NOT DISTINCT FROM h.node",
    );
    query
        .bind(events.iter().map(|event| event.meter).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.log.octets().to_vec()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.code).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.at.map(|at| at.to_sqlx())).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.time.to_vec()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.job().is_some()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.node.as_deref()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(failed("store::events::candidates"))
}

/// Notes with known events that they were heard of in the other way. The time of the log goes before that of a push.
async fn note(
    connection: &mut PgConnection,
    events: &[&NewEvent],
    known: &[(usize, i64)],
) -> Result<(), Error> {
    if known.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(
        events: &[&'a NewEvent],
        known: &[(usize, i64)],
        cell: impl Fn(&'a NewEvent) -> T,
    ) -> Vec<T> {
        known.iter().map(|(place, _)| cell(events[*place])).collect()
    }
    let query = sqlx::query(
        "/* store::events::note */
         UPDATE event e SET
             meter_ts = CASE WHEN h.job_id IS NULL THEN e.meter_ts ELSE h.meter_ts END,
             meter_time = CASE WHEN h.job_id IS NULL THEN e.meter_time ELSE h.meter_time END,
             logged = CASE WHEN h.job_id IS NULL THEN e.logged ELSE h.logged END,
             polled_at = coalesce(e.polled_at, CASE WHEN h.job_id IS NOT NULL THEN now() END),
             job_id = coalesce(e.job_id, h.job_id), pushed_at = coalesce(e.pushed_at, h.pushed_at),
             authenticated = e.authenticated OR h.authenticated
         FROM unnest($1::int8[], $2::timestamptz[], $3::bytea[], $4::int8[], $5::int8[], $6::timestamptz[], $7::bool[])
             AS h (id, meter_ts, meter_time, logged, job_id, pushed_at, authenticated)
         WHERE e.id = h.id",
    );
    query
        .bind(known.iter().map(|(_, id)| *id).collect::<Vec<_>>())
        .bind(column(events, known, |event| event.at.map(|at| at.to_sqlx())))
        .bind(column(events, known, |event| event.time.to_vec()))
        .bind(column(events, known, |event| event.logged))
        .bind(column(events, known, NewEvent::job))
        .bind(column(events, known, |event| event.pushed().map(|(at, _)| at.to_sqlx())))
        .bind(column(events, known, NewEvent::is_authenticated))
        .execute(connection)
        .await
        .map_err(failed("store::events::note"))
        .map(drop)
}

/// Inserts events and returns their numbers by their places; those of one meter get numbers in the order of their times.
async fn insert(
    connection: &mut PgConnection,
    cim: &CimCodes,
    events: &[&NewEvent],
    fresh: &[usize],
) -> Result<BTreeMap<usize, i64>, Error> {
    if fresh.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut fresh = fresh.to_vec();
    fresh.sort_by_key(|place| (events[*place].at, *place));
    fn column<'a, T>(events: &[&'a NewEvent], fresh: &[usize], cell: impl Fn(&'a NewEvent) -> T) -> Vec<T> {
        fresh.iter().map(|place| cell(events[*place])).collect()
    }
    let query = sqlx::query_as::<_, Made>(
        "/* store::events::insert */
         WITH heard AS (
             SELECT * FROM unnest($1::int4[], $2::bytea[], $3::int8[], $4::int8[], $5::timestamptz[], $6::bytea[], $7::text[],
                 $8::text[], $9::int2[], $10::text[], $11::bool[], $12::timestamptz[], $13::int8[], $14::text[])
                 WITH ORDINALITY AS h (meter_id, log, code, logged, meter_ts, meter_time, key, severity, phase, cim, authenticated,
                 pushed_at, job_id, node, place)),
         made AS (
             INSERT INTO event (meter_id, log, code, logged, meter_ts, meter_time, key, severity, phase, cim, authenticated,
                 pushed_at, polled_at, job_id, node)
             SELECT meter_id, log, code, logged, meter_ts, meter_time, key, severity::alarm_severity, phase, cim, authenticated,
                 pushed_at, CASE WHEN job_id IS NOT NULL THEN now() END, job_id, node
             FROM heard ORDER BY place RETURNING id, meter_id, log, code, meter_ts, meter_time, node)
         SELECT h.place, m.id FROM made m JOIN heard h ON h.meter_id = m.meter_id AND h.log = m.log AND h.code = m.code
             AND h.meter_ts IS NOT DISTINCT FROM m.meter_ts AND h.meter_time = m.meter_time AND h.node IS NOT DISTINCT FROM m.node",
    );
    let made = query
        .bind(column(events, &fresh, |event| event.meter))
        .bind(column(events, &fresh, |event| event.log.octets().to_vec()))
        .bind(column(events, &fresh, |event| event.code))
        .bind(column(events, &fresh, |event| event.logged))
        .bind(column(events, &fresh, |event| event.at.map(|at| at.to_sqlx())))
        .bind(column(events, &fresh, |event| event.time.to_vec()))
        .bind(column(events, &fresh, |event| event.key.as_str()))
        .bind(column(events, &fresh, |event| event.severity.word()))
        .bind(column(events, &fresh, |event| event.phase.map(i16::from)))
        .bind(column(events, &fresh, |event| cim.code(&event.key).map(str::to_owned)))
        .bind(column(events, &fresh, NewEvent::is_authenticated))
        .bind(column(events, &fresh, |event| event.pushed().map(|(at, _)| at.to_sqlx())))
        .bind(column(events, &fresh, NewEvent::job))
        .bind(column(events, &fresh, |event| event.node.as_deref()))
        .fetch_all(connection)
        .await
        .map_err(failed("store::events::insert"))?;
    let place =
        |made: &Made| usize::try_from(made.place - 1).ok().and_then(|place| fresh.get(place)).copied();
    Ok(made.iter().filter_map(|made| Some((place(made)?, made.id))).collect())
}

/// Lets alarms that name no code of a log, or no time, refer to the event that they told of: one of the same meter, key and phase at about the same time. The
/// event was pushed then. Only alarms and events of these meters are looked at.
pub(in crate::store) async fn link_alarms(
    connection: &mut PgConnection,
    meters: &[MeterId],
) -> Result<u64, Error> {
    if meters.is_empty() {
        return Ok(0);
    }
    let linked = sqlx::query(
        "/* store::events::link_alarms */
         WITH near AS (
             SELECT DISTINCT ON (a.id) a.id AS alarm_id, e.id AS event_id, a.received_at
             FROM alarm a JOIN event e ON e.meter_id = a.meter_id AND e.key = a.key AND e.phase IS NOT DISTINCT FROM a.phase
             WHERE a.meter_id = ANY ($1) AND a.event_id IS NULL AND a.source <> 'data' AND a.key <> $2
                 AND a.received_at > now() - interval '30 days'
                 AND e.meter_ts BETWEEN coalesce(a.meter_ts, a.received_at) - interval '1 minute'
                     AND coalesce(a.meter_ts, a.received_at) + interval '1 minute'
             ORDER BY a.id, abs(extract(epoch FROM e.meter_ts - coalesce(a.meter_ts, a.received_at))), e.id),
         linked AS (UPDATE alarm a SET event_id = n.event_id FROM near n WHERE a.id = n.alarm_id RETURNING n.event_id, n.received_at)
         UPDATE event e SET pushed_at = l.received_at
         FROM (SELECT event_id, min(received_at) AS received_at FROM linked GROUP BY event_id) l
         WHERE e.id = l.event_id AND e.pushed_at IS NULL",
    )
    .bind(meters)
    .bind(UNKNOWN)
    .execute(connection)
    .await
    .map_err(failed("store::events::link_alarms"))?;
    Ok(linked.rows_affected())
}

/// Where entries of a log may be lost.
pub(in crate::store) type Loss = (MeterId, JobId, Obis, LogLoss);

/// Notes where entries may be lost; what is known already is not noted again. Returns how many are new.
pub(in crate::store) async fn insert_losses(
    connection: &mut PgConnection,
    losses: &[Loss],
) -> Result<u64, Error> {
    if losses.is_empty() {
        return Ok(0);
    }
    let cause = |cause| match cause {
        LogLossCause::Overflow => EventLossCause::Overflow,
        LogLossCause::Cleared => EventLossCause::Cleared,
    };
    let entries = losses.iter().map(|(.., loss)| small("entries of a log", loss.entries));
    let entries: Vec<i32> = entries.collect::<Result<_, Error>>()?;
    let made = sqlx::query(
        "/* store::events::insert_losses */
         INSERT INTO event_loss (meter_id, job_id, log, cause, after_ts, until_ts, entries)
         SELECT * FROM unnest($1::int4[], $2::int8[], $3::bytea[], $4::event_loss_cause[], $5::timestamptz[], $6::timestamptz[],
             $7::int4[])
         ON CONFLICT (meter_id, log, after_ts) DO NOTHING",
    )
    .bind(losses.iter().map(|(meter, ..)| *meter).collect::<Vec<_>>())
    .bind(losses.iter().map(|(_, job, ..)| *job).collect::<Vec<_>>())
    .bind(losses.iter().map(|(_, _, log, _)| log.octets().to_vec()).collect::<Vec<_>>())
    .bind(losses.iter().map(|(.., loss)| cause(loss.cause)).collect::<Vec<EventLossCause>>())
    .bind(losses.iter().map(|(.., loss)| loss.after.to_sqlx()).collect::<Vec<SqlTimestamp>>())
    .bind(losses.iter().map(|(.., loss)| loss.until.map(|until| until.to_sqlx())).collect::<Vec<_>>())
    .bind(entries)
    .execute(connection)
    .await
    .map_err(failed("store::events::insert_losses"))?;
    Ok(made.rows_affected())
}

async fn notify(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("/* store::events::notify */ SELECT pg_notify($1, '')")
        .bind(EVENT_CHANNEL)
        .execute(connection)
        .await
        .map_err(failed("store::events::notify"))
        .map(drop)
}
