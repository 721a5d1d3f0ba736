//! What is due: pure. From what is known of a meter, its model and the time to the jobs that should exist.
//!
//! Every read has a grid in time, `read_every` apart and shifted by a fixed amount for each meter, so that a fleet spreads over
//! the interval and the reads of one meter fall together. A read is due when a point of its grid has passed since the last one
//! ended; what was never read is due at once. Of the registers of a meter a read takes those that are due. A profile is read from its high-water mark on. Holes in what is covered become jobs
//! of their own (`ledger`), of a class that comes behind all others, and among them first what the meter overwrites first. Logs of events have no
//! holes: they are read from a day before their high-water mark on, once it is known which meter it is.

mod grid;
pub mod ledger;
mod look;
pub mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use collectors::MeterId;
use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::{Log, Model, Profile};
use tracing::warn;

use crate::config;
use crate::store::profiles::Range;
use crate::store::{self, JobKind, Store, troubles};
pub use grid::second_before;
use grid::{earlier, later, passed, phase, second_after, signed};
pub use ledger::gaps;
pub use look::{due_registers, next_look};
use schedule::Schedule;

/// The priority of planned reads.
pub const SCHEDULED: i16 = 0;

/// The priority of reads that fill holes.
pub const BACKFILL: i16 = -5;

/// How often a meter is asked who it is as long as it never answered.
const IDENTIFY_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How often a concentrator is asked for its nodes.
const NODES_EVERY: Duration = Duration::from_secs(60 * 60);

/// How far back of the latest known entry a log is read again, in which a clock that was put back may have hidden later ones.
const PUT_BACK: SignedDuration = SignedDuration::from_hours(24);

/// Where a log that was never read may begin: a clock that lost its time starts here, or later.
const LOG_BEGIN: Timestamp = Timestamp::constant(946_684_800, 0);

/// How often a meter is tried that needs a person.
const PROBE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Meters that are looked at together.
const PAGE: u16 = 1000;

/// Pages that one pass looks at.
const PAGES: u8 = 20;

/// When a meter is looked at again whose model is not known to this process.
const UNKNOWN_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What is known of a meter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeterState {
    /// The meter.
    pub meter: MeterId,
    /// Its serial number.
    pub serial: String,
    /// Name of its model.
    pub model: String,
    /// When it came into the inventory.
    pub since: Timestamp,
    /// When it was to be looked at.
    pub look_at: Timestamp,
    /// When it last said who it is.
    pub identified_at: Option<Timestamp>,
    /// When the last planned attempt at that ended.
    pub identify_tried_at: Option<Timestamp>,
    /// When the last planned read of its registers ended.
    pub registers_tried_at: Option<Timestamp>,
    /// When the last planned look at its nodes ended.
    pub nodes_tried_at: Option<Timestamp>,
    /// What carries it together with others.
    pub throttle_group: Option<String>,
    /// Whether it is a part of another meter.
    pub is_subunit: bool,
    /// What of it needs a person, by the scopes of its troubles.
    pub stuck: BTreeSet<String>,
    /// Whether it could not be reached, or did not let us in, when it was tried last.
    pub is_silent: bool,
    /// The schedules that are about it.
    pub schedules: Vec<Arc<Schedule>>,
    /// Its profiles, those that were never read are absent.
    pub profiles: BTreeMap<Obis, ProfileState>,
}

/// How far a profile has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileState {
    /// How often the meter captures it, in seconds, 0 at no fixed times; `None` until it has said so.
    pub period_s: Option<u32>,
    /// Rows that the meter keeps, as it says itself; `None` when it has not said.
    pub capacity: Option<u32>,
    /// High-water mark.
    pub last_ts: Option<Timestamp>,
    /// When a read last succeeded.
    pub read_at: Option<Timestamp>,
    /// When the last planned read of new captures ended.
    pub tried_at: Option<Timestamp>,
    /// When the last planned read of a hole ended.
    pub hole_tried_at: Option<Timestamp>,
    /// What is covered, ascending and apart from each other.
    pub coverage: Vec<Range>,
    /// Where what a meter was asked for and did not give begins, and when it was asked for the first of it; `None` when there is no such thing, or it is lost.
    pub absent: Option<(Timestamp, Timestamp)>,
}

impl ProfileState {
    /// Up to when it is read: the latest capture, or, where the meter has recorded nothing for long, what is covered. What lies in the future comes from a
    /// clock that was wrong, and says nothing.
    fn reached(&self, now: Timestamp) -> Option<Timestamp> {
        let covered = self.coverage.iter().map(|range| range.1).filter(|until| *until <= now).max();
        self.mark(now).max(covered)
    }

    /// The latest capture that is not in the future.
    fn mark(&self, now: Timestamp) -> Option<Timestamp> {
        self.last_ts.filter(|last| *last <= now)
    }
}

/// A job that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedJob {
    /// The meter.
    pub meter: MeterId,
    /// What is to be done.
    pub kind: JobKind,
    /// The profile to read.
    pub obis: Option<Obis>,
    /// Earliest and latest capture to read, both inclusive.
    pub range: Option<(Timestamp, Timestamp)>,
    /// [`SCHEDULED`] or [`BACKFILL`].
    pub priority: i16,
    /// By when it is wanted: the next turn of the same read; of a hole, when the meter overwrites it.
    pub wanted_by: Timestamp,
    /// How long the meter keeps a capture of the profile.
    pub kept: Option<SignedDuration>,
    /// How often it may be tried.
    pub max_attempts: i16,
}

/// A hole that is older than the program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The meter.
    pub meter: MeterId,
    /// The profile.
    pub profile: Obis,
    /// From when to when, without its first instant and with its last.
    pub range: Range,
}

/// A meter that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The meter.
    pub meter: MeterId,
    /// When it was to be looked at.
    pub was: Timestamp,
    /// When it is to be looked at again.
    pub again: Timestamp,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned {
    /// Meters looked at.
    pub meters: u64,
    /// Jobs made.
    pub jobs: u64,
    /// Holes given up.
    pub given_up: u64,
    /// Meters left out, because their model is not known to this process.
    pub unknown_model: u64,
    /// Whether no others are to be looked at now.
    pub is_all: bool,
}

/// The jobs of a meter that are due at `now`.
pub fn due(state: &MeterState, model: &Model, now: Timestamp, config: &config::Plan) -> Vec<PlannedJob> {
    if model.read_with_parent {
        return Vec::new();
    }
    let phase = phase(state.meter);
    let job = |kind, wanted_by| PlannedJob {
        meter: state.meter,
        kind,
        obis: None,
        range: None,
        priority: SCHEDULED,
        wanted_by,
        kept: None,
        // Whoever was silent for all attempts of a job costs its line one for each further job.
        max_attempts: if state.is_silent { 1 } else { config.max_attempts },
    };
    let mut jobs = Vec::new();
    if passed(state.identify_tried_at, look::identify_every(state, config), phase, now) {
        jobs.push(job(JobKind::Identify, now));
    }
    let of_registers = look::registers_every(state, model).collect::<BTreeSet<_>>();
    let of_nodes = look::nodes_every(model).into_iter().collect();
    for (kind, turns, tried) in [
        (JobKind::ReadRegisters, of_registers, state.registers_tried_at),
        (JobKind::ListNodes, of_nodes, state.nodes_tried_at),
    ] {
        if turns.iter().any(|every| passed(tried, *every, phase, now)) {
            let next = turns.iter().map(|every| grid::next(*every, phase, now)).min();
            jobs.extend(next.map(|next| job(kind, next)));
        }
    }
    for profile in &model.profiles {
        let read = |range, priority, wanted_by| PlannedJob {
            obis: Some(profile.obis),
            range: Some(range),
            priority,
            kept: ledger::kept(state, profile),
            ..job(JobKind::ReadProfile, wanted_by)
        };
        let turn = grid::next(ledger::read_within(state, profile), phase, now);
        let wanted_by = schedule::wanted_by(state, profile, now).map_or(turn, |goal| goal.min(turn));
        jobs.extend(
            forward(state, profile, phase, now, config).map(|range| read(range, SCHEDULED, wanted_by)),
        );
        let holes = ledger::holes(state, profile, now, config).into_iter();
        jobs.extend(holes.map(|range| read(range, BACKFILL, ledger::overwritten(state, profile, range.0))));
    }
    // Whoever never answered costs time enough without its logs.
    for log in model.logs.iter().filter(|_| state.identified_at.is_some()) {
        if let Some(range) = entries(state, log, phase, now) {
            let turn = grid::next(log.read_every, phase, now);
            let read = job(JobKind::ReadProfile, turn);
            jobs.push(PlannedJob { obis: Some(log.obis), range: Some(range), ..read });
        }
    }
    jobs.retain(|job| may_be_tried(state, job, now));
    jobs
}

/// What needs a person is tried once a day, in case somebody has put it right; of a meter that needs one as a whole, only who it is.
fn may_be_tried(state: &MeterState, job: &PlannedJob, now: Timestamp) -> bool {
    let probed = |tried| passed(tried, PROBE_EVERY, phase(state.meter), now);
    if state.stuck.contains(troubles::WHOLE) {
        return job.kind == JobKind::Identify && probed(state.identify_tried_at);
    }
    if !state.stuck.contains(&troubles::scope(job.kind, job.obis)) {
        return true;
    }
    let profile = || job.obis.and_then(|obis| state.profiles.get(&obis)).and_then(|profile| profile.tried_at);
    match job.kind {
        JobKind::Identify => probed(state.identify_tried_at),
        JobKind::ReadRegisters => probed(state.registers_tried_at),
        JobKind::ListNodes => probed(state.nodes_tried_at),
        _ => job.priority == SCHEDULED && probed(profile()),
    }
}

/// What of the holes of a meter is given up at `now`.
fn given_up(
    state: &MeterState,
    model: &Model,
    now: Timestamp,
    config: &config::Plan,
) -> impl Iterator<Item = GivenUp> {
    model.profiles.iter().flat_map(move |profile| {
        let ranges = ledger::given_up(state, profile, now, config).into_iter();
        ranges.map(|range| GivenUp { meter: state.meter, profile: profile.obis, range })
    })
}

/// Has the meters of a model looked at again whose planning depends on something else than when this was called last: another model of that
/// name, or another configuration. Called when a planner begins.
///
/// # Errors
/// Those of the store.
pub async fn begin(
    store: &Store,
    models: &BTreeMap<String, Arc<Model>>,
    config: &config::Plan,
) -> Result<u64, store::Error> {
    let bases = models.iter().map(|(name, model)| (name.as_str(), look::basis(model, config)));
    store.plan_by(&bases.collect::<Vec<_>>()).await
}

/// Looks at the meters of which something may be due, the longest due first, and makes the jobs that are. A pass ends after some thousands of
/// meters; [`Planned::is_all`] says whether others wait.
///
/// # Errors
/// Those of the store.
pub async fn pass(
    store: &Store,
    models: &BTreeMap<String, Arc<Model>>,
    config: &config::Plan,
    now: Timestamp,
) -> Result<Planned, store::Error> {
    let mut planned = Planned::default();
    let schedules: Vec<_> = store.schedules().await?.into_iter().map(Arc::new).collect();
    for _ in 0..PAGES {
        let mut page = store.due_looks(now, PAGE).await?;
        for state in &mut page {
            let of_meter: Vec<_> =
                schedules.iter().filter(|schedule| schedule.covers(state)).cloned().collect();
            state.schedules = of_meter;
        }
        let (mut jobs, mut lost, mut looks) = (Vec::new(), Vec::new(), Vec::new());
        for state in &page {
            planned.meters += 1;
            let again = match models.get(&state.model) {
                Some(model) => {
                    jobs.extend(due(state, model, now, config));
                    lost.extend(given_up(state, model, now, config));
                    next_look(state, model, now, config)
                }
                None => {
                    planned.unknown_model += 1;
                    warn!(serial = state.serial, model = %state.model, "nothing is planned for a meter of an unknown model");
                    later(now, UNKNOWN_AGAIN)
                }
            };
            looks.push(Look { meter: state.meter, was: state.look_at, again });
        }
        planned.jobs += store.insert_planned(&jobs).await?;
        planned.given_up += store.give_up(&lost).await?;
        store.looked(&looks).await?;
        if page.len() < usize::from(PAGE) {
            planned.is_all = true;
            break;
        }
    }
    Ok(planned)
}

/// Notes how far schedules have come with each day that is judged yet.
///
/// # Errors
/// Those of the store.
pub async fn note_progress(store: &Store, now: Timestamp) -> Result<(), store::Error> {
    for schedule in store.schedules().await? {
        for day in schedule.days(now) {
            store.note_progress(&schedule, day).await?;
        }
    }
    Ok(())
}

/// The captures that are new, when they are due.
fn forward(
    state: &MeterState,
    profile: &Profile,
    phase: u64,
    now: Timestamp,
    config: &config::Plan,
) -> Option<(Timestamp, Timestamp)> {
    let known = state.profiles.get(&profile.obis);
    let tried = known.and_then(|known| known.tried_at);
    if !passed(tried, ledger::read_within(state, profile), phase, now)
        && !schedule::presses(state, profile, now)
    {
        return None;
    }
    let Some(last) = known.and_then(|known| known.reached(now)) else {
        return Some((oldest(state, profile, now, config), now));
    };
    let is_there = later(last, ledger::next_after(state, profile)) <= now;
    // Without a period nothing but the latest known capture itself shows that none was overwritten behind it, which takes a month at least.
    let is_long_ago = last < earlier(now, SignedDuration::from_secs(i64::from(ledger::MONTH_S)));
    let is_doubted = is_long_ago && ledger::period_s(state, profile) == 0;
    let mark = known.and_then(|known| known.mark(now)).filter(|_| is_doubted);
    is_there.then(|| (mark.unwrap_or_else(|| second_after(last)), now))
}

/// The entries of a log, when they are due: those since a while before the latest known one, or all of them.
fn entries(state: &MeterState, log: &Log, phase: u64, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let known = state.profiles.get(&log.obis);
    if !passed(known.and_then(|known| known.tried_at), log.read_every, phase, now) {
        return None;
    }
    let last = known.and_then(|known| known.mark(now));
    let from = last.map_or(LOG_BEGIN, |last| earlier(last, PUT_BACK));
    Some((from.min(now), now))
}

/// How far back the captures of a profile that was never read are wanted: as far as the horizon, and the meter keeps them; what should have been
/// read since it is in the inventory is asked for in any case.
fn oldest(state: &MeterState, profile: &Profile, now: Timestamp, config: &config::Plan) -> Timestamp {
    let horizon = earlier(now, signed(config.horizon));
    let kept = ledger::kept(state, profile).map_or(horizon, |kept| earlier(now, kept));
    horizon.max(kept.min(state.since))
}
