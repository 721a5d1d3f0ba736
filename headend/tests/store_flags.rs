//! What is doubtful about readings is flagged when it is stored, and never changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod program;
mod template;

use std::path::Path;
use std::sync::Arc;

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    CreateMeterRequest, FlagRule, ListFlagsRequest, ProfileTarget, ReadNowRequest, read_now_request::Target,
    read_now_response::Outcome,
};
use collectors::{Captures, Event, Layout, Oddity, Reason, RegisterValue, Report};
use common::{Database, at, captures, done, failed, layout, quarters};
use dlms::Unit;
use headend::store::Store;
use jiff::Timestamp;
use models::{Model, Validation};
use program::Program;
use simulator::{Fleet, FleetConfig, Security};
use uuid::Uuid;

/// Every flag: rule, instant, object, value, reference, bound, scaler, whether it stands.
const FLAGS: &str = "SELECT rule, ts AT TIME ZONE 'UTC', obis_text(obis), value, reference, bound, scaler, withdrawn_at IS NULL
    FROM reading_flag WHERE true ORDER BY ts, obis, rule, id";

fn first() -> Timestamp {
    at("2026-03-31T00:15:00Z")
}

/// A store whose meters can take ten kilowatts, and count to a million.
fn store(database: &Database) -> Store {
    let mut model = Model::clone(&models::builtin().unwrap()["generic-dlms"]);
    let (max_power, counter_modulus) = (Some(10_000), 1_000_000);
    model.validation = Validation { max_power, counter_modulus, no_value: vec![777_777], status: Vec::new() };
    database.store.clone().with_models(&[("generic-dlms".to_owned(), Arc::new(model))].into())
}

/// Import counts 100 Wh a quarter of an hour; these values stand in the places of others.
fn slips(layout: &Arc<Layout>, start: i64, count: usize, slips: &[(usize, i64)]) -> Captures {
    let mut captures = quarters(layout, first(), count, 0);
    for n in 0..count {
        let slip = slips.iter().find(|(place, _)| *place == n).map(|(_, value)| *value);
        captures.values[2 * n] = Some(slip.unwrap_or(start + 100 * i64::try_from(n).unwrap()));
    }
    captures
}

async fn write(store: &Store, reports: &[Report]) -> Vec<(&'static str, u64)> {
    let written = store.write(Uuid::new_v4(), reports).await.unwrap();
    written.flags.each().filter(|(_, count)| *count > 0).map(|(rule, count)| (rule.word(), count)).collect()
}

#[tokio::test]
async fn slips_of_a_counter_are_flagged_with_their_numbers_and_stored_as_they_came() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let day = slips(&layout, 5000, 12, &[(2, 0), (4, 90_000), (6, 5001), (8, 4_294_967_295), (10, 777_777)]);
    let raised = write(&store, &[captures(meter, 11, day)]).await;
    assert_eq!(raised, [("no_value", 2), ("zero", 1), ("decreased", 1), ("spike", 1)]);
    let expected = [
        "zero|2026-03-31 00:45:00|1.0.1.8.0.255|0|5100||0|t",
        "spike|2026-03-31 01:15:00|1.0.1.8.0.255|90000|5300|2501|0|t",
        "decreased|2026-03-31 01:45:00|1.0.1.8.0.255|5001|5500||0|t",
        "no_value|2026-03-31 02:15:00|1.0.1.8.0.255|4294967295|||0|t",
        "no_value|2026-03-31 02:45:00|1.0.1.8.0.255|777777|||0|t",
    ];
    assert_eq!(database.sql(FLAGS), expected.join("\n"));
    assert_eq!(
        database.sql("SELECT value, flags FROM reading WHERE flags <> '{}' ORDER BY ts"),
        "0|{zero}\n90000|{spike}\n5001|{decreased}\n4294967295|{no_value}\n777777|{no_value}"
    );
    assert_eq!(database.sql("SELECT count(*) FROM profile_row_rev"), "0");
}

#[tokio::test]
async fn the_next_batch_follows_what_the_last_one_left() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let day = slips(&layout, 5000, 12, &[(5, 40)]);
    for (from, to, raised) in [(0, 5, 0), (5, 6, 1), (6, 12, 0)] {
        let written = write(&store, &[captures(meter, 1, part(&day, from, to))]).await;
        assert_eq!(written.len(), raised, "{from}..{to}");
    }
    assert_eq!(database.sql(FLAGS), "decreased|2026-03-31 01:30:00|1.0.1.8.0.255|40|5400||0|t");
    // A meter that was exchanged: the counter goes on from another place, in two batches.
    let other = slips(&layout, 5000, 15, &[(12, 10), (13, 20), (14, 30)]);
    assert_eq!(write(&store, &[captures(meter, 2, part(&other, 12, 13))]).await, [("decreased", 1)]);
    assert_eq!(write(&store, &[captures(meter, 2, part(&other, 13, 15))]).await, [("restarted", 1)]);
}

/// Captures in another layout of the same profile, whose values are those of import, export and voltage.
fn widened(layout: &Arc<Layout>, captures: &Captures, export: i64) -> Captures {
    let mut columns = layout.columns.clone();
    let mut added = columns[2].clone();
    added.capture.instance = "1.0.2.8.0.255".parse().unwrap();
    columns.insert(2, added);
    let rows = captures.values.chunks(2);
    let values = rows.flat_map(|row| [Some(export), row[0], row[1]]).collect();
    let layout = Arc::new(Layout { columns, ..Layout::clone(layout) });
    Captures { layout, width: 3, values, ..captures.clone() }
}

/// The captures from one place to another.
fn part(whole: &Captures, from: usize, to: usize) -> Captures {
    Captures {
        at: whole.at[from..to].to_vec(),
        offset_min: whole.offset_min[from..to].to_vec(),
        clock_status: whole.clock_status[from..to].to_vec(),
        status: whole.status[from..to].to_vec(),
        values: whole.values[whole.width * from..whole.width * to].to_vec(),
        ..whole.clone()
    }
}

#[tokio::test]
async fn a_fall_over_a_change_of_columns_is_seen_in_the_next_batch_and_in_the_same() {
    let database = Database::new().await;
    let (store, layout) = (store(&database), layout(900, 0));
    let day = slips(&layout, 5000, 6, &[(3, 0), (4, 0), (5, 90)]);
    let other = widened(&layout, &part(&day, 3, 6), 7);
    let raised = [("zero", 1), ("restarted", 1)];
    let meter = database.meter("M1");
    assert_eq!(write(&store, &[captures(meter, 1, part(&day, 0, 3))]).await, []);
    assert_eq!(write(&store, &[captures(meter, 2, other.clone())]).await, raised);
    let meter = database.meter("M2");
    let both = [captures(meter, 3, part(&day, 0, 3)), captures(meter, 3, other)];
    assert_eq!(write(&store, &both).await, raised);
    let expected = "zero|2026-03-31 01:00:00|1.0.1.8.0.255|0|5200||0|t\n\
                    restarted|2026-03-31 01:15:00|1.0.1.8.0.255|0|5200||0|t";
    for meter in ["M1", "M2"] {
        let of = format!("meter_id = (SELECT id FROM meter WHERE serial = '{meter}') ORDER BY");
        assert_eq!(database.sql(&FLAGS.replace("true ORDER BY", &of)), expected);
    }
    // What goes on is no fall, wherever it stands.
    let meter = database.meter("M3");
    let honest = slips(&layout, 5000, 6, &[]);
    write(&store, &[captures(meter, 4, part(&honest, 0, 3))]).await;
    assert_eq!(write(&store, &[captures(meter, 5, widened(&layout, &part(&honest, 3, 6), 7))]).await, []);
}

#[tokio::test]
async fn a_counter_that_was_cleared_and_stays_at_nothing_is_flagged_no_more() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let mut day = slips(&layout, 5000, 96, &[]);
    day.values.iter_mut().step_by(2).skip(10).for_each(|value| *value = Some(0));
    assert_eq!(
        write(&store, &[captures(meter, 1, part(&day, 0, 50))]).await,
        [("zero", 1), ("restarted", 1)]
    );
    assert_eq!(write(&store, &[captures(meter, 2, part(&day, 50, 96))]).await, []);
}

#[tokio::test]
async fn without_a_known_power_the_flag_is_on_the_slip_and_not_on_what_follows_it() {
    let database = Database::new().await;
    let (meter, layout) = (database.meter("M1"), layout(900, 0));
    let day = slips(&layout, 12_000, 6, &[(2, 9_000_000)]);
    assert_eq!(write(&database.store, &[captures(meter, 1, part(&day, 0, 3))]).await, []);
    assert_eq!(write(&database.store, &[captures(meter, 2, part(&day, 3, 6))]).await, [("spike", 1)]);
    let spike = "spike|2026-03-31 00:45:00|1.0.1.8.0.255|9000000|12100||0";
    assert_eq!(database.sql(FLAGS), format!("{spike}|t"));
    assert_eq!(database.sql("SELECT value, flags FROM reading WHERE flags <> '{}'"), "9000000|{spike}");
    // What showed it is read again, and was the slip: the meter had really come so far.
    let jump = slips(&layout, 12_000, 6, &[(2, 9_000_000), (3, 9_000_100), (4, 9_000_200), (5, 9_000_300)]);
    assert_eq!(write(&database.store, &[captures(meter, 3, jump)]).await, []);
    assert_eq!(database.sql(FLAGS), format!("{spike}|f"));
}

#[tokio::test]
async fn a_counter_that_comes_to_its_end_is_told_from_one_that_falls() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let day = slips(&layout, 999_750, 4, &[(3, 50)]);
    assert_eq!(write(&store, &[captures(meter, 1, day)]).await, [("rolled_over", 1)]);
    let numbers = "SELECT value, reference, bound FROM reading_flag";
    assert_eq!(database.sql(numbers), "50|999950|1000000");
}

#[tokio::test]
async fn a_changed_capture_withdraws_its_flag_and_a_late_one_is_held_against_its_neighbours() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    write(&store, &[captures(meter, 1, slips(&layout, 5000, 8, &[(7, 0)]))]).await;
    assert_eq!(database.sql(FLAGS), "zero|2026-03-31 02:00:00|1.0.1.8.0.255|0|5600||0|t");
    // Read again: the last one was a slip of the meter.
    assert_eq!(write(&store, &[captures(meter, 2, slips(&layout, 5000, 8, &[]))]).await, []);
    assert_eq!(database.sql(FLAGS), "zero|2026-03-31 02:00:00|1.0.1.8.0.255|0|5600||0|f");
    // What comes then is compared with what it is now.
    let mut next = slips(&layout, 5000, 10, &[(9, 5)]);
    assert_eq!(write(&store, &[captures(meter, 3, next.clone())]).await, [("decreased", 1)]);
    // A hole is filled with something that its neighbours contradict: they are right, it is not.
    database.sql("DELETE FROM profile_row WHERE ts = '2026-03-31 01:00+00'");
    next.values[2 * 3] = Some(9_000);
    next.values[2 * 9] = Some(5_900);
    assert_eq!(write(&store, &[captures(meter, 4, next)]).await, [("spike", 1)]);
    let standing = "SELECT rule, ts AT TIME ZONE 'UTC', job_id FROM reading_flag WHERE withdrawn_at IS NULL";
    assert_eq!(database.sql(standing), "spike|2026-03-31 01:00:00|4");
    assert_eq!(database.sql("SELECT count(*) FROM reading_flag"), "3", "nothing is forgotten");
}

#[tokio::test]
async fn a_clock_that_doubts_itself_is_on_every_value_of_its_capture() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let mut day = slips(&layout, 5000, 4, &[(1, 7)]);
    day.clock_status = vec![0, 1, 2, 0xFF];
    assert_eq!(
        write(&store, &[captures(meter, 1, day)]).await,
        [("clock_invalid", 1), ("clock_doubtful", 1)]
    );
    assert_eq!(
        database.sql(
            "SELECT ts AT TIME ZONE 'UTC', obis, flags FROM reading WHERE flags <> '{}' ORDER BY ts, obis"
        ),
        "2026-03-31 00:30:00|1.0.1.8.0.255|{clock_invalid}\n2026-03-31 00:30:00|1.0.32.7.0.255|{clock_invalid}\n\
         2026-03-31 00:45:00|1.0.1.8.0.255|{clock_doubtful}\n2026-03-31 00:45:00|1.0.32.7.0.255|{clock_doubtful}"
    );
    assert_eq!(database.sql("SELECT DISTINCT obis_text(obis) FROM reading_flag"), "0.0.1.0.0.255");
}

#[tokio::test]
async fn what_the_status_word_says_is_on_every_value_of_its_capture() {
    let database = Database::new().await;
    let library = models::builtin().unwrap();
    let (store, meter) = (database.store.clone().with_models(&library), database.meter("M1"));
    let layout = layout(900, 0);
    let mut day = slips(&layout, 5000, 8, &[(3, 0)]);
    // Nothing, summer time, data not valid, clock not valid, clock set, power gone, critical error, none.
    day.status = [0, 8, 0x0C, 6, 0x20, 0x80, 5].map(Some).into_iter().chain([None]).collect();
    let raised = write(&store, &[captures(meter, 1, day.clone())]).await;
    let expected = [
        ("clock_invalid", 1),
        ("device_error", 1),
        ("data_not_valid", 3),
        ("clock_adjusted", 1),
        ("power_down", 1),
    ];
    assert_eq!(raised, expected, "of an invalid clock the counter is compared with nothing");
    let borne = "SELECT ts AT TIME ZONE 'UTC', flags FROM reading WHERE obis = '1.0.32.7.0.255' AND flags <> '{}' ORDER BY ts";
    let flags = [
        "2026-03-31 00:45:00|{data_not_valid}",
        "2026-03-31 01:00:00|{clock_invalid,data_not_valid}",
        "2026-03-31 01:15:00|{clock_adjusted}",
        "2026-03-31 01:30:00|{power_down}",
        "2026-03-31 01:45:00|{device_error,data_not_valid}",
    ];
    assert_eq!(database.sql(borne), flags.join("\n"));
    let first = "SELECT obis_text(obis), value, unit FROM reading_flag ORDER BY ts, id LIMIT 1";
    assert_eq!(database.sql(first), "0.0.96.10.1.255|12|255");
    // Read again, it is all right.
    day.status = vec![Some(0); 8];
    day.values[6] = Some(5300);
    assert_eq!(write(&store, &[captures(meter, 2, day)]).await, []);
    assert_eq!(database.sql("SELECT count(*) FROM reading_flag WHERE withdrawn_at IS NULL"), "0");
}

/// A capture of a clock that began anew is kept and flagged, and proves nothing about the year that it names.
#[tokio::test]
async fn a_capture_of_an_invalid_clock_covers_nothing() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    write(&store, &[captures(meter, 1, slips(&layout, 5000, 4, &[]))]).await;
    let state = "SELECT last_ts, coverage FROM meter_profile";
    let before = database.sql(state);
    let mut anew = quarters(&layout, at("2000-01-01T00:15:00Z"), 2, 0);
    anew.clock_status = vec![1, 0x81];
    assert_eq!(write(&store, &[captures(meter, 2, anew)]).await, [("clock_invalid", 2)]);
    assert_eq!(database.sql(state), before);
    let kept = "SELECT DISTINCT ts AT TIME ZONE 'UTC', flags FROM reading WHERE ts < '2001-01-01' ORDER BY 1";
    assert_eq!(
        database.sql(kept),
        "2000-01-01 00:15:00|{clock_invalid}\n2000-01-01 00:30:00|{clock_invalid}"
    );
}

fn register(meter: i32, job: i64, when: &str, value: i64) -> Report {
    let obis = "1.0.1.8.0.255".parse().unwrap();
    let read =
        RegisterValue { obis, attribute: 2, class_id: 3, value, scaler: 0, unit: Unit(30), at: at(when) };
    Report { job, meter, event: Event::Registers(vec![read]) }
}

#[tokio::test]
async fn a_register_is_compared_with_its_past_and_with_the_captures_around_it() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    assert_eq!(write(&store, &[register(meter, 1, "2026-03-31T12:05:00Z", 9700)]).await, []);
    // The captures come later: 5000 at 00:15, 9700 at 12:00, 14500 at the end of the day.
    write(&store, &[captures(meter, 2, slips(&layout, 5000, 96, &[]))]).await;
    assert_eq!(write(&store, &[register(meter, 3, "2026-04-01T12:05:00Z", 4_000)]).await, [("decreased", 1)]);
    let raised = write(&store, &[register(meter, 4, "2026-04-01T12:06:00Z", 20_000)]).await;
    assert_eq!(raised, [("register_mismatch", 1)], "of 4000, which is less than what was captured before");
    assert_eq!(
        database.sql("SELECT obis, value, flags FROM reading WHERE kind = 'register' ORDER BY ts"),
        "1.0.1.8.0.255|9700|{}\n1.0.1.8.0.255|4000|{decreased,register_mismatch}\n1.0.1.8.0.255|20000|{}"
    );
    let other = database.meter("M2");
    write(&store, &[register(other, 5, "2026-03-31T12:05:00Z", 12_000)]).await;
    write(&store, &[captures(other, 6, slips(&layout, 5000, 96, &[]))]).await;
    let raised = write(&store, &[register(other, 7, "2026-04-01T12:05:00Z", 22_000)]).await;
    assert_eq!(raised, [("register_mismatch", 1)], "an hour later, 10100 were counted");
    let flag =
        "SELECT ts AT TIME ZONE 'UTC', value, reference, bound, job_id FROM reading_flag WHERE job_id = 5";
    assert_eq!(database.sql(flag), "2026-03-31 12:05:00|12000|10200|1|5");
}

#[tokio::test]
async fn a_register_is_compared_with_the_energies_of_the_intervals_where_they_are_all_that_is_captured() {
    let database = Database::new().await;
    let (store, layout) = (store(&database), layout(900, 0));
    let mut columns = layout.columns.clone();
    columns[2].capture.instance = "1.0.1.29.0.255".parse().unwrap();
    let layout = Arc::new(Layout { columns, ..Layout::clone(&layout) });
    // 100 Wh in each quarter of an hour, from noon to noon 9600.
    let energies = |hole: Option<usize>| {
        let mut day = quarters(&layout, first(), 192, 0);
        day.values.iter_mut().step_by(2).for_each(|value| *value = Some(100));
        if let Some(hole) = hole {
            day.values[2 * hole] = None;
        }
        day
    };
    let noons = ["2026-03-31T12:05:00Z", "2026-04-01T12:05:00Z", "2026-04-01T20:05:00Z"];
    for (number, advance, hole, raised) in [
        ("M1", 9_600, None, 0),
        ("M2", 8_400, None, 1),
        ("M3", 10_800, None, 1),
        ("M4", 10_800, Some(70), 0),
        ("M5", 8_000, Some(70), 1),
    ] {
        let meter = database.meter(number);
        write(&store, &[captures(meter, 1, energies(hole))]).await;
        let values = [50_000, 50_000 + advance, 50_000 + advance + 3_200];
        for (job, (when, value)) in (2..).zip(noons.into_iter().zip(values)) {
            write(&store, &[register(meter, job, when, value)]).await;
        }
        let flags = format!(
            "SELECT count(*) FROM reading_flag f JOIN meter m ON m.id = f.meter_id
             WHERE rule = 'register_mismatch' AND job_id = 3 AND serial = '{number}'"
        );
        assert_eq!(database.sql(&flags), raised.to_string(), "{number}");
    }
    let numbers = "SELECT value, reference, bound, ts AT TIME ZONE 'UTC' FROM reading_flag ORDER BY meter_id";
    assert_eq!(
        database.sql(numbers),
        "58400|58700|106|2026-04-01 12:05:00\n60800|60500|106|2026-04-01 12:05:00\n58000|58600|106|2026-04-01 12:05:00"
    );
}

#[tokio::test]
async fn ble_01_registers_of_a_read_are_held_against_each_other_and_against_what_they_can_be() {
    let database = Database::new().await;
    let (store, meter) = (store(&database), database.meter("M1"));
    let read = |job, values: &[(&str, i64, i8, u8)]| {
        let values = values.iter().map(|&(obis, value, scaler, unit)| RegisterValue {
            obis: obis.parse().unwrap(),
            attribute: 2,
            class_id: 3,
            value,
            scaler,
            unit: Unit(unit),
            at: at("2026-03-31T12:00:00Z") + jiff::SignedDuration::from_hours(job),
        });
        Report { job, meter, event: Event::Registers(values.collect()) }
    };
    let honest = read(
        1,
        &[
            ("1.0.1.8.0.255", 90_000, 0, 30),
            ("1.0.2.8.0.255", 20_000, 0, 30),
            ("1.0.15.8.0.255", 110_010, 0, 30),
            ("1.0.16.8.0.255", 70_010, 0, 30),
            ("1.0.1.8.1.255", 50_000, 0, 30),
            ("1.0.1.8.2.255", 40_000, 0, 30),
            ("1.0.1.7.0.255", 9_900, 0, 27),
            ("1.0.32.7.0.255", 2301, -1, 35),
            ("1.0.31.7.0.255", -512, -2, 33),
        ],
    );
    assert_eq!(write(&store, &[honest]).await, []);
    let doubtful = read(
        2,
        &[
            ("1.0.1.8.0.255", 90_100, 0, 30),
            ("1.0.2.8.0.255", 20_000, 0, 30),
            ("1.0.15.8.0.255", 115_000, 0, 30),
            ("1.0.1.7.0.255", 90_000, 0, 27),
            ("1.0.32.7.0.255", 65_535, -1, 35),
            ("1.0.31.7.0.255", -32_768, -2, 33),
        ],
    );
    assert_eq!(write(&store, &[doubtful]).await, [("no_value", 2), ("spike", 1), ("sum_mismatch", 1)]);
    let flags = "SELECT rule, obis_text(obis), value, reference, bound FROM reading_flag ORDER BY obis";
    assert_eq!(
        database.sql(flags),
        "spike|1.0.1.7.0.255|90000||10001\nsum_mismatch|1.0.15.8.0.255|115000|110100|835\n\
         no_value|1.0.31.7.0.255|-32768||\nno_value|1.0.32.7.0.255|65535||"
    );
}

#[tokio::test]
async fn hb_04_a_counter_of_a_household_comes_to_the_end_of_its_display_and_credit_falls_as_it_may() {
    let database = Database::new().await;
    let household = models::builtin().unwrap()["huabang-single"].clone();
    let store = database.store.clone().with_models(&[("generic-dlms".to_owned(), household)].into());
    let meter = database.meter("M1");
    let read = |job, when: &str, import: i64, left: i64| {
        let value = |obis: &str, value| RegisterValue {
            obis: obis.parse().unwrap(),
            attribute: 2,
            class_id: 3,
            value,
            scaler: 1,
            unit: Unit(30),
            at: at(when),
        };
        let values = vec![value("1.0.1.8.0.255", import), value("0.0.128.19.10.255", left)];
        Report { job, meter, event: Event::Registers(values) }
    };
    // 99999.95 kWh, then 0.07 kWh; of the credit something, nothing, less than nothing, and much again.
    assert_eq!(write(&store, &[read(1, "2026-03-31T12:00:00Z", 9_999_995, 150)]).await, []);
    assert_eq!(write(&store, &[read(2, "2026-03-31T13:00:00Z", 7, 0)]).await, [("rolled_over", 1)]);
    assert_eq!(write(&store, &[read(3, "2026-03-31T14:00:00Z", 19, -12)]).await, []);
    assert_eq!(write(&store, &[read(4, "2026-03-31T15:00:00Z", 30, 9_999_999)]).await, []);
    assert_eq!(
        database.sql("SELECT value, reference, bound FROM reading_flag"),
        "7|9999995|10000000",
        "the credit is no counter"
    );
    let credit = "SELECT value, unit FROM reading WHERE obis = '0.0.128.19.10.255' ORDER BY ts";
    assert_eq!(database.sql(credit), "1500|Wh\n0|Wh\n-120|Wh\n99999990|Wh");
}

#[tokio::test]
async fn another_serial_number_is_a_flag_a_day_on_the_meter_that_was_expected() {
    let database = Database::new().await;
    let (store, meter) = (store(&database), database.meter("M1"));
    for job in [1, 2] {
        write(&store, &[failed(meter, job, Reason::WrongMeter)]).await;
    }
    let flags = "SELECT rule, obis_text(obis), job_id, now() - ts < interval '1 day' FROM reading_flag";
    assert_eq!(database.sql(flags), "wrong_meter|0.0.96.1.0.255|1|t");
}

#[tokio::test]
async fn what_is_odd_about_a_read_is_a_flag_on_its_profile() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let profile = layout.obis;
    let odd = |oddity| Report { job: 9, meter, event: Event::Odd(oddity) };
    let second = Oddity::Second { layout: Arc::clone(&layout), at: first(), second: 65 };
    let reports = [
        captures(meter, 9, slips(&layout, 5000, 2, &[])),
        odd(second),
        odd(Oddity::RowsOutside { profile, rows: 91 }),
        odd(Oddity::EntriesInUse { profile, said: 95, holds: 96 }),
        odd(Oddity::ClockNotFirst { profile, place: 2 }),
    ];
    let raised = write(&store, &reports).await;
    let names = ["second_out_of_range", "rows_outside", "entries_in_use", "clock_not_first"];
    assert_eq!(raised, names.map(|name| (name, 1)));
    assert_eq!(
        database.sql("SELECT rule, obis_text(obis), attribute, value, reference, job_id FROM reading_flag ORDER BY rule"),
        "second_out_of_range|0.0.1.0.0.255|2|65||9\nrows_outside|1.0.99.1.0.255|2|91||9\n\
         entries_in_use|1.0.99.1.0.255|7|96|95|9\nclock_not_first|1.0.99.1.0.255|3|2||9"
    );
    let of_first = "SELECT DISTINCT flags FROM reading WHERE ts = '2026-03-31 00:15+00'";
    assert_eq!(database.sql(of_first), "{second_out_of_range}");
}

/// C-10: what could not be read is kept as it came, each once a day.
#[tokio::test]
async fn what_could_not_be_read_is_kept_as_it_came() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let profile = layout.obis;
    let odd = |oddity| Report { job: 9, meter, event: Event::Odd(oddity) };
    let mut day = slips(&layout, 5000, 2, &[]);
    day.values[0] = None;
    let cell = Oddity::Cell { layout: Arc::clone(&layout), at: first(), column: 2, octets: vec![0x15, 0xFF] };
    let reports = [
        captures(meter, 9, day),
        odd(cell),
        odd(Oddity::Row { profile, octets: vec![2, 2, 9, 0] }),
        odd(Oddity::Row { profile, octets: vec![2, 2, 9, 1] }),
        odd(Oddity::More { profile, more: 7 }),
        odd(Oddity::TimesLeftOut { profile, times: 3 }),
        odd(Oddity::ValueLeftOut { layout: Arc::clone(&layout), column: 3 }),
    ];
    assert_eq!(
        write(&store, &reports).await,
        [("unreadable", 4), ("times_left_out", 1), ("value_left_out", 1)]
    );
    assert_eq!(write(&store, &reports[1..]).await, [], "again on the same day");
    assert_eq!(
        database.sql(
            "SELECT rule, obis_text(obis), layout_id IS NOT NULL, ts > '2026-04-01', value, encode(octets, 'hex') FROM reading_flag ORDER BY id"
        ),
        "unreadable|1.0.1.8.0.255|t|f||15ff\nunreadable|1.0.99.1.0.255|f|t||02020900\nunreadable|1.0.99.1.0.255|f|t||02020901\n\
         unreadable|1.0.99.1.0.255|f|t|7|\ntimes_left_out|1.0.99.1.0.255|f|t|3|\n\
         value_left_out|1.0.32.7.0.255|t|t||"
    );
}

/// What could not be read is withdrawn when it is: a value with its capture, a row when nothing is missing any more of what it was part of.
#[tokio::test]
async fn what_is_read_after_all_is_unreadable_no_more() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let owner = Uuid::new_v4();
    let quarter = |n: i64| first() + jiff::SignedDuration::from_mins(15 * n);
    let job = |from, to| {
        let job = database.profile_job(meter, from, to);
        database.sql(&format!("UPDATE job SET state = 'running', lease_owner = '{owner}' WHERE id = {job}"));
        job
    };
    let odd = |job, oddity| Report { job, meter, event: Event::Odd(oddity) };
    let row = |job| odd(job, Oddity::Row { profile: layout.obis, octets: vec![2, 2, 9, 0] });
    let standing = || {
        let kinds =
            "SELECT count(*) FILTER (WHERE layout_id IS NOT NULL), count(*) FILTER (WHERE layout_id IS NULL)
            FROM reading_flag WHERE rule = 'unreadable' AND withdrawn_at IS NULL";
        database.sql(kinds)
    };
    let all = slips(&layout, 5000, 8, &[]);
    let one = |n: usize| Captures {
        at: vec![all.at[n]],
        offset_min: vec![all.offset_min[n]],
        clock_status: vec![all.clock_status[n]],
        status: vec![all.status[n]],
        values: all.values[2 * n..2 * n + 2].to_vec(),
        ..all.clone()
    };
    // The fifth row was left out, and the first has no value.
    let first_read = job(quarter(0), quarter(7));
    let mut day = [0, 1, 2, 3, 5, 6, 7].map(one);
    day[0].values[0] = None;
    let cell = Oddity::Cell { layout: Arc::clone(&layout), at: first(), column: 2, octets: vec![0x15, 0xFF] };
    let mut reports: Vec<_> = day.into_iter().map(|row| captures(meter, first_read, row)).collect();
    reports.extend([
        odd(first_read, cell),
        row(first_read),
        done(meter, first_read, Some((quarter(0), quarter(7)))),
    ]);
    store.write(owner, &reports).await.unwrap();
    assert_eq!(standing(), "1|1");

    let again = job(quarter(4), quarter(4));
    store.write(owner, &[row(again)]).await.unwrap();
    store.write(owner, &[done(meter, again, Some((quarter(4), quarter(4))))]).await.unwrap();
    assert_eq!(standing(), "1|1", "it was left out again, as an earlier batch has told");
    let other = job(quarter(5), quarter(6));
    store
        .write(owner, &[captures(meter, other, one(5)), done(meter, other, Some((quarter(5), quarter(6))))])
        .await
        .unwrap();
    assert_eq!(standing(), "1|1", "that is another part");

    let better = job(quarter(4), quarter(4));
    let reports = [captures(meter, better, one(4)), done(meter, better, Some((quarter(4), quarter(4))))];
    store.write(owner, &reports).await.unwrap();
    assert_eq!(standing(), "1|0");
    store.write(owner, &[captures(meter, 9, one(1))]).await.unwrap();
    assert_eq!(standing(), "1|0", "that is another capture");
    store.write(owner, &[captures(meter, 9, one(0))]).await.unwrap();
    assert_eq!(standing(), "0|0");
}

#[tokio::test]
async fn a_row_of_a_profile_without_a_period_is_unreadable_until_the_same_is_read_without_it() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(0, 0));
    let owner = Uuid::new_v4();
    let (begin, end) = (at("2026-01-01T00:00:00Z"), at("2026-04-02T00:00:00Z"));
    for (from, is_row, standing) in
        [(begin, true, "1"), (begin, true, "1"), (first(), false, "1"), (begin, false, "0")]
    {
        let job = database.profile_job(meter, from, end);
        database.sql(&format!("UPDATE job SET state = 'running', lease_owner = '{owner}' WHERE id = {job}"));
        let row = Oddity::Row { profile: layout.obis, octets: vec![2, 2, 9, 0] };
        let mut reports = vec![captures(meter, job, quarters(&layout, first(), 1, 0))];
        reports.extend(is_row.then_some(Report { job, meter, event: Event::Odd(row) }));
        // What is certain begins with the first capture that there is.
        reports.push(done(meter, job, Some((first(), end))));
        store.write(owner, &reports).await.unwrap();
        let flags = "SELECT count(*) FROM reading_flag WHERE rule = 'unreadable' AND withdrawn_at IS NULL";
        assert_eq!(database.sql(flags), standing, "{from} {is_row}");
    }
}

#[tokio::test]
async fn known_captures_that_come_again_raise_nothing_twice() {
    let database = Database::new().await;
    let (store, meter, layout) = (store(&database), database.meter("M1"), layout(900, 0));
    let day = slips(&layout, 5000, 8, &[(3, 0)]);
    assert_eq!(write(&store, &[captures(meter, 1, day.clone())]).await, [("zero", 1)]);
    database.sql("UPDATE meter_profile SET last_ts = '2020-01-01'");
    assert_eq!(write(&store, &[captures(meter, 2, day)]).await, []);
    assert_eq!(database.sql("SELECT count(*), count(withdrawn_at) FROM reading_flag"), "1|0");
}

/// The rules that readings of the energy profile bear which the running program reads now, of two days.
async fn read_now(program: &Program, serial: &str) -> Vec<FlagRule> {
    let now = Timestamp::now();
    let time = |hours: i64| {
        let at = now + jiff::SignedDuration::from_hours(hours);
        Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 })
    };
    let target = Target::Profile(ProfileTarget { profile: "energy".into(), from: time(-48), to: time(0) });
    let request = ReadNowRequest { meter_serial: serial.into(), target: Some(target), wait: None };
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    let answer = client.read_now(request).await.unwrap().into_inner();
    let Some(Outcome::Readings(outcome)) = answer.outcome else { panic!("{answer:?}") };
    assert!(outcome.readings.len() > 100, "{}", outcome.readings.len());
    outcome.readings.iter().flat_map(|reading| reading.flags().collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_program_flags_by_the_data_of_the_model_and_an_honest_meter_gets_no_flag() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["sed302"].clone());
    (config.security, config.history_days, config.count) = (Security::None, 3, 2);
    let fleet = Fleet::start(config).await.unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("models-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let narrow = "base = \"sed302\"\nname = \"narrow\"\n[validation]\nmax_power = 1\n";
    std::fs::write(folder.join("narrow.toml"), narrow).unwrap();
    let program = Program::start(&format!("[models]\ndir = {folder:?}\n")).await;
    let honest = program.register(&fleet, 0).await;
    assert_eq!(read_now(&program, &honest).await, []);
    let request = CreateMeterRequest {
        serial: fleet.meters()[1].serial(),
        model: "narrow".into(),
        address: fleet.addresses()[1].to_string(),
        zone: "UTC".into(),
        ..Default::default()
    };
    let mut inventory = InventoryServiceClient::new(program.channel.clone());
    inventory.create_meter(request.clone()).await.unwrap();
    let rules = read_now(&program, &request.serial).await;
    assert!(rules.len() > 100 && rules.iter().all(|rule| *rule == FlagRule::Spike), "{rules:?}");
    let mut client = ReadingsServiceClient::new(program.channel.clone());
    let flags = client.list_flags(ListFlagsRequest::default()).await.unwrap().into_inner().flags;
    assert!(flags.len() == 100 && flags.iter().all(|flag| flag.meter_serial == request.serial));
    assert_eq!(program.sql("SELECT count(*) FROM profile_row_rev"), "0");
    std::fs::remove_dir_all(&folder).unwrap();
}
