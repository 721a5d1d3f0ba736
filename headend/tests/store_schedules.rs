//! Schedules: what they make due, what is noted of them, and what people see.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::sync::Arc;

use ami_proto::v1::collection_service_client::CollectionServiceClient;
use ami_proto::v1::{
    DeleteScheduleRequest, ErrorReason, FailureReason, Goal, LateCause, LateMeter, ListLateMetersRequest,
    ListScheduleDaysRequest, ListSchedulesRequest, PutScheduleRequest, Schedule,
};
use collectors::Reason;
use common::{Database, at, energy, failed};
use headend::config;
use headend::plan::schedule;
use headend::plan::{self, MeterState, ProfileState};
use headend::store::JobKind;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use served::{Served, reason};
use uuid::Uuid;

fn wanted(name: &str, goals: &[(u32, u32)]) -> PutScheduleRequest {
    let goals =
        goals.iter().map(|(permille, by_minutes)| Goal { permille: *permille, by_minutes: *by_minutes });
    PutScheduleRequest {
        schedule: Some(Schedule {
            name: name.into(),
            profile: energy().to_string(),
            serial_prefix: "S".into(),
            zone: "UTC".into(),
            goals: goals.collect(),
            ..Schedule::default()
        }),
    }
}

#[test]
fn a_day_that_has_ended_is_read_at_once_and_again_until_it_is_complete() {
    let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
    model.profiles.retain(|profile| profile.obis == energy());
    model.profiles[0].read_every = std::time::Duration::from_secs(86_400);
    model.registers.clear();
    model.logs.clear();
    let schedule = schedule::Schedule {
        id: 1,
        name: "all".into(),
        profile: energy(),
        model: None,
        throttle_group: None,
        serial_prefix: None,
        zone: TimeZone::UTC,
        goals: vec![
            schedule::Goal { permille: 980, by_min: 360 },
            schedule::Goal { permille: 1000, by_min: 1440 },
        ],
    };
    let start = at("2026-03-01T12:00:00Z");
    let state = |tried: Timestamp, until: Timestamp| MeterState {
        meter: 7,
        since: at("2026-01-01T00:00:00Z"),
        identified_at: Some(start),
        identify_tried_at: Some(tried),
        profiles: [(
            energy(),
            ProfileState {
                last_ts: Some(until),
                tried_at: Some(tried),
                read_at: Some(tried),
                coverage: vec![(at("2026-01-01T00:00:00Z"), until)],
                ..ProfileState::default()
            },
        )]
        .into(),
        schedules: vec![Arc::new(schedule.clone())],
        ..MeterState::default()
    };
    let config = config::Plan::default();
    let read = |state: &MeterState, now| {
        let jobs = plan::due(state, &model, now, &config);
        jobs.into_iter().find(|job| job.kind == JobKind::ReadProfile).map(|job| job.wanted_by)
    };
    let (noon, midnight) = (state(start, start), at("2026-03-02T00:00:00Z"));
    let ready = plan::next_look(&noon, &model, at("2026-03-01T23:59:00Z"), &config);
    assert!(ready > midnight && ready <= midnight + SignedDuration::from_mins(11), "{ready}");
    assert_eq!(read(&noon, midnight), None, "the last capture may not be there yet");
    let six = at("2026-03-02T06:00:00Z");
    assert_eq!(read(&noon, ready), Some(six));
    // It failed; an hour later it is tried again, and after six the next goal is what counts.
    let failed = state(ready, start);
    assert_eq!(read(&failed, ready + SignedDuration::from_secs(1)), None);
    let hour = SignedDuration::from_mins(61);
    assert_eq!(read(&failed, ready + hour), Some(six));
    assert_eq!(read(&failed, six + hour).map(|by| by <= at("2026-03-03T00:00:00Z")), Some(true));
    assert_eq!(read(&state(ready, midnight), ready + hour), None, "it is complete");
    // The day after is complete, and this one is not yet; until its goal is past it is wanted by that.
    let mut holed = state(ready, midnight + SignedDuration::from_hours(24));
    let noon = midnight - SignedDuration::from_hours(12);
    holed.profiles.get_mut(&energy()).unwrap().coverage =
        vec![(at("2026-01-01T00:00:00Z"), noon), (midnight, midnight + SignedDuration::from_hours(24))];
    let late = schedule::Schedule {
        goals: vec![schedule::Goal { permille: 1000, by_min: 2160 }],
        ..schedule.clone()
    };
    holed.schedules = vec![Arc::new(late)];
    let goal = midnight + SignedDuration::from_hours(36);
    assert_eq!(read(&holed, goal - hour), Some(goal));
}

#[tokio::test]
async fn what_comes_of_a_schedule_is_noted_and_told() {
    let served = Served::new().await;
    let database = &served.database;
    let mut client = CollectionServiceClient::new(served.channel.clone());
    client.put_schedule(wanted("night", &[(900, 2879), (1000, 2880)])).await.unwrap();
    let schedules = database.store.schedules().await.unwrap();
    let day = schedules[0].day(Timestamp::now());
    let meter = |serial: &str, until: Option<Timestamp>| {
        let meter = database.meter(serial);
        database.sql(&format!("UPDATE meter SET created_at = now() - interval '9 days' WHERE id = {meter}"));
        if let Some(until) = until {
            database.sql(&format!(
                "INSERT INTO meter_profile (meter_id, obis, last_ts, coverage) VALUES ({meter}, '\\x0100630100ff', '{until}',
                     tstzmultirange(tstzrange('{}', '{until}', '(]')))",
                day.from
            ));
        }
        meter
    };
    for number in 0..8 {
        meter(&format!("S{number}"), Some(day.until));
    }
    let (late, dead) = (meter("S8", Some(day.from + SignedDuration::from_hours(1))), meter("S9", None));
    meter("OTHER", None);
    let owner = Uuid::new_v4();
    let job = database.profile_job(dead, day.from, day.until);
    database.sql(&format!(
        "UPDATE job SET state = 'running', lease_owner = '{owner}', attempts = 5 WHERE id = {job};
         INSERT INTO profile_loss (meter_id, obis, cause, after_ts, until_ts)
         SELECT id, '\\x0100630100ff', 'not_recorded', '{}', '{}' FROM meter WHERE serial = 'S3'",
        day.from, day.until
    ));
    database.store.write(owner, &[failed(dead, job, Reason::NoRoute)]).await.unwrap();
    database.store.note_progress(&schedules[0], day).await.unwrap();

    let listed = client.list_schedules(ListSchedulesRequest {}).await.unwrap().into_inner().schedules;
    let (told, state) = (listed[0].schedule.clone().unwrap(), listed[0].day.clone().unwrap());
    assert_eq!(
        (told, state.day),
        (wanted("night", &[(900, 2879), (1000, 2880)]).schedule.unwrap(), day.date.to_string())
    );
    assert_eq!((state.members, state.complete, state.lost, state.troubled), (10, 8, 1, 1));
    let [most, all] = &state.goals[..] else { panic!("{:?}", state.goals) };
    assert!(most.forecast_at.is_some() && most.met_at.is_none(), "one is missing, and comes in");
    assert!(all.forecast_at.is_none() && all.met_at.is_none(), "a dead one is missing");
    let question = ListLateMetersRequest { name: "night".into(), ..Default::default() };
    let meters = client.list_late_meters(question).await.unwrap().into_inner().meters;
    let seen: Vec<_> =
        meters.iter().map(|meter| (meter.meter_serial.as_str(), meter.cause(), meter.reason())).collect();
    assert_eq!(
        seen,
        [
            ("S8", LateCause::Nothing, FailureReason::Unspecified),
            ("S9", LateCause::Nothing, FailureReason::NoRoute)
        ]
    );

    // The late one comes in: the first goal is reached, and stays so.
    database.sql(&format!(
        "UPDATE meter_profile SET coverage = coverage + tstzmultirange(tstzrange('{}', '{}', '(]')) WHERE meter_id = {late}",
        day.from, day.until
    ));
    database.store.note_progress(&schedules[0], day).await.unwrap();
    let question = ListScheduleDaysRequest { name: "night".into(), limit: 5 };
    let days = client.list_schedule_days(question.clone()).await.unwrap().into_inner().days;
    let [day] = &days[..] else { panic!("{days:?}") };
    assert!(day.goals[0].met_at.is_some() && day.goals[1].met_at.is_none(), "{day:?}");
    client.delete_schedule(DeleteScheduleRequest { name: "night".into() }).await.unwrap();
    let gone = client.list_schedule_days(question).await.unwrap_err();
    assert_eq!(reason(&gone), (ErrorReason::InvalidField, "name".into()));
}

/// A goal may be as late as two days after its day: others have ended until then.
#[tokio::test]
async fn a_goal_is_judged_until_its_own_time_has_passed() {
    let served = Served::new().await;
    let database = &served.database;
    let mut client = CollectionServiceClient::new(served.channel.clone());
    client.put_schedule(wanted("night", &[(1000, 2880)])).await.unwrap();
    // At noon: around midnight one day more is looked at, whose last goal has just passed.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let now = today.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let schedule = database.store.schedules().await.unwrap().remove(0);
    let last = schedule.day(now);
    let day = schedule.day_of(last.date.yesterday().unwrap());
    let meter = database.meter("S1");
    database.sql("UPDATE meter SET created_at = now() - interval '9 days'");
    let complete = async || {
        headend::plan::note_progress(&database.store, now).await.unwrap();
        database.sql("SELECT d.day, complete, met_at IS NOT NULL FROM schedule_day d JOIN schedule_outcome USING (schedule_id, day) ORDER BY 1")
    };
    assert_eq!(complete().await, format!("{}|0|f\n{}|0|f", day.date, last.date));
    let mut late = async |day: &str| {
        let question = ListLateMetersRequest { name: "night".into(), day: day.into(), ..Default::default() };
        Ok(client.list_late_meters(question).await?.into_inner().meters.len())
    };
    assert_eq!(late(&day.date.to_string()).await.unwrap(), 1);
    database.sql(&format!(
        "INSERT INTO meter_profile (meter_id, obis, last_ts, coverage) VALUES ({meter}, '\\x0100630100ff', '{0}',
             tstzmultirange(tstzrange('{1}', '{0}', '(]')))",
        day.until, day.from
    ));
    assert_eq!(complete().await, format!("{}|1|t\n{}|0|f", day.date, last.date));
    assert_eq!((late(&day.date.to_string()).await.unwrap(), late("").await.unwrap()), (0, 1));
    for wrong in ["yesterday", &last.date.tomorrow().unwrap().to_string()] {
        let refused: tonic::Status = late(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), (ErrorReason::InvalidField, "day".into()));
    }
    // It is said to the minute: who looks at the time of a goal comes a moment after it.
    assert_eq!(
        database
            .sql("SELECT extract(second FROM met_at)::int FROM schedule_outcome WHERE met_at IS NOT NULL"),
        "0"
    );
}

#[tokio::test]
async fn who_will_miss_the_goal_is_known_before_it_is_missed_and_why() {
    let served = Served::new().await;
    let mut client = CollectionServiceClient::new(served.channel.clone());
    let database = &served.database;
    client.put_schedule(wanted("night", &[(1000, 2880)])).await.unwrap();
    let schedule = database.store.schedules().await.unwrap().remove(0);
    let day = schedule.day(Timestamp::now());
    // Two buses: on the first an hour was long enough for one of its ten meters; of the second all but one are read.
    database.sql(&format!(
        "INSERT INTO meter (serial, model, address, device_address, server_sap, client_sap, zone, security, created_at)
         SELECT 'S' || n, 'generic-dlms', 'hdlc://bus' || n / 10 || ':1', n, 1, 16, 'UTC', 'none', now() - interval '9 days'
         FROM generate_series(10, 29) AS n;
         INSERT INTO meter_profile (meter_id, obis, coverage, read_at)
         SELECT id, '\\x0100630100ff', tstzmultirange(tstzrange('{from}', '{until}', '(]')),
             CASE WHEN serial = 'S10' THEN greatest(now() - interval '8 hours', '{until}'::timestamptz + interval '1 s')
                 ELSE greatest(now() - interval '1 minute', '{until}'::timestamptz + interval '1 s') END
         FROM meter WHERE serial = 'S10' OR serial BETWEEN 'S20' AND 'S28';
         INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, wanted_by)
         SELECT id, 'read_profile', '\\x0100630100ff', '{from}', '{until}', now() + id * interval '1 s' FROM meter WHERE serial > 'S10' AND serial NOT BETWEEN 'S20' AND 'S28';
         UPDATE job j SET behind = 'bus1:1' FROM meter m WHERE m.id = j.meter_id AND m.serial = 'S12';
         UPDATE job j SET due_at = now() + ('{goal}' - now()) / 2, attempts = 1 FROM meter m WHERE m.id = j.meter_id AND m.serial = 'S13';
         UPDATE job j SET due_at = '{goal}'::timestamptz + interval '5 minutes', attempts = 1 FROM meter m WHERE m.id = j.meter_id AND m.serial = 'S14';
         UPDATE meter SET address = 'inbound://S15' WHERE serial = 'S15';
         UPDATE job j SET state = 'running', lease_owner = gen_random_uuid(), started_at = now() FROM meter m WHERE m.id = j.meter_id AND m.serial = 'S16'",
        from = day.from, until = day.until, goal = schedule.due_at(day, schedule.goals[0]),
    ));
    let question = ListLateMetersRequest { name: "night".into(), ..Default::default() };
    let meters = client.list_late_meters(question.clone()).await.unwrap().into_inner().meters;
    let told = |serial: &str| meters.iter().find(|meter| meter.meter_serial == serial).unwrap();
    let causes = ["S11", "S12", "S13", "S14", "S15", "S16", "S29"].map(|serial| told(serial).cause());
    let expected = [
        LateCause::Turn,
        LateCause::Taken,
        LateCause::Retry,
        LateCause::Retry,
        LateCause::NotConnected,
        LateCause::Running,
        LateCause::Turn,
    ];
    assert_eq!((meters.len(), causes), (10, expected));
    assert_eq!(told("S12").behind, "bus1:1");
    let at = |serial: &str| told(serial).expected_at.map(|at| at.seconds);
    assert!(
        at("S16") < at("S11") && at("S11") < at("S12") && at("S12") < at("S17"),
        "in the order in which they are read"
    );
    assert!(at("S29") < at("S11"), "its bus is fast");
    assert!(at("S15").is_none() && told("S15").will_miss, "not by itself");
    assert!(told("S14").will_miss && !told("S13").will_miss && !told("S29").will_miss);
    let question = ListLateMetersRequest { will_miss: true, ..question };
    let missing = client.list_late_meters(question).await.unwrap().into_inner().meters;
    // What is expected moves on with the time of the question; who misses the goal does not.
    let told = |meter: &LateMeter| (meter.meter_serial.clone(), meter.cause(), meter.behind.clone());
    let wanted: Vec<_> = meters.iter().filter(|meter| meter.will_miss).map(told).collect();
    assert_eq!(missing.iter().map(told).collect::<Vec<_>>(), wanted);
    assert!(missing.iter().all(|meter| meter.will_miss));
}

#[tokio::test]
async fn a_schedule_that_cannot_be_kept_is_refused_by_its_field() {
    let served = Served::new().await;
    let mut client = CollectionServiceClient::new(served.channel.clone());
    let change = |change: fn(&mut Schedule)| {
        let mut request = wanted("night", &[(980, 360)]);
        change(request.schedule.as_mut().unwrap());
        request
    };
    for (request, field) in [
        (change(|schedule| schedule.name.clear()), "schedule.name"),
        (change(|schedule| schedule.zone = "Mars/Olympus".into()), "schedule.zone"),
        (change(|schedule| schedule.profile = "energy".into()), "schedule.profile"),
        (change(|schedule| schedule.model = "of-nobody".into()), "schedule.model"),
        (change(|schedule| schedule.goals.clear()), "schedule.goals"),
        (change(|schedule| schedule.goals[0].permille = 1001), "schedule.goals"),
        (change(|schedule| schedule.goals.push(schedule.goals[0])), "schedule.goals"),
    ] {
        let refused = client.put_schedule(request).await.unwrap_err();
        assert_eq!(reason(&refused), (ErrorReason::InvalidField, field.into()));
    }
    assert_eq!(served.database.sql("SELECT count(*) FROM schedule"), "0");
}

#[tokio::test]
async fn a_new_schedule_is_planned_by_at_once() {
    let served = Served::new().await;
    let database: &Database = &served.database;
    let (ours, other) = (database.meter("S1"), database.meter("X1"));
    database.sql("UPDATE meter_plan SET look_at = now() + interval '9 hours'");
    let mut client = CollectionServiceClient::new(served.channel.clone());
    client.put_schedule(wanted("night", &[(980, 360)])).await.unwrap();
    client.put_schedule(wanted("night", &[(980, 300), (1000, 1440)])).await.unwrap();
    assert_eq!(
        database.sql("SELECT meter_id, look_at <= now() FROM meter_plan ORDER BY meter_id"),
        format!("{ours}|t\n{other}|f")
    );
    assert_eq!(
        database.sql("SELECT by_min, permille FROM schedule_goal ORDER BY by_min"),
        "300|980\n1440|1000"
    );
}
