//! What is missing of a profile, and until when the meter still holds it: pure.
//!
//! What should be there begins with what was read first, or when the meter came into the inventory. What of it is not covered is a gap: a *hole*
//! when something later is there, else the profile is behind. A meter that is asked twice and does not give what should be there has lost it; that
//! is covered then, and the loss stands in a ledger of its own, so that nobody asks again. What a hole holds is given up when it is older than the
//! program asks for.

use std::time::Duration;

use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::{MBus, Model, Profile};

use super::grid::{earlier, later, second_after, signed};
use super::{MeterState, ProfileState};
use crate::config;
use crate::store::profiles::Range;

/// How long after its time a capture may still appear in a profile: the clocks of meters are late.
pub const SETTLES: SignedDuration = SignedDuration::from_hours(24);

/// The longest time between two captures of a profile without a period: what is billed by the month, of 31 days and the hour by which one is longer in which the
/// clocks go back, in seconds.
pub const MONTH_S: u32 = 31 * 86_400 + 3600;

/// No meter is older, whatever it says of the room that it has.
const KEPT_MAX_S: i64 = 100 * 366 * 86_400;

/// The longest period of captures that all days have the same number of, in seconds; the days of a longer one follow the clock of the meter.
const HOUR_S: u32 = 3600;

/// Holes of one profile that are filled at the same time.
const HOLES: usize = 8;

/// Something that is missing of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The profile.
    pub profile: Obis,
    /// From when to when, without its first instant and with its last.
    pub range: Range,
    /// Captures that are missing, by the period of the meter.
    pub captures: u64,
    /// From when on the meter overwrites it.
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
    let used = model.profiles.iter().filter(is_used).map(|profile| (profile, period_s(state, profile)));
    used.filter(|(_, period_s)| *period_s > 0)
        .flat_map(|(profile, period_s)| {
            let known = state.profiles.get(&profile.obis).unwrap_or(&unread);
            let due = earlier(now, signed(read_within(state, profile)));
            let last = known.reached(now);
            let until = last.map_or(due, |last| last.max(due));
            let gaps = gaps(&known.coverage, (begin(state, known), until)).into_iter();
            let whole = gaps.filter(move |range| captures(*range, period_s) > 0);
            let first = SignedDuration::from_secs(i64::from(period_s));
            whole.map(move |range| Gap {
                profile: profile.obis,
                range,
                captures: captures(range, period_s),
                overwritten_from: overwritten(state, profile, later(range.0, first)),
                is_hole: last.is_some_and(|last| range.1 <= last),
            })
        })
        .collect()
}

/// The holes that are to be filled, the oldest first, as first and last second of each.
pub(super) fn holes(
    state: &MeterState,
    profile: &Profile,
    now: Timestamp,
    config: &config::Plan,
) -> Vec<(Timestamp, Timestamp)> {
    let known = known(state, profile, now);
    let rests = |known| rests_until(known, read_within(state, profile), config);
    let Some((known, last)) = known.filter(|(known, _)| rests(known) <= now) else { return Vec::new() };
    let after = begin(state, known).max(oldest(known, now, config));
    let gaps = gaps(&known.coverage, (after, last)).into_iter();
    let holes = gaps.map(|(after, until)| (second_after(after), until));
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
    Some(rests_until(known, read_within(state, profile), config).max(later(now, signed(config.hole_pause))))
}

/// Holes that are older than the program asks for.
pub(super) fn given_up(
    state: &MeterState,
    profile: &Profile,
    now: Timestamp,
    config: &config::Plan,
) -> Vec<Range> {
    let Some((known, last)) = known(state, profile, now) else { return Vec::new() };
    gaps(&known.coverage, (begin(state, known), oldest(known, now, config).min(last)))
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

/// How often a profile captures, in seconds: as the meter said last, and before that as the model says; 0 without a period.
pub(super) fn period_s(state: &MeterState, profile: &Profile) -> u32 {
    let known = state.profiles.get(&profile.obis).and_then(|known| known.period_s);
    known.filter(|period_s| *period_s > 0).unwrap_or(profile.period_s)
}

/// How often its new captures have to be read.
pub(super) fn read_within(state: &MeterState, profile: &Profile) -> Duration {
    profile.read_within(period_s(state, profile), depth(state, profile))
}

/// Rows that the meter keeps: as it says itself, and where it does not as the model says.
fn depth(state: &MeterState, profile: &Profile) -> u32 {
    let known = state.profiles.get(&profile.obis).and_then(|known| known.capacity);
    known.unwrap_or(profile.depth)
}

/// From when on the meter overwrites the capture at `time`; never without a period.
pub(super) fn overwritten(state: &MeterState, profile: &Profile, time: Timestamp) -> Timestamp {
    kept(state, profile).map_or(Timestamp::MAX, |kept| later(time, kept))
}

/// How long the meter keeps a capture, a hundred years at most; not known without a period.
pub(super) fn kept(state: &MeterState, profile: &Profile) -> Option<SignedDuration> {
    let seconds = i64::from(period_s(state, profile)) * i64::from(depth(state, profile));
    (seconds > 0).then(|| SignedDuration::from_secs(seconds.min(KEPT_MAX_S)))
}

/// How long after the latest capture there may be another one: a period, but no more than an hour, because a day may be that much shorter; a second
/// without a period.
pub(super) fn next_after(state: &MeterState, profile: &Profile) -> SignedDuration {
    SignedDuration::from_secs(i64::from(period_s(state, profile).clamp(1, HOUR_S)))
}

/// Until when holes are left alone: for a while after each attempt, longer after one that failed, and until what was not given is looked for again.
fn rests_until(known: &ProfileState, read_within: Duration, config: &config::Plan) -> Timestamp {
    let absent = known.absent.map(|(_, at)| later(at, signed(config.second_look)));
    let tried = known.hole_tried_at.map(|tried| {
        let failed = known.read_at.is_none_or(|read| read < tried);
        later(tried, signed(if failed { config.hole_pause.max(read_within) } else { config.hole_pause }))
    });
    absent.max(tried).unwrap_or(Timestamp::MIN)
}

/// A profile with a period of which something was read, and up to when.
fn known<'a>(
    state: &'a MeterState,
    profile: &Profile,
    now: Timestamp,
) -> Option<(&'a ProfileState, Timestamp)> {
    let known = state.profiles.get(&profile.obis)?;
    Some((known, known.reached(now).filter(|_| period_s(state, profile) > 0)?))
}

/// From when on captures are asked for: what was asked for once, and is to be asked for again, may have become older than the program asks for meanwhile.
fn oldest(known: &ProfileState, now: Timestamp, config: &config::Plan) -> Timestamp {
    let horizon = earlier(now, signed(config.horizon));
    known.absent.map_or(horizon, |(after, _)| after.min(horizon))
}

/// Since when captures should be there.
fn begin(state: &MeterState, known: &ProfileState) -> Timestamp {
    let first = known.coverage.first().map(|first| first.0);
    let absent = known.absent.map(|(after, _)| after);
    [first, absent].into_iter().flatten().fold(state.since, Timestamp::min)
}

/// Captures that end in a range. Those that follow the clock of the meter are an hour closer together once a year.
fn captures((after, until): Range, period_s: u32) -> u64 {
    let (length, period) = (until.duration_since(after).as_secs(), i64::from(period_s.max(1)));
    let slack = if period_s <= HOUR_S { 0 } else { (period / 2).min(i64::from(HOUR_S)) };
    u64::try_from((length + slack) / period).unwrap_or(0)
}
