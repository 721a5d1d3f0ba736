//! What is due: pure. From what is known of a meter, its model and the time to the jobs that should exist.
//!
//! Every read has a grid in time, `read_every` apart and shifted by a fixed amount for each meter, so that a fleet spreads over
//! the interval and the reads of one meter fall together. A read is due when a point of its grid has passed since the last one
//! ended; what was never read is due at once. A profile is read from its high-water mark on. Holes in what is covered become jobs
//! of their own (`ledger`), of a class that comes behind all others, and among them first what the meter overwrites first. Logs of events have no
//! holes: they are read from a day before their high-water mark on, once it is known which meter it is.

mod grid;
pub mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use collectors::MeterId;
use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::{Log, Model, Profile};
use tracing::warn;

use crate::config;
use crate::store::profiles::Range;
use crate::store::{self, JobKind, Store};
use grid::{earlier, floor, later, passed, phase, signed, step};
pub use grid::grid_s;
pub use ledger::gaps;

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

/// Meters that are looked at together.
const PAGE: u16 = 1000;

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
    /// When it last said who it is.
    pub identified_at: Option<Timestamp>,
    /// When the last planned attempt at that ended.
    pub identify_tried_at: Option<Timestamp>,
    /// When the last planned read of its registers ended.
    pub registers_tried_at: Option<Timestamp>,
    /// When the last planned look at its nodes ended.
    pub nodes_tried_at: Option<Timestamp>,
    /// Whether it is a part of another meter.
    pub is_subunit: bool,
    /// Its profiles, those that were never read are absent.
    pub profiles: BTreeMap<Obis, ProfileState>,
}

/// How far a profile has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileState {
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

/// What a pass over all meters did.
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
}

/// The jobs of a meter that are due at `now`.
pub fn due(state: &MeterState, model: &Model, now: Timestamp, config: &config::Plan) -> Vec<PlannedJob> {
    let phase = phase(state.meter);
    let job = |kind, wanted_by| PlannedJob {
        meter: state.meter,
        kind,
        obis: None,
        range: None,
        priority: SCHEDULED,
        wanted_by,
        kept: None,
        max_attempts: config.max_attempts,
    };
    let mut jobs = Vec::new();
    let identify_every = match state.identified_at {
        Some(_) => config.identify_every,
        None => config.identify_every.min(IDENTIFY_AGAIN),
    };
    if passed(state.identify_tried_at, identify_every, phase, now) {
        jobs.push(job(JobKind::Identify, now));
    }
    // A meter whose parts are named in each request has nothing to be read itself.
    let has_registers = state.is_subunit || !model.names_subunits();
    let registers_every = model.registers.iter().map(|register| register.read_every).min();
    if let Some(every) = registers_every.filter(|_| has_registers)
        && passed(state.registers_tried_at, every, phase, now)
    {
        jobs.push(job(JobKind::ReadRegisters, grid::next(every, phase, now)));
    }
    let has_nodes = model.concentrator.as_ref().is_some_and(|concentrator| concentrator.node_list.is_some());
    if has_nodes && passed(state.nodes_tried_at, NODES_EVERY, phase, now) {
        jobs.push(job(JobKind::ListNodes, grid::next(NODES_EVERY, phase, now)));
    }
    for profile in &model.profiles {
        let read = |range, priority, wanted_by| PlannedJob {
            obis: Some(profile.obis),
            range: Some(range),
            priority,
            kept: ledger::kept(profile),
            ..job(JobKind::ReadProfile, wanted_by)
        };
        let turn = grid::next(profile.read_every, phase, now);
        jobs.extend(forward(state, profile, phase, now, config).map(|range| read(range, SCHEDULED, turn)));
        let holes = ledger::holes(state, profile, now, config).into_iter();
        jobs.extend(holes.map(|range| read(range, BACKFILL, ledger::overwritten(profile, range.0))));
    }
    // Whoever never answered costs time enough without its logs.
    for log in model.logs.iter().filter(|_| state.identified_at.is_some()) {
        if let Some(range) = entries(state, log, phase, now) {
            let turn = grid::next(log.read_every, phase, now);
            let read = job(JobKind::ReadProfile, turn);
            jobs.push(PlannedJob { obis: Some(log.obis), range: Some(range), ..read });
        }
    }
    jobs
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

/// Looks at all active meters once and makes the jobs that are due.
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
    let mut after = 0;
    loop {
        let page = store.planning_page(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(planned);
        };
        after = last.meter;
        let (mut jobs, mut lost) = (Vec::new(), Vec::new());
        for state in &page {
            planned.meters += 1;
            match models.get(&state.model) {
                Some(model) => {
                    jobs.extend(due(state, model, now, config));
                    lost.extend(given_up(state, model, now, config));
                }
                None => {
                    planned.unknown_model += 1;
                    warn!(serial = state.serial, model = %state.model, "nothing is planned for a meter of an unknown model");
                }
            }
        }
        planned.jobs += store.insert_planned(&jobs).await?;
        planned.given_up += store.give_up(&lost).await?;
    }
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
    if !passed(known.and_then(|known| known.tried_at), profile.read_every, phase, now) {
        return None;
    }
    let grid = step(profile.period_s);
    let to = floor(now, grid);
    // A mark in the future comes from a clock that was wrong. What is covered up to now counts as well as the mark: where the meter has
    // recorded nothing for long, that is behind it.
    let covered = || known?.coverage.iter().map(|range| range.1).filter(|until| *until <= now).max();
    let last = known.and_then(|known| known.last_ts).filter(|last| *last <= now).max(covered());
    let from = match last {
        Some(last) if profile.period_s == 0 => last,
        Some(last) => later(floor(last, grid), grid),
        None => floor(oldest(state, profile, now, config), grid),
    };
    (from <= to).then_some((from, to))
}

/// The entries of a log, when they are due: those since a while before the latest known one, or all of them.
fn entries(state: &MeterState, log: &Log, phase: u64, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let known = state.profiles.get(&log.obis);
    if !passed(known.and_then(|known| known.tried_at), log.read_every, phase, now) {
        return None;
    }
    let last = known.and_then(|known| known.last_ts).filter(|last| *last <= now);
    let from = last.and_then(|last| last.checked_sub(PUT_BACK).ok()).unwrap_or(LOG_BEGIN);
    Some((from.min(now), now))
}

/// How far back the captures of a profile that was never read are wanted: as far as the horizon, and the meter keeps them; what should have been
/// read since it is in the inventory is asked for in any case.
fn oldest(state: &MeterState, profile: &Profile, now: Timestamp, config: &config::Plan) -> Timestamp {
    let horizon = earlier(now, signed(config.horizon));
    let kept = ledger::kept(profile).map_or(horizon, |kept| earlier(now, kept));
    horizon.max(kept.min(state.since))
}
