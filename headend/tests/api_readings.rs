//! Readings through the public interface: queried page by page, and followed without a gap.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::time::Duration;

use ami_proto::v1::{
    Decimal, ErrorReason, FlagRule, ListFlagsRequest, QueryDaysRequest, QueryReadingsRequest, Reading,
    ReadingDay, ReadingFlag, ReadingKind, WatchReadingsRequest, WatchReadingsResponse,
};
use collectors::{Event, RegisterValue, Report};
use common::{Database, at, captures, done, layout, quarters};
use dlms::Unit;
use headend::api::Limits;
use headend::store::jobs::Wanted;
use served::{Served, reason, soon};
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

const DAY: &str = "2026-03-01T00:00:00Z";

/// Stores `count` captures from `first` on, as a collector would.
async fn store_captures(database: &Database, meter: i32, first: &str, count: usize, value: i64) {
    let layout = layout(900, -3);
    let job = database.profile_job(meter, at(first), at(first));
    let owner = Uuid::new_v4();
    database.store.lease(owner, Wanted::any(1), Duration::from_secs(60), 10).await.unwrap();
    let reports = [captures(meter, job, quarters(&layout, at(first), count, value)), done(meter, job, None)];
    database.store.write(owner, &reports).await.unwrap();
    // The line, too, is free for the next owner.
    database.store.release(owner).await.unwrap();
}

/// Stores a value of the active import register.
async fn store_register(database: &Database, meter: i32, when: &str, value: i64) {
    let job = database.identify_job(meter, 5);
    let owner = Uuid::new_v4();
    database.store.lease(owner, Wanted::any(1), Duration::from_secs(60), 10).await.unwrap();
    let read = RegisterValue {
        obis: "1.0.1.8.0.255".parse().unwrap(),
        attribute: 2,
        class_id: 3,
        value,
        scaler: 1,
        unit: Unit(30),
        at: at(when),
    };
    let reports = [Report { job, meter, event: Event::Registers(vec![read]) }, done(meter, job, None)];
    database.store.write(owner, &reports).await.unwrap();
    // The line, too, is free for the next owner.
    database.store.release(owner).await.unwrap();
}

fn question(serials: &[&str]) -> QueryReadingsRequest {
    let meter_serials = serials.iter().map(|serial| (*serial).to_owned()).collect();
    QueryReadingsRequest { meter_serials, page_size: 10_000, ..Default::default() }
}

async fn all(served: &Served, mut question: QueryReadingsRequest) -> (usize, Vec<Reading>) {
    let (mut pages, mut readings) = (0, Vec::new());
    loop {
        let page = served.readings().query_readings(question.clone()).await.unwrap().into_inner();
        assert!(page.readings.len() <= question.page_size as usize);
        pages += 1;
        readings.extend(page.readings);
        if page.next_page_token.is_empty() {
            return (pages, readings);
        }
        question.page_token = page.next_page_token;
    }
}

fn instant(text: &str) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: at(text).as_second(), nanos: 0 })
}

#[tokio::test]
async fn a_reading_carries_everything_that_is_known_of_it() {
    let served = Served::new().await;
    let meter = served.database.meter("Q1");
    store_captures(&served.database, meter, DAY, 1, -1_234_567).await;
    store_register(&served.database, meter, "2026-03-01T07:00:00Z", 42).await;
    let (_, readings) = all(&served, question(&["Q1"])).await;
    let job = |kind: &str| {
        served.database.sql(&format!("SELECT id FROM job WHERE kind = '{kind}'")).parse().unwrap()
    };
    let import = Reading {
        meter_serial: "Q1".into(),
        obis: "1.0.1.8.0.255".into(),
        attribute: 2,
        at: instant(DAY),
        value: Some(Decimal { mantissa: -1_234_567, exponent: -3 }),
        unit: "Wh".into(),
        kind: ReadingKind::Profile.into(),
        profile: "1.0.99.1.0.255".into(),
        status: Some(8),
        clock_status: Some(0),
        clock_offset_minutes: Some(60),
        job_id: job("read_profile"),
        flags: vec![],
    };
    let voltage = Reading {
        obis: "1.0.32.7.0.255".into(),
        value: Some(Decimal { mantissa: 2301, exponent: -1 }),
        unit: "V".into(),
        ..import.clone()
    };
    let register = Reading {
        meter_serial: "Q1".into(),
        obis: "1.0.1.8.0.255".into(),
        attribute: 2,
        at: instant("2026-03-01T07:00:00Z"),
        value: Some(Decimal { mantissa: 42, exponent: 1 }),
        unit: "Wh".into(),
        kind: ReadingKind::Register.into(),
        job_id: job("identify"),
        ..Default::default()
    };
    assert_eq!(readings, [import, voltage, register]);
}

#[tokio::test]
async fn what_is_doubtful_stands_on_the_reading_and_in_the_list_with_its_numbers() {
    let served = Served::new().await;
    let (meter, other) = (served.database.meter("F1"), served.database.meter("F2"));
    store_captures(&served.database, meter, DAY, 4, 1_000).await;
    store_captures(&served.database, meter, "2026-03-01T01:00:00Z", 2, 7).await;
    store_captures(&served.database, other, DAY, 1, 4_294_967_295).await;
    let (_, readings) = all(&served, question(&["F1"])).await;
    let flagged: Vec<_> = readings
        .iter()
        .filter(|reading| !reading.flags.is_empty())
        .map(|reading| (reading.at, reading.flags().collect()))
        .collect();
    let (first, second) = (instant("2026-03-01T01:00:00Z"), instant("2026-03-01T01:15:00Z"));
    assert_eq!(flagged, [(first, vec![FlagRule::Decreased]), (second, vec![FlagRule::Restarted])]);

    let asked = |question: ListFlagsRequest| async {
        served.readings().list_flags(question).await.map(|answer| answer.into_inner())
    };
    let page = asked(ListFlagsRequest { page_size: 2, ..Default::default() }).await.unwrap();
    let rules = |flags: &[ReadingFlag]| flags.iter().map(ReadingFlag::rule).collect::<Vec<_>>();
    assert_eq!(rules(&page.flags), [FlagRule::NoValue, FlagRule::Restarted], "what was noticed last first");
    let next = ListFlagsRequest { page_size: 2, page_token: page.next_page_token, ..Default::default() };
    assert_eq!(rules(&asked(next).await.unwrap().flags), [FlagRule::Decreased]);
    let only = ListFlagsRequest {
        meter_serials: vec!["F1".into()],
        rules: vec![FlagRule::Decreased.into()],
        from: first,
        to: first,
        ..Default::default()
    };
    let flag = asked(only).await.unwrap().flags.remove(0);
    let number = |mantissa| Some(Decimal { mantissa, exponent: -3 });
    assert_eq!(
        (flag.value, flag.reference, flag.bound, flag.unit.as_str()),
        (number(7), number(1_003), None, "Wh")
    );
    assert_eq!((flag.profile.as_str(), flag.obis.as_str()), ("1.0.99.1.0.255", "1.0.1.8.0.255"));
    let wrong = asked(ListFlagsRequest { rules: vec![99], ..Default::default() }).await.unwrap_err();
    assert_eq!(reason(&wrong), (ErrorReason::InvalidField, "rules".to_owned()));
}

#[tokio::test]
async fn readings_and_flags_are_given_out_as_they_were_known_then() {
    let served = Served::new().await;
    let meter = served.database.meter("K1");
    let layout = layout(900, 0);
    let mut captured = quarters(&layout, at(DAY), 3, 100);
    let mut times = vec![jiff::Timestamp::now()];
    for value in [102, 7, 102] {
        captured.values[2 * 2] = Some(value);
        served.database.store.write(Uuid::new_v4(), &[captures(meter, 1, captured.clone())]).await.unwrap();
        times.push(jiff::Timestamp::now());
    }
    let mut seen = Vec::new();
    for known_at in times.iter().copied().map(Some).chain([None]) {
        let known_at = known_at
            .map(|at| prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() });
        let obis = vec!["1.0.1.8.0.255".to_owned()];
        let (_, readings) = all(&served, QueryReadingsRequest { obis, known_at, ..question(&["K1"]) }).await;
        let last = readings
            .last()
            .map(|reading| (reading.value.unwrap().mantissa, reading.flags().collect::<Vec<_>>()));
        seen.push((readings.len(), last));
    }
    let right = (3, Some((102, vec![])));
    let slip = (3, Some((7, vec![FlagRule::Decreased])));
    assert_eq!(seen, [(0, None), right.clone(), slip, right.clone(), right]);
}

#[tokio::test]
async fn pages_of_any_size_show_the_same_readings() {
    let served = Served::new().await;
    for serial in ["P1", "P2", "P3"] {
        let meter = served.database.meter(serial);
        // Over the end of a month, so that two partitions are read.
        store_captures(&served.database, meter, "2026-03-31T22:00:00Z", 20, 7).await;
        for minute in 10..15 {
            store_register(&served.database, meter, &format!("2026-04-01T00:{minute}:00Z"), minute).await;
        }
    }
    // P2 is asked for twice and P3 not at all.
    let (_, whole) = all(&served, question(&["P2", "P1", "P2"])).await;
    assert_eq!(whole.len(), 2 * (20 * 2 + 5));
    for size in [1, 7, 40, 41, 45, 89, 90] {
        let (pages, readings) =
            all(&served, QueryReadingsRequest { page_size: size, ..question(&["P2", "P1", "P2"]) }).await;
        assert_eq!(readings, whole, "page size {size}");
        assert_eq!(pages, 90_usize.div_ceil(size as usize), "page size {size}");
    }
    let bounded = QueryReadingsRequest {
        from: instant("2026-04-01T00:00:00Z"),
        to: instant("2026-04-01T00:15:00Z"),
        obis: vec!["1-0:1.8.0*255".into()],
        ..question(&["P1"])
    };
    let (_, readings) = all(&served, bounded).await;
    let kinds: Vec<_> = readings.iter().map(|reading| (reading.kind(), reading.obis.as_str())).collect();
    assert_eq!(kinds.len(), 2 + 5, "both ends belong to the range: {readings:?}");
    assert!(kinds.iter().all(|(_, obis)| *obis == "1.0.1.8.0.255"));
}

#[tokio::test]
async fn a_wrong_question_is_refused_by_name() {
    let served = Served::new().await;
    served.database.meter("W1");
    let cases = [
        (question(&[]), (ErrorReason::InvalidField, "meter_serials")),
        (question(&["W1", "W2"]), (ErrorReason::MeterNotFound, "")),
        (question(&vec!["W1"; 1_001]), (ErrorReason::OverLimit, "meter_serials")),
        (
            QueryReadingsRequest { obis: vec!["1.8.0".into()], ..question(&["W1"]) },
            (ErrorReason::InvalidField, "obis"),
        ),
        (
            QueryReadingsRequest {
                from: instant(DAY),
                to: instant("2025-01-01T00:00:00Z"),
                ..question(&["W1"])
            },
            (ErrorReason::InvalidField, "to"),
        ),
        (
            QueryReadingsRequest { page_token: "00ff".into(), ..question(&["W1"]) },
            (ErrorReason::PageTokenInvalid, ""),
        ),
    ];
    for (wrong, (expected, field)) in cases {
        let refused = served.readings().query_readings(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), (expected, field.to_owned()), "{refused:?}");
    }
}

/// Waits until no transaction of this cluster, the databases of other tests included, is older than what is stored: a new watch
/// tells nothing of it then.
async fn settled(served: &Served) {
    let newer = "SELECT count(*) FROM reading_batch WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())";
    soon(async {
        while served.database.sql(newer) != "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn watch(
    served: &Served,
    serials: &[&str],
    token: &str,
) -> Result<Streaming<WatchReadingsResponse>, Status> {
    let meter_serials = serials.iter().map(|serial| (*serial).to_owned()).collect();
    let request = WatchReadingsRequest { meter_serials, obis: vec![], resume_token: token.into() };
    served.readings().watch_readings(request).await.map(tonic::Response::into_inner)
}

/// The next `count` readings of a watch as (meter, mantissa), and the token behind them.
async fn next(stream: &mut Streaming<WatchReadingsResponse>, count: usize) -> (Vec<(String, i64)>, String) {
    let (mut readings, mut token) = (Vec::new(), String::new());
    while readings.len() < count {
        let message = soon(stream.message()).await.unwrap().unwrap();
        readings.extend(
            message
                .readings
                .into_iter()
                .map(|reading| (reading.meter_serial, reading.value.unwrap().mantissa)),
        );
        token = message.resume_token;
    }
    (readings, token)
}

fn of(serial: &str, import: i64) -> [(String, i64); 2] {
    [(serial.to_owned(), import), (serial.to_owned(), 2301)]
}

#[tokio::test]
async fn a_watch_goes_on_where_its_token_stands() {
    let served = Served::new().await;
    let meter = served.database.meter("F1");
    store_captures(&served.database, meter, "2026-03-01T00:00:00Z", 1, 1).await;
    settled(&served).await;
    let mut stream = watch(&served, &[], "").await.unwrap();
    let begin = soon(stream.message()).await.unwrap().unwrap();
    assert_eq!(begin.readings, [], "what is stored already is not told");
    store_captures(&served.database, meter, "2026-03-01T00:15:00Z", 1, 2).await;
    let (first, token) = next(&mut stream, 2).await;
    assert_eq!(first, of("F1", 2));
    drop(stream);

    store_captures(&served.database, meter, "2026-03-01T00:30:00Z", 1, 3).await;
    store_register(&served.database, meter, "2026-03-01T00:31:00Z", 4).await;
    let mut stream = watch(&served, &[], &token).await.unwrap();
    let (rest, _) = next(&mut stream, 3).await;
    assert_eq!(rest, [of("F1", 3).to_vec(), vec![("F1".into(), 4)]].concat());
    let mut stream = watch(&served, &[], &begin.resume_token).await.unwrap();
    let (whole, _) = next(&mut stream, 5).await;
    assert_eq!(
        whole,
        [of("F1", 2), of("F1", 3)].concat().into_iter().chain([("F1".into(), 4)]).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let served = Served::new().await;
    let (early, late) = (served.database.meter("early"), served.database.meter("late"));
    store_captures(&served.database, early, "2026-03-01T00:00:00Z", 1, 1).await;
    settled(&served).await;
    let mut stream = watch(&served, &[], "").await.unwrap();
    // This transaction begins first and ends last.
    let mut slow = served.database.store.pool().begin().await.unwrap();
    let stored = format!(
        "WITH captured AS (
             INSERT INTO profile_row (meter_id, layout_id, ts, clock_status, job_id, v0, v1)
             SELECT {late}, id, '2026-03-01 00:00Z', 0, 1, 9, 2301 FROM profile_layout RETURNING layout_id, ts)
         INSERT INTO reading_batch (meter_id, layout_id, from_ts, to_ts) SELECT {late}, layout_id, ts, ts FROM captured"
    );
    sqlx::query(sqlx::AssertSqlSafe(stored)).execute(&mut *slow).await.unwrap();
    store_captures(&served.database, early, "2026-03-01T00:15:00Z", 1, 2).await;
    // The watch looks at least once while only the later transaction is there.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    slow.commit().await.unwrap();
    let (mut readings, _) = next(&mut stream, 4).await;
    readings.sort();
    let mut expected = [of("early", 2), of("late", 9)].concat();
    expected.sort();
    assert_eq!(readings, expected);
}

#[tokio::test]
async fn a_watch_of_one_meter_gets_large_batches_whole() {
    let served = Served::new().await;
    let (asked, other) = (served.database.meter("A1"), served.database.meter("A2"));
    let mut stream = watch(&served, &["A1"], "").await.unwrap();
    store_captures(&served.database, other, DAY, 5, 1).await;
    store_captures(&served.database, asked, DAY, 1_300, 1).await;
    let (readings, _) = next(&mut stream, 2_600).await;
    assert_eq!(readings.len(), 2_600);
    let imports: Vec<_> = readings.iter().map(|(_, value)| *value).filter(|value| *value != 2301).collect();
    let expected: Vec<_> = (1..=1_300).collect();
    assert_eq!(imports, expected);
    assert!(readings.iter().all(|(serial, _)| serial == "A1"));
}

#[tokio::test]
async fn a_token_that_can_not_be_honoured_is_refused() {
    let served = Served::new().await;
    let meter = served.database.meter("T1");
    let mut stream = watch(&served, &[], "").await.unwrap();
    let begin = soon(stream.message()).await.unwrap().unwrap().resume_token;
    store_captures(&served.database, meter, DAY, 1, 1).await;
    let (_, token) = next(&mut stream, 2).await;
    let forgotten =
        served.database.store.trim_batches(jiff::Timestamp::now() + Duration::from_secs(60)).await.unwrap();
    assert_eq!(forgotten, 1);
    let refused = watch(&served, &[], &begin).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).0), (Code::OutOfRange, ErrorReason::ResumeTokenExpired));
    watch(&served, &[], &token).await.expect("nothing behind this token was forgotten");
    let damaged = watch(&served, &[], &token[..token.len() - 2]).await.unwrap_err();
    assert_eq!(reason(&damaged).0, ErrorReason::ResumeTokenInvalid);
}

#[tokio::test]
async fn watches_are_counted_live_and_end_with_the_server() {
    let limits = Limits { watches: 1, sign_of_life: Duration::from_millis(300), ..Limits::default() };
    let served = Served::with(limits).await;
    let mut stream = watch(&served, &[], "").await.unwrap();
    let refused = watch(&served, &[], "").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).0), (Code::ResourceExhausted, ErrorReason::TooManyWatches));
    for _ in 0..3 {
        assert_eq!(soon(stream.message()).await.unwrap().unwrap().readings, [], "a sign of life");
    }
    served.stop.cancel();
    let end = loop {
        match soon(stream.message()).await {
            Ok(message) => assert!(message.is_some(), "the watch says why it ends"),
            Err(status) => break status,
        }
    };
    assert_eq!((end.code(), reason(&end).0), (Code::Unavailable, ErrorReason::ShuttingDown));
    drop(stream);
    soon(served.server).await.unwrap().unwrap();
}

async fn days(served: &Served, mut question: QueryDaysRequest) -> (usize, Vec<ReadingDay>) {
    let (mut pages, mut days) = (0, Vec::new());
    loop {
        let page = served.readings().query_days(question.clone()).await.unwrap().into_inner();
        assert!(page.days.len() <= question.page_size as usize);
        pages += 1;
        days.extend(page.days);
        if page.next_page_token.is_empty() {
            return (pages, days);
        }
        question.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn days_say_what_they_add_up_to_and_how_much_of_them_is_there() {
    let served = Served::new().await;
    let database = &served.database;
    for serial in ["D1", "D2"] {
        let meter = database.meter(serial);
        database.sql(&format!("UPDATE meter SET zone = 'Europe/Berlin' WHERE id = {meter}"));
        // From midnight of 24 October on, a Saturday, with the day of 25 hours, to the middle of Monday; three captures of Sunday are missing.
        store_captures(database, meter, "2026-10-23T22:00:00Z", 1 + 96 + 50, 1000).await;
        store_captures(database, meter, "2026-10-25T11:30:00Z", 47 + 40, 1150).await;
        // The day of 23 hours, without its first quarter.
        store_captures(database, meter, "2026-03-28T23:30:00Z", 91, 1).await;
    }
    while database.store.add_up_days().await.unwrap() > 0 {}
    let question = QueryDaysRequest {
        meter_serials: vec!["D1".into(), "D2".into()],
        page_size: 10_000,
        ..QueryDaysRequest::default()
    };
    let (_, all) = days(&served, question.clone()).await;
    let import = |day: &&ReadingDay| day.meter_serial == "D1" && day.obis == "1.0.1.8.0.255";
    let told = |day: &ReadingDay| {
        let digits = |value: &Option<Decimal>| value.as_ref().map(|value| value.mantissa);
        let numbers = [&day.last, &day.advance, &day.low, &day.high, &day.total].map(digits);
        (day.day.clone(), (day.captures, day.expected), numbers)
    };
    let found: Vec<_> = all.iter().filter(import).map(told).collect();
    let sum = |from: i64, to: i64| (from..=to).sum::<i64>();
    let expected = [
        ("2026-03-29".to_owned(), (91, 92), [Some(91), None, Some(1), Some(91), Some(sum(1, 91))]),
        ("2026-10-23".to_owned(), (1, 96), [Some(1000), None, Some(1000), Some(1000), Some(1000)]),
        (
            "2026-10-24".to_owned(),
            (96, 96),
            [Some(1096), Some(96), Some(1001), Some(1096), Some(sum(1001, 1096))],
        ),
        (
            "2026-10-25".to_owned(),
            (97, 100),
            [Some(1196), Some(100), Some(1097), Some(1196), Some(sum(1097, 1146) + sum(1150, 1196))],
        ),
        (
            "2026-10-26".to_owned(),
            (40, 96),
            [Some(1236), Some(40), Some(1197), Some(1236), Some(sum(1197, 1236))],
        ),
    ];
    assert_eq!(found, expected);
    let sunday = all.iter().filter(import).find(|day| day.day == "2026-10-25").unwrap();
    let known =
        (sunday.zone.as_str(), sunday.profile.as_str(), sunday.unit.as_str(), sunday.last.unwrap().exponent);
    assert_eq!(known, ("Europe/Berlin", "1.0.99.1.0.255", "Wh", -3));
    // PostgreSQL says the same with numbers of its own.
    let view = "SELECT total FROM reading_daily WHERE serial = 'D1' AND obis = '1.0.1.8.0.255' AND day = '2026-10-25'";
    let total = sunday.total.unwrap();
    assert_eq!(database.sql(view), format!("{}.{:03}", total.mantissa / 1000, total.mantissa % 1000));
    // In pages, and between two days, of one value.
    for size in [1, 3, 7] {
        let (pages, in_pages) = days(&served, QueryDaysRequest { page_size: size, ..question.clone() }).await;
        assert_eq!((pages, &in_pages), (all.len().div_ceil(size as usize), &all));
    }
    let some = QueryDaysRequest {
        obis: vec!["1.0.1.8.0.255".into()],
        from: "2026-10-24".into(),
        to: "2026-10-25".into(),
        ..question.clone()
    };
    let (_, some) = days(&served, some).await;
    assert_eq!(
        some.iter().map(|day| day.day.as_str()).collect::<Vec<_>>(),
        ["2026-10-24", "2026-10-25"].repeat(2)
    );
}

#[tokio::test]
async fn what_a_counter_came_on_in_a_day_is_known_when_its_columns_change() {
    let served = Served::new().await;
    let database = &served.database;
    let meter = database.meter("C1");
    let part = |period_s, scaler, first: &str, count, value| {
        captures(meter, 7, quarters(&layout(period_s, scaler), at(first), count, value))
    };
    // Tenths of a watt hour until the midnight before 2 March, whole ones from the next quarter on, and hundredths from noon of 3 March on.
    let parts = [
        part(900, -1, "2026-02-28T23:15:00Z", 96, 1001),
        part(900, 0, "2026-03-01T23:15:00Z", 96 + 47, 111),
        part(900, -2, "2026-03-03T11:00:00Z", 49, 30_001),
    ];
    database.store.write(Uuid::new_v4(), &parts).await.unwrap();
    while database.store.add_up_days().await.unwrap() > 0 {}
    let question = QueryDaysRequest {
        meter_serials: vec!["C1".into()],
        obis: vec!["1.0.1.8.0.255".into()],
        page_size: 10,
        ..QueryDaysRequest::default()
    };
    let (_, mut all) = days(&served, question).await;
    all.sort_by_key(|day| (day.day.clone(), day.last_at.unwrap().seconds));
    let told: Vec<_> = all.iter().map(|day| (day.day.as_str(), day.captures, day.advance)).collect();
    let number = |mantissa, exponent| Some(Decimal { mantissa, exponent });
    let expected = [
        ("2026-03-01", 96, None),
        // From 109.6 to 206.
        ("2026-03-02", 96, number(964, -1)),
        // From 206 to 253, and to 300.49.
        ("2026-03-03", 47, number(47, 0)),
        ("2026-03-03", 49, number(9449, -2)),
    ];
    assert_eq!(told, expected);
    let view =
        "SELECT day, captures, advance FROM reading_daily WHERE obis = '1.0.1.8.0.255' ORDER BY day, last_ts";
    let rows = ["2026-03-01|96|", "2026-03-02|96|96.4", "2026-03-03|47|47", "2026-03-03|49|94.49"];
    assert_eq!(database.sql(view), rows.join("\n"));
}

#[tokio::test]
async fn a_wrong_question_about_days_is_refused_by_its_field() {
    let served = Served::new().await;
    served.database.meter("D1");
    let question = QueryDaysRequest { meter_serials: vec!["D1".into()], ..QueryDaysRequest::default() };
    for (wrong, field) in [
        (QueryDaysRequest { meter_serials: vec![], ..question.clone() }, "meter_serials"),
        (QueryDaysRequest { from: "24.10.2026".into(), ..question.clone() }, "from"),
        (QueryDaysRequest { from: "2026-10-25".into(), to: "2026-10-24".into(), ..question.clone() }, "to"),
    ] {
        let refused = served.readings().query_days(wrong).await.unwrap_err();
        assert_eq!(reason(&refused), (ErrorReason::InvalidField, field.to_owned()));
    }
}
