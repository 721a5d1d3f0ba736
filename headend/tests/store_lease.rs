//! Leases: one owner for a meter, counters that are never given twice, and jobs that come back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use collectors::{Event, Failure, Layout, Level, Reason, Report};
use common::{Database, at, captures, done, energy, failed, layout, quarters};
use dlms::client::Hls;
use dlms::profile::Column;
use headend::store::callers::{Came, Left, Sign};
use headend::store::jobs::{DEATHS, Leased, Wanted};
use headend::store::{JobKind, Store};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn jobs(leased: &[Leased]) -> Vec<i64> {
    leased.iter().flat_map(|meter| meter.jobs.iter().map(|job| job.id)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_owners_never_get_the_same_meter() {
    let database = Database::new().await;
    database.sql(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         SELECT 'S' || n, 'generic-dlms', 'h' || n || ':1', 1, 16, 'UTC', 'none' FROM generate_series(1, 200) AS n;
         INSERT INTO job (meter_id, kind) SELECT id, kind FROM meter, unnest('{identify,read_clock,read_registers}'::job_kind[]) AS kind",
    );
    let take = |store: Store| async move {
        let owner = Uuid::new_v4();
        let mut taken = Vec::new();
        loop {
            let leased = store.lease(owner, Wanted::any(7), MINUTE, 10).await.unwrap();
            if leased.is_empty() {
                return (owner, taken);
            }
            taken.extend(leased);
        }
    };
    let owners: Vec<_> = (0..4).map(|_| tokio::spawn(take(database.store.clone()))).collect();
    let (mut meters, mut all_jobs) = (BTreeMap::new(), BTreeSet::new());
    for owner in owners {
        let (owner, taken) = owner.await.unwrap();
        for leased in taken {
            let before = meters.insert(leased.meter, owner);
            assert!(before.is_none_or(|before| before == owner), "meter {} has two owners", leased.meter);
            for job in leased.jobs {
                assert!(all_jobs.insert(job.id), "job {} was given twice", job.id);
            }
        }
    }
    assert_eq!((meters.len(), all_jobs.len()), (200, 600), "nothing is left");
    assert_eq!(database.sql("SELECT count(*) FROM job WHERE state = 'running' AND attempts = 1"), "600");
}

#[tokio::test]
async fn one_statement_brings_all_that_a_session_needs() {
    let database = Database::new().await;
    let meter = database.gmac_meter("AB123", 1000);
    let layout = layout(900, -3);
    let id = database.store.intern_layout(&layout).await.unwrap();
    database.sql(&format!(
        "INSERT INTO meter_profile (meter_id, obis, layout_id, last_ts) VALUES ({meter}, '\\x0100630100ff', {id}, '2024-05-01 10:00+00')"
    ));
    let read = database.profile_job(meter, at("2024-05-01T10:15:00Z"), at("2024-05-01T11:00:00Z"));
    let urgent = database.identify_job(meter, 10);
    let owner = Uuid::new_v4();
    // A second store has an empty cache, so the layout comes with the lease and not from memory.
    let store = Store::open(database.server.cluster().options(&database.name), 2);
    let leased = store.lease(owner, Wanted::any(5), MINUTE, 50).await.unwrap();
    let [meter_leased] = leased.as_slice() else { panic!("{leased:?}") };
    assert_eq!((meter_leased.meter, meter_leased.serial.as_str()), (meter, "AB123"));
    assert_eq!((meter_leased.server_sap, meter_leased.client_sap), (1, 16));
    assert_eq!((meter_leased.zone.as_str(), meter_leased.model.as_str()), ("Europe/Berlin", "generic-dlms"));
    assert!(matches!(meter_leased.credentials.level, Level::Hls(Hls::Gmac)));
    let [first, second] = meter_leased.jobs.as_slice() else { panic!("{:?}", meter_leased.jobs) };
    assert_eq!(
        (first.id, first.kind, first.priority),
        (urgent, JobKind::Identify, 10),
        "the urgent one first"
    );
    assert_eq!((second.id, second.kind, second.obis), (read, JobKind::ReadProfile, Some(energy())));
    assert_eq!(second.range, Some((at("2024-05-01T10:15:00Z"), at("2024-05-01T11:00:00Z"))));
    assert_eq!(second.last_ts, Some(at("2024-05-01T10:00:00Z")));
    assert_eq!(second.layout.as_deref(), Some(&*layout));
    assert_eq!((first.counters, second.counters), (Some((1000, 1050)), Some((1050, 1100))));
    assert_eq!(database.sql("SELECT next FROM meter_counter"), "1100", "reserved before it is used");
    let shown = format!("{leased:?}");
    assert!(!shown.contains("0a0a") && !shown.contains("10, 10, 10"), "a key is shown: {shown}");
    // The same layout comes from memory the second time.
    store.write(owner, &[failed(meter, read, Reason::LayoutChanged)]).await.unwrap();
    let again = store.lease(owner, Wanted::any(5), MINUTE, 50).await.unwrap();
    assert_eq!(again[0].jobs[0].layout.as_deref(), Some(&*layout));
    assert_eq!(again[0].jobs[0].attempts, 2);
}

/// Floats are told from whole numbers with the same scaler, and are the decimals that the meter shows.
#[tokio::test]
async fn a_column_of_floats_is_known_again_and_its_values_are_exact() {
    let database = Database::new().await;
    let (meter, owner) = (database.meter("M1"), Uuid::new_v4());
    let whole = layout(900, -9);
    let mut floats = Layout::clone(&whole);
    floats.columns[2].column = Column::Float;
    let floats = Arc::new(floats);
    let one = database.store.intern_layout(&whole).await.unwrap();
    assert_ne!(database.store.intern_layout(&floats).await.unwrap(), one);
    let capacity = Event::Capacity { profile: energy(), rows: 960 };
    let first = at("2024-05-01T10:00:00Z");
    let reports = [Event::Layout(whole), capacity].map(|event| Report { job: 1, meter, event });
    database.store.write(owner, &reports).await.unwrap();
    let brought = captures(meter, 1, quarters(&floats, first, 1, 230_400_000_000));
    database.store.write(owner, &[brought]).await.unwrap();
    assert_eq!(
        database.sql("SELECT value, capacity FROM reading CROSS JOIN meter_profile WHERE unit = 'Wh'"),
        "230.400000000|960"
    );
    database.profile_job(meter, first, first);
    let store = Store::open(database.server.cluster().options(&database.name), 2);
    let leased = store.lease(owner, Wanted::any(5), MINUTE, 50).await.unwrap();
    assert_eq!(leased[0].jobs[0].layout.as_deref(), Some(&*floats));
}

/// C-10: columns that nobody looked at for two weeks, or that another firmware may have changed, are read again.
#[tokio::test]
async fn columns_are_read_again_after_another_firmware_and_now_and_then() {
    let database = Database::new().await;
    let (meter, layout) = (database.meter("M1"), layout(900, -3));
    let owner = Uuid::new_v4();
    let job = database.profile_job(meter, at("2024-05-01T10:15:00Z"), at("2024-05-01T11:00:00Z"));
    let report = |event| Report { job, meter, event };
    let firmware = |firmware: &str| {
        report(Event::Identity {
            serial: "M1".into(),
            logical_device_name: None,
            firmware: Some(firmware.into()),
            system_title: None,
        })
    };
    let read = report(Event::Layout(Arc::clone(&layout)));
    let known = async || {
        let leased = database.store.lease(owner, Wanted::any(5), MINUTE, 0).await.unwrap();
        let known = leased[0].jobs[0].layout.clone();
        database.store.write(owner, &[failed(meter, job, Reason::LayoutChanged)]).await.unwrap();
        database.sql("UPDATE job SET attempts = 0, due_at = now()");
        known
    };
    database.store.write(owner, &[read.clone(), firmware("1.2")]).await.unwrap();
    assert_eq!(
        known().await.as_deref(),
        Some(&*layout),
        "a firmware that was not known before is no other one"
    );
    database.store.write(owner, &[firmware("1.2")]).await.unwrap();
    assert_eq!(known().await.as_deref(), Some(&*layout));
    database.store.write(owner, &[firmware("1.3")]).await.unwrap();
    assert_eq!(known().await, None);
    database.store.write(owner, &[read]).await.unwrap();
    assert_eq!(known().await.as_deref(), Some(&*layout));
    database.sql("UPDATE meter_profile SET layout_read_at = now() - interval '6 days'");
    assert_eq!(known().await.as_deref(), Some(&*layout));
    database.sql("UPDATE meter_profile SET layout_read_at = now() - interval '14 days'");
    assert_eq!(known().await, None);
    assert_eq!(
        database.sql("SELECT layout_id IS NOT NULL FROM meter_profile"),
        "t",
        "what is stored keeps its columns"
    );
}

#[tokio::test]
async fn a_lease_that_ended_gives_its_jobs_back_and_the_late_owner_ends_nothing() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let job = database.identify_job(meter, 0);
    let (dead, alive) = (Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(jobs(&database.store.lease(dead, Wanted::any(5), MINUTE, 10).await.unwrap()), [job]);
    assert_eq!(database.store.recover().await, Ok(0), "it lives");
    assert_eq!(
        jobs(&database.store.lease(alive, Wanted::any(5), MINUTE, 10).await.unwrap()),
        [0_i64; 0],
        "it is taken"
    );
    database.collectors_die();
    assert_eq!(database.store.recover().await, Ok(1));
    assert_eq!(jobs(&database.store.lease(alive, Wanted::any(5), MINUTE, 10).await.unwrap()), [job]);
    assert_eq!(
        database.store.renew(dead, MINUTE).await,
        Ok(vec![]),
        "the dead one learns that it holds nothing"
    );
    assert_eq!(database.store.renew(alive, MINUTE).await, Ok(vec![meter]));

    let late = database.store.write(dead, &[done(meter, job, None)]).await.unwrap();
    assert_eq!((late.done, late.lost), (0, 1));
    assert_eq!(database.sql("SELECT state FROM job"), "running");
    assert_eq!(
        database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"),
        "1",
        "the lease is not disturbed"
    );
    let right = database.store.write(alive, &[done(meter, job, None)]).await.unwrap();
    assert_eq!((right.done, right.lost), (1, 0));
    let twice = database.store.write(alive, &[done(meter, job, None)]).await.unwrap();
    assert_eq!((twice.done, twice.lost), (0, 1), "a job ends once");
    assert_eq!(database.sql("SELECT state, attempts, reason FROM job"), "done|2|cancelled");
    assert_eq!(database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "0");
}

#[tokio::test]
async fn a_job_that_kills_its_collector_each_time_fails_in_the_end() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    database.identify_job(meter, 0);
    database.sql("UPDATE job SET max_attempts = 2");
    let most = 2 + DEATHS;
    for attempt in 1..=most {
        assert_eq!(database.store.lease(Uuid::new_v4(), Wanted::any(5), MINUTE, 10).await.unwrap().len(), 1);
        database.collectors_die();
        assert_eq!(database.store.recover().await, Ok(1));
        let state = if attempt < most { "due" } else { "failed" };
        assert_eq!(
            database.sql("SELECT state, attempts, reason FROM job"),
            format!("{state}|{attempt}|cancelled")
        );
    }
}

#[tokio::test]
async fn an_orderly_stop_gives_everything_back_and_counts_no_attempt() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    database.identify_job(meter, 0);
    let owner = Uuid::new_v4();
    database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap();
    assert_eq!(database.store.release(owner).await, Ok(1));
    assert_eq!(database.sql("SELECT state, attempts FROM job"), "due|0");
    assert_eq!(database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "0");
}

#[tokio::test]
async fn the_owner_takes_more_work_of_a_meter_it_holds_and_keeps_it_until_the_last_job_ends() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let first = database.identify_job(meter, 5);
    let owner = Uuid::new_v4();
    assert_eq!(jobs(&database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap()), [first]);
    let second = database.identify_job(meter, 5);
    assert_eq!(
        jobs(&database.store.lease(Uuid::new_v4(), Wanted::any(5), MINUTE, 10).await.unwrap()),
        [0_i64; 0]
    );
    assert_eq!(jobs(&database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap()), [second]);
    database.store.write(owner, &[done(meter, first, None)]).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "1");
    database.store.write(owner, &[done(meter, second, None)]).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "0");
}

#[tokio::test]
async fn work_of_a_retired_meter_comes_to_its_end() {
    let database = Database::new().await;
    let (store, owner, meter) = (&database.store, Uuid::new_v4(), database.meter("M1"));
    let job = database.identify_job(meter, 0);
    store.lease(owner, Wanted::any(8), MINUTE, 0).await.unwrap();
    database.sql(&format!("UPDATE meter SET state = 'retired', retired_at = now() WHERE id = {meter}"));
    store.write(owner, &[failed(meter, job, Reason::Timeout)]).await.unwrap();
    assert_eq!(store.call_off_retired().await, Ok(1));
    assert_eq!(database.sql(&format!("SELECT state, reason FROM job WHERE id = {job}")), "cancelled|timeout");
    assert_eq!(store.call_off_retired().await, Ok(0));
}

#[tokio::test]
async fn a_job_that_was_called_off_or_belongs_to_a_retired_meter_is_not_taken() {
    let database = Database::new().await;
    let (kept, retired) = (database.meter("M1"), database.meter("M2"));
    database.identify_job(kept, 0);
    database.identify_job(retired, 0);
    database.sql(&format!(
        "UPDATE job SET state = 'cancelled', finished_at = now() WHERE meter_id = {kept};
         UPDATE meter SET state = 'retired', retired_at = now() WHERE id = {retired}"
    ));
    assert!(database.store.lease(Uuid::new_v4(), Wanted::any(5), MINUTE, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_broken_line_is_tried_again_later_and_a_wrong_key_is_not() {
    let database = Database::new().await;
    let (line, key) = (database.meter("M1"), database.meter("M2"));
    let (first, second) = (database.identify_job(line, 0), database.identify_job(key, 0));
    let owner = Uuid::new_v4();
    database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap();
    let ends = [failed(line, first, Reason::Timeout), failed(key, second, Reason::WrongKey)];
    let written = database.store.write(owner, &ends).await.unwrap();
    assert_eq!((written.again, written.failed), (1, 1));
    let waits = "SELECT state, reason, detail, round(extract(epoch FROM due_at - now())) BETWEEN 10 AND 15, finished_at IS NULL";
    assert_eq!(database.sql(&format!("{waits} FROM job WHERE id = {first}")), "due|timeout|It broke.|t|t");
    assert_eq!(
        database.sql(&format!("SELECT state, reason FROM job WHERE id = {second}")),
        "failed|wrong_key"
    );
    assert!(database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap().is_empty(), "not due yet");
}

/// C-17: a counter that is a little higher is believed.
#[tokio::test]
async fn what_a_meter_expects_raises_its_counter_for_the_next_attempt() {
    let database = Database::new().await;
    let meter = database.gmac_meter("M1", 100);
    let job = database.identify_job(meter, 0);
    let owner = Uuid::new_v4();
    database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap();
    let failure = Failure::new(Reason::CounterRejected, "It broke.");
    let failure = Failure { expected_counter: Some(5_000), ..failure };
    let rejected = Report { job, meter, event: Event::Ended(Err(failure)) };
    assert_eq!(database.store.write(owner, &[rejected]).await.unwrap().again, 1);
    let leased = database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap();
    assert_eq!(leased[0].jobs[0].counters, Some((5_000, 5_010)));
}

/// C-15 and C-17: a counter near the end is not believed, and none comes behind the last one.
#[tokio::test]
async fn a_forged_counter_does_not_spend_the_key_and_a_spent_one_is_not_reused() {
    let database = Database::new().await;
    let meter = database.gmac_meter("M1", 100);
    let raised = database.store.raise_counters(&BTreeMap::from([(meter, u32::MAX - 1)])).await.unwrap();
    assert_eq!(raised, [0_i32; 0]);
    assert_eq!(database.sql("SELECT next FROM meter_counter"), "100");
    database.sql("UPDATE meter_counter SET next = 4294967290");
    database.identify_job(meter, 0);
    let leased = database.store.lease(Uuid::new_v4(), Wanted::any(5), MINUTE, 10).await.unwrap();
    assert_eq!(leased[0].jobs[0].counters, None, "ten are not left");
    assert_eq!(database.sql("SELECT next FROM meter_counter"), "4294967290");
}

/// What happens to the counter of a meter.
#[derive(Debug, Clone)]
enum Step {
    Lease { counters: u32 },
    Raise { expected: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lease = (1_u32..500).prop_map(|counters| Step::Lease { counters });
    let raise = (0_u32..20_000).prop_map(|expected| Step::Raise { expected });
    proptest::collection::vec(prop_oneof![lease, raise], 1..25)
}

/// C-16: ranges of counters, however often they are taken and raised.
#[test]
fn no_counter_is_given_twice_and_none_is_ever_lowered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    let meter = database.gmac_meter("M1", 1);
    let owner = Uuid::new_v4();
    let given = std::cell::Cell::new(0_u32);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in steps())| {
        for step in steps {
            let before: i64 = database.sql("SELECT next FROM meter_counter").parse().unwrap();
            match step {
                Step::Lease { counters } => {
                    let job = database.identify_job(meter, 1);
                    let leased = runtime.block_on(database.store.lease(owner, Wanted::any(1), MINUTE, counters)).unwrap();
                    let (first, end) = leased[0].jobs[0].counters.unwrap();
                    prop_assert!(first >= given.get() && end - first == counters, "{first} to {end} after {}", given.get());
                    given.set(end);
                    runtime.block_on(database.store.write(owner, &[done(meter, job, None)])).unwrap();
                }
                Step::Raise { expected } => {
                    let raised = runtime.block_on(database.store.raise_counters(&BTreeMap::from([(meter, expected)]))).unwrap();
                    prop_assert_eq!(raised, vec![meter]);
                    let after: i64 = database.sql("SELECT next FROM meter_counter").parse().unwrap();
                    prop_assert!(after >= i64::from(expected));
                }
            }
            let after: i64 = database.sql("SELECT next FROM meter_counter").parse().unwrap();
            prop_assert!(after >= before, "{after} after {before}");
        }
    });
}

#[tokio::test]
async fn work_of_a_meter_that_is_to_call_is_in_the_queue_while_it_is_connected() {
    let database = Database::new().await;
    let (store, owner) = (&database.store, Uuid::new_v4());
    let meter = database.meter("M1");
    database.sql(&format!("UPDATE meter SET address = 'inbound://M1' WHERE id = {meter}"));
    let job = database.identify_job(meter, 50);
    let waits = || database.sql("SELECT waits FROM job ORDER BY id");
    assert_eq!(waits(), "t");
    let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    let line = || "inbound://M1".to_owned();
    let came =
        || Came { line: line(), dialect: "login", peer: "tcp:10.0.0.1:5".into(), since, ready_at: since };
    store.note_callers(owner, &[came()], &[]).await.unwrap();
    assert_eq!(waits(), "f");
    let leased = store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap();
    assert_eq!(jobs(&leased), [job]);
    store.note_callers(owner, &[], &[Left { line: line(), since, at: since }]).await.unwrap();
    store.write(owner, &[failed(meter, job, Reason::LineCut)]).await.unwrap();
    assert_eq!(waits(), "t", "it is tried again when the meter calls again");
    store.leave(owner, &[line()]).await.unwrap();
    database.sql("UPDATE job SET due_at = now()");
    store.note_callers(owner, &[came()], &[]).await.unwrap();
    assert_eq!(jobs(&store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap()), [job]);
    // What a trigger could not see in the moment of the call is found with the next sign of life.
    store.release(owner).await.unwrap();
    database.sql("UPDATE job SET waits = true");
    store.keep_listener(owner).await.unwrap();
    assert_eq!(waits(), "f");
    // Reached over another line, or called off, nothing waits.
    store.note_callers(owner, &[], &[Left { line: line(), since, at: since }]).await.unwrap();
    assert_eq!(waits(), "t");
    database.sql(&format!("UPDATE meter SET address = '10.0.0.1:4059' WHERE id = {meter}"));
    assert_eq!(waits(), "f");
}

#[tokio::test]
async fn a_process_without_signs_of_life_loses_its_callers_and_learns_so_by_its_next_sign() {
    let database = Database::new().await;
    let (store, [silent, other]) = (&database.store, [Uuid::new_v4(), Uuid::new_v4()]);
    let sign = |is_first, ended| Sign { is_first, ended };
    assert_eq!(store.keep_listener(silent).await.unwrap(), sign(true, 0));
    assert_eq!(store.keep_listener(silent).await.unwrap(), sign(false, 0));
    let since = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    let came = |line: &str| Came {
        line: line.into(),
        dialect: "login",
        peer: "tcp:10.0.0.1:5".into(),
        since,
        ready_at: since,
    };
    store.note_callers(silent, &[came("inbound://1"), came("inbound://2")], &[]).await.unwrap();
    store.note_callers(other, &[came("inbound://3")], &[]).await.unwrap();
    assert_eq!(store.keep_listener(other).await.unwrap(), sign(true, 0));
    database.sql("UPDATE listener SET seen_at = now() - interval '1 minute'");
    assert_eq!(store.keep_listener(other).await.unwrap(), sign(false, 2));
    let present = || database.sql("SELECT line FROM caller WHERE left_at IS NULL ORDER BY line");
    assert_eq!(present(), "inbound://3");
    assert_eq!(store.keep_listener(silent).await.unwrap(), sign(true, 0));
    store.note_callers(silent, &[came("inbound://1")], &[]).await.unwrap();
    assert_eq!(present(), "inbound://1\ninbound://3");
    // Callers that are no meter's are forgotten some time after they left.
    database
        .sql("UPDATE caller SET since = since - interval '1 hour', left_at = left_at - interval '1 hour'");
    assert_eq!(store.forget_strangers().await.unwrap(), 1);
}
