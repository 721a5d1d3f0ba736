//! Schedules and what comes of them.

use ami_proto::v1::{
    self, DeleteScheduleRequest, GoalOutcome, LateCause, LateMeter, ListLateMetersRequest,
    ListLateMetersResponse, ListScheduleDaysRequest, ListScheduleDaysResponse, ListSchedulesResponse,
    PutScheduleRequest, ScheduleState,
};
use ami_proto::words::Word as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Collection;
use crate::api::orders::Asker;
use crate::api::status::Refusal;
use crate::api::{check, convert, token};
use crate::plan::schedule::{Goal, Schedule};
use crate::store::late_meters::{self, Late};
use crate::store::schedules::{MOST_SCHEDULES, ScheduleDay};

/// Goals of a schedule at most.
const MAX_GOALS: usize = 8;
/// The latest goal: two days after the midnight that ends a day.
const MAX_BY_MIN: u32 = 2880;

impl Collection {
    pub(super) async fn put(&self, asker: &Asker, request: PutScheduleRequest) -> Result<(), Refusal> {
        let schedule = checked(request.schedule.unwrap_or_default())?;
        if let Some(model) = &schedule.model
            && !self.models.contains_key(model)
        {
            return Err(Refusal::field(
                "schedule.model",
                "the name of a known model is expected, or nothing",
            ));
        }
        let entry = asker.entry(schedule.name.clone(), "accepted", None);
        if !self.store.put_schedule(&schedule, &entry).await? {
            let problem = format!("there are {MOST_SCHEDULES} schedules already: delete one");
            return Err(Refusal::OverLimit { field: "schedule", problem });
        }
        Ok(())
    }

    pub(super) async fn delete(&self, asker: &Asker, request: DeleteScheduleRequest) -> Result<(), Refusal> {
        let entry = asker.entry(request.name.clone(), "accepted", None);
        match self.store.delete_schedule(&request.name, &entry).await? {
            true => Ok(()),
            false => Err(no_schedule()),
        }
    }

    pub(super) async fn schedules(&self) -> Result<ListSchedulesResponse, Refusal> {
        let mut schedules = Vec::new();
        for schedule in self.store.schedules().await? {
            let day = self.store.schedule_days(schedule.id, 1).await?.into_iter().next();
            schedules.push(ScheduleState { day: day.map(shown_day), schedule: Some(shown(schedule)) });
        }
        Ok(ListSchedulesResponse { schedules })
    }

    pub(super) async fn days(
        &self,
        question: ListScheduleDaysRequest,
    ) -> Result<ListScheduleDaysResponse, Refusal> {
        let limit = check::page_size(question.limit)?;
        let schedule = self.named(&question.name).await?;
        let days = self.store.schedule_days(schedule.id, limit.into()).await?;
        Ok(ListScheduleDaysResponse { days: days.into_iter().map(shown_day).collect() })
    }

    pub(super) async fn late(
        &self,
        question: ListLateMetersRequest,
    ) -> Result<ListLateMetersResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListLateMetersRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let after = token::number(fingerprint, &question.page_token)?.unwrap_or(0);
        let after = i32::try_from(after).map_err(|_| Refusal::PageToken)?;
        let schedule = self.named(&question.name).await?;
        let last = schedule.day(Timestamp::now());
        let day = match question.day.as_str() {
            "" => last,
            text => text.parse().map(|date| schedule.day_of(date)).map_err(|_| no_day())?,
        };
        if day.date > last.date {
            return Err(no_day());
        }
        let of = Late { schedule: &schedule, day, will_miss: question.will_miss };
        let mut meters = self.store.late_meters(of, after, i64::from(limit) + 1).await?;
        let next_page_token = token::next_page(fingerprint, &mut meters, limit, |meter| meter.id.into());
        Ok(ListLateMetersResponse { meters: meters.into_iter().map(shown_late).collect(), next_page_token })
    }

    async fn named(&self, name: &str) -> Result<Schedule, Refusal> {
        let schedules = self.store.schedules().await?;
        schedules.into_iter().find(|schedule| schedule.name == name).ok_or_else(no_schedule)
    }
}

fn no_day() -> Refusal {
    Refusal::field("day", "a day that has ended is expected, as 2026-01-31, or nothing")
}

fn no_schedule() -> Refusal {
    Refusal::field("name", "the name of a schedule is expected")
}

/// The schedule of a request.
fn checked(given: v1::Schedule) -> Result<Schedule, Refusal> {
    let optional = |field, text: String| match text.as_str() {
        "" => Ok(None),
        given => check::serial(field, given).map(|()| Some(text)),
    };
    check::serial("schedule.name", &given.name)?;
    let zone = TimeZone::get(&given.zone);
    let zone = zone.map_err(|_| {
        Refusal::field("schedule.zone", "an IANA time zone is expected, for example Asia/Dhaka")
    })?;
    Ok(Schedule {
        id: 0,
        profile: check::obis("schedule.profile", &given.profile)?,
        model: optional("schedule.model", given.model)?,
        throttle_group: optional("schedule.throttle_group", given.throttle_group)?,
        serial_prefix: optional("schedule.serial_prefix", given.serial_prefix)?,
        zone,
        goals: goals(&given.goals)?,
        name: given.name,
    })
}

/// Its goals, the earliest first.
fn goals(given: &[v1::Goal]) -> Result<Vec<Goal>, Refusal> {
    const FIELD: &str = "schedule.goals";
    check::list(FIELD, given, MAX_GOALS)?;
    let mut goals = Vec::new();
    for goal in given {
        if !(1..=1000).contains(&goal.permille) || !(1..=MAX_BY_MIN).contains(&goal.by_minutes) {
            return Err(Refusal::field(FIELD, "permille 1 to 1000 and by_minutes 1 to 2880 are expected"));
        }
        let small = |number: u32| i16::try_from(number).map_err(|_| Refusal::Internal);
        goals.push(Goal { permille: small(goal.permille)?, by_min: small(goal.by_minutes)? });
    }
    goals.sort_by_key(|goal| goal.by_min);
    if goals.is_empty() || goals.windows(2).any(|pair| pair[0].by_min == pair[1].by_min) {
        return Err(Refusal::field(FIELD, "one to eight are expected, each at a time of its own"));
    }
    Ok(goals)
}

fn shown(schedule: Schedule) -> v1::Schedule {
    let goal = |goal: &Goal| v1::Goal {
        permille: goal.permille.unsigned_abs().into(),
        by_minutes: goal.by_min.unsigned_abs().into(),
    };
    v1::Schedule {
        profile: schedule.profile.to_string(),
        model: schedule.model.unwrap_or_default(),
        throttle_group: schedule.throttle_group.unwrap_or_default(),
        serial_prefix: schedule.serial_prefix.unwrap_or_default(),
        zone: schedule.zone.iana_name().unwrap_or("UTC").to_owned(),
        goals: schedule.goals.iter().map(goal).collect(),
        name: schedule.name,
    }
}

fn shown_day(day: ScheduleDay) -> v1::ScheduleDay {
    let outcomes = day.due_at.iter().zip(&day.permille).zip(&day.met_at).zip(&day.forecast_at);
    let goals = outcomes.map(|(((due_at, permille), met_at), forecast_at)| GoalOutcome {
        permille: permille.unsigned_abs().into(),
        due_at: Some(convert::stored(*due_at)),
        met_at: met_at.map(convert::stored),
        forecast_at: forecast_at.filter(|_| met_at.is_none()).map(convert::stored),
    });
    v1::ScheduleDay {
        day: day.day.to_jiff().to_string(),
        members: day.members.unsigned_abs(),
        complete: day.complete.unsigned_abs(),
        lost: day.lost.unsigned_abs(),
        troubled: day.troubled.unsigned_abs(),
        per_day: day.per_day.unsigned_abs(),
        noted_at: Some(convert::stored(day.noted_at)),
        goals: goals.collect(),
    }
}

fn shown_late(meter: late_meters::LateMeter) -> LateMeter {
    LateMeter {
        meter_serial: meter.serial,
        last_at: meter.last_ts.map(convert::stored),
        reason: convert::reason(meter.reason.as_deref()).into(),
        detail: meter.detail.unwrap_or_default(),
        needs_person: meter.needs_person,
        cause: LateCause::from_word(&meter.cause).unwrap_or_default().into(),
        behind: meter.behind.unwrap_or_default(),
        expected_at: meter.expected_at.map(convert::stored),
        will_miss: meter.will_miss,
    }
}
