//! What is kept of the clocks of meters, and which of them are put right by themselves.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::time::Duration;

use collectors::{ClockReading, Event, Report};
use common::{Database, at};
use headend::clock::keep;
use headend::config;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

fn shown(read_at: Timestamp, ahead_s: i64, status: u8) -> Event {
    Event::Clock(ClockReading {
        shown: read_at + SignedDuration::from_secs(ahead_s),
        resolution: Duration::ZERO,
        offset_min: None,
        status,
        read_at,
        delay: Duration::from_millis(200),
    })
}

#[tokio::test]
async fn of_what_is_seen_in_passing_one_an_hour_is_kept_and_every_change() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let read = database.profile_job(meter, at("2026-01-01T00:15:00Z"), at("2026-01-01T01:00:00Z"));
    let minute = |minute: i64| at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(minute);
    for (when, ahead, status) in
        [(0, 5, 0), (1, 5, 0), (2, 6, 0), (3, 9, 0), (4, 9, 1), (5, 9, 1), (70, 9, 1)]
    {
        let report = Report { job: read, meter, event: shown(minute(when), ahead, status) };
        database.store.write(Uuid::new_v4(), &[report]).await.unwrap();
    }
    let kept = "SELECT string_agg(extract(minute FROM read_at - '2026-01-01 00:00+00' + interval '0 s')::text, ' ' ORDER BY read_at)
                FROM clock_reading WHERE read_at < '2026-01-01 01:00+00'";
    assert_eq!(database.sql(kept), "0 3 4");
    assert_eq!(database.sql("SELECT count(*) FROM clock_reading"), "4");
    assert_eq!(
        database.sql("SELECT read_at, drift_ms, uncertainty_ms, status FROM meter_clock"),
        "2026-01-01 01:10:00+00|9100|100|1"
    );
    // What somebody asks for is kept in any case.
    let asked = "INSERT INTO job (meter_id, kind) VALUES (1, 'read_clock') RETURNING id";
    let job = database.sql(asked).lines().next().unwrap().parse().unwrap();
    let report = Report { job, meter, event: shown(minute(71), 9, 1) };
    database.store.write(Uuid::new_v4(), std::slice::from_ref(&report)).await.unwrap();
    database.store.write(Uuid::new_v4(), &[report]).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM clock_reading"), "5");
    // An older reading that comes late is no news.
    let late = Report { job: read, meter, event: shown(minute(30), 100, 0) };
    database.store.write(Uuid::new_v4(), &[late]).await.unwrap();
    assert_eq!(database.sql("SELECT drift_ms FROM meter_clock"), "9100");
    assert_eq!(database.store.purge_clocks(Duration::from_secs(86_400)).await.unwrap(), 6);
    assert_eq!(database.sql("SELECT count(*) FROM meter_clock"), "1");
}

#[tokio::test]
async fn clocks_that_are_off_are_ordered_to_be_put_right_once_a_day() {
    let database = Database::new().await;
    let models = models::builtin().unwrap();
    let config = config::Clock { synchronise: true, ..config::Clock::default() };
    let clock = |serial: &str, model: &str, drift_ms: i64, age: &str| {
        let meter = database.meter(serial);
        database.sql(&format!(
            "UPDATE meter SET model = '{model}' WHERE id = {meter};
             INSERT INTO meter_clock VALUES ({meter}, now() - interval '{age}', now(), {drift_ms}, 500, NULL, 0, 0, now(), {drift_ms}, 0)"
        ));
    };
    clock("right", "sed302", 9_000, "1 hour");
    clock("ahead", "sed302", 11_000, "1 hour");
    clock("behind", "sed302", -600_000, "1 hour");
    clock("too-far", "sed302", 900_000, "1 hour");
    clock("forgotten", "sed302", 60_000, "25 hours");
    clock("unable", "joy311", 60_000, "1 hour");
    clock("retired", "sed302", 60_000, "1 hour");
    database.sql("UPDATE meter SET state = 'retired', retired_at = now() WHERE serial = 'retired'");
    let pass = || keep::pass(&database.store, &models, &config, Timestamp::now());
    assert_eq!(pass().await, Ok(2));
    let ordered = "SELECT string_agg(m.serial, ' ' ORDER BY m.serial) FROM command c JOIN meter m ON m.id = c.meter_id WHERE c.kind = 'sync_clock'";
    assert_eq!(database.sql(ordered), "ahead behind");
    assert_eq!(pass().await, Ok(0));
    let audited = "SELECT principal, action, target, outcome FROM audit WHERE action = 'planner.sync_clock'";
    assert_eq!(database.sql(audited), "headend|planner.sync_clock|behind ahead|accepted");
    database.sql("UPDATE command SET created_at = created_at - interval '2 days'");
    assert_eq!(pass().await, Ok(2), "what is still wrong the next day");
    assert_eq!(database.store.wrong_clocks(10_000).await, Ok(5));
}

#[tokio::test]
async fn the_clock_of_this_machine_is_that_of_the_database_where_both_are_one() {
    let database = Database::new().await;
    let (ahead, uncertainty) = database.store.compare_clock().await.unwrap();
    assert!(ahead.abs() <= uncertainty + SignedDuration::from_millis(5), "{ahead:?} {uncertainty:?}");
}
