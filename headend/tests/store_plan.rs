//! From what is due to what people see: plan, lease, ingest, view. And the rules of planning by themselves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use common::{Database, at, captures, done, energy, layout, quarters};
use headend::config;
use headend::plan::{self, MeterState, PlannedJob, ProfileState};
use headend::store::JobKind;
use headend::store::jobs::Wanted;
use jiff::{SignedDuration, Timestamp};
use models::Model;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn generic() -> Arc<Model> {
    Arc::clone(&models::builtin().unwrap()["generic-dlms"])
}

/// A model with the quarter-hourly profile alone.
fn only_energy() -> Model {
    let mut model = (*generic()).clone();
    model.profiles.retain(|profile| profile.obis == energy());
    model.registers.clear();
    model.logs.clear();
    model
}

fn now() -> Timestamp {
    at("2024-06-15T10:07:30Z")
}

fn before(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// A meter that was just identified and whose energy profile is `state`.
fn meter(state: ProfileState) -> MeterState {
    MeterState {
        meter: 7,
        serial: "M7".into(),
        model: "generic-dlms".into(),
        since: now(),
        look_at: now(),
        identified_at: Some(now()),
        identify_tried_at: Some(now()),
        registers_tried_at: Some(now()),
        nodes_tried_at: None,
        throttle_group: None,
        is_subunit: false,
        stuck: BTreeSet::new(),
        is_silent: false,
        schedules: Vec::new(),
        profiles: BTreeMap::from([(energy(), state)]),
    }
}

fn range(jobs: &[PlannedJob]) -> Option<(Timestamp, Timestamp)> {
    match jobs {
        [] => None,
        [job] => {
            assert_eq!((job.kind, job.obis), (JobKind::ReadProfile, Some(energy())));
            job.range
        }
        more => panic!("{more:?}"),
    }
}

#[test]
fn of_a_meter_whose_parts_are_named_in_requests_the_parts_are_read() {
    let models = models::builtin().unwrap();
    let registers = |model: &str, is_subunit| {
        let state = MeterState { meter: 7, is_subunit, ..MeterState::default() };
        let jobs = plan::due(&state, &models[model], at("2026-03-01T00:00:00Z"), &config::Plan::default());
        jobs.iter().filter(|job| job.kind == JobKind::ReadRegisters).count()
    };
    for (model, of_the_meter) in
        [("multi-user-modbus", 0), ("multi-user-dlt645", 0), ("huabang-single", 1), ("sed302", 1)]
    {
        assert_eq!((registers(model, false), registers(model, true)), (of_the_meter, 1), "{model}");
    }
}

#[test]
fn hb_02_each_register_is_read_as_often_as_the_model_says() {
    let model = &models::builtin().unwrap()["huabang-single"];
    let hours = |n: i64| Timestamp::from_second(1_800_000_000 + n * 3600).unwrap();
    let all = model.registers.len();
    let hourly = model.registers.iter().filter(|one| one.read_every.as_secs() == 3600).count();
    assert!(hourly > 0 && hourly < all);
    let due = |last, now| plan::due_registers(7, model, last, now).len();
    assert_eq!(due(None, hours(0)), all, "what was never read is due");
    let counts: Vec<usize> = (1..=24).map(|hour| due(Some(hours(hour - 1)), hours(hour))).collect();
    assert_eq!(counts.iter().filter(|count| **count == all).count(), 1, "once a day all of them: {counts:?}");
    assert_eq!(counts.iter().filter(|count| **count == hourly).count(), 23, "{counts:?}");
    assert_eq!(due(Some(hours(0)), hours(24)), all, "what reads that failed left out is made up for");
    let state = |hour| MeterState {
        registers_tried_at: Some(hours(hour)),
        is_subunit: true,
        ..meter(ProfileState::default())
    };
    for hour in 1..=24 {
        let jobs = plan::due(&state(hour - 1), model, hours(hour), &config::Plan::default());
        assert!(jobs.iter().any(|job| job.kind == JobKind::ReadRegisters), "hour {hour}");
    }
}

#[test]
fn a_concentrator_is_asked_for_its_nodes_every_hour_and_a_meter_never() {
    let model = |name: &str| Arc::clone(&models::builtin().unwrap()[name]);
    let kinds = |name: &str, tried: Option<Timestamp>| -> Vec<_> {
        let state = MeterState { meter: 7, nodes_tried_at: tried, ..MeterState::default() };
        let jobs = plan::due(&state, &model(name), now(), &config::Plan::default());
        jobs.into_iter().map(|job| job.kind).filter(|kind| *kind == JobKind::ListNodes).collect()
    };
    for name in ["dlms-concentrator", "dlms-gateway", "p2lpc", "gdw376-terminal"] {
        assert_eq!(kinds(name, None), [JobKind::ListNodes], "{name}");
        assert_eq!(kinds(name, Some(now() - SignedDuration::from_hours(2))), [JobKind::ListNodes], "{name}");
        assert_eq!(kinds(name, Some(now())), [], "{name}");
    }
    assert_eq!(kinds("mt371", None), []);
}

#[test]
fn what_is_read_with_its_meter_is_never_asked_itself() {
    let model = Arc::clone(&models::builtin().unwrap()[models::MBUS_DEVICE]);
    assert_eq!(plan::due(&MeterState::default(), &model, now(), &config::Plan::default()), []);
}

#[test]
fn a_channel_that_never_had_a_device_lacks_nothing() {
    let model = Arc::clone(&models::builtin().unwrap()["mt371"]);
    let channel = "0.2.24.3.0.255".parse().unwrap();
    let missing = |profiles| {
        let since = now() - SignedDuration::from_hours(72);
        let state = MeterState { since, profiles, ..meter(ProfileState::default()) };
        let gaps = plan::ledger::missing(&state, &model, now()).into_iter();
        gaps.filter(|gap| models::MBus::channel(gap.profile).is_some())
            .map(|gap| gap.profile)
            .collect::<Vec<_>>()
    };
    assert_eq!(missing(BTreeMap::new()), []);
    let last = now() - SignedDuration::from_hours(48);
    let read = ProfileState { last_ts: Some(last), ..ProfileState::default() };
    assert_eq!(missing(BTreeMap::from([(channel, read)])), [channel]);
}

#[test]
fn a_log_is_read_from_its_beginning_and_then_from_a_day_before_its_latest_entry() {
    let mut model = only_energy();
    model.profiles.clear();
    model.logs = generic().logs[..1].to_vec();
    let log = model.logs[0].obis;
    let range = |state| {
        let config = config::Plan::default();
        let mut meter = meter(ProfileState::default());
        meter.profiles = BTreeMap::from([(log, state)]);
        plan::due(&meter, &model, now(), &config).first().and_then(|job| {
            assert_eq!((job.kind, job.obis), (JobKind::ReadProfile, Some(log)));
            job.range
        })
    };
    assert_eq!(range(ProfileState::default()), Some((at("2000-01-01T00:00:00Z"), now())));
    let read = |tried, last| ProfileState {
        tried_at: Some(before(tried)),
        last_ts: Some(before(last)),
        ..ProfileState::default()
    };
    assert_eq!(range(read(400, 700)), Some((before(700 + 1440), now())));
    assert_eq!(range(read(0, 700)), None, "it was read just now");
}

#[test]
fn a_new_meter_is_asked_everything_at_once_as_far_back_as_the_horizon() {
    let state = MeterState { meter: 7, model: "generic-dlms".into(), since: now(), ..MeterState::default() };
    let jobs = plan::due(&state, &generic(), now(), &config::Plan::default());
    let kinds: Vec<_> = jobs.iter().map(|job| (job.kind, job.obis.map(|obis| obis.to_string()))).collect();
    let profile = |obis: &str| (JobKind::ReadProfile, Some(obis.to_owned()));
    assert_eq!(
        kinds,
        [
            (JobKind::Identify, None),
            (JobKind::ReadRegisters, None),
            profile("1.0.99.1.0.255"),
            profile("1.0.99.2.0.255"),
            profile("1.0.98.1.0.255"),
        ]
    );
    assert_eq!(jobs[2].range, Some((at("2024-05-16T10:07:30Z"), now())));
    let near = config::Plan { horizon: Duration::from_secs(3600), ..config::Plan::default() };
    assert_eq!(
        plan::due(&state, &generic(), now(), &near)[2].range,
        Some((at("2024-06-15T09:07:30Z"), now()))
    );
    let far = config::Plan { horizon: Duration::from_secs(3650 * 86_400), ..config::Plan::default() };
    let kept = plan::due(&state, &generic(), now(), &far)[2].range.unwrap().0;
    assert_eq!(kept, at("2024-03-07T10:07:30Z"), "no further than the meter keeps 9600 quarters of an hour");
}

#[test]
fn a_read_goes_on_after_the_mark_and_comes_once_an_hour() {
    let (model, config) = (only_energy(), config::Plan::default());
    let last = at("2024-06-15T08:45:00Z");
    let covered = vec![(at("2024-05-16T10:00:00Z"), last)];
    let state = |tried| ProfileState {
        last_ts: Some(last),
        tried_at: Some(tried),
        coverage: covered.clone(),
        ..ProfileState::default()
    };
    let due = plan::due(&meter(state(before(61))), &model, now(), &config);
    assert_eq!(range(&due), Some((at("2024-06-15T08:45:01Z"), now())));
    assert_eq!(plan::due(&meter(state(now())), &model, now(), &config), []);
    // Looked at once a minute for a day, with each read ending at once, it comes 24 times whatever the meter.
    for id in [1, 7, 8, 9_999] {
        let mut times = Vec::new();
        let mut tried = now();
        for minute in 1..=24 * 60 {
            let time = now() + SignedDuration::from_mins(minute);
            let state = MeterState { meter: id, ..meter(state(tried)) };
            if !plan::due(&state, &model, time, &config).iter().all(|job| job.kind != JobKind::ReadProfile) {
                times.push(minute);
                tried = time;
            }
        }
        assert_eq!(times.len(), 24, "meter {id}: {times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 60), "meter {id}: {times:?}");
    }
}

#[test]
fn what_counts_is_the_period_of_the_meter() {
    let (model, config) = (only_energy(), config::Plan::default());
    let (last, week) = (at("2024-06-15T10:00:00Z"), SignedDuration::from_hours(7 * 24));
    let every = |period_s, minutes| {
        let state = meter(ProfileState {
            period_s: Some(period_s),
            last_ts: Some(last),
            tried_at: Some(last - SignedDuration::from_hours(2)),
            coverage: vec![
                (last - week, last - week / 2),
                (last - week / 2 + SignedDuration::from_mins(10), last),
            ],
            ..ProfileState::default()
        });
        let now = last + SignedDuration::from_mins(minutes);
        (plan::due(&state, &model, now, &config), plan::ledger::missing(&state, &model, now))
    };
    let (due, missing) = every(300, 6);
    let [read, hole] = &due[..] else { panic!("{due:?}") };
    assert_eq!(read.range, Some((at("2024-06-15T10:00:01Z"), at("2024-06-15T10:06:00Z"))));
    assert_eq!(read.kept, Some(SignedDuration::from_secs(300 * 9600)), "as many captures are less time");
    assert_eq!(hole.range.map(|range| range.1), Some(missing[0].range.1));
    assert_eq!((missing.len(), missing[0].captures, missing[0].is_hole), (1, 2, true));
    let (due, missing) = every(3600, 59);
    assert_eq!((due.len(), missing), (1, vec![]), "there is nothing new yet; ten minutes are no capture");
    assert_eq!(every(3600, 60).0.len(), 2);
}

#[test]
fn what_counts_is_the_room_of_the_meter() {
    let (model, config) = (only_energy(), config::Plan::default());
    let last = at("2024-06-15T10:00:00Z");
    let reads = |capacity| {
        let state = meter(ProfileState {
            capacity,
            last_ts: Some(last),
            tried_at: Some(last + SignedDuration::from_mins(1)),
            coverage: vec![(last - SignedDuration::from_hours(1), last)],
            ..ProfileState::default()
        });
        let again = plan::next_look(&state, &model, last + SignedDuration::from_mins(2), &config);
        let due = plan::due(&state, &model, last + SignedDuration::from_hours(2), &config);
        (due[0].kept, again <= last + SignedDuration::from_mins(18))
    };
    let quarters = |rows: i64| Some(SignedDuration::from_secs(900 * rows));
    assert_eq!(reads(None), (quarters(9600), false), "by its model");
    assert_eq!(reads(Some(2)), (quarters(2), true), "what is overwritten after half an hour is read before");
    assert_eq!(reads(Some(20_000)).0, quarters(20_000));
    assert_eq!(reads(Some(u32::MAX)).0, Some(SignedDuration::from_hours(24 * 366 * 100)), "that is for ever");
}

#[test]
fn without_a_period_the_latest_capture_is_asked_for_again_after_a_month() {
    let mut model = (*generic()).clone();
    model.profiles.retain(|profile| profile.period_s == 0);
    (model.registers, model.logs) = (Vec::new(), Vec::new());
    let (mark, config) = (at("2024-04-01T00:00:00Z"), config::Plan::default());
    let from = |until: &str| {
        let state = ProfileState {
            last_ts: Some(mark),
            coverage: vec![(at("2024-03-01T00:00:00Z"), at(until))],
            ..ProfileState::default()
        };
        let state = MeterState {
            profiles: [(model.profiles[0].obis, state)].into(),
            ..meter(ProfileState::default())
        };
        plan::due(&state, &model, now(), &config)[0].range.unwrap().0
    };
    assert_eq!(
        from("2024-06-14T10:00:00Z"),
        at("2024-06-14T10:00:01Z"),
        "nothing was overwritten since yesterday"
    );
    assert_eq!(from("2024-05-10T10:00:00Z"), mark, "whether it is still there tells whether others are lost");
}

#[test]
fn a_fleet_spreads_over_the_hour() {
    let config = config::Plan::default();
    let (model, start) = (only_energy(), at("2024-06-15T00:00:00Z"));
    let mut minutes = BTreeMap::<i64, u32>::new();
    for id in 1..=6000 {
        let hours = |n| SignedDuration::from_hours(n);
        let coverage = vec![(start - hours(24 * 60), start)];
        let read =
            ProfileState { tried_at: Some(start), last_ts: Some(start), coverage, ..ProfileState::default() };
        let state = MeterState { meter: id, registers_tried_at: Some(start - hours(24)), ..meter(read) };
        let kinds = |minute: i64| {
            let due = plan::due(&state, &model, start + SignedDuration::from_mins(minute), &config);
            due.into_iter().map(|job| job.kind).collect::<Vec<_>>()
        };
        let minute = (1..=75).find(|minute| kinds(*minute).contains(&JobKind::ReadProfile)).unwrap();
        assert!(minute > 14, "the first capture after the last one is not there before");
        *minutes.entry(minute).or_default() += 1;
    }
    let (least, most) = (minutes.values().min().unwrap(), minutes.values().max().unwrap());
    assert!(minutes.len() == 46 && *least > 50, "{minutes:?}");
    assert!(*most < 6000 / 3, "a quarter of an hour has passed before anything is new: {minutes:?}");
}

#[test]
fn holes_become_jobs_the_oldest_first() {
    let (model, config) = (only_energy(), config::Plan::default());
    let last = at("2024-06-15T10:00:00Z");
    let state = |coverage: Vec<(Timestamp, Timestamp)>| ProfileState {
        last_ts: Some(last),
        read_at: Some(now()),
        tried_at: Some(now()),
        coverage,
        ..ProfileState::default()
    };
    let start = at("2024-05-16T10:00:00Z");
    let (a, b, c, d) = (
        at("2024-06-01T00:00:00Z"),
        at("2024-06-01T03:00:00Z"),
        at("2024-06-10T00:00:00Z"),
        at("2024-06-10T00:15:00Z"),
    );
    let holes = state(vec![(start, a), (b, c), (d, last)]);
    let due = plan::due(&meter(holes.clone()), &model, now(), &config);
    let ranges: Vec<_> = due.iter().map(|job| (job.priority, job.range.unwrap())).collect();
    let (after_a, after_c) = (at("2024-06-01T00:00:01Z"), at("2024-06-10T00:00:01Z"));
    assert_eq!(ranges, [(plan::BACKFILL, (after_a, b)), (plan::BACKFILL, (after_c, d))]);
    let one = plan::due(&meter(state(vec![(start, c), (d, last)])), &model, now(), &config);
    assert_eq!(range(&one), Some((after_c, d)), "a single capture");
    assert_eq!(plan::due(&meter(state(vec![(start, last)])), &model, now(), &config), []);
    assert_eq!(
        plan::due(&meter(state(vec![(at("2024-01-01T00:00:00Z"), last)])), &model, now(), &config),
        []
    );
    // Not again at once, and after a failure not before the next hour.
    let paused = ProfileState { hole_tried_at: Some(now()), ..holes.clone() };
    assert_eq!(plan::due(&meter(paused), &model, now() + SignedDuration::from_secs(30), &config), []);
    let failed = ProfileState { read_at: Some(before(10)), hole_tried_at: Some(before(5)), ..holes.clone() };
    assert_eq!(plan::due(&meter(failed), &model, now(), &config), []);
    let long_ago = ProfileState { read_at: Some(before(90)), hole_tried_at: Some(before(61)), ..holes };
    assert_eq!(plan::due(&meter(long_ago), &model, now(), &config).len(), 2);
}

#[test]
fn a_mark_in_the_future_does_not_stop_the_reads() {
    let state = ProfileState {
        last_ts: Some(at("2031-01-01T00:00:00Z")),
        coverage: vec![
            (at("2024-05-16T10:00:00Z"), at("2024-06-15T09:00:00Z")),
            (at("2030-12-31T23:45:00Z"), at("2031-01-01T00:00:00Z")),
        ],
        ..ProfileState::default()
    };
    let due = plan::due(&meter(state), &only_energy(), now(), &config::Plan::default());
    assert_eq!(range(&due), Some((at("2024-06-15T09:00:01Z"), now())));
}

#[test]
fn a_mark_in_the_future_does_not_stop_holes_from_being_filled_and_given_up() {
    let (model, config) = (only_energy(), config::Plan::default());
    let state = meter(ProfileState {
        last_ts: Some(at("2031-01-01T00:00:00Z")),
        tried_at: Some(now()),
        coverage: vec![
            (at("2024-05-01T00:00:00Z"), at("2024-05-02T00:00:00Z")),
            (at("2024-05-03T00:00:00Z"), at("2024-06-10T10:00:00Z")),
            (at("2024-06-10T11:00:00Z"), at("2024-06-15T09:00:00Z")),
            (at("2030-12-31T23:45:00Z"), at("2031-01-01T00:00:00Z")),
        ],
        ..ProfileState::default()
    });
    let due = plan::due(&state, &model, now(), &config);
    assert_eq!(range(&due).map(|range| range.1), Some(at("2024-06-10T11:00:00Z")));
    let missing = plan::ledger::missing(&state, &model, now());
    let seen: Vec<_> = missing.iter().map(|gap| (gap.range.1, gap.is_hole)).collect();
    assert_eq!(seen, [(at("2024-05-03T00:00:00Z"), true), (at("2024-06-10T11:00:00Z"), true)]);
    let again = plan::next_look(&state, &model, now(), &config);
    assert!(again <= now() + SignedDuration::from_mins(1), "{again}");
}

#[test]
fn a_day_that_is_not_over_is_not_missing() {
    let mut model = only_energy();
    (model.profiles[0].period_s, model.profiles[0].read_every) = (86_400, Duration::from_secs(6 * 3600));
    let read_until_midnight = ProfileState {
        last_ts: Some(at("2024-06-15T00:00:00Z")),
        coverage: vec![(at("2024-05-16T00:00:00Z"), at("2024-06-15T00:00:00Z"))],
        ..ProfileState::default()
    };
    for (now, captures) in [
        ("2024-06-15T23:59:00Z", None),
        ("2024-06-16T04:00:00Z", None),
        ("2024-06-16T06:30:00Z", Some(1)),
        ("2024-06-18T01:00:00Z", Some(2)),
    ] {
        let missing = plan::ledger::missing(&meter(read_until_midnight.clone()), &model, at(now));
        assert_eq!(missing.first().map(|gap| gap.captures), captures, "{now}");
    }
}

#[tokio::test]
async fn only_active_meters_of_known_models_are_planned_and_each_job_once() {
    let database = Database::new().await;
    database.meter("M1");
    let (retired, unknown) = (database.meter("M2"), database.meter("M3"));
    database.sql(&format!(
        "UPDATE meter SET state = 'retired', retired_at = now() WHERE id = {retired};
         UPDATE meter SET model = 'of-nobody' WHERE id = {unknown}"
    ));
    let models = BTreeMap::from([("generic-dlms".to_owned(), Arc::new(only_energy()))]);
    let (store, config, now) = (&database.store, config::Plan::default(), Timestamp::now());
    let planned = plan::pass(store, &models, &config, now).await.unwrap();
    assert_eq!((planned.meters, planned.jobs, planned.unknown_model), (2, 2, 1));
    assert_eq!(
        plan::pass(store, &models, &config, now).await.unwrap().jobs,
        0,
        "what waits is not made again"
    );
    assert_eq!(store.lease(Uuid::new_v4(), Wanted::any(10), MINUTE, 10).await.unwrap()[0].jobs.len(), 2);
    assert_eq!(plan::pass(store, &models, &config, now).await.unwrap().jobs, 0, "nor what runs");
}

#[tokio::test]
async fn from_what_is_due_to_what_people_see() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let models = BTreeMap::from([("generic-dlms".to_owned(), Arc::new(only_energy()))]);
    let config = config::Plan { horizon: Duration::from_secs(3600), ..config::Plan::default() };
    let (store, owner, now) = (&database.store, Uuid::new_v4(), Timestamp::now());
    plan::pass(store, &models, &config, now).await.unwrap();
    let leased = store.lease(owner, Wanted::any(10), MINUTE, 10).await.unwrap();
    let of_kind = |kind| leased[0].jobs.iter().find(|job| job.kind == kind).unwrap();
    let (identify, read) = (of_kind(JobKind::Identify), of_kind(JobKind::ReadProfile));
    let (from, asked) = read.range.unwrap();
    let to = Timestamp::from_second(asked.as_second()).unwrap();
    let mut block = quarters(&layout(900, -3), from, 3, 1_000_001);
    block.at[2] = to;
    let end = done(meter, read.id, read.range);
    let reports = [done(meter, identify.id, None), captures(meter, read.id, block), end];
    let written = store.write(owner, &reports).await.unwrap();
    assert_eq!((written.captures.inserted, written.done), (3, 2));
    let again = plan::pass(store, &models, &config, Timestamp::now()).await.unwrap();
    assert_eq!(again.jobs, 0, "all is read and covered");
    assert_eq!(
        database.sql("SELECT value, unit FROM reading WHERE obis = '1.0.1.8.0.255' ORDER BY ts"),
        "1000.001|Wh\n1000.002|Wh\n1000.003|Wh"
    );
    let voltage = database.sql("SELECT value, unit FROM reading WHERE obis = '1.0.32.7.0.255' LIMIT 1");
    assert_eq!(voltage, "230.1|V");
    // An hour later the next read begins right after the last capture.
    let later = now + SignedDuration::from_mins(61);
    assert!(plan::pass(store, &models, &config, later).await.unwrap().jobs >= 1);
    let next = database.sql("SELECT from_ts FROM job WHERE state = 'due' AND kind = 'read_profile'");
    let expected = to + SignedDuration::from_secs(1);
    assert_eq!(
        database.sql(&format!("SELECT '{next}'::timestamptz = '{expected}'")),
        "t",
        "{next}, not {expected}"
    );
}

#[tokio::test]
async fn a_failed_read_waits_for_its_next_turn_and_old_jobs_are_deleted() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let models = BTreeMap::from([("generic-dlms".to_owned(), Arc::new(only_energy()))]);
    let config = config::Plan { max_attempts: 1, ..config::Plan::default() };
    let (store, owner) = (&database.store, Uuid::new_v4());
    plan::pass(store, &models, &config, Timestamp::now()).await.unwrap();
    let leased = store.lease(owner, Wanted::any(10), MINUTE, 10).await.unwrap();
    let failure = || collectors::Failure::new(collectors::Reason::NoRoute, "No answer.");
    let ends: Vec<_> = leased[0]
        .jobs
        .iter()
        .map(|job| collectors::Report { job: job.id, meter, event: collectors::Event::Ended(Err(failure())) })
        .collect();
    assert_eq!(store.write(owner, &ends).await.unwrap().failed, 2);
    let planned = plan::pass(store, &models, &config, Timestamp::now()).await.unwrap();
    assert_eq!(planned.jobs, 0, "a dead meter is not called again and again");
    assert_eq!(store.purge_jobs(MINUTE).await, Ok(0));
    database.sql("UPDATE job SET finished_at = now() - interval '2 minutes' WHERE kind = 'identify'");
    assert_eq!(store.purge_jobs(MINUTE).await, Ok(1));
}
