//! Events in the store: each once, however often and in whatever way it is heard of. What counts as failure: an event that is lost, stored twice,
//! or stored as something else than the meter said.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use collectors::{
    Event, JobId, LogEntries, LogEntry, LogLoss, LogLossCause, LogMeaning, LogRead, MeterId, RegisterValue,
    Report,
};
use common::{Database, at};
use dlms::{DateTime, Obis, Unit};
use headend::config::CreditLevel;
use headend::store::Store;
use headend::store::events::EventFilter;
use models::{CimCodes, Severity};
use proptest::prelude::*;
use uuid::Uuid;

static JOB: AtomicI64 = AtomicI64::new(1);

const NOON: i64 = 1_774_872_000;

fn fraud() -> Obis {
    "0.0.99.98.1.255".parse().unwrap()
}

/// An entry so many seconds after noon of 2026-03-30.
fn entry(second: i64, code: i64, key: Option<&str>) -> LogEntry {
    let meaning = key.map(|key| LogMeaning { key: key.into(), severity: Severity::Critical, phase: Some(2) });
    let time = DateTime::from_unix(NOON + second, Some(-120), 0x80);
    LogEntry {
        at: jiff::Timestamp::from_second(NOON + second).ok(),
        time,
        code,
        logged: code,
        node: None,
        meaning,
    }
}

/// Writes what a read of the fraud log brought.
async fn polled(database: &Database, meter: MeterId, entries: &[LogEntry], loss: Option<LogLoss>) -> JobId {
    let job = JOB.fetch_add(1, Ordering::Relaxed);
    let last = entries.iter().filter_map(|entry| entry.at).max();
    let events = [
        Event::Logged(LogEntries { log: fraud(), entries: entries.to_vec() }),
        Event::LogRead(LogRead { log: fraud(), last, loss }),
    ];
    let reports: Vec<_> = events.into_iter().map(|event| Report { job, meter, event }).collect();
    let store = database.store.clone().with_cim(CimCodes::builtin().unwrap());
    store.write(Uuid::new_v4(), &reports).await.unwrap();
    job
}

const SHOWN: &str = "SELECT obis_text(log), code, extract(epoch FROM meter_ts)::int8 - 1774872000, key, severity, phase, cim, \
                     clock_status, encode(meter_time, 'hex'), authenticated, pushed_at IS NOT NULL, polled_at IS NOT NULL, job_id FROM event ORDER BY id";

#[tokio::test]
async fn x_06_an_entry_is_one_event_and_a_second_read_changes_nothing() {
    let database = Database::new().await;
    let meter = database.meter("1");
    let known = entry(0, 2, Some("power.up"));
    let unknown = entry(60, 4711, None);
    let mut timeless = entry(0, 3, None);
    (timeless.at, timeless.time) = (None, DateTime::new([0xFF; 12]));
    let entries = [unknown, known, timeless];
    let job = polled(&database, meter, &entries, None).await;
    let shown = database.sql(SHOWN);
    let expected = [
        format!("0.0.99.98.1.255|3||unknown|info|||255|ffffffffffffffffffffffff|t|f|t|{job}"),
        format!(
            "0.0.99.98.1.255|2|0|power.up|critical|2|3.26.0.216|128|07ea031e010e000000ff8880|t|f|t|{job}"
        ),
        format!("0.0.99.98.1.255|4711|60|unknown|info|||128|07ea031e010e010000ff8880|t|f|t|{job}"),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected, "in the order of the meter's clock");
    let twice = [&entries[..], &entries[..1]].concat();
    polled(&database, meter, &twice, None).await;
    assert_eq!(database.sql(SHOWN), shown);
    let mark = "SELECT extract(epoch FROM last_ts)::int8 - 1774872000 FROM meter_profile WHERE obis_text(obis) = '0.0.99.98.1.255'";
    assert_eq!(database.sql(mark), "60");
}

#[tokio::test]
async fn mt_06_a_possible_loss_is_noted_once_and_listed() {
    let database = Database::new().await;
    let meter = database.meter("1");
    let until = Some(at("2026-03-30T12:00:00Z"));
    let cause = LogLossCause::Overflow;
    let loss = LogLoss { after: at("2026-03-29T12:00:00Z"), until, entries: 64, cause };
    polled(&database, meter, &[entry(0, 42, Some("tamper.magnet_on"))], Some(loss)).await;
    polled(&database, meter, &[entry(0, 42, Some("tamper.magnet_on"))], Some(loss)).await;
    let shown =
        database.sql("SELECT meter_id, obis_text(log), cause, after_ts, until_ts, entries FROM event_loss");
    assert_eq!(
        shown,
        format!("{meter}|0.0.99.98.1.255|overflow|2026-03-29 12:00:00+00|2026-03-30 12:00:00+00|64")
    );
    let listed = database.store.list_event_losses(Some(&[meter]), None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].serial.as_str(), listed[0].entries), (1, "1", 64));
    assert!(database.store.list_event_losses(Some(&[meter + 1]), None, 10).await.unwrap().is_empty());
}

/// Writes a word of bits that was read of a meter so many seconds after noon.
async fn word(store: &Store, meter: MeterId, second: i64, obis: &str, value: i64) {
    let read = RegisterValue {
        obis: obis.parse().unwrap(),
        attribute: 2,
        class_id: 1,
        value,
        scaler: 0,
        unit: Unit::NONE,
        at: jiff::Timestamp::from_second(NOON + second).unwrap(),
    };
    let report = Report { job: second, meter, event: Event::Registers(vec![read]) };
    store.write(Uuid::new_v4(), &[report]).await.unwrap();
}

#[tokio::test]
async fn hb_17_a_phase_that_is_lost_and_comes_back_is_two_events() {
    let database = Database::new().await;
    let household = models::builtin().unwrap()["huabang-single"].clone();
    let store = database.store.clone().with_models(&[("generic-dlms".to_owned(), household)].into());
    let store = store.with_cim(CimCodes::builtin().unwrap());
    let (meter, other) = (database.meter("1"), database.meter("2"));
    // Of phase 2: nothing, lost (bit 7), lost and too much current (bit 4), what has no meaning (bit 12, which is told nevertheless), nothing. The same answer twice is one.
    for (second, value) in [(1, 0), (2, 0x80), (2, 0x80), (3, 0x80), (4, 0x90), (5, 0x1090), (6, 0)] {
        word(&store, meter, second, "0.0.97.98.5.255", value).await;
    }
    // Of another meter it is known from the beginning on that phase 3 is lost; what is no word of bits is no event.
    word(&store, other, 7, "0.0.97.98.6.255", 0x80).await;
    word(&store, other, 8, "1.0.1.8.0.255", 0x80).await;
    let shown = database.sql(
        "SELECT meter_id, obis_text(log), code, logged, extract(epoch FROM meter_ts)::int8 - 1774872000, key, severity, phase, \
         clock_status, authenticated, job_id FROM event ORDER BY id",
    );
    let expected = [
        format!("{meter}|0.0.97.98.5.255|128|128|2|phase.fail|critical|2|255|t|2"),
        format!("{meter}|0.0.97.98.5.255|16|144|4|current.over|warning|2|255|t|4"),
        format!("{meter}|0.0.97.98.5.255|4096|4240|5|unknown|info||255|t|5"),
        format!("{meter}|0.0.97.98.5.255|-128|0|6|phase.restored|info|2|255|t|6"),
        format!("{other}|0.0.97.98.6.255|128|128|7|phase.fail|critical|3|255|t|7"),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn hb_09_a_household_that_is_cut_at_its_level_and_at_nothing_is_two_events() {
    let database = Database::new().await;
    let household = models::builtin().unwrap()["multi-user-modbus"].clone();
    let store = database.store.clone().with_models(&[("generic-dlms".to_owned(), household)].into());
    let meter = database.meter("1");
    // Supplied; cut at the level; the customer goes on; nothing left; bought, and so on.
    for (second, value) in [(1, 0), (2, 1), (3, 0), (4, 2), (5, 0), (6, 1)] {
        word(&store, meter, second, "0.0.97.98.7.255", value).await;
    }
    let shown =
        "SELECT extract(epoch FROM meter_ts)::int8 - 1774872000, key, severity FROM event ORDER BY id";
    let expected = "2|credit.alarm_cut|warning\n4|credit.exhausted|warning\n6|credit.alarm_cut|warning";
    assert_eq!(database.sql(shown), expected);
}

const REMAINING: &str = "0.0.128.19.10.255";
const OWN_LEVEL: &str = "0.0.128.19.20.255";
const CREDIT: &str = "SELECT extract(epoch FROM meter_ts)::int8 - 1774872000, obis_text(log), key, severity, code, logged FROM event ORDER BY id";

/// A store that reminds below 2 kWh, and again after 2.5 kWh; its meters are households that count in tens of watt-hours.
fn reminding(database: &Database) -> Store {
    let household = models::builtin().unwrap()["multi-user-modbus"].clone();
    let level = CreditLevel { low: "2000".parse().unwrap(), margin: "500".parse().unwrap() };
    let levels = BTreeMap::from([("Wh".to_owned(), level)]);
    database.store.clone().with_models(&[("generic-dlms".to_owned(), household)].into()).with_credit(&levels)
}

/// Writes in one batch what a register showed at so many seconds after noon, in tens of watt-hours.
async fn showed(store: &Store, meter: MeterId, obis: &str, values: &[(i64, i64)]) {
    let value = |(second, value): &(i64, i64)| RegisterValue {
        obis: obis.parse().unwrap(),
        attribute: 2,
        class_id: 3,
        value: *value,
        scaler: 1,
        unit: Unit(30),
        at: jiff::Timestamp::from_second(NOON + second).unwrap(),
    };
    let report = Report { job: 1, meter, event: Event::Registers(values.iter().map(value).collect()) };
    store.write(Uuid::new_v4(), &[report]).await.unwrap();
}

#[tokio::test]
async fn hb_16_credit_around_its_level_is_one_event_for_each_crossing() {
    let database = Database::new().await;
    let store = reminding(&database);
    let (meter, other) = (database.meter("1"), database.meter("2"));
    let remains =
        [(1, 300), (2, 200), (3, 199), (4, 210), (5, 180), (6, 249), (7, 250), (8, 200), (9, -5), (10, 0)];
    for value in remains {
        // The second time it is known.
        showed(&store, meter, REMAINING, &[value]).await;
        showed(&store, meter, REMAINING, &[value]).await;
    }
    // Of another meter it is known from the beginning on that credit is low; its energy is no credit.
    showed(&store, other, REMAINING, &[(11, 100)]).await;
    showed(&store, other, "1.0.1.8.0.255", &[(12, 100)]).await;
    let expected = [
        "3|0.0.128.19.10.255|credit.low|warning|1|199",
        "7|0.0.128.19.10.255|credit.restored|info|-1|250",
        "9|0.0.128.19.10.255|credit.low|warning|1|-5",
        "11|0.0.128.19.10.255|credit.low|warning|1|100",
    ];
    assert_eq!(database.sql(CREDIT).lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn hb_16_batches_of_several_values_late_ones_and_repeated_ones_tell_each_follower_once() {
    let database = Database::new().await;
    let store = reminding(&database);
    let meter = database.meter("1");
    let several = [(10, 300), (20, 100), (30, 260), (40, 120)];
    let batches: [&[(i64, i64)]; 6] = [
        &several,
        // Its answer was lost, and it is written again.
        &several,
        // What came late says nothing of now.
        &[(35, 400)],
        &[(50, 130)],
        &[(45, 100), (60, 300)],
        &[(80, 90), (70, 110)],
    ];
    // Who follows goes on from the number of the last event that it dealt with.
    let (mut place, mut told) = (0, Vec::new());
    let keys = Some(vec!["credit.low".to_owned(), "credit.restored".to_owned()]);
    let filter = EventFilter { keys, ..EventFilter::default() };
    for batch in batches {
        showed(&store, meter, REMAINING, batch).await;
        let end = store.events_end().await.unwrap();
        while let Some(event) = store.events_after(place, end, &filter, 1).await.unwrap().pop() {
            place = event.id;
            told.push((event.meter_ts.unwrap().to_jiff().as_second() - NOON, event.key, event.logged));
        }
    }
    let told: Vec<_> = told.iter().map(|(second, key, value)| (*second, key.as_str(), *value)).collect();
    let expected = [
        (20, "credit.low", 100),
        (30, "credit.restored", 260),
        (40, "credit.low", 120),
        (60, "credit.restored", 300),
        (70, "credit.low", 110),
    ];
    assert_eq!(told, expected);
    let state = "SELECT is_low, extract(epoch FROM judged_ts)::int8 - 1774872000 FROM credit_state";
    assert_eq!(database.sql(state), "t|80");
}

#[tokio::test]
async fn hb_16_a_level_of_the_meters_own_goes_first_and_without_a_level_nothing_reminds() {
    let database = Database::new().await;
    let store = reminding(&database);
    let (meter, told_none) = (database.meter("1"), database.meter("2"));
    // 5 kWh, which customers were told to set; and a meter that was told nothing.
    showed(&store, meter, OWN_LEVEL, &[(1, 500)]).await;
    showed(&store, told_none, OWN_LEVEL, &[(1, 0)]).await;
    for value in [(2, 550), (3, 499), (4, 549), (5, 550)] {
        showed(&store, meter, REMAINING, &[value]).await;
        showed(&store, told_none, REMAINING, &[value]).await;
    }
    let silent = store.with_credit(&BTreeMap::new());
    showed(&silent, told_none, REMAINING, &[(6, 1)]).await;
    let in_money = CreditLevel { low: "2000".parse().unwrap(), margin: "500".parse().unwrap() };
    let other_unit = silent.with_credit(&BTreeMap::from([("currency".to_owned(), in_money)]));
    showed(&other_unit, told_none, REMAINING, &[(7, 1)]).await;
    let shown = database.sql("SELECT meter_id, key, logged FROM event ORDER BY id");
    assert_eq!(shown, format!("{meter}|credit.low|499\n{meter}|credit.restored|550"));
}

#[tokio::test]
async fn hb_16_writers_beside_each_other_remind_once() {
    let database = Database::new().await;
    let store = reminding(&database);
    for number in 0..20 {
        let meter = database.meter(&number.to_string());
        let one = [(number * 100 + 1, 150)];
        let other = [(number * 100 + 2, 140)];
        tokio::join!(showed(&store, meter, REMAINING, &one), showed(&store, meter, REMAINING, &other));
    }
    let once = "SELECT count(*), count(DISTINCT meter_id) FROM event WHERE key = 'credit.low'";
    assert_eq!(database.sql(once), "20|20");
}

#[tokio::test]
async fn an_event_refuses_what_cannot_be() {
    let database = Database::new().await;
    let meter = database.meter("1");
    polled(&database, meter, &[entry(0, 2, None)], None).await;
    let again = "INSERT INTO event (meter_id, log, code, logged, meter_ts, meter_time, key, severity, authenticated, pushed_at) \
                 SELECT meter_id, log, code, logged, meter_ts, meter_time, key, severity, false, now() FROM event";
    assert!(database.refused(again).contains("event_once"));
    assert!(
        database.refused("UPDATE event SET polled_at = NULL, job_id = NULL").contains("check constraint")
    );
    assert!(database.refused("UPDATE event SET authenticated = false").contains("check constraint"));
}

/// Whatever codes and times a log holds, each pair of them is one event with exactly that code and time, known to no table and counted as such.
#[test]
fn x_06_unknown_codes_are_stored_as_they_are() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    let config = ProptestConfig { cases: 24, ..ProptestConfig::default() };
    let rows = prop::collection::vec((0..500_i64, any::<i64>()), 1..40);
    proptest!(config, |(rows in rows)| {
        let meter = database.meter(&Uuid::new_v4().to_string());
        let entries: Vec<_> = rows.iter().map(|(second, code)| entry(*second, *code, None)).collect();
        for half in [&entries[..entries.len() / 2], &entries[..]] {
            runtime.block_on(polled(&database, meter, half, None));
        }
        let shown = database.sql(&format!(
            "SELECT extract(epoch FROM meter_ts)::int8 - {NOON}, code FROM event WHERE meter_id = {meter} AND key = 'unknown' ORDER BY 1, 2"
        ));
        let mut expected = rows;
        expected.sort_unstable();
        expected.dedup();
        let expected: Vec<_> = expected.iter().map(|(second, code)| format!("{second}|{code}")).collect();
        prop_assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    });
}
