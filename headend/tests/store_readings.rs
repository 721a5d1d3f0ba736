//! What is stored is exact: values, instants, units, and what is still missing.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::time::Duration;

use collectors::{ClockReading, Event, RegisterValue, Report};
use common::{Database, at, captures, done, energy, layout, quarters};
use dlms::Unit;
use dlms::security::SystemTitle;
use headend::store::captures::Stored;
use headend::store::jobs::Wanted;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn first() -> Timestamp {
    at("2024-03-31T00:15:00Z")
}

fn stored(inserted: u64, identical: u64, revised: u64) -> Stored {
    Stored { sent: inserted + identical + revised, inserted, identical, revised }
}

#[tokio::test]
async fn gaps_are_exactly_the_difference_of_the_ranges() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let layout = layout(900, 0);
    let hour = |n: i64| at("2024-03-31T00:00:00Z") + SignedDuration::from_hours(n);
    let quarter = SignedDuration::from_mins(15);
    for from in [2, 9, 5] {
        let block = quarters(&layout, hour(from) + quarter, 4, 0);
        database.store.write(owner, &[captures(meter, 1, block)]).await.unwrap();
    }
    let gaps = database.store.gaps(meter, energy(), hour(0), hour(12)).await.unwrap();
    let expected = [(hour(0), hour(2)), (hour(3), hour(5)), (hour(6), hour(9)), (hour(10), hour(12))];
    assert_eq!(gaps, expected);
    let coverage = [(hour(2), hour(3)), (hour(5), hour(6)), (hour(9), hour(10))];
    assert_eq!(headend::plan::gaps(&coverage, (hour(0), hour(12))), expected, "both ways to compute agree");
    // Reads that found nothing, twice, between two instants, both inclusive, cover what was asked and nothing else: the meter may hold a capture just before.
    for _look in 0..2 {
        let job = database.profile_job(meter, hour(3) + quarter, hour(5));
        database.store.lease(owner, Wanted::any(1), MINUTE, 10).await.unwrap();
        let range = Some((hour(3) + quarter, hour(5)));
        database.store.write(owner, &[done(meter, job, range)]).await.unwrap();
    }
    let gaps = database.store.gaps(meter, energy(), hour(0), hour(12)).await.unwrap();
    let not_asked = (hour(3), hour(3) + quarter - SignedDuration::from_secs(1));
    assert_eq!(gaps, [(hour(0), hour(2)), not_asked, (hour(6), hour(9)), (hour(10), hour(12))]);
    let inside = database.store.gaps(meter, energy(), hour(2), hour(6)).await.unwrap();
    assert_eq!(inside, [not_asked]);
    let unknown =
        database.store.gaps(meter, "1.0.99.2.0.255".parse().unwrap(), hour(1), hour(2)).await.unwrap();
    assert_eq!(unknown, [(hour(1), hour(2))]);
}

#[test]
fn gaps_in_the_program_are_those_of_the_database() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    let meter = database.meter("M1");
    let start = at("2024-10-27T00:00:00Z");
    let minute = |n: i64| start + SignedDuration::from_mins(n);
    let blocks = proptest::collection::vec((0_i64..200, 1_i64..30), 0..8);
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(blocks in blocks, after in 0_i64..120, length in 1_i64..120)| {
        let ranges: Vec<String> =
            blocks.iter().map(|(from, length)| format!("(\"{}\",\"{}\"]", minute(*from), minute(from + length))).collect();
        database.sql(&format!(
            "INSERT INTO meter_profile (meter_id, obis, coverage) VALUES ({meter}, '\\x0100630100ff', '{{{}}}')
             ON CONFLICT (meter_id, obis) DO UPDATE SET coverage = EXCLUDED.coverage", ranges.join(",")
        ));
        let within = (minute(after), minute(after + length));
        let state = runtime.block_on(database.store.planning_page(0, 10)).unwrap();
        let coverage = &state[0].profiles[&energy()].coverage;
        let expected = runtime.block_on(database.store.gaps(meter, energy(), within.0, within.1)).unwrap();
        prop_assert_eq!(headend::plan::gaps(coverage, within), expected);
    });
}

#[tokio::test]
async fn the_night_that_clocks_are_changed_is_two_hours_of_different_instants() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let layout = layout(900, 0);
    // 27 October 2024 in Berlin has 25 hours: 02:30 occurs with offset 120 and again with 60.
    let midnight = at("2024-10-27T00:00:00+02:00");
    let mut day = quarters(&layout, midnight + SignedDuration::from_mins(15), 100, 0);
    for (at, offset) in day.at.iter().zip(&mut day.offset_min) {
        *offset = Some(if *at < common::at("2024-10-27T01:00:00Z") { 120 } else { 60 });
    }
    let written = database.store.write(owner, &[captures(meter, 1, day)]).await.unwrap();
    assert_eq!(written.captures, stored(100, 0, 0));
    assert_eq!(
        database.sql(
            "SELECT ts, clock_offset_min FROM profile_row
             WHERE (ts + clock_offset_min * interval '1 minute') AT TIME ZONE 'UTC' = '2024-10-27 02:30' ORDER BY ts"
        ),
        "2024-10-27 00:30:00+00|120\n2024-10-27 01:30:00+00|60"
    );
    let until = at("2024-10-28T00:00:00+01:00");
    assert_eq!(database.store.gaps(meter, energy(), midnight, until).await, Ok(vec![]));
}

#[tokio::test]
async fn readings_are_exact_and_have_their_unit() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    for (index, scaler) in [(0, -3), (1, 3)] {
        let from = first() + SignedDuration::from_hours(index);
        let mut block = quarters(&layout(900, scaler), from, 1, 123_456_789_012_345_678);
        block.values[1] = None;
        database.store.write(owner, &[captures(meter, 1, block)]).await.unwrap();
    }
    let register = RegisterValue {
        obis: "1.0.1.8.0.255".parse().unwrap(),
        attribute: 2,
        class_id: 3,
        value: -1_234_567,
        scaler: -2,
        unit: Unit(30),
        at: at("2024-05-01T12:00:00.123456Z"),
    };
    let report = Report { job: 9, meter, event: Event::Registers(vec![register]) };
    let written = database.store.write(owner, &[report.clone(), report]).await.unwrap();
    assert_eq!(written.registers, 1, "twice the same is one");
    assert_eq!(
        database.sql("SELECT serial, obis, ts, value, unit, status, kind FROM reading ORDER BY ts"),
        "M1|1.0.1.8.0.255|2024-03-31 00:15:00+00|123456789012345.678|Wh|8|profile\n\
         M1|1.0.1.8.0.255|2024-03-31 01:15:00+00|123456789012345678000|Wh|8|profile\n\
         M1|1.0.1.8.0.255|2024-05-01 12:00:00.123456+00|-12345.67|Wh||register"
    );
}

#[tokio::test]
async fn a_clock_and_an_identity_are_kept() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let clock = Event::Clock(ClockReading {
        shown: at("2024-05-01T12:00:05Z"),
        resolution: Duration::from_secs(1),
        offset_min: Some(120),
        status: 128,
        read_at: at("2024-05-01T12:00:00Z"),
        delay: Duration::from_millis(40),
    });
    let name = |firmware: Option<&str>| Event::Identity {
        serial: "M1".into(),
        logical_device_name: Some("ABC0000001".into()),
        firmware: firmware.map(str::to_owned),
        system_title: firmware.map(|_| SystemTitle::new(*b"ABC\0\0\0\0\x01")),
    };
    let report = |event| Report { job: 5, meter, event };
    database.store.write(owner, &[report(clock), report(name(Some("1.2")))]).await.unwrap();
    database.store.write(owner, &[report(name(None))]).await.unwrap();
    assert_eq!(
        database.sql("SELECT logical_device_name, firmware, identified_at IS NOT NULL, system_title FROM meter WHERE serial = 'M1'"),
        "ABC0000001|1.2|t|\\x4142430000000001"
    );
    assert_eq!(
        database.sql("SELECT read_at, meter_ts, offset_min, status, delay_ms, job_id FROM clock_reading"),
        "2024-05-01 12:00:00+00|2024-05-01 12:00:05+00|120|128|40|5"
    );
    assert_eq!(
        database.sql("SELECT meter_id, drift_ms, uncertainty_ms FROM meter_clock"),
        format!("{meter}|5520|520")
    );
}
