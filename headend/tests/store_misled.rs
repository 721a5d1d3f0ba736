//! What a server reads for us does not grow with fleet and queue, whatever it believes of its tables: one that looked at them when there was no work, or never, would
//! rather read all of next to nothing than look something up.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

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

/// A fleet whose whole work comes due after the server looked at its tables, if it did.
async fn fleet(looked: bool) -> Database {
    let database = Database::new().await;
    database.sql(&format!(
        "ALTER TABLE job SET (autovacuum_enabled = off);
         ALTER TABLE command SET (autovacuum_enabled = off);
         ALTER TABLE meter SET (autovacuum_enabled = off);
         ALTER TABLE line SET (autovacuum_enabled = off);
         INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
             SELECT 'S' || n, 'generic-dlms', 'h' || n || ':1', 1, 16, 'UTC', 'none' FROM generate_series(1, {METERS}) AS n;
         INSERT INTO job (meter_id, kind, state, finished_at) SELECT id, 'identify', 'done', now() FROM meter;
         INSERT INTO command_order (id, principal, idempotency_key, kind, fingerprint, reason, request_id)
             VALUES (gen_random_uuid(), 'erika', 'all', 'disconnect', sha256('all'), 'unpaid', gen_random_uuid())"
    ));
    if looked {
        database.sql("VACUUM ANALYZE");
    }
    database.sql(
        "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts)
             SELECT id, 'read_profile', '\\x0100630100ff', '2024-05-01 00:00:01+00', '2024-05-01 01:00+00' FROM meter;
         WITH made AS (INSERT INTO job (meter_id, kind, priority) SELECT id, 'command', 10 FROM meter RETURNING id, meter_id)
         INSERT INTO command (order_id, meter_id, kind, priority, not_before, deadline, job_id)
             SELECT o.id, m.meter_id, 'disconnect', 10, now() - interval '1 s', now() + interval '1 day', m.id FROM made m, command_order o",
    );
    database
}

/// Entries of indexes and rows of tables that the server reads.
struct Reads<'a> {
    database: &'a Database,
    /// Over one connection, so that the server counts in order.
    store: Store,
    before: u64,
}

impl<'a> Reads<'a> {
    async fn of(database: &'a Database) -> Self {
        let store = Store::open(database.server.cluster().options(&database.name), 1);
        let mut reads = Self { database, store, before: 0 };
        reads.since().await;
        reads
    }

    /// How many since the last call.
    async fn since(&mut self) -> u64 {
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(self.store.pool()).await.unwrap();
        let sum = "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes) + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)";
        let now: u64 = self.database.sql(sum).parse().unwrap();
        now - std::mem::replace(&mut self.before, now)
    }

    /// The whole fleet once at most, and not once for each that is looked up.
    async fn step(&mut self, what: &str) {
        let read = self.since().await;
        assert!(read < 2 * METERS, "to {what}, {read} entries and rows were read");
    }
}

#[tokio::test]
async fn a_server_that_believes_the_queue_empty_does_not_read_all_of_it_for_each_look() {
    work(&fleet(true).await).await;
}

#[tokio::test]
async fn a_server_that_has_not_looked_at_a_new_fleet_does_not_read_all_of_it_for_each_look() {
    work(&fleet(false).await).await;
}

/// Has some of the work done, and holds what is read for each step against the size of the fleet.
async fn work(database: &Database) {
    let mut reads = Reads::of(database).await;
    let (store, owner) = (reads.store.clone(), Uuid::new_v4());

    let busy = Wanted { busy: (1..=METERS / 2).map(|n| format!("h{n}:1")).collect(), ..Wanted::any(16) };
    store.put_aside(owner, &busy).await.unwrap();
    reads.step("put work aside").await;
    let leased = store.lease(owner, Wanted::any(16), MINUTE, 10).await.unwrap();
    assert_eq!(leased.iter().map(|meter| meter.jobs.len()).collect::<Vec<_>>(), [2; 16]);
    reads.step("lease").await;

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
    reads.step("store what was read").await;
    store.leave(owner, &leased.iter().map(|meter| meter.line.clone()).collect::<Vec<_>>()).await.unwrap();
    reads.step("leave the lines").await;

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
    reads.step("plan").await;
    store.lease(owner, Wanted::any(16), MINUTE, 10).await.unwrap();
    reads.step("lease again").await;
    database.collectors_die();
    reads.since().await;
    assert!(store.recover().await.unwrap() > 0);
    reads.step("take back what a collector left that died").await;
    assert_eq!(database.sql("SELECT count(*) FROM reading").as_str(), "128");
}
