//! A batch: what many meters answered, in one transaction over all tables that it touches.
//!
//! Order inside of it: which ends are ours, devices on channels, marks, the time since when it counts, captures, registers, clocks, identities, tariffs, drafts of models, nodes, flags, losses, marks moved on, jobs,
//! counters, leases given back, log, commands, credit, events, notifications. Whoever is told of a capture can read it, because both happen with the commit.

use std::collections::{BTreeMap, BTreeSet};

use collectors::{Captures, Event, JobId, Layout, MeterId, Oddity, Report};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::Timestamp as SqlTimestamp;
use models::MBus;
use sqlx::PgConnection;
use tracing::warn;
use uuid::Uuid;

use super::captures::{Row, Stored};
use super::digest::Digest;
use super::ends::{self, End};
use super::flags::{Judged, NewFlag};
use super::ledger::{Absence, Doubt, Found};
use super::log::Changes;
use super::mbus::Parts;
use super::profiles::{Advance, Mark, ProfileKey, Range};
use super::{Error, JOB_CHANNEL, JobKind, JobState, READING_CHANNEL, Store};
use super::{
    captures, clocks, commands, concentrators, counters, events, failed, flags, give_back, known, ledger,
    log, mbus, model_drafts, profiles, ratios, registers, tariffs,
};
use crate::plan::ledger::{MONTH_S, SETTLES};
use crate::plan::{gaps, second_before};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// What a batch changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Captures.
    pub captures: Stored,
    /// Register values that are new.
    pub registers: u64,
    /// Ranges of profiles that meters turned out to have no captures of.
    pub losses: u64,
    /// Entries of logs.
    pub events: events::Written,
    /// What is doubtful about them.
    pub flags: flags::Raised,
    /// Jobs that are done.
    pub done: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Jobs that are due again.
    pub again: u64,
    /// Jobs that were not ours to end any more: the lease was lost, or somebody called them off.
    pub lost: u64,
}

impl Written {
    /// Adds what another batch changed.
    pub fn add(&mut self, other: Self) {
        self.captures.add(other.captures);
        self.registers += other.registers;
        self.losses += other.losses;
        self.events.add(other.events);
        self.flags.add(other.flags);
        self.done += other.done;
        self.failed += other.failed;
        self.again += other.again;
        self.lost += other.lost;
    }
}

impl Store {
    /// Stores what meters answered and ends the jobs that ended, as `owner` of their leases. All or nothing.
    ///
    /// Captures are stored whoever brought them: they are true, and known ones change nothing. A job is ended only by the
    /// owner of its lease.
    ///
    /// # Errors
    /// Every [`Error`]; after a transient one the same batch may be written again.
    pub async fn write(&self, owner: Uuid, reports: &[Report]) -> Result<Written, Error> {
        let layouts = self.intern_all(reports).await?;
        let digest = Digest::of(reports, |layout| {
            layouts.iter().find(|(known, _)| *known == layout).map(|(_, id)| *id)
        });
        // Partitions are whole days of UTC, and thousands of captures lie in a few of them.
        let days: BTreeSet<i64> = digest.rows.iter().map(|row| row.ts.div_euclid(DAY)).collect();
        let days = days.into_iter().filter_map(|day| Timestamp::from_microsecond(day * DAY).ok());
        self.ensure_partitions(days).await?;
        match super::repeat("store::batch::write", || self.attempt(owner, &digest, Trust::Marks)).await {
            Err(error) if error.is_duplicate() => {
                warn!(%error, "a capture beyond the high-water mark was known; the batch is written with care");
                super::repeat("store::batch::write", || self.attempt(owner, &digest, Trust::Nothing)).await
            }
            outcome => outcome,
        }
    }

    async fn intern_all<'a>(&self, reports: &'a [Report]) -> Result<Vec<(&'a Layout, i32)>, Error> {
        let mut known: Vec<(&Layout, i32)> = Vec::new();
        for report in reports {
            let (Event::Layout(layout)
            | Event::Captures(Captures { layout, .. })
            | Event::Odd(
                Oddity::Second { layout, .. }
                | Oddity::Cell { layout, .. }
                | Oddity::ValueLeftOut { layout, .. },
            )) = &report.event
            else {
                continue;
            };
            if !known.iter().any(|(other, _)| std::ptr::eq(*other, &**layout) || *other == &**layout) {
                known.push((layout, self.intern_layout(layout).await?));
            }
        }
        Ok(known)
    }

    async fn attempt(&self, owner: Uuid, digest: &Digest<'_>, trust: Trust) -> Result<Written, Error> {
        let mut transaction = self.pool.begin().await.map_err(failed("store::batch::begin"))?;
        let (written, ends) = write_all(&mut transaction, owner, digest, trust, self).await?;
        transaction.commit().await.map_err(failed("store::batch::commit"))?;
        self.tally.committed(&digest.counts, digest.ends.keys());
        ends.iter().for_each(End::show);
        Ok(written)
    }
}

/// What proves that a capture is new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// It lies beyond the high-water mark of its profile.
    Marks,
    /// Only the table itself.
    Nothing,
}

async fn write_all(
    connection: &mut PgConnection,
    owner: Uuid,
    digest: &Digest<'_>,
    trust: Trust,
    store: &Store,
) -> Result<(Written, Vec<End>), Error> {
    let ends = ends::decide(connection, owner, &digest.ends).await?;
    let mut keys: BTreeSet<ProfileKey> = digest.advances.keys().copied().collect();
    keys.extend(ends.iter().filter_map(profile));
    let exchanged = mbus::write(connection, &digest.mbus).await?;
    let parts = Parts::of(connection, &keys).await?;
    let digest = &*parts.deal(digest);
    keys.extend(digest.advances.keys().copied());
    let marks = profiles::lock(connection, &keys.into_iter().collect::<Vec<_>>()).await?;
    let stored_at = known::storing_at(connection).await?;
    let is_new = |row: &Row| {
        let profile = digest.layouts.get(&row.layout).map(|layout| (row.meter, layout.obis));
        let last = profile.and_then(|key| marks.get(&key)).and_then(|mark| mark.last_ts);
        trust == Trust::Marks && last.is_none_or(|last| row.ts > last)
    };
    let (mut changes, mut late) = (Changes::default(), Changes::default());
    let mut written = Written {
        captures: captures::write(connection, &digest.rows, is_new, stored_at, &mut changes, &mut late)
            .await?,
        registers: registers::insert(connection, &digest.registers, stored_at, &mut changes).await?,
        lost: (digest.ends.len() - ends.len()) as u64,
        ..Written::default()
    };
    clocks::write(connection, &digest.clocks, store.clock.ahead_ms()).await?;
    clocks::write_setups(connection, &digest.clock_setups).await?;
    registers::identify(connection, &digest.identities).await?;
    tariffs::insert(connection, &digest.tariffs).await?;
    model_drafts::insert(connection, &digest.drafts).await?;
    concentrators::replace(connection, &digest.nodes).await?;
    let mut advances = digest.advances.clone();
    ledger::restore(connection, &found(&advances, digest, &marks)).await?;
    let (mut absent, now) = (Vec::new(), Timestamp::now());
    written.flags =
        judge(connection, store, (digest, &marks, exchanged), &mut advances, is_new, &late, stored_at)
            .await?;
    for end in &ends {
        absent.extend(conclude(&mut advances, digest, &marks, end, now));
        match end.state {
            JobState::Done => written.done += 1,
            JobState::Failed => written.failed += 1,
            _ => written.again += 1,
        }
    }
    let doubts = ledger::doubts(connection, &absent, store.second_look).await?;
    let absent = leave_open(&mut advances, absent, doubts);
    written.losses = ledger::insert_losses(connection, &parts.lose(absent)).await?;
    profiles::advance(connection, &advances).await?;
    flags::settle_rows(connection, (digest, &marks), &ends, stored_at).await?;
    ends::write(connection, &ends, |job| store.tally.of(job) + digest.counts.get(&job).copied().unwrap_or(0))
        .await?;
    counters::raise(connection, &digest.counters).await?;
    let meters: BTreeSet<MeterId> = digest.ends.values().map(|(meter, _)| *meter).collect();
    give_back::give_back(connection, owner, meters.into_iter().collect(), &ends).await?;
    log::insert(connection, &changes).await?;
    // Last, because one transaction after the other writes the lives of commands.
    commands::ends::note(connection, &digest.findings).await?;
    commands::ends::advance(connection, &digest.progress).await?;
    let commanded: Vec<_> = ends.iter().filter_map(|end| end.command.clone()).collect();
    commands::ends::write(connection, &commanded).await?;
    // The same goes for events.
    written.events = happened(connection, store, digest).await?;
    notify(connection, &changes, &ends).await?;
    Ok((written, ends))
}

/// Raises the flags of a batch, those of devices that were exchanged among them, and notes what the next captures and ratios are compared with.
async fn judge(
    connection: &mut PgConnection,
    store: &Store,
    (digest, marks, exchanged): (&Digest<'_>, &BTreeMap<ProfileKey, Mark>, Vec<NewFlag>),
    advances: &mut BTreeMap<ProfileKey, Advance>,
    is_new: impl Fn(&Row) -> bool,
    late: &Changes,
    stored_at: SqlTimestamp,
) -> Result<flags::Raised, Error> {
    let Judged { mut flags, trusted } =
        flags::judge(connection, store, (digest, marks), is_new, late, stored_at).await?;
    for (key, memory) in trusted {
        advances.entry(key).or_default().trusted = Some(memory);
    }
    let unread = flags::unread(digest, Timestamp::now());
    flags::again(connection, &unread).await?;
    flags.extend(unread);
    flags.extend(ratios::write(connection, &digest.ratios, stored_at).await?);
    flags.extend(exchanged);
    flags::raise(connection, &flags, stored_at).await
}

/// Writes what happened to meters: the entries of their logs, what the bits of their registers tell, and whose credit became low or is not any more.
async fn happened(
    connection: &mut PgConnection,
    store: &Store,
    digest: &Digest<'_>,
) -> Result<events::Written, Error> {
    let mut told = events::told(connection, store, &digest.registers).await?;
    told.extend(events::reminders(connection, store, &digest.registers).await?);
    let mut written = events::write(connection, &store.cim, &digest.events).await?.0;
    written.add(events::write(connection, &store.cim, &told).await?.0);
    written.losses = events::insert_losses(connection, &digest.losses).await?;
    let logged: BTreeSet<MeterId> = digest.events.iter().chain(&told).map(|event| event.meter).collect();
    events::link_alarms(connection, &logged.into_iter().collect::<Vec<_>>()).await?;
    Ok(written)
}

/// The profile that an ended job read.
fn profile(end: &End) -> Option<ProfileKey> {
    let profile = (end.running.kind == JobKind::ReadProfile).then_some(end.running.profile).flatten()?;
    Some((end.running.meter, profile))
}

/// What came of profiles that is not later than all before: it may have been taken for lost.
fn found(
    advances: &BTreeMap<ProfileKey, Advance>,
    digest: &Digest<'_>,
    marks: &BTreeMap<ProfileKey, Mark>,
) -> Vec<Found> {
    let ranges = advances.iter().flat_map(|(key, advance)| {
        let last = marks.get(key).and_then(|mark| mark.last_ts).unwrap_or(i64::MIN);
        let least_s = least_s(digest.periods.get(key).copied().unwrap_or(0));
        let found = advance.covered.iter().filter(move |range| range.0.as_microsecond() < last);
        found.map(move |range| Found { key: *key, range: *range, least_s })
    });
    ranges.collect()
}

/// From how many seconds without a capture on one is lost: half a period, or longer than a month is where captures come at no fixed times.
const fn least_s(period_s: u32) -> u32 {
    if period_s > 0 { period_s / 2 } else { MONTH_S }
}

/// What the end of a read says about its profile: what it covered, and when to plan the next. Returns of what it covered that for which no captures
/// came in this batch.
fn conclude(
    advances: &mut BTreeMap<ProfileKey, Advance>,
    digest: &Digest<'_>,
    marks: &BTreeMap<ProfileKey, Mark>,
    end: &End,
    now: Timestamp,
) -> Vec<Absence> {
    let Some(key) = profile(end).filter(|_| end.is_final()) else {
        return Vec::new();
    };
    let mark = marks.get(&key);
    let advance = advances.entry(key).or_default();
    if end.running.planned {
        *(if end.running.is_hole { &mut advance.hole_tried } else { &mut advance.tried }) = true;
    }
    let Some((_, Ok(covered))) = digest.ends.get(&end.job) else {
        return Vec::new();
    };
    advance.read = true;
    let period = digest.periods.get(&key).copied().or(mark.and_then(|mark| mark.period_s));
    let (Some((from, to)), Some(period_s)) = (covered.range, period) else {
        return Vec::new();
    };
    let last = mark.and_then(|mark| mark.last_ts);
    let last = last.and_then(|last| Timestamp::from_microsecond(last).ok()).max(advance.last_ts);
    let begin = end.running.from.map_or(from, |asked| asked.min(from));
    let asked = (second_before(begin), settled(last, period_s, to, now));
    if asked.0 >= asked.1 {
        return Vec::new();
    }
    advance.covered.sort_unstable();
    let absent = match period_s {
        0 => vec![(asked.0, second_before(from).min(asked.1))],
        _ => gaps(&advance.covered, asked),
    };
    let first = advance.covered.first().map(|range| range.0);
    advance.covered.push(asked);
    // Where captures come at no fixed times, the latest known one was asked for again: when it is gone, those behind it are, too.
    let kept_s = if period_s > 0 { end.running.kept_s } else { Some(0) };
    // Nobody asks a second time for what one device on a channel did not give: there may be another by then.
    let is_asked_again = period_s > 0 && MBus::channel(key.1).is_none();
    let absence = |range: Range| {
        let follows = first.is_some_and(|first| first < range.0);
        let (least_s, asked) = (least_s(period_s), is_asked_again.then_some(asked));
        Absence { key, range, least_s, follows, asked, kept_s, job: end.job }
    };
    absent.into_iter().filter(|range| range.0 < range.1).map(absence).collect()
}

/// Has what is to be looked for once more not covered. Returns what is absent without it.
fn leave_open(
    advances: &mut BTreeMap<ProfileKey, Advance>,
    absent: Vec<Absence>,
    doubts: Vec<Doubt>,
) -> Vec<Absence> {
    let mut open: BTreeMap<ProfileKey, Vec<Range>> = BTreeMap::new();
    for Doubt { key, range, is_look } in doubts {
        open.entry(key).or_default().push(range);
        advances.entry(key).or_default().absent.extend(is_look.then_some(range));
    }
    for (key, ranges) in &mut open {
        ranges.sort_unstable();
        let covered = &mut advances.entry(*key).or_default().covered;
        *covered = covered.iter().flat_map(|range| gaps(ranges, *range)).collect();
    }
    let rest = absent.into_iter().flat_map(|absence| {
        let ranges = gaps(open.get(&absence.key).map_or(&[], Vec::as_slice), absence.range);
        ranges.into_iter().map(move |range| Absence { range, ..absence.clone() })
    });
    rest.collect()
}

/// Up to when nothing more comes of a profile that was read until `to`: its latest capture, and behind that as many periods as had passed a day ago. Parts of a
/// period would be too short, each by itself, to be missed.
fn settled(last: Option<Timestamp>, period_s: u32, to: Timestamp, now: Timestamp) -> Timestamp {
    let last = last.unwrap_or(Timestamp::UNIX_EPOCH);
    let ago = now.checked_sub(SETTLES).unwrap_or(Timestamp::MIN);
    let until = to.min(ago.max(last));
    let period = i64::from(period_s.max(1));
    let periods = until.duration_since(last).as_secs() / period;
    match periods > 0 {
        true => last.checked_add(SignedDuration::from_secs(periods * period)).unwrap_or(until),
        false => until.min(last),
    }
}

/// Tells whoever listens, when the transaction commits: jobs that ended and meters with new or changed readings.
async fn notify(connection: &mut PgConnection, changes: &Changes, ends: &[End]) -> Result<(), Error> {
    let jobs: Vec<JobId> = ends.iter().map(|end| end.job).collect();
    sqlx::query(
        "/* store::batch::notify */
         SELECT pg_notify($1, job::text) FROM unnest($2::int8[]) AS job
         UNION ALL SELECT pg_notify($3, meter::text) FROM unnest($4::int4[]) AS meter",
    )
    .bind(JOB_CHANNEL)
    .bind(jobs)
    .bind(READING_CHANNEL)
    .bind(changes.meters())
    .execute(connection)
    .await
    .map_err(failed("store::batch::notify"))?;
    Ok(())
}
