//! What is missing of a profile, and until when the meter still holds it: pure.
//!
//! What should be there begins with what was read first, or when the meter came into the inventory. What of it is not covered is a gap: a *hole*
//! when something later is there, else the profile is behind. A meter that is asked and does not give what should be there has lost it; that is
//! covered then, and the loss stands in a ledger of its own, so that nobody asks again. What a hole holds is given up when it is older than the
//! program asks for.

use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::{MBus, Model, Profile};

use super::grid::{earlier, floor, grid_s, later, signed, step};
use super::{MeterState, ProfileState};
use crate::config;
use crate::store::profiles::Range;

/// How long after its time a capture may still appear in a profile: the clocks of meters are late.
pub const SETTLES: SignedDuration = SignedDuration::from_hours(24);

/// Holes of one profile that are filled at the same time.
const HOLES: usize = 8;

/// Something that is missing of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The profile.
    pub profile: Obis,
    /// From when to when, without its first instant and with its last.
    pub range: Range,
    /// Captures that are missing, by the period of the model.
    pub captures: u64,
    /// From when on the meter overwrites it, by the depth of the model.
    pub overwritten_from: Timestamp,
    /// Whether something later is there.
    pub is_hole: bool,
}

/// What is missing of a meter: in the order of its profiles, the oldest first. What is not due to be read yet is not missing.
pub fn missing(state: &MeterState, model: &Model, now: Timestamp) -> Vec<Gap> {
    let unread = ProfileState::default();
    // A channel of M-Bus on which there never was a device lacks nothing.
    let is_used = |profile: &&Profile| {
        let last = state.profiles.get(&profile.obis).and_then(|known| known.last_ts);
        last.is_some() || MBus::channel(profile.obis).is_none()
    };
    let periodic = model.profiles.iter().filter(|profile| profile.period_s > 0).filter(is_used);
    periodic
        .flat_map(|profile| {
            let known = state.profiles.get(&profile.obis).unwrap_or(&unread);
            let due = floor(earlier(now, signed(profile.read_within())), step(profile.period_s));
            let last = known.last_ts.filter(|last| *last <= now);
            let until = last.map_or(due, |last| last.max(due));
            let gaps = gaps(&known.coverage, (begin(state, known), until)).into_iter();
            let whole = gaps.filter(|range| captures(*range, profile.period_s) > 0);
            whole.map(move |range| Gap {
                profile: profile.obis,
                range,
                captures: captures(range, profile.period_s),
                overwritten_from: overwritten(profile, later(range.0, step(profile.period_s))),
                is_hole: last.is_some_and(|last| range.1 <= last),
            })
        })
        .collect()
}

/// The holes that are to be filled, the oldest first, as first and last capture.
pub(super) fn holes(
    state: &MeterState,
    profile: &Profile,
    now: Timestamp,
    config: &config::Plan,
) -> Vec<(Timestamp, Timestamp)> {
    let known = known(state, profile, now);
    let Some((known, last)) = known.filter(|(known, _)| rests_until(known, profile, config) <= now) else {
        return Vec::new();
    };
    let grid = step(profile.period_s);
    let after = begin(state, known).max(floor(earlier(now, signed(config.horizon)), grid));
    let gaps = gaps(&known.coverage, (after, last)).into_iter();
    let holes = gaps.map(|(after, until)| (later(floor(after, grid), grid), floor(until, grid)));
    holes.filter(|(from, to)| from <= to).take(HOLES).collect()
}

/// When the holes of a profile are to be looked at again; never when it has none.
pub(super) fn look_again(
    state: &MeterState,
    profile: &Profile,
    now: Timestamp,
    config: &config::Plan,
) -> Option<Timestamp> {
    let (known, last) = known(state, profile, now)?;
    let begin = begin(state, known);
    gaps(&known.coverage, (begin, last)).first()?;
    Some(rests_until(known, profile, config).max(later(now, signed(config.hole_pause))))
}

/// Holes that are older than the program asks for.
pub(super) fn given_up(
    state: &MeterState,
    profile: &Profile,
    now: Timestamp,
    config: &config::Plan,
) -> Vec<Range> {
    let Some((known, last)) = known(state, profile, now) else { return Vec::new() };
    let horizon = floor(earlier(now, signed(config.horizon)), step(profile.period_s));
    gaps(&known.coverage, (begin(state, known), horizon.min(last)))
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

/// From when on the meter overwrites the capture at `time`, by the depth of the model; never without a period.
pub(super) fn overwritten(profile: &Profile, time: Timestamp) -> Timestamp {
    kept(profile).map_or(Timestamp::MAX, |kept| later(time, kept))
}

/// How long the meter keeps a capture; not known without a period.
pub(super) fn kept(profile: &Profile) -> Option<SignedDuration> {
    let seconds = i64::from(profile.period_s) * i64::from(profile.depth);
    (seconds > 0).then(|| SignedDuration::from_secs(seconds))
}

/// Until when holes are left alone: for a while after each attempt, and longer after one that failed.
fn rests_until(known: &ProfileState, profile: &Profile, config: &config::Plan) -> Timestamp {
    let Some(tried) = known.hole_tried_at else { return Timestamp::MIN };
    let failed = known.read_at.is_none_or(|read| read < tried);
    let pause = if failed { config.hole_pause.max(profile.read_within()) } else { config.hole_pause };
    later(tried, signed(pause))
}

/// A profile with a period of which something was read, and its latest capture.
fn known<'a>(
    state: &'a MeterState,
    profile: &Profile,
    now: Timestamp,
) -> Option<(&'a ProfileState, Timestamp)> {
    let known = state.profiles.get(&profile.obis)?;
    Some((known, known.last_ts.filter(|last| profile.period_s > 0 && *last <= now)?))
}

/// Since when captures should be there.
fn begin(state: &MeterState, known: &ProfileState) -> Timestamp {
    known.coverage.first().map_or(state.since, |first| first.0.min(state.since))
}

/// Captures that end in a range. A day may have an hour more, and a month a day less, than the period says.
fn captures((after, until): Range, period_s: u32) -> u64 {
    let (length, period) = (until.duration_since(after).as_secs(), i64::from(period_s.max(1)));
    let slack = if grid_s(period_s) == period_s { 0 } else { period / 2 };
    u64::try_from((length + slack) / period).unwrap_or(0)
}
