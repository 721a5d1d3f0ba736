//! Holds what a batch brings against the rules, inside of its transaction.
//!
//! Captures beyond the high-water mark follow what is remembered of their profile, which its mark has, so they cost the server nothing. Others are rare: [`late`](super::late) looks at what is stored around them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use collectors::{Layout, MeterId, Oddity, Reason};
use dlms::Obis;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use models::{Model, Validation};
use sqlx::PgConnection;

use super::super::captures::Row;
use super::super::digest::Digest;
use super::super::log::Changes;
use super::super::profiles::{Mark, ProfileKey};
use super::super::{Error, FlagRule, Store, failed};
use super::write::NewFlag;
use super::{late, registers, settle};
use crate::validate::{Found, Memory, Numbers, Place, Plan, Stamp};

/// Where meters have their serial number.
const SERIAL: [u8; 6] = [0, 0, 96, 1, 0, 255];
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// `unit` of a number without one.
pub(super) const NO_UNIT: i16 = 255;

/// What the rules say of a batch.
#[derive(Debug, Default)]
pub(in crate::store) struct Judged {
    /// What is to be raised.
    pub(in crate::store) flags: Vec<NewFlag>,
    /// What the next captures of profiles are compared with.
    pub(in crate::store) trusted: BTreeMap<ProfileKey, Memory>,
}

/// What is known of the meters of a batch.
pub(super) struct Known<'a> {
    models: BTreeMap<MeterId, String>,
    marks: &'a BTreeMap<ProfileKey, Mark>,
    library: &'a BTreeMap<String, Arc<Model>>,
    plain: Validation,
}

/// Holds the captures and registers of a batch, which are stored already, against the rules. `is_new` says which captures lie beyond the high-water mark,
/// `late` which others are new or different now.
pub(in crate::store) async fn judge(
    connection: &mut PgConnection,
    store: &Store,
    (digest, marks): (&Digest<'_>, &BTreeMap<ProfileKey, Mark>),
    is_new: impl Fn(&Row) -> bool,
    late: &Changes,
    stored_at: SqlTimestamp,
) -> Result<Judged, Error> {
    let mut judged = Judged::default();
    if digest.rows.is_empty() && digest.registers.is_empty() {
        return Ok(judged);
    }
    let known = Known::of(connection, store, digest, marks).await?;
    let mut plans = Plans { known: &known, layouts: &digest.layouts, made: BTreeMap::new() };
    let mut rows: Vec<&Row> = digest.rows.iter().filter(|row| is_new(row)).collect();
    rows.sort_by_key(|row| row.key());
    let mut pieces: Vec<&[&Row]> =
        rows.chunk_by(|one, other| (one.meter, one.layout) == (other.meter, other.layout)).collect();
    // Where the columns of a profile change within a batch, the earlier captures come first.
    pieces.sort_by_key(|rows| rows.first().map(|row| (row.meter, row.ts)));
    for rows in pieces {
        forward(rows, &mut plans, &mut judged);
    }
    late::recheck(connection, late, &mut plans, digest, &mut judged, stored_at).await?;
    settle::values(connection, late, stored_at).await?;
    registers::judge(connection, &known, digest, &mut judged.flags).await?;
    Ok(judged)
}

/// What is odd about reads as a whole, noticed now. Their flags bear the day, in UTC: one of a kind and object is enough for a day.
pub(in crate::store) fn unread(digest: &Digest<'_>, now: Timestamp) -> Vec<NewFlag> {
    let day = now.as_microsecond().div_euclid(DAY) * DAY;
    let flag = |meter, job, rule, obis, attribute, numbers| NewFlag {
        meter,
        rule,
        ts: day,
        layout: None,
        obis,
        attribute,
        numbers,
        unit: NO_UNIT,
        octets: None,
        job,
    };
    let is_other = |failure: &collectors::Failure| failure.reason == Reason::WrongMeter;
    let odd = digest.odd.iter().filter_map(|(meter, job, oddity, layout)| {
        let (rule, profile, attribute, value, reference) = match oddity {
            Oddity::RowsOutside { profile, rows } => (FlagRule::RowsOutside, profile, 2, *rows, None),
            Oddity::EntriesInUse { profile, said, holds } => {
                (FlagRule::EntriesInUse, profile, 7, *holds, i64::try_from(*said).ok())
            }
            Oddity::ClockNotFirst { profile, place } => {
                (FlagRule::ClockNotFirst, profile, 3, u64::try_from(*place).unwrap_or(u64::MAX), None)
            }
            Oddity::TimesLeftOut { profile, times } => {
                (FlagRule::TimesLeftOut, profile, 3, u64::try_from(*times).unwrap_or(u64::MAX), None)
            }
            Oddity::ValueLeftOut { layout: columns, column } => {
                let capture = columns.columns.get(*column)?.capture;
                let (name, attribute) = (capture.instance.octets(), capture.attribute.into());
                let about = flag(*meter, *job, FlagRule::ValueLeftOut, name, attribute, Numbers::default());
                return Some(NewFlag { layout: Some((*layout)?), ..about });
            }
            Oddity::More { profile, more } => (FlagRule::Unreadable, profile, 2, *more, None),
            Oddity::Row { profile, octets } => {
                let about = flag(*meter, *job, FlagRule::Unreadable, profile.octets(), 2, Numbers::default());
                return Some(NewFlag { octets: Some(octets.clone()), ..about });
            }
            Oddity::Cell { layout: columns, at, column, octets } => {
                let capture = columns.columns.get(*column)?.capture;
                let (name, attribute) = (capture.instance.octets(), capture.attribute.into());
                let about = flag(*meter, *job, FlagRule::Unreadable, name, attribute, Numbers::default());
                let (layout, octets) = (Some((*layout)?), Some(octets.clone()));
                return Some(NewFlag { ts: at.as_microsecond(), layout, octets, ..about });
            }
            Oddity::Second { layout: columns, at, second } => {
                let (id, ts) = ((*layout)?, at.as_microsecond());
                let value = Some(i64::from(*second));
                let numbers = Numbers { value, ..Numbers::default() };
                let found = Found { rule: FlagRule::SecondOutOfRange, ts, place: Place::Clock, numbers };
                return Some(self::flag(*meter, *job, (id, columns), found));
            }
        };
        let numbers = Numbers { value: i64::try_from(value).ok(), reference, ..Numbers::default() };
        Some(flag(*meter, *job, rule, profile.octets(), attribute, numbers))
    });
    let others = digest.ends.iter().filter(|(_, (_, end))| end.as_ref().is_err_and(is_other));
    let others = others
        .map(|(job, (meter, _))| flag(*meter, *job, FlagRule::WrongMeter, SERIAL, 2, Numbers::default()));
    odd.chain(others).collect()
}

/// The captures of a profile beyond its mark, in order.
fn forward(rows: &[&Row], plans: &mut Plans<'_>, judged: &mut Judged) {
    let Some(first) = rows.first() else { return };
    let known = plans.known;
    let Some((layout, plan)) = plans.get(first.meter, first.layout) else { return };
    let key = (first.meter, layout.obis);
    // Columns may have changed: what a counter showed is compared with what it shows, wherever it stands.
    let mut memory = match judged.trusted.remove(&key) {
        Some(memory) => memory.beyond(),
        None => known.memory(key, first.layout),
    };
    let mut found = Vec::new();
    for row in rows {
        let stamp = Stamp { ts: row.ts, clock_status: row.clock_status, status: row.status };
        plan.check(&mut memory, stamp, &row.values, &mut found);
        judged.flags.extend(found.drain(..).map(|found| {
            let about = rows.iter().find(|about| about.ts == found.ts).unwrap_or(row);
            flag(row.meter, about.job, (row.layout, layout), found)
        }));
    }
    plan.keep(&mut memory);
    judged.trusted.insert(key, memory);
}

/// What a rule found as a flag.
pub(super) fn flag(meter: i32, job: i64, (id, layout): (i32, &Layout), found: Found) -> NewFlag {
    let column = match found.place {
        Place::Value(slot) => layout.values().nth(slot),
        Place::Clock => layout.clock(),
        Place::Status => layout.status(),
    };
    let value = column.filter(|_| matches!(found.place, Place::Value(_)));
    NewFlag {
        meter,
        rule: found.rule,
        ts: found.ts,
        layout: Some(id),
        obis: column.map_or(layout.obis, |column| column.capture.instance).octets(),
        attribute: column.map_or(2, |column| column.capture.attribute.into()),
        numbers: found.numbers,
        unit: value.map_or(NO_UNIT, |column| column.unit.0.into()),
        octets: None,
        job,
    }
}

/// The rules of the layouts of a batch, each made once for each model.
pub(super) struct Plans<'a> {
    known: &'a Known<'a>,
    layouts: &'a BTreeMap<i32, &'a Layout>,
    made: BTreeMap<(i32, &'a str), Plan>,
}

impl<'a> Plans<'a> {
    /// A layout and its rules for a meter; `None` when the batch does not have it.
    pub(super) fn get(&mut self, meter: MeterId, id: i32) -> Option<(&'a Layout, &Plan)> {
        let layout = *self.layouts.get(&id)?;
        let known = self.known;
        let make = || Plan::of(layout, known.validation(meter));
        Some((layout, self.made.entry((id, known.model(meter))).or_insert_with(make)))
    }
}

impl<'a> Known<'a> {
    /// Marks tell the models of their meters; the others are asked for.
    async fn of(
        connection: &mut PgConnection,
        store: &'a Store,
        digest: &Digest<'_>,
        marks: &'a BTreeMap<ProfileKey, Mark>,
    ) -> Result<Self, Error> {
        let mut models: BTreeMap<MeterId, String> =
            marks.iter().map(|((meter, _), mark)| (*meter, mark.model.clone())).collect();
        let rows = digest.rows.iter().map(|row| row.meter);
        let meters = rows.chain(digest.registers.iter().map(|(meter, ..)| *meter));
        let others: BTreeSet<MeterId> = meters.filter(|meter| !models.contains_key(meter)).collect();
        if !others.is_empty() {
            let rows: Vec<(MeterId, String)> =
                sqlx::query_as("/* store::flags::models */ SELECT id, model FROM meter WHERE id = ANY($1)")
                    .bind(others.into_iter().collect::<Vec<_>>())
                    .fetch_all(connection)
                    .await
                    .map_err(failed("store::flags::models"))?;
            models.extend(rows);
        }
        Ok(Self { models, marks, library: &store.models, plain: Validation::default() })
    }

    /// What is plausible of a meter.
    pub(super) fn validation(&self, meter: MeterId) -> &Validation {
        self.library.get(self.model(meter)).map_or(&self.plain, |model| &model.validation)
    }

    fn model(&self, meter: MeterId) -> &str {
        self.models.get(&meter).map_or("", String::as_str)
    }

    fn memory(&self, key: (MeterId, Obis), layout: i32) -> Memory {
        match self.marks.get(&key).and_then(|mark| mark.trusted.as_ref()) {
            Some((of, memory)) if *of == layout => memory.clone(),
            Some((_, memory)) => memory.clone().beyond(),
            None => Memory::default(),
        }
    }
}
