//! Captures as they were known, what days add up to, and what is forgotten: the same with partitions as with TimescaleDB.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{Database, at, captures, layout, quarters};
use headend::store::readings::{Day, DayRange};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

async fn write(database: &Database, meter: i32, job: i64, day: collectors::Captures) {
    database.store.write(Uuid::new_v4(), &[captures(meter, job, day)]).await.unwrap();
}

fn now(database: &Database) -> Timestamp {
    at(&database
        .sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))
}

#[test]
fn after_any_revisions_each_instant_shows_the_last_word_of_then() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    let (meter, layout) = (database.meter("M1"), layout(900, 0));
    let batches = proptest::collection::vec(proptest::collection::vec((0_i64..4, 0_i64..3), 1..6), 1..6);
    let config = ProptestConfig { cases: 15, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(batches in batches)| {
        database.sql("TRUNCATE profile_row, profile_row_rev, meter_profile");
        let mut known = BTreeMap::new();
        let mut expected = Vec::new();
        for batch in &batches {
            for &(quarter, value) in batch {
                let from = at("2026-03-31T00:15:00Z") + SignedDuration::from_mins(15 * quarter);
                runtime.block_on(write(&database, meter, 1, quarters(&layout, from, 1, value)));
                known.insert(quarter, value);
            }
            let values: Vec<_> = known.values().map(i64::to_string).collect();
            expected.push((now(&database), values.join(",")));
        }
        for (then, values) in expected {
            let found = database.sql(&format!("SELECT string_agg(v0::text, ',' ORDER BY ts) FROM captures_known(ARRAY[{meter}], '-infinity', 'infinity', '{then}')"));
            prop_assert_eq!(found, values);
        }
    });
}

const DAYS: &str = "SELECT day, captures, last, advance, low, high, total FROM reading_daily
    WHERE obis = '1.0.1.8.0.255' ORDER BY serial, day";

#[tokio::test]
async fn days_are_those_of_the_meters_zone_and_made_anew_when_captures_change() {
    let database = Database::new().await;
    let (meter, layout) = (database.meter("M1"), layout(900, -1));
    // In Berlin the day of 23 hours begins at 23:00 UTC and ends at 22:00.
    let first = at("2026-03-28T22:15:00Z");
    let mut captures = quarters(&layout, first, 100, 1000);
    write(&database, meter, 1, captures.clone()).await;
    while database.store.add_up_days().await.unwrap() > 0 {}
    let expected = [
        "2026-03-28|4|100.3||100.0|100.3|400.6",
        "2026-03-29|92|109.5|9.2|100.4|109.5|9655.4",
        "2026-03-30|4|109.9|0.4|109.6|109.9|439.0",
    ];
    assert_eq!(database.sql(DAYS), expected.join("\n"));
    captures.values[2 * 50] = Some(990);
    write(&database, meter, 2, captures).await;
    assert_eq!(database.sql(DAYS), expected.join("\n"), "not yet");
    while database.store.add_up_days().await.unwrap() > 0 {}
    let low = database.sql("SELECT day, low FROM reading_daily WHERE obis = '1.0.1.8.0.255' AND low < 100");
    assert_eq!(low, "2026-03-29|99.0");
}

/// Zones whose clocks are changed at midnight or an hour or two from it, each in its way.
const AT_MIDNIGHT: [&str; 7] = [
    "Africa/Cairo",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "Asia/Beirut",
    "Atlantic/Azores",
    "Europe/Berlin",
];

/// What a day has to show: captures, captures that are expected, the lowest value, the advance and the sum.
type Shown = (i32, i32, i64, Option<String>, String);

/// What the days have to show in which captures count up from 1, in the order of the days.
fn by_the_calendar(at: &[Timestamp], zone: &TimeZone) -> BTreeMap<Date, Shown> {
    let mut days = BTreeMap::<Date, Vec<i64>>::new();
    for (ts, value) in at.iter().zip(1..) {
        days.entry((*ts - SignedDuration::from_nanos(1)).to_zoned(zone.clone()).date())
            .or_default()
            .push(value);
    }
    let begins = |day: Date| day.to_zoned(zone.clone()).unwrap().timestamp();
    let shown = |(day, values): (Date, Vec<i64>)| {
        let length = begins(day.tomorrow().unwrap()).duration_since(begins(day));
        let advance = at.contains(&begins(day)).then(|| values.len().to_string());
        let (count, sum) = (values.len().try_into().unwrap(), values.iter().sum::<i64>());
        (day, (count, i32::try_from(length.as_mins() / 15).unwrap(), values[0], advance, sum.to_string()))
    };
    days.into_iter().map(shown).collect()
}

#[tokio::test]
async fn a_day_begins_at_its_first_midnight_where_clocks_are_changed_at_midnight() {
    let database = Database::new().await;
    let layout = layout(900, 0);
    let mut meters = Vec::new();
    for name in AT_MIDNIGHT {
        let zone = TimeZone::get(name).unwrap();
        for change in zone.following(at("2026-01-01T00:00:00Z")).take(2) {
            for order in ["forward", "backward"] {
                let meter = database.meter(&format!("{name} {} {order}", change.timestamp()));
                database.sql(&format!("UPDATE meter SET zone = '{name}' WHERE id = {meter}"));
                meters.push((meter, zone.clone(), change.timestamp(), order == "forward"));
            }
        }
    }
    // Pieces of eight hours, which begin in the hour that comes twice as well, are added up one by one.
    let first = |change: Timestamp| change - SignedDuration::from_mins(4 * 8 * 60 + 15);
    for piece in 0..8 {
        let reports: Vec<_> = meters
            .iter()
            .map(|(meter, _, change, is_forward)| {
                let place = if *is_forward { piece } else { 7 - piece };
                let from = first(*change) + SignedDuration::from_hours(8 * place);
                captures(*meter, piece, quarters(&layout, from, 32, 1 + 32 * place))
            })
            .collect();
        database.store.write(Uuid::new_v4(), &reports).await.unwrap();
        while database.store.add_up_days().await.unwrap() > 0 {}
    }
    let view = "SELECT string_agg(concat_ws('|', day, captures, low, advance, total), E'\n' ORDER BY day) FROM reading_daily WHERE obis = '1.0.1.8.0.255' AND meter_id = ";
    let import = [vec![1, 0, 1, 8, 0, 255]];
    for (meter, zone, change, is_forward) in meters {
        let stored: Vec<_> = (0..256).map(|n| first(change) + SignedDuration::from_mins(15 * n)).collect();
        let expected = by_the_calendar(&stored, &zone);
        let (from, to) = (Date::constant(2026, 1, 1), Date::constant(2027, 12, 31));
        let range = DayRange { meter, obis: &import, from, to, first: (0, from, 0) };
        let days = database.store.days(&range, 100).await.unwrap();
        let shown =
            |day: Day| (day.day.to_jiff(), (day.captures, day.expected, day.low, day.advance, day.total));
        let days: BTreeMap<_, _> = days.into_iter().map(shown).collect();
        assert_eq!(days, expected, "{zone:?}, {change}, {is_forward}");
        let row = |(day, (captures, _, low, advance, total)): (Date, Shown)| {
            [Some(day.to_string()), Some(captures.to_string()), Some(low.to_string()), advance, Some(total)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("|")
        };
        let rows: Vec<_> = expected.into_iter().map(row).collect();
        assert_eq!(database.sql(&format!("{view}{meter}")), rows.join("\n"));
    }
}

#[tokio::test]
async fn days_are_added_up_once_by_whoever_is_first_and_only_behind_what_has_committed() {
    let database = Database::new().await;
    let layout = layout(900, 0);
    for number in 0..20 {
        let meter = database.meter(&format!("M{number}"));
        write(&database, meter, 1, quarters(&layout, at("2026-03-31T00:15:00Z"), 8, number)).await;
    }
    let (one, other) = tokio::join!(database.store.add_up_days(), database.store.add_up_days());
    assert_eq!(one.unwrap() + other.unwrap(), 20);
    assert_eq!(database.sql("SELECT count(*), sum(captures) FROM reading_day"), "20|160");
    assert_eq!(database.store.add_up_days().await, Ok(0));
}

#[tokio::test]
async fn old_months_go_as_a_whole_and_what_came_lately_stays() {
    let database = Database::new().await;
    let (meter, layout) = (database.meter("M1"), layout(900, 0));
    for (job, first) in
        [(1, "2024-01-31T23:30:00Z"), (2, "2024-03-01T00:15:00Z"), (3, "2024-05-01T00:15:00Z")]
    {
        write(&database, meter, job, quarters(&layout, at(first), 4, 100 * job)).await;
    }
    // Two months were stored long ago; of the first, a late capture came lately.
    database
        .sql("UPDATE profile_row SET stored_at = ts WHERE ts < '2024-04-01' AND ts <> '2024-01-31 23:30+00'");
    database.sql("INSERT INTO register_row VALUES (1, '\\x0100010800ff', 2, '2024-01-01', 1, 0, 30, 1), (1, '\\x0100010800ff', 2, '2025-01-01', 2, 0, 30, 1)");
    database.sql("UPDATE reading_flag SET raised_at = ts");
    let rows =
        "SELECT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM'), count(*) FROM profile_row GROUP BY 1 ORDER BY 1";
    assert_eq!(database.sql(rows), "2024-01|2\n2024-02|2\n2024-03|4\n2024-05|4");
    assert_eq!(database.store.forget_readings(at("2024-04-15T00:00:00Z")).await, Ok(2 + 4 + 1));
    assert_eq!(database.sql(rows), "2024-01|2\n2024-05|4", "a capture of January was stored lately");
    assert_eq!(database.sql("SELECT value FROM register_row"), "2");
    // What comes for a month that is gone is stored all the same.
    write(&database, meter, 4, quarters(&layout, at("2024-03-10T00:15:00Z"), 1, 250)).await;
    assert_eq!(database.sql(rows), "2024-01|2\n2024-03|1\n2024-05|4");
}

/// Waits for what the server does in the background.
async fn until(database: &Database, what: &str) {
    let begun = Instant::now();
    while database.sql(what) != "t" {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn old_captures_are_compressed_where_the_server_can_and_late_ones_are_stored_as_ever() {
    let database = Database::new().await;
    let layout = layout(900, 0);
    let first = at("2024-03-07T00:15:00Z");
    database.sql(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         SELECT 'M' || n, 'generic-dlms', 'h:1', 1, 16, 'UTC', 'none' FROM generate_series(1, 160) AS n",
    );
    write(&database, 1, 1, quarters(&layout, first, 672, 10)).await;
    // More captures than the server decompresses for one statement unless it is told that it may; and some of a year before.
    database.sql(
        "INSERT INTO profile_row (meter_id, layout_id, ts, status, clock_offset_min, clock_status, job_id, v0, v1)
         SELECT m, layout_id, ts, status, clock_offset_min, clock_status, job_id, v0, v1 FROM profile_row, generate_series(2, 160) AS m;
         INSERT INTO profile_row (meter_id, layout_id, ts, clock_status, job_id, v0, stored_at)
         SELECT 1, 1, ts, 0, 1, 0, ts FROM generate_series('2023-03-01 00:15+00'::timestamptz, '2023-03-02 00:00+00', '15 min') AS ts",
    );
    for _ in 0..2 {
        let does = database.store.compress_captures(Duration::from_secs(24 * 60 * 60)).await;
        assert_eq!(does, Ok(database.has_timescale()), "PostgreSQL by itself does not");
    }
    if database.has_timescale() {
        until(&database, "SELECT bool_and(is_compressed) FROM timescaledb_information.chunks").await;
    }
    // One before the others, one as it is known, and one that contradicts.
    let reports: Vec<_> = (1..=160)
        .flat_map(|meter| {
            let early = quarters(&layout, first - SignedDuration::from_mins(15), 2, 9);
            [early, quarters(&layout, at("2024-03-10T12:00:00Z"), 1, 5000)].map(|day| captures(meter, 2, day))
        })
        .collect();
    let written = database.store.write(Uuid::new_v4(), &reports).await.unwrap().captures;
    assert_eq!((written.sent, written.inserted, written.identical, written.revised), (480, 160, 160, 160));
    let stored = "SELECT count(*), count(*) FILTER (WHERE v0 = 5000 AND job_id = 2), min(v0) FROM profile_row WHERE ts > '2024-01-01'";
    assert_eq!(database.sql(stored), "107680|160|9");
    let revised = "SELECT count(*), count(DISTINCT meter_id), min(v0), max(v0) FROM profile_row_rev";
    assert_eq!(database.sql(revised), "160|160|345|345");
    while database.store.add_up_days().await.unwrap() > 0 {}
    let day = "SELECT min(captures), max(captures), min(last), max(last), max(high) FROM reading_daily WHERE day = '2024-03-10' AND unit = 'Wh'";
    assert_eq!(database.sql(day), "96|96|393|393|5000");
    assert_eq!(database.store.forget_readings(at("2024-01-01T00:00:00Z")).await, Ok(96));
    assert_eq!(database.sql("SELECT count(*) FROM profile_row"), "107680");
}

#[tokio::test]
async fn old_events_are_forgotten_and_their_alarms_stay() {
    let database = Database::new().await;
    database.meter("M1");
    database.sql(
        "INSERT INTO event (meter_id, log, code, logged, meter_time, key, severity, authenticated, polled_at, job_id, stored_at)
         SELECT 1, '\\x0000636200ff', n, n, decode(repeat('ff', 12), 'hex'), 'unknown', 'info', true, now(), 1, '2024-01-01'::timestamptz + n * interval '1 day'
         FROM generate_series(1, 10) AS n",
    );
    assert_eq!(database.store.forget_events(at("2024-01-06T12:00:00Z")).await, Ok(5));
    assert_eq!(database.sql("SELECT min(code) FROM event"), "6");
}
