//! Schedules: by when the days of a profile are wanted of a group of meters. Pure: which day it is about, what that makes due, and when a goal
//! will be reached.

use std::time::Duration;

use dlms::Obis;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use models::Profile;

use super::MeterState;
use super::grid::{self, later, passed, phase};
use super::ledger::gaps;

/// How long after midnight the last capture of a day is in the meter at the latest, and over how long reads that are wanted then are spread, in
/// seconds.
const READY_S: (u64, u64) = (60, 600);

/// The farthest forecast, in seconds: a week.
const FARTHEST_S: i64 = 7 * 86_400;

/// How long after its time a goal is looked at yet, in case nobody could look then.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// How often a day that is not complete is tried, at least.
const TRY_EVERY: Duration = Duration::from_secs(60 * 60);

/// Of which meters the days of a profile are wanted by when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Key.
    pub id: i32,
    /// What people call it.
    pub name: String,
    /// The profile.
    pub profile: Obis,
    /// Only meters of this model.
    pub model: Option<String>,
    /// Only meters of this throttle group.
    pub throttle_group: Option<String>,
    /// Only meters whose serial number begins so.
    pub serial_prefix: Option<String>,
    /// The zone of its days.
    pub zone: TimeZone,
    /// How much by when, the earliest first; at least one.
    pub goals: Vec<Goal>,
}

/// How much by when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// How many of a thousand meters.
    pub permille: i16,
    /// Minutes on the clock after the midnight that ends the day.
    pub by_min: i16,
}

/// A day of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Which one.
    pub date: Date,
    /// The midnight that it begins with.
    pub from: Timestamp,
    /// The midnight that it ends with: the instant of its last capture.
    pub until: Timestamp,
}

/// How far a schedule has come with a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Its meters.
    pub members: i32,
    /// Those that are complete.
    pub complete: i32,
    /// Those that are not, and could not be read.
    pub troubled: i32,
    /// Shared lines on which some are complete and some are not, those left out that could not be read.
    pub lines: Vec<LineProgress>,
}

/// How far a line has come, or several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineProgress {
    /// Meters that are complete.
    pub complete: i64,
    /// Meters that are not, and can be read.
    pub left: i64,
    /// When the first of those that are complete was read.
    pub since: Timestamp,
}

/// When a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// It is.
    Met,
    /// About then, when it goes on like this.
    At(Timestamp),
    /// Not by itself: nothing comes in, or too many meters cannot be read.
    Never,
}

impl Schedule {
    /// Whether it is about a meter.
    pub fn covers(&self, state: &MeterState) -> bool {
        self.model.as_ref().is_none_or(|model| *model == state.model)
            && self.throttle_group.as_ref().is_none_or(|group| state.throttle_group.as_ref() == Some(group))
            && self.serial_prefix.as_ref().is_none_or(|prefix| state.serial.starts_with(prefix.as_str()))
    }

    /// The last day that has ended.
    pub fn day(&self, now: Timestamp) -> Day {
        let today = self.zone.to_datetime(now).date();
        self.day_of(today.yesterday().unwrap_or(today))
    }

    /// A day by its date.
    pub fn day_of(&self, date: Date) -> Day {
        let next = date.tomorrow().unwrap_or(date);
        Day { date, from: self.on_clock(date, 0), until: self.on_clock(next, 0) }
    }

    /// The days that are judged at `now`, the latest first: the last that has ended, and each before that of which a goal is not past for long.
    pub fn days(&self, now: Timestamp) -> impl Iterator<Item = Day> {
        let last = self.day(now);
        let earlier = std::iter::successors(last.date.yesterday().ok(), |date| date.yesterday().ok());
        let open = move |day: &Day| self.goals.iter().any(|goal| later(self.due_at(*day, *goal), LATE) > now);
        std::iter::once(last).chain(earlier.map(|date| self.day_of(date)).take_while(open))
    }

    /// By when a goal of a day is to be reached.
    pub fn due_at(&self, day: Day, goal: Goal) -> Timestamp {
        self.on_clock(day.date.tomorrow().unwrap_or(day.date), goal.by_min)
    }

    /// By when a day is wanted: the first goal that is not past.
    fn next_goal(&self, day: Day, now: Timestamp) -> Option<Timestamp> {
        self.goals.iter().map(|goal| self.due_at(day, *goal)).find(|due| *due > now)
    }

    /// From when on a meter is read for a day, spread over some minutes.
    fn ready_at(day: Day, state: &MeterState) -> Timestamp {
        let (after, spread) = READY_S;
        let seconds = i64::try_from(after + phase(state.meter) % spread).unwrap_or(0);
        later(day.until, SignedDuration::from_secs(seconds))
    }

    /// An instant on the clock of its zone, so many minutes after midnight.
    fn on_clock(&self, date: Date, minutes: i16) -> Timestamp {
        let at = date.at(0, 0, 0, 0).checked_add(Span::new().minutes(i64::from(minutes)));
        let at = at.ok().and_then(|at| self.zone.to_ambiguous_timestamp(at).compatible().ok());
        at.unwrap_or(Timestamp::MAX)
    }
}

impl Progress {
    /// When so many of a thousand are complete. Each shared line goes on as it did since its first meter was read, and all other meters together do
    /// as since the day ended: what is fast is done early, and the slowest lines decide.
    pub fn forecast(&self, permille: i16, day: Day, noted_at: Timestamp) -> Forecast {
        let missing = needed(self.members, permille) - i64::from(self.complete);
        if missing <= 0 {
            return Forecast::Met;
        }
        let on_lines = |count: fn(&LineProgress) -> i64| self.lines.iter().map(count).sum::<i64>();
        let reachable = i64::from(self.members - self.troubled - self.complete);
        let others = LineProgress {
            complete: i64::from(self.complete) - on_lines(|line| line.complete),
            left: reachable - on_lines(|line| line.left),
            since: day.until,
        };
        // Meters that come in within so many seconds, on all lines.
        let come_in = |seconds: i64| -> i64 {
            let lines = self.lines.iter().chain([&others]);
            let of_line = |line: &LineProgress| {
                let elapsed = noted_at.duration_since(line.since).as_secs().max(1);
                line.left.min(line.complete.saturating_mul(seconds) / elapsed)
            };
            lines.map(of_line).sum()
        };
        let mut within = (0, FARTHEST_S);
        if come_in(within.1) < missing {
            return Forecast::Never;
        }
        while within.1 - within.0 > 1 {
            let middle = within.0.midpoint(within.1);
            if come_in(middle) < missing { within.0 = middle } else { within.1 = middle }
        }
        Forecast::At(later(noted_at, SignedDuration::from_secs(within.1)))
    }
}

/// By when a profile of a meter is wanted: the earliest goal that is not past of a day of a schedule for which it is not complete.
pub(super) fn wanted_by(state: &MeterState, profile: &Profile, now: Timestamp) -> Option<Timestamp> {
    open(state, profile, now).filter_map(|(schedule, day)| schedule.next_goal(day, now)).min()
}

/// Whether a schedule has a profile read now: one of its days is not complete, and was not tried since it ended, or for long.
pub(super) fn presses(state: &MeterState, profile: &Profile, now: Timestamp) -> bool {
    let tried = state.profiles.get(&profile.obis).and_then(|known| known.tried_at);
    open(state, profile, now).any(|(_, day)| {
        let ready = Schedule::ready_at(day, state);
        now >= ready
            && (tried.is_none_or(|tried| tried < ready) || passed(tried, TRY_EVERY, phase(state.meter), now))
    })
}

/// When the schedules of a meter may have something of it read that is not due now.
pub(super) fn next_look(state: &MeterState, profile: &Profile, now: Timestamp) -> Option<Timestamp> {
    let of_profile = state.schedules.iter().filter(|schedule| schedule.profile == profile.obis);
    let days = of_profile.map(|schedule| {
        let day = schedule.day(now);
        let today = schedule.day_of(day.date.tomorrow().unwrap_or(day.date));
        [day, today].map(|day| Schedule::ready_at(day, state)).into_iter().find(|ready| *ready > now)
    });
    let again = grid::next(TRY_EVERY, phase(state.meter), now);
    let again = open(state, profile, now).next().map(|_| again);
    days.flatten().chain(again).min()
}

/// The schedules and those of their days for which a profile is not complete.
fn open<'a>(
    state: &'a MeterState,
    profile: &'a Profile,
    now: Timestamp,
) -> impl Iterator<Item = (&'a Schedule, Day)> {
    let of_profile = state.schedules.iter().filter(|schedule| schedule.profile == profile.obis);
    let days = of_profile.flat_map(move |schedule| schedule.days(now).map(move |day| (&**schedule, day)));
    days.filter(|(_, day)| {
        let known = state.profiles.get(&profile.obis);
        state.since < day.until
            && known.is_none_or(|known| !gaps(&known.coverage, (day.from, day.until)).is_empty())
    })
}

/// How many meters a share is, rounded up.
pub fn needed(members: i32, permille: i16) -> i64 {
    (i64::from(members) * i64::from(permille) + 999) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule() -> Schedule {
        Schedule {
            id: 1,
            name: "households".into(),
            profile: "1.0.99.1.0.255".parse().unwrap(),
            model: Some("sed302".into()),
            throttle_group: None,
            serial_prefix: Some("17".into()),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            goals: vec![Goal { permille: 980, by_min: 360 }, Goal { permille: 1000, by_min: 1440 }],
        }
    }

    #[test]
    fn days_and_goals_follow_the_clock_of_the_zone() {
        let schedule = schedule();
        let day = schedule.day(at("2026-03-29T21:00:00Z"));
        assert_eq!((day.from, day.until), (at("2026-03-27T23:00:00Z"), at("2026-03-28T23:00:00Z")));
        // On the 29th clocks go from 02:00 to 03:00: six o'clock is five hours after midnight.
        let due = schedule.goals.iter().map(|goal| schedule.due_at(day, *goal));
        assert_eq!(due.collect::<Vec<_>>(), [at("2026-03-29T04:00:00Z"), at("2026-03-29T22:00:00Z")]);
        let day = schedule.day(at("2026-03-29T22:00:00Z"));
        assert_eq!(
            (day.from, day.until),
            (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")),
            "of 23 hours"
        );
        assert_eq!(schedule.next_goal(day, at("2026-03-30T04:00:00Z")), Some(at("2026-03-30T22:00:00Z")));
        assert_eq!(schedule.next_goal(day, at("2026-03-30T22:00:00Z")), None);
    }

    #[test]
    fn a_day_is_judged_until_the_last_of_its_goals_is_past() {
        let until = |by_min: i16, now: &str| -> Vec<_> {
            let schedule = Schedule {
                goals: vec![Goal { permille: 980, by_min: 360 }, Goal { permille: 1000, by_min }],
                ..schedule()
            };
            schedule.days(at(now)).map(|day| day.date.to_string()).collect()
        };
        // Midnight in Berlin is at 22:00; the 29th has 23 hours.
        assert_eq!(
            until(360, "2026-03-30T21:59:00Z"),
            ["2026-03-29"],
            "the last day, also when all its goals are past"
        );
        assert_eq!(until(1440, "2026-03-30T21:59:59Z"), ["2026-03-29"]);
        assert_eq!(until(1440, "2026-03-30T22:00:00Z"), ["2026-03-30", "2026-03-29"], "once more");
        assert_eq!(until(1440, "2026-03-30T23:00:00Z"), ["2026-03-30"]);
        assert_eq!(until(2880, "2026-03-31T21:59:59Z"), ["2026-03-30", "2026-03-29"]);
        assert_eq!(until(2880, "2026-03-31T22:30:00Z"), ["2026-03-31", "2026-03-30", "2026-03-29"]);
    }

    #[test]
    fn everything_that_is_named_has_to_fit() {
        let meter = |serial: &str, model: &str| MeterState {
            serial: serial.into(),
            model: model.into(),
            ..MeterState::default()
        };
        assert!(schedule().covers(&meter("1701", "sed302")));
        assert!(!schedule().covers(&meter("1801", "sed302")) && !schedule().covers(&meter("1701", "mt371")));
        let of_group = Schedule { throttle_group: Some("cell-7".into()), ..schedule() };
        assert!(!of_group.covers(&meter("1701", "sed302")));
    }

    #[test]
    fn a_goal_is_reached_when_enough_are_complete_and_never_when_too_many_are_silent() {
        let day = schedule().day(at("2026-03-30T00:00:00Z"));
        let noted = day.until + SignedDuration::from_hours(2);
        let progress =
            |complete, troubled| Progress { members: 1001, complete, troubled, ..Progress::default() };
        let forecast = |progress: Progress| progress.forecast(980, day, noted);
        assert_eq!(needed(1001, 980), 981, "rounded up");
        assert_eq!(forecast(progress(981, 0)), Forecast::Met);
        assert_eq!(forecast(progress(654, 20)), Forecast::At(noted + SignedDuration::from_hours(1)));
        assert_eq!(forecast(progress(654, 21)), Forecast::Never);
        assert_eq!(forecast(progress(0, 0)), Forecast::Never);
    }

    #[test]
    fn the_slowest_line_decides_when_all_are_there() {
        let day = schedule().day(at("2026-03-30T00:00:00Z"));
        let noted = day.until + SignedDuration::from_hours(1);
        // 900 came in at once; two lines bring ten an hour, and one of them has 40 to go.
        let line = |left| LineProgress { complete: 10, left, since: day.until };
        let progress = Progress { members: 970, complete: 920, troubled: 0, lines: vec![line(10), line(40)] };
        let forecast = |permille| progress.forecast(permille, day, noted);
        let hours = |hours| Forecast::At(noted + SignedDuration::from_hours(hours));
        assert_eq!((forecast(1000), forecast(969)), (hours(4), hours(1)), "at first both bring some");
    }
}
