//! What a server reads for us does not grow with the queue, whatever it believes of its indexes: one that looked at them when there was no work takes them for
//! empty until it looks again, and would rather read all of nothing than look something up.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::sync::Arc;
use std::time::Duration;

use collectors::Reason;
use common::{Database, at, captures, done, failed, layout, quarters};
use headend::plan::PlannedJob;
use headend::store::jobs::Wanted;
use headend::store::{JobKind, Store};
use jiff::ToSpan as _;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// Meters, each with a planned read, an order and its job that are due.
const METERS: u64 = 10_000;

/// A fleet whose whole work came due after the server looked at its tables.
async fn misled() -> Database {
    let database = Database::new().await;
    database.sql(&format!(
        "ALTER TABLE job SET (autovacuum_enabled = off);
         ALTER TABLE command SET (autovacuum_enabled = off);
         INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
             SELECT 'S' || n, 'generic-dlms', 'h' || n || ':1', 1, 16, 'UTC', 'none' FROM generate_series(1, {METERS}) AS n;
         INSERT INTO job (meter_id, kind, state, finished_at) SELECT id, 'identify', 'done', now() FROM meter;
         INSERT INTO command_order (id, principal, idempotency_key, kind, fingerprint, reason, request_id)
             VALUES (gen_random_uuid(), 'erika', 'all', 'disconnect', sha256('all'), 'unpaid', gen_random_uuid())"
    ));
    database.sql("VACUUM ANALYZE");
    database.sql(
        "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts)
             SELECT id, 'read_profile', '\\x0100630100ff', '2024-05-01 00:00:01+00', '2024-05-01 01:00+00' FROM meter;
         WITH made AS (INSERT INTO job (meter_id, kind, priority) SELECT id, 'command', 10 FROM meter RETURNING id, meter_id)
         INSERT INTO command (order_id, meter_id, kind, priority, not_before, deadline, job_id)
             SELECT o.id, m.meter_id, 'disconnect', 10, now() - interval '1 s', now() + interval '1 day', m.id FROM made m, command_order o",
    );
    database
}

/// Entries of indexes and rows of tables that the server has read so far, over the one connection of the store.
async fn read(database: &Database, store: &Store) -> u64 {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(store.pool()).await.unwrap();
    let sum = "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes) + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)";
    database.sql(sum).parse().unwrap()
}

#[tokio::test]
async fn a_server_that_believes_the_queue_empty_does_not_read_all_of_it_for_each_look() {
    let database = misled().await;
    let store = Store::open(database.server.cluster().options(&database.name), 1);
    let owner = Uuid::new_v4();
    let mut before = read(&database, &store).await;
    let mut step = async |what| {
        let now = read(&database, &store).await;
        assert!(now - before < METERS, "to {what}, {} entries and rows were read", now - before);
        before = now;
    };

    let busy = Wanted { busy: (1..=METERS / 2).map(|n| format!("h{n}:1")).collect(), ..Wanted::any(16) };
    store.put_aside(owner, &busy).await.unwrap();
    step("put work aside").await;
    let leased = store.lease(owner, Wanted::any(16), MINUTE, 10).await.unwrap();
    assert_eq!(leased.iter().map(|meter| meter.jobs.len()).collect::<Vec<_>>(), [2; 16]);
    step("lease").await;

    let layout = layout(900, 0);
    let range = (at("2024-05-01T00:00:01Z"), at("2024-05-01T01:00:00Z"));
    let reports = leased.iter().flat_map(|meter| {
        meter.jobs.iter().flat_map(|job| match job.kind {
            JobKind::ReadProfile => {
                let rows = quarters(&layout, at("2024-05-01T00:15:00Z"), 4, 7);
                vec![captures(meter.meter, job.id, rows), done(meter.meter, job.id, Some(range))]
            }
            _ => vec![failed(meter.meter, job.id, Reason::Timeout)],
        })
    });
    store.write(owner, &reports.collect::<Vec<_>>()).await.unwrap();
    step("store what was read").await;
    store.leave(owner, &leased.iter().map(|meter| meter.line.clone()).collect::<Vec<_>>()).await.unwrap();
    step("leave the lines").await;

    let planned = leased.iter().map(|meter| PlannedJob {
        meter: meter.meter,
        kind: JobKind::ReadProfile,
        obis: Some(layout.obis),
        range: Some((range.1 + 1.second(), range.1 + 1.hour())),
        priority: 0,
        wanted_by: range.1 + 2.hours(),
        kept: None,
        max_attempts: 5,
    });
    assert_eq!(store.insert_planned(&planned.collect::<Vec<_>>()).await.unwrap(), 16);
    step("plan").await;
    store.lease(owner, Wanted::any(16), MINUTE, 10).await.unwrap();
    database.collectors_die();
    step("lease again").await;
    assert!(store.recover().await.unwrap() > 0);
    step("take back what a collector left that died").await;
    assert_eq!(database.sql("SELECT count(*) FROM reading").as_str(), "128");
}
