//! What is due: pure. From what is known of a meter, its model and the time to the jobs that should exist.
//!
//! Every read has a grid in time, `read_every` apart and shifted by a fixed amount for each meter, so that a fleet spreads over
//! the interval and the reads of one meter fall together. A read is due when a point of its grid has passed since the last one
//! ended; what was never read is due at once. A profile is read from its high-water mark on. When that is not due, a hole in
//! what is covered becomes a job, the oldest first, because the meter will overwrite it first. Logs of events have no holes: they are read from
//! a day before their high-water mark on, once it is known which meter it is.

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
    /// Name of its model.
    pub model: String,
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
    /// How often it may be tried.
    pub max_attempts: i16,
}

/// What a pass over all meters did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned {
    /// Meters looked at.
    pub meters: u64,
    /// Jobs made.
    pub jobs: u64,
    /// Meters left out, because their model is not known to this process.
    pub unknown_model: u64,
}

/// The jobs of a meter that are due at `now`.
pub fn due(state: &MeterState, model: &Model, now: Timestamp, config: &config::Plan) -> Vec<PlannedJob> {
    let phase = phase(state.meter);
    let job = |kind, obis, range| PlannedJob {
        meter: state.meter,
        kind,
        obis,
        range,
        max_attempts: config.max_attempts,
    };
    let mut jobs = Vec::new();
    let identify_every = match state.identified_at {
        Some(_) => config.identify_every,
        None => config.identify_every.min(IDENTIFY_AGAIN),
    };
    if passed(state.identify_tried_at, identify_every, phase, now) {
        jobs.push(job(JobKind::Identify, None, None));
    }
    // A meter whose parts are named in each request has nothing to be read itself.
    let has_registers = state.is_subunit || !model.names_subunits();
    let registers_every = model.registers.iter().map(|register| register.read_every).min();
    if has_registers
        && registers_every.is_some_and(|every| passed(state.registers_tried_at, every, phase, now))
    {
        jobs.push(job(JobKind::ReadRegisters, None, None));
    }
    let has_nodes = model.concentrator.as_ref().is_some_and(|concentrator| concentrator.node_list.is_some());
    if has_nodes && passed(state.nodes_tried_at, NODES_EVERY, phase, now) {
        jobs.push(job(JobKind::ListNodes, None, None));
    }
    let unread = ProfileState::default();
    for profile in &model.profiles {
        let known = state.profiles.get(&profile.obis).unwrap_or(&unread);
        let range = forward(known, profile, phase, now, config).or_else(|| hole(known, profile, now, config));
        if let Some(range) = range {
            jobs.push(job(JobKind::ReadProfile, Some(profile.obis), Some(range)));
        }
    }
    // Whoever never answered costs time enough without its logs.
    for log in model.logs.iter().filter(|_| state.identified_at.is_some()) {
        let known = state.profiles.get(&log.obis).unwrap_or(&unread);
        if let Some(range) = entries(known, log, phase, now) {
            jobs.push(job(JobKind::ReadProfile, Some(log.obis), Some(range)));
        }
    }
    jobs
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
        let mut jobs = Vec::new();
        for state in &page {
            planned.meters += 1;
            match models.get(&state.model) {
                Some(model) => jobs.extend(due(state, model, now, config)),
                None => {
                    planned.unknown_model += 1;
                    warn!(meter = state.meter, model = %state.model, "nothing is planned for a meter of an unknown model");
                }
            }
        }
        planned.jobs += store.insert_planned(&jobs).await?;
    }
}

/// The raster, in seconds, on which ranges of a profile begin and end: its period, but no more than an hour, because
/// captures of a day or a month stand at local midnight and not at that of UTC. 0 without a period.
pub fn grid_s(period_s: u32) -> u32 {
    period_s.min(3600)
}

/// The captures that are new, when they are due.
fn forward(
    known: &ProfileState,
    profile: &Profile,
    phase: u64,
    now: Timestamp,
    config: &config::Plan,
) -> Option<(Timestamp, Timestamp)> {
    if !passed(known.tried_at, profile.read_every, phase, now) {
        return None;
    }
    let grid = step(profile.period_s);
    let to = floor(now, grid);
    // A mark in the future comes from a clock that was wrong; what is covered up to now counts then.
    let covered_until = || known.coverage.iter().map(|range| range.1).filter(|until| *until <= now).max();
    let last = known.last_ts.filter(|last| *last <= now).or_else(covered_until);
    let from = match last {
        Some(last) if profile.period_s == 0 => last,
        Some(last) => later(floor(last, grid), grid),
        None => floor(oldest(profile, now, config), grid),
    };
    (from <= to).then_some((from, to))
}

/// The entries of a log, when they are due: those since a while before the latest known one, or all of them.
fn entries(known: &ProfileState, log: &Log, phase: u64, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    if !passed(known.tried_at, log.read_every, phase, now) {
        return None;
    }
    let last = known.last_ts.filter(|last| *last <= now);
    let from = last.and_then(|last| last.checked_sub(PUT_BACK).ok()).unwrap_or(LOG_BEGIN);
    Some((from.min(now), now))
}

/// The oldest hole that can still be filled, when it may be tried.
fn hole(
    known: &ProfileState,
    profile: &Profile,
    now: Timestamp,
    config: &config::Plan,
) -> Option<(Timestamp, Timestamp)> {
    let last = known.last_ts.filter(|last| profile.period_s > 0 && *last <= now)?;
    if known.hole_tried_at.is_some_and(|tried| {
        let failed = known.read_at.is_none_or(|read| read < tried);
        let pause = if failed { config.hole_pause.max(profile.read_every) } else { config.hole_pause };
        now < later(tried, signed(pause))
    }) {
        return None;
    }
    let grid = step(profile.period_s);
    let after = floor(oldest(profile, now, config), grid);
    gaps(&known.coverage, (after, last)).into_iter().find_map(|(after, until)| {
        let (from, to) = (later(floor(after, grid), grid), floor(until, grid));
        (from <= to).then_some((from, to))
    })
}

/// What of `within` is not covered: exactly the difference of the ranges.
pub fn gaps(coverage: &[Range], within: Range) -> Vec<Range> {
    let (mut after, end) = within;
    let mut gaps = Vec::new();
    for &(start, until) in coverage {
        if start >= end {
            break;
        }
        if start > after {
            gaps.push((after, start));
        }
        after = after.max(until);
    }
    if after < end {
        gaps.push((after, end));
    }
    gaps
}

/// How far back captures are wanted, and still held by the meter.
fn oldest(profile: &Profile, now: Timestamp, config: &config::Plan) -> Timestamp {
    let kept = SignedDuration::from_secs(i64::from(profile.period_s) * i64::from(profile.depth));
    let horizon = signed(config.horizon);
    let back = if profile.period_s == 0 { horizon } else { horizon.min(kept) };
    now.checked_sub(back).unwrap_or(Timestamp::MIN)
}

/// Whether a point of the grid lies after `last` and not after `now`.
fn passed(last: Option<Timestamp>, every: Duration, phase: u64, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1);
    let phase = i64::try_from(phase).unwrap_or(0).rem_euclid(every);
    let point = |time: Timestamp| (time.as_second() - phase).div_euclid(every);
    point(now) > point(last)
}

/// The shift of a meter's grids, in seconds: fixed, and spread evenly over ids that follow each other (Knuth's
/// multiplicative hash). It is the same for all reads of a meter, so that those of an hour and of a day meet.
fn phase(meter: MeterId) -> u64 {
    u64::from(meter.unsigned_abs().wrapping_mul(2_654_435_761))
}

fn step(period_s: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(grid_s(period_s).max(1)))
}

fn floor(time: Timestamp, grid: SignedDuration) -> Timestamp {
    let grid = grid.as_secs().max(1);
    Timestamp::from_second(time.as_second().div_euclid(grid) * grid).unwrap_or(time)
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
