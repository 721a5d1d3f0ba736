//! What meters answered gets into the store once, exactly, whatever the order, and whoever stops in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::time::Duration;

use collectors::{Captures, Event, Report};
use common::{Database, at, captures, done, layout, quarters};
use headend::config;
use headend::ingest::{self, Haste};
use headend::store::captures::Stored;
use headend::store::jobs::Wanted;
use headend::store::{JOB_CHANNEL, READING_CHANNEL};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tokio::sync::mpsc;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn first() -> Timestamp {
    at("2024-03-31T00:15:00Z")
}

fn stored(inserted: u64, identical: u64, revised: u64) -> Stored {
    Stored { sent: inserted + identical + revised, inserted, identical, revised }
}

const ROWS: &str = "SELECT count(*), min(v0), max(v0), sum(v0) FROM profile_row";

#[tokio::test]
async fn a_second_read_changes_nothing_and_a_different_one_leaves_a_trace() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let layout = layout(900, -3);
    let day = quarters(&layout, first(), 96, 1000);
    let written = database.store.write(owner, &[captures(meter, 11, day.clone())]).await.unwrap();
    assert_eq!(written.captures, stored(96, 0, 0), "COPY, beyond the mark");
    let written = database.store.write(owner, &[captures(meter, 12, day.clone())]).await.unwrap();
    assert_eq!(written.captures, stored(0, 96, 0));
    assert_eq!(database.sql(ROWS), "96|1000|1095|100560");
    assert_eq!(database.sql("SELECT count(*) FROM profile_row_rev"), "0");
    assert_eq!(
        database.sql("SELECT DISTINCT job_id FROM profile_row"),
        "11",
        "the job that brought it stays"
    );

    let mut changed = day;
    changed.values[2 * 7] = Some(77);
    changed.clock_status[9] = 128;
    let written = database.store.write(owner, &[captures(meter, 13, changed)]).await.unwrap();
    assert_eq!(written.captures, stored(0, 94, 2));
    assert_eq!(
        database.sql("SELECT ts, v0, clock_status, job_id FROM profile_row WHERE job_id = 13 ORDER BY ts"),
        "2024-03-31 02:00:00+00|77|0|13\n2024-03-31 02:30:00+00|1009|128|13"
    );
    assert_eq!(
        database.sql("SELECT ts, v0, v1, status, clock_status, clock_offset_min, job_id, replaced_by FROM profile_row_rev ORDER BY ts"),
        "2024-03-31 02:00:00+00|1007|2301|8|0|60|11|13\n2024-03-31 02:30:00+00|1009|2301|8|0|60|11|13"
    );
}

#[tokio::test]
async fn order_overlap_and_repetition_within_a_batch_do_not_matter() {
    let database = Database::new().await;
    let (meter, other, owner) = (database.meter("M1"), database.meter("M2"), Uuid::new_v4());
    let layout = layout(900, -3);
    let late = quarters(&layout, first() + SignedDuration::from_hours(12), 48, 1048);
    let early = quarters(&layout, first(), 60, 1000);
    let reports = [
        captures(meter, 1, late.clone()),
        captures(other, 2, late.clone()),
        captures(meter, 1, early.clone()),
    ];
    let written = database.store.write(owner, &reports).await.unwrap();
    assert_eq!(written.captures, stored(96 + 48, 12, 0), "twelve came twice");
    assert_eq!(database.sql("SELECT count(*) FROM profile_row WHERE v0 = 1000 + extract(epoch FROM ts - '2024-03-31 00:15+00') / 900"), "144");
    assert_eq!(
        database.sql("SELECT last_ts, coverage FROM meter_profile WHERE meter_id = 1"),
        "2024-04-01 00:00:00+00|{(\"2024-03-31 00:00:00+00\",\"2024-04-01 00:00:00+00\"]}"
    );

    // Within one batch the same instant says first this, then that: the last word counts, the first is kept.
    let mut contradiction = quarters(&layout, first(), 1, 5);
    contradiction.at.push(first());
    contradiction.offset_min.push(Some(60));
    contradiction.clock_status.push(0);
    contradiction.status.push(Some(8));
    contradiction.values.extend([Some(6), Some(2301)]);
    let third = database.meter("M3");
    let written = database.store.write(owner, &[captures(third, 3, contradiction)]).await.unwrap();
    assert_eq!(written.captures, stored(1, 0, 1));
    assert_eq!(database.sql("SELECT v0 FROM profile_row WHERE meter_id = 3"), "6");
    assert_eq!(database.sql("SELECT v0 FROM profile_row_rev WHERE meter_id = 3"), "5");
    assert_eq!(
        database.sql(&format!("SELECT last_ts FROM meter_profile WHERE meter_id = {third}")),
        "2024-03-31 00:15:00+00"
    );
}

#[tokio::test]
async fn how_many_rows_a_profile_keeps_is_known_as_long_as_its_columns_are_the_same() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let (one, other) = (layout(900, -3), layout(900, 0));
    let report = |event| Report { job: 1, meter, event };
    let capacity = || report(Event::Capacity { profile: one.obis, rows: 240 });
    for (reports, expected) in [
        (vec![report(Event::Layout(one.clone())), capacity()], "240"),
        (vec![captures(meter, 2, quarters(&one, first(), 1, 5))], "240"),
        (vec![report(Event::Layout(other.clone()))], ""),
        (vec![capacity()], "240"),
    ] {
        database.store.write(owner, &reports).await.unwrap();
        assert_eq!(database.sql("SELECT capacity FROM meter_profile"), expected);
    }
    let known = &database.store.planning_states(&[meter]).await.unwrap()[0].profiles;
    assert_eq!(known[&one.obis].capacity, Some(240));
}

#[tokio::test]
async fn a_mark_that_lies_is_survived() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let layout = layout(900, 0);
    let day = quarters(&layout, first(), 10, 1);
    database.store.write(owner, &[captures(meter, 1, day.clone())]).await.unwrap();
    database.sql("UPDATE meter_profile SET last_ts = '2020-01-01'");
    let written = database.store.write(owner, &[captures(meter, 2, day)]).await.unwrap();
    assert_eq!(written.captures, stored(0, 10, 0), "COPY fails, and the batch is merged");
}

#[tokio::test]
async fn what_changed_is_logged_and_told_and_what_did_not_is_not() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let mut listener = database.store.listen(&[JOB_CHANNEL, READING_CHANNEL]).await.unwrap();
    let layout = layout(900, 0);
    let job = database.profile_job(meter, first(), first() + SignedDuration::from_hours(1));
    database.store.lease(owner, Wanted::any(1), MINUTE, 10).await.unwrap();
    let block = quarters(&layout, first(), 4, 0);
    database
        .store
        .write(owner, &[captures(meter, job, block.clone()), done(meter, job, None)])
        .await
        .unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let notice = tokio::time::timeout(MINUTE, listener.recv()).await.unwrap().unwrap();
        told.push(format!("{} {}", notice.channel(), notice.payload()));
    }
    told.sort();
    assert_eq!(told, [format!("job {job}"), format!("reading {meter}")]);
    let log = "SELECT meter_id, layout_id IS NOT NULL, from_ts, to_ts FROM reading_batch ORDER BY xid, id";
    let entry = "1|t|2024-03-31 00:15:00+00|2024-03-31 01:00:00+00";
    assert_eq!(database.sql(log), entry);
    database.store.write(owner, &[captures(meter, job, block.clone())]).await.unwrap();
    assert_eq!(database.sql(log), entry, "nothing new, nothing logged");
    let mut changed = block;
    changed.values[2] = Some(5);
    database.store.write(owner, &[captures(meter, job, changed)]).await.unwrap();
    assert_eq!(database.sql(log), format!("{entry}\n1|t|2024-03-31 00:30:00+00|2024-03-31 00:30:00+00"));
    assert_eq!(database.sql("SELECT state, captures, bytes_on_wire FROM job"), "done|4|1234");
}

#[tokio::test]
async fn everything_that_was_sent_is_stored_when_the_senders_are_gone() {
    let database = Database::new().await;
    let owner = Uuid::new_v4();
    let layout = layout(900, -3);
    let meters: Vec<i32> = (0..20).map(|n| database.meter(&format!("M{n}"))).collect();
    let jobs: Vec<i64> = meters.iter().map(|meter| database.identify_job(*meter, 1)).collect();
    assert_eq!(database.store.lease(owner, Wanted::any(100), MINUTE, 10).await.unwrap().len(), 20);
    let (sender, receiver) = mpsc::channel(4);
    let config = config::Ingest { max_rows: 500, max_wait: Duration::from_millis(20), queue: 4, writers: 1 };
    let ingest = tokio::spawn(ingest::run(database.store.clone(), owner, receiver, config, Haste::None));
    for (meter, job) in meters.iter().zip(&jobs) {
        for part in 0..4 {
            let from = first() + SignedDuration::from_hours(6 * part);
            sender.send(captures(*meter, *job, quarters(&layout, from, 24, 24 * part))).await.unwrap();
        }
        sender.send(done(*meter, *job, None)).await.unwrap();
    }
    drop(sender);
    let stats = ingest.await.unwrap();
    assert_eq!(stats.written.captures, stored(20 * 96, 0, 0));
    assert_eq!((stats.written.done, stats.written.lost, stats.refused, stats.outages), (20, 0, 0, 0));
    assert!(stats.batches >= 4, "{stats:?}");
    assert_eq!(
        database.sql("SELECT count(*), count(DISTINCT meter_id), sum(v0) FROM profile_row"),
        "1920|20|91200"
    );
    assert_eq!(database.sql("SELECT state, count(*), min(captures) FROM job GROUP BY state"), "done|20|96");
    assert_eq!(database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "0");
}

#[tokio::test]
async fn what_the_database_refuses_harms_only_its_own_job() {
    let database = Database::new().await;
    let owner = Uuid::new_v4();
    let (good, bad) = (database.meter("M1"), database.meter("M2"));
    let jobs = [database.identify_job(good, 1), database.identify_job(bad, 1)];
    database.store.lease(owner, Wanted::any(10), MINUTE, 10).await.unwrap();
    let layout = layout(900, 0);
    // A meter whose profile row can not be written: the database refuses the whole transaction.
    database.sql(&format!("ALTER TABLE meter_profile ADD CHECK (meter_id <> {bad})"));
    let (sender, receiver) = mpsc::channel(16);
    for (meter, job) in [(bad, jobs[1]), (good, jobs[0])] {
        sender.send(captures(meter, job, quarters(&layout, first(), 4, 0))).await.unwrap();
        sender.send(done(meter, job, None)).await.unwrap();
    }
    drop(sender);
    let stats =
        ingest::run(database.store.clone(), owner, receiver, config::Ingest::default(), Haste::None).await;
    assert_eq!((stats.refused, stats.written.done, stats.written.failed), (1, 1, 1));
    assert_eq!(database.sql("SELECT DISTINCT meter_id FROM profile_row"), good.to_string());
    assert_eq!(
        database.sql(&format!("SELECT state, reason FROM job WHERE id = {}", jobs[1])),
        "failed|unsupported"
    );
    assert_eq!(database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "0");
}

/// A batch of any rows of two meters, with repetitions and contradictions.
fn any_batch() -> impl Strategy<Value = Vec<(i32, i64, i64)>> {
    proptest::collection::vec((0_i32..2, 0_i64..12, 0_i64..3), 1..40)
}

#[test]
fn after_any_batches_the_table_holds_the_last_word_and_the_revisions_all_others() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    let meters = [database.meter("M1"), database.meter("M2")];
    let layout = layout(900, 0);
    let batches = proptest::collection::vec(any_batch(), 1..5);
    let config = ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(batches in batches)| {
        database.sql("TRUNCATE profile_row, profile_row_rev, meter_profile");
        let mut model = std::collections::BTreeMap::new();
        let mut revisions = 0;
        for batch in &batches {
            let mut expected = stored(0, 0, 0);
            let mut reports = Vec::new();
            for &(meter, quarter, value) in batch {
                expected.sent += 1;
                match model.insert((meter, quarter), value) {
                    None => expected.inserted += 1,
                    Some(before) if before == value => expected.identical += 1,
                    Some(_) => { expected.revised += 1; revisions += 1; }
                }
                let one: Captures = quarters(&layout, first() + SignedDuration::from_mins(15 * quarter), 1, value);
                reports.push(captures(meters[usize::try_from(meter).unwrap()], 1, one));
            }
            let written = runtime.block_on(database.store.write(Uuid::nil(), &reports)).unwrap();
            prop_assert_eq!(written.captures, expected);
        }
        let rows: Vec<String> = model.iter().map(|((meter, quarter), value)| format!("{meter}|{quarter}|{value}")).collect();
        let found = database.sql(
            "SELECT meter_id - (SELECT min(id) FROM meter), round(extract(epoch FROM ts - '2024-03-31 00:15+00') / 900), v0
             FROM profile_row ORDER BY 1, 2");
        prop_assert_eq!(found, rows.join("\n"));
        prop_assert_eq!(database.sql("SELECT count(*) FROM profile_row_rev"), revisions.to_string());
    });
}
