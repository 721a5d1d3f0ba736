//! Leases: one owner for a meter, counters that are never given twice, and jobs that come back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use collectors::{Event, Failure, Level, Reason, Report};
use common::{Database, at, done, energy, layout};
use dlms::client::Hls;
use headend::store::jobs::{DEATHS, Leased, Wanted};
use headend::store::{JobKind, Store};
use proptest::prelude::*;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn failed(meter: i32, job: i64, reason: Reason, expected_counter: Option<u32>) -> Report {
    let failure = Failure { expected_counter, ..Failure::new(reason, "It broke.") };
    Report { job, meter, event: Event::Ended(Err(failure)) }
}

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
    store.write(owner, &[failed(meter, read, Reason::LayoutChanged, None)]).await.unwrap();
    let again = store.lease(owner, Wanted::any(5), MINUTE, 50).await.unwrap();
    assert_eq!(again[0].jobs[0].layout.as_deref(), Some(&*layout));
    assert_eq!(again[0].jobs[0].attempts, 2);
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
    store.write(owner, &[failed(meter, job, Reason::Timeout, None)]).await.unwrap();
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
    let ends = [failed(line, first, Reason::Timeout, None), failed(key, second, Reason::WrongKey, None)];
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

/// C-47: a concentrator went away with its meters.
#[tokio::test]
async fn what_failed_together_does_not_come_again_together() {
    let database = Database::new().await;
    buses(&database, 60, 60);
    let (store, owner) = (&database.store, Uuid::new_v4());
    let leased = store.lease(owner, Wanted::any(60), MINUTE, 0).await.unwrap();
    let ends: Vec<_> =
        leased.iter().map(|meter| failed(meter.meter, meter.jobs[0].id, Reason::NoRoute, None)).collect();
    assert_eq!(store.write(owner, &ends).await.unwrap().again, 60);
    let spread = "SELECT count(DISTINCT due_at) > 30, max(due_at) - min(due_at) > interval '1 s' FROM job";
    assert_eq!(database.sql(spread), "t|t");
}

/// C-17: a counter that is a little higher is believed.
#[tokio::test]
async fn what_a_meter_expects_raises_its_counter_for_the_next_attempt() {
    let database = Database::new().await;
    let meter = database.gmac_meter("M1", 100);
    let job = database.identify_job(meter, 0);
    let owner = Uuid::new_v4();
    database.store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap();
    let rejected = failed(meter, job, Reason::CounterRejected, Some(5_000));
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
async fn for_a_busy_line_only_what_is_urgent_is_leased() {
    let database = Database::new().await;
    database.sql(
        "INSERT INTO meter (serial, model, address, device_address, server_sap, client_sap, zone, security)
         SELECT 'S' || n, 'generic-dlms', 'hdlc://bus:1', n, 1, 16, 'UTC', 'none' FROM generate_series(1, 3) AS n;
         INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         VALUES ('T', 'generic-dlms', 'h:1', 1, 16, 'UTC', 'none');
         INSERT INTO job (meter_id, kind, priority) SELECT id, 'read_clock', CASE serial WHEN 'S2' THEN 50 ELSE 0 END FROM meter",
    );
    let wanted = Wanted { busy: vec!["bus:1".into()], ..Wanted::any(10) };
    let owner = Uuid::new_v4();
    let leased = database.store.lease(owner, wanted, MINUTE, 10).await.unwrap();
    let who = |leased: &[Leased]| {
        leased.iter().map(|meter| (meter.serial.clone(), meter.device_address)).collect::<Vec<_>>()
    };
    assert_eq!(who(&leased), [("S2".into(), Some(2)), ("T".into(), None)]);
    let rest = database.store.lease(owner, Wanted::any(10), MINUTE, 10).await.unwrap();
    assert_eq!(who(&rest), [("S1".into(), Some(1)), ("S3".into(), Some(3))]);
}

/// A node brings the concentrator before it, and both have one line.
#[tokio::test]
async fn a_lease_brings_the_concentrator_of_a_node() {
    let database = Database::new().await;
    database.sql(
        "INSERT INTO meter (serial, model, address, line, server_sap, client_sap, zone, security) VALUES
             ('C0000001', 'dlms-concentrator', '10.1.1.1:4059', 'concentrator://C0000001', 1, 16, 'UTC', 'none'),
             ('N1', 'generic-dlms', 'concentrator://C0000001/1', NULL, 1, 16, 'UTC', 'none'),
             ('N2', 'generic-dlms', 'concentrator://C0000002/1', NULL, 1, 16, 'UTC', 'none');
         INSERT INTO job (meter_id, kind) SELECT id, 'read_clock' FROM meter",
    );
    let leased = database.store.lease(Uuid::new_v4(), Wanted::any(5), MINUTE, 1).await.unwrap();
    let concentrator = leased.iter().find(|leased| leased.serial == "C0000001").map(|leased| leased.meter);
    let via = |serial: &str| leased.iter().find(|leased| leased.serial == serial).unwrap().via.clone();
    let found = via("N1").unwrap();
    assert_eq!(Some(found.meter), concentrator);
    assert_eq!((found.address.as_str(), found.model.as_str()), ("10.1.1.1:4059", "dlms-concentrator"));
    assert_eq!((via("C0000001"), via("N2")), (None, None));
    let lines = "SELECT string_agg(line, ' ' ORDER BY serial) FROM meter WHERE serial IN ('C0000001', 'N1')";
    assert_eq!(database.sql(lines), "concentrator://C0000001 concentrator://C0000001");
}

/// Meters `S1` to `S<meters>` on lines `bus<n>:1`, so many each, with a job each.
fn buses(database: &Database, meters: u32, each: u32) {
    database.sql(&format!(
        "INSERT INTO meter (serial, model, address, device_address, server_sap, client_sap, zone, security)
         SELECT 'S' || n, 'generic-dlms', 'hdlc://bus' || (n - 1) / {each} || ':1', n, 1, 16, 'UTC', 'none'
         FROM generate_series(1, {meters}) AS n;
         INSERT INTO job (meter_id, kind) SELECT id, 'read_clock' FROM meter ORDER BY id"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_owners_never_get_the_same_line() {
    let database = Database::new().await;
    buses(&database, 240, 12);
    let take = |store: Store| async move {
        let owner = Uuid::new_v4();
        let mut taken = Vec::new();
        // Several looks may find only lines that others are just taking.
        for _ in 0..40 {
            taken.extend(store.lease(owner, Wanted::any(5), MINUTE, 10).await.unwrap());
        }
        (owner, taken)
    };
    let owners: Vec<_> = (0..4).map(|_| tokio::spawn(take(database.store.clone()))).collect();
    let (mut lines, mut meters) = (BTreeMap::new(), BTreeSet::new());
    for owner in owners {
        let (owner, taken) = owner.await.unwrap();
        for leased in taken {
            let before = lines.insert(leased.line.clone(), owner);
            assert!(before.is_none_or(|before| before == owner), "line {} has two owners", leased.line);
            assert!(meters.insert(leased.meter));
        }
    }
    assert_eq!((lines.len(), meters.len()), (20, 240), "whoever has a line gets all of its meters");
}

#[tokio::test]
async fn a_line_stays_with_its_owner_until_the_channel_has_left_it() {
    let database = Database::new().await;
    buses(&database, 2, 2);
    let (store, first, second) = (&database.store, Uuid::new_v4(), Uuid::new_v4());
    let leased = store.lease(first, Wanted::any(1), MINUTE, 0).await.unwrap();
    store.write(first, &[done(leased[0].meter, leased[0].jobs[0].id, None)]).await.unwrap();
    let nothing = store.lease(second, Wanted::any(5), MINUTE, 0).await.unwrap();
    assert!(nothing.is_empty(), "the meter is free, its line is not: {nothing:?}");
    store.leave(second, &["bus0:1".into()]).await.unwrap();
    assert!(
        store.lease(second, Wanted::any(5), MINUTE, 0).await.unwrap().is_empty(),
        "it was not its to leave"
    );
    store.leave(first, &["bus0:1".into()]).await.unwrap();
    assert_eq!(store.lease(second, Wanted::any(5), MINUTE, 0).await.unwrap().len(), 1);

    database.collectors_die();
    assert_eq!(store.renew(second, MINUTE).await.unwrap().len(), 1);
    database
        .sql("INSERT INTO job (meter_id, kind) SELECT id, 'identify' FROM meter WHERE lease_owner IS NULL");
    assert!(store.lease(first, Wanted::any(5), MINUTE, 0).await.unwrap().is_empty(), "who lives keeps it");
    database.collectors_die();
    assert_eq!(store.lease(first, Wanted::any(5), MINUTE, 0).await.unwrap().len(), 1, "the dead lose it");
    store.release(first).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM line WHERE lease_owner IS NOT NULL"), "0");
}

/// SEN-30: the first way is cut, and the next attempt takes the second.
#[tokio::test]
async fn a_meter_that_was_not_reached_is_tried_over_its_next_way() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    database.sql(&format!(
        "INSERT INTO meter_path (meter_id, place, address, device_address) VALUES ({meter}, 1, 'hdlc://gateway:4001', 17),
             ({meter}, 2, 'udp://h:4059', NULL)"
    ));
    let (store, owner) = (&database.store, Uuid::new_v4());
    let mut ways = Vec::new();
    for reason in [Reason::NoRoute, Reason::Timeout, Reason::LineCut, Reason::Refused, Reason::WrongMeter] {
        let job = database.identify_job(meter, 5);
        database.sql("UPDATE job SET due_at = now()");
        let leased = store.lease(owner, Wanted::any(1), MINUTE, 0).await.unwrap();
        ways.push((leased[0].line.clone(), leased[0].address.clone(), leased[0].device_address));
        let ends: Vec<_> = leased[0].jobs.iter().map(|job| failed(meter, job.id, reason, None)).collect();
        assert!(leased[0].jobs.iter().any(|leased| leased.id == job));
        store.write(owner, &ends).await.unwrap();
        store.leave(owner, &[leased[0].line.clone()]).await.unwrap();
    }
    let way = |line: &str, address: &str, device| (line.to_owned(), address.to_owned(), device);
    let first = way("127.0.0.1:4059", "127.0.0.1:4059", None);
    let third = way("h:4059", "udp://h:4059", None);
    let expected =
        [first.clone(), way("gateway:4001", "hdlc://gateway:4001", Some(17)), third.clone(), third, first];
    assert_eq!(ways, expected, "a line that breaks, and another meter, are no fault of the way");

    // Over another way for a while, the first is come back to, though nothing is wrong.
    database
        .sql("UPDATE meter SET path = 1, line = 'gateway:4001', path_since = now() - interval '61 minutes'");
    let job = database.identify_job(meter, 5);
    store.lease(owner, Wanted::any(1), MINUTE, 0).await.unwrap();
    store.write(owner, &[done(meter, job, None)]).await.unwrap();
    assert_eq!(database.sql("SELECT path, line, path_since IS NULL FROM meter"), "0|127.0.0.1:4059|t");
}

#[tokio::test]
async fn a_group_gets_no_more_lines_than_it_has_room_for() {
    let database = Database::new().await;
    buses(&database, 40, 2);
    database.sql("UPDATE meter SET throttle_group = 'cell-7' WHERE id <= 30");
    let (store, owner) = (&database.store, Uuid::new_v4());
    let groups = |leased: &[Leased]| {
        let in_group = leased.iter().filter(|meter| meter.throttle_group.is_some());
        (in_group.map(|meter| &meter.line).collect::<BTreeSet<_>>().len(), leased.len())
    };
    let room = |room| Wanted { rooms: BTreeMap::from([("cell-7".into(), room)]), ..Wanted::any(64) };
    let leased = store.lease(owner, room(2), MINUTE, 0).await.unwrap();
    assert!(
        (1..=2).contains(&groups(&leased).0) && groups(&leased).1 > 10,
        "others go on: {:?}",
        groups(&leased)
    );
    let open: BTreeSet<_> = leased.iter().map(|meter| meter.line.clone()).collect();
    let full = store.lease(owner, room(0), MINUTE, 0).await.unwrap();
    assert!(
        full.iter().all(|meter| open.contains(&meter.line)),
        "a line that is ours needs no room: {full:?}"
    );
    database.sql("UPDATE job SET priority = 50 WHERE meter_id = 30");
    let urgent = store.lease(owner, room(0), MINUTE, 0).await.unwrap();
    assert_eq!(
        urgent.iter().map(|meter| meter.meter).collect::<Vec<_>>(),
        [30],
        "what is urgent does not wait"
    );
    let unknown = Wanted { room: 3, ..Wanted::any(64) };
    let leased = store.lease(owner, unknown, MINUTE, 0).await.unwrap();
    assert!((1..=4).contains(&groups(&leased).0), "{:?}", groups(&leased));
}
