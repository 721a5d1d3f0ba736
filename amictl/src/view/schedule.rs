//! Schedules and what comes of them as rows.

use ami_proto::v1::{FailureReason, GoalOutcome, LateCause, LateMeter, ScheduleDay, ScheduleState};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// A goal of a day.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduleDayRow {
    day: String,
    members: u32,
    complete: u32,
    lost: u32,
    troubled: u32,
    per_day: u32,
    percent: String,
    due_at: Option<String>,
    met_at: Option<String>,
    forecast_at: Option<String>,
    noted_at: String,
}

impl ScheduleDayRow {
    /// A row for each goal of a day.
    pub(crate) fn of(day: ScheduleDay) -> Vec<Self> {
        day.goals.iter().map(|goal| Self::goal(&day, goal)).collect()
    }

    fn goal(day: &ScheduleDay, goal: &GoalOutcome) -> Self {
        Self {
            day: day.day.clone(),
            members: day.members,
            complete: day.complete,
            lost: day.lost,
            troubled: day.troubled,
            per_day: day.per_day,
            percent: percent(goal.permille),
            due_at: given(time::text(goal.due_at.as_ref())),
            met_at: given(time::text(goal.met_at.as_ref())),
            forecast_at: given(time::text(goal.forecast_at.as_ref())),
            noted_at: time::text(day.noted_at.as_ref()),
        }
    }
}

impl Row for ScheduleDayRow {
    const COLUMNS: &'static [&'static str] = &[
        "day",
        "members",
        "complete",
        "lost",
        "troubled",
        "per_day",
        "percent",
        "due_at",
        "met_at",
        "forecast_at",
        "noted_at",
    ];
    const NUMBERS: &'static [&'static str] =
        &["members", "complete", "lost", "troubled", "per_day", "percent"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.day.clone(),
            self.members.to_string(),
            self.complete.to_string(),
            self.lost.to_string(),
            self.troubled.to_string(),
            self.per_day.to_string(),
            self.percent.clone(),
            cell(&self.due_at),
            cell(&self.met_at),
            cell(&self.forecast_at),
            self.noted_at.clone(),
        ]
    }
}

/// A goal of a schedule, with what comes of it.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduleRow {
    name: String,
    meters: String,
    profile: String,
    percent: String,
    by: String,
    zone: String,
    day: Option<ScheduleDayRow>,
}

impl ScheduleRow {
    /// A row for each goal of a schedule.
    pub(crate) fn of(state: ScheduleState) -> Vec<Self> {
        let schedule = state.schedule.unwrap_or_default();
        let kinds = [
            ("model", &schedule.model),
            ("group", &schedule.throttle_group),
            ("serial", &schedule.serial_prefix),
        ];
        let named = kinds.iter().filter(|(_, text)| !text.is_empty());
        let meters: Vec<_> = named.map(|(kind, text)| format!("{kind} {text}")).collect();
        let meters = if meters.is_empty() { "all".to_owned() } else { meters.join(", ") };
        let outcome = |number: usize| {
            let day = state.day.as_ref()?;
            day.goals.get(number).map(|goal| ScheduleDayRow::goal(day, goal))
        };
        let goals = schedule.goals.iter().enumerate().map(|(number, goal)| Self {
            name: schedule.name.clone(),
            meters: meters.clone(),
            profile: schedule.profile.clone(),
            percent: percent(goal.permille),
            by: format!("{:02}:{:02}", goal.by_minutes / 60, goal.by_minutes % 60),
            zone: schedule.zone.clone(),
            day: outcome(number),
        });
        goals.collect()
    }
}

impl Row for ScheduleRow {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "meters",
        "profile",
        "percent",
        "by",
        "zone",
        "day",
        "members",
        "complete",
        "troubled",
        "due_at",
        "met_at",
        "forecast_at",
    ];
    const NUMBERS: &'static [&'static str] = &["percent", "members", "complete", "troubled"];
    const IN_TABLE: &'static [&'static str] = &[
        "name",
        "meters",
        "percent",
        "by",
        "day",
        "members",
        "complete",
        "troubled",
        "due_at",
        "met_at",
        "forecast_at",
    ];

    fn cells(&self) -> Vec<String> {
        let of = |text: fn(&ScheduleDayRow) -> String| self.day.as_ref().map(text).unwrap_or_default();
        vec![
            self.name.clone(),
            self.meters.clone(),
            self.profile.clone(),
            self.percent.clone(),
            self.by.clone(),
            self.zone.clone(),
            of(|day| day.day.clone()),
            of(|day| day.members.to_string()),
            of(|day| day.complete.to_string()),
            of(|day| day.troubled.to_string()),
            of(|day| cell(&day.due_at)),
            of(|day| cell(&day.met_at)),
            of(|day| cell(&day.forecast_at)),
        ]
    }
}

/// A meter that is not complete.
#[derive(Debug, Serialize)]
pub(crate) struct LateRow {
    meter: String,
    last_at: Option<String>,
    cause: Option<String>,
    behind: Option<String>,
    expected_at: Option<String>,
    will_miss: bool,
    reason: Option<String>,
    needs_person: bool,
    detail: Option<String>,
}

impl From<LateMeter> for LateRow {
    fn from(meter: LateMeter) -> Self {
        Self {
            last_at: given(time::text(meter.last_at.as_ref())),
            cause: given(word!(LateCause, meter.cause)),
            behind: given(meter.behind),
            expected_at: given(time::text(meter.expected_at.as_ref())),
            will_miss: meter.will_miss,
            reason: given(word!(FailureReason, meter.reason)),
            meter: meter.meter_serial,
            needs_person: meter.needs_person,
            detail: given(meter.detail),
        }
    }
}

impl Row for LateRow {
    const COLUMNS: &'static [&'static str] = &[
        "meter",
        "last_at",
        "cause",
        "behind",
        "expected_at",
        "will_miss",
        "reason",
        "needs_person",
        "detail",
    ];
    const NUMBERS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        vec![
            self.meter.clone(),
            cell(&self.last_at),
            cell(&self.cause),
            cell(&self.behind),
            cell(&self.expected_at),
            self.will_miss.to_string(),
            cell(&self.reason),
            self.needs_person.to_string(),
            cell(&self.detail),
        ]
    }
}

/// A share of a thousand in percent.
fn percent(permille: u32) -> String {
    match permille % 10 {
        0 => (permille / 10).to_string(),
        tenth => format!("{}.{tenth}", permille / 10),
    }
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::{Goal, Schedule};

    use super::*;

    #[test]
    fn a_schedule_has_a_row_for_each_goal() {
        let goal = |permille, by_minutes| Goal { permille, by_minutes };
        let schedule = Schedule {
            name: "households".into(),
            throttle_group: "cell-7".into(),
            goals: vec![goal(980, 360), goal(995, 1800)],
            ..Schedule::default()
        };
        let outcome = GoalOutcome { permille: 980, ..GoalOutcome::default() };
        let day = ScheduleDay { day: "2026-03-29".into(), goals: vec![outcome], ..ScheduleDay::default() };
        let rows = ScheduleRow::of(ScheduleState { schedule: Some(schedule), day: Some(day.clone()) });
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.percent.as_str(), row.by.as_str(), row.meters.as_str(), row.day.is_some()))
            .collect();
        assert_eq!(seen, [("98", "06:00", "group cell-7", true), ("99.5", "30:00", "group cell-7", false)]);
        assert!(rows.iter().all(|row| row.cells().len() == ScheduleRow::COLUMNS.len()));
        assert!(ScheduleDayRow::of(day).iter().all(|row| row.cells().len() == ScheduleDayRow::COLUMNS.len()));
    }
}
