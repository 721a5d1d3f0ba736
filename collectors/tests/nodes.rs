//! A thousand meters behind one concentrator: each day everything that is missing is read over a power line of 1200 bit/s, and at any time one node in fifty is out of
//! reach. Time is that of tokio's paused clock, which the meters' clock follows: days pass within seconds, and the same way each time.
//!
//! What counts as failure: a capture that a meter holds and that is not stored when the day's reads are over; a value that the meter did not capture; a work
//! without an end. A node that is out of reach is none: it is read when it is back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "nodes/site.rs"]
mod site;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::SignedDuration;
use simulator::{Affected, ConcentratorConfig, Fault, FaultRule};
use tokio::time::sleep;

use site::{Site, Store};

const NODES: u32 = 1000;
const PROFILE: &str = "daily-values";
/// Hours of the past that are read on the first day.
const PAST_H: i64 = 72;
const DAYS: u32 = 4;
/// Between two attempts to read those that were out of reach, and how many of them there are on a day.
const AGAIN_AFTER: Duration = Duration::from_secs(2 * 3600);
const ATTEMPTS: u32 = 5;

#[tokio::test(start_paused = true)]
async fn mt_01_mt_02_a_thousand_nodes_are_read_daily_without_a_gap_that_they_still_hold() {
    let config = ConcentratorConfig {
        nodes: NODES,
        lost_ppm: 20_000,
        outage: Duration::from_secs(6 * 3600),
        ..ConcentratorConfig::default()
    };
    let site = Site::new(config, NODES);
    let mut store = Store::of(PROFILE, site.start - SignedDuration::from_hours(PAST_H));
    for day in 0..DAYS {
        let mut missing: BTreeSet<usize> = (0..usize::try_from(NODES).unwrap()).collect();
        let day_end = site.start + SignedDuration::from_hours(24 * i64::from(day + 1));
        for attempt in 0..ATTEMPTS {
            missing = site.read(missing, &mut store).await;
            if missing.is_empty() {
                break;
            }
            assert!(missing.len() < 80, "on day {day}, attempt {attempt}: {} nodes", missing.len());
            sleep(AGAIN_AFTER).await;
        }
        assert!(missing.is_empty(), "on day {day} out of reach for good: {missing:?}");
        assert!(site.clock.now() < day_end, "a day is enough");
        for (node, meter) in site.concentrators.meters().iter().enumerate() {
            let held = meter.expected(PROFILE, store.from, store.covered[&node]).unwrap();
            let held: BTreeMap<_, _> = held.into_iter().map(|row| (row.at, row.values)).collect();
            assert_eq!(store.rows[&node], held, "node {node} on day {day}");
            assert_eq!(held.len(), 3 + usize::try_from(day).unwrap());
        }
        sleep(Duration::try_from(day_end.duration_since(site.clock.now())).unwrap()).await;
    }
    assert_eq!(store.failures.keys().collect::<Vec<_>>(), [&"timeout"]);
    assert!(store.failures["timeout"] > 20, "nodes were out of reach: {:?}", store.failures);
}

#[tokio::test(start_paused = true)]
async fn c_47_a_concentrator_that_drops_out_fails_all_its_nodes_soon_and_nothing_is_lost() {
    let site = Site::new(ConcentratorConfig { nodes: NODES, ..ConcentratorConfig::default() }, NODES);
    let mut store = Store::of(PROFILE, site.start - SignedDuration::from_hours(PAST_H));
    let all: BTreeSet<usize> = (0..usize::try_from(NODES).unwrap()).collect();
    let drops_out = async {
        sleep(Duration::from_secs(600)).await;
        site.set_up(false);
    };
    let (failed, ()) = tokio::join!(site.read(all, &mut store), drops_out);
    let read = store.covered.len();
    assert!(read > 20 && read + failed.len() == 1000, "{read}, {}", failed.len());
    let took = site.clock.now().duration_since(site.start);
    assert!(took < SignedDuration::from_secs(600 + 600), "1000 nodes were given up within {took}");

    site.set_up(true);
    assert_eq!(site.read(failed, &mut store).await, BTreeSet::new());
    for (node, meter) in site.concentrators.meters().iter().enumerate() {
        let held = meter.expected(PROFILE, store.from, store.covered[&node]).unwrap();
        let held: BTreeMap<_, _> = held.into_iter().map(|row| (row.at, row.values)).collect();
        assert_eq!(store.rows[&node], held, "node {node}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_is_not_taken_for_one_to_a_later_question() {
    let slow = FaultRule { fault: Fault::Slow(Duration::from_secs(70)), meters: Affected::Numbers(vec![3]) };
    let config = ConcentratorConfig { nodes: 8, ..ConcentratorConfig::default() };
    let site = Site::with_faults(config, 8, vec![slow]);
    let mut store = Store::of(PROFILE, site.start - SignedDuration::from_hours(PAST_H));
    let failed = site.read((0..8).collect(), &mut store).await;
    assert_eq!((failed, store.failures), (BTreeSet::from([3]), BTreeMap::from([("timeout", 1)])));
}
