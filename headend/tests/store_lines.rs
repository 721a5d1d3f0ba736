//! Lines: one owner each, the ways to a meter over them, and groups that get no more of them than they bear.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use collectors::Reason;
use common::{Database, done, failed};
use headend::store::Store;
use headend::store::jobs::{Leased, Wanted};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// Meters `S1` to `S<meters>` on lines `bus<n>:1`, so many each, with a job each.
fn buses(database: &Database, meters: u32, each: u32) {
    database.sql(&format!(
        "INSERT INTO meter (serial, model, address, device_address, server_sap, client_sap, zone, security)
         SELECT 'S' || n, 'generic-dlms', 'hdlc://bus' || (n - 1) / {each} || ':1', n, 1, 16, 'UTC', 'none'
         FROM generate_series(1, {meters}) AS n;
         INSERT INTO job (meter_id, kind) SELECT id, 'read_clock' FROM meter ORDER BY id"
    ));
}

/// C-47: a concentrator went away with its meters.
#[tokio::test]
async fn what_failed_together_does_not_come_again_together() {
    let database = Database::new().await;
    buses(&database, 60, 60);
    let (store, owner) = (&database.store, Uuid::new_v4());
    let leased = store.lease(owner, Wanted::any(60), MINUTE, 0).await.unwrap();
    let ends: Vec<_> =
        leased.iter().map(|meter| failed(meter.meter, meter.jobs[0].id, Reason::NoRoute)).collect();
    assert_eq!(store.write(owner, &ends).await.unwrap().again, 60);
    let spread = "SELECT count(DISTINCT due_at) > 30, max(due_at) - min(due_at) > interval '1 s' FROM job";
    assert_eq!(database.sql(spread), "t|t");
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
        let ends: Vec<_> = leased[0].jobs.iter().map(|job| failed(meter, job.id, reason)).collect();
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
