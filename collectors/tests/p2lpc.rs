//! Meters behind a concentrator that reads them by itself: profiles are what it holds, everything else it passes through.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "nodes/site.rs"]
mod site;

use std::{collections::BTreeSet, time::Duration};

use collectors::{Event, Reason, RegisterRequest, Report, Task};
use jiff::{SignedDuration, Timestamp};
use simulator::{Backend, ConcentratorConfig};
use tokio::time::sleep;

use site::{Site, Store};

fn config(nodes: u32) -> ConcentratorConfig {
    ConcentratorConfig {
        backend: Backend::P2lpc,
        model: "p2lpc".to_owned(),
        nodes,
        lost_ppm: 20_000,
        outage: Duration::from_secs(6 * 3600),
        torn_ppm: 20_000,
        ..ConcentratorConfig::default()
    }
}

/// Pulls every node once a day and, on the last day, every hour until each has everything up to its beginning.
async fn pull(config: ConcentratorConfig, profile: &str, days: i64) -> (Site, Store) {
    let nodes = config.nodes;
    let site = Site::new(config, nodes);
    let mut store = Store::of(profile, site.start - SignedDuration::from_hours(48));
    let all: BTreeSet<usize> = (0..usize::try_from(nodes).unwrap()).collect();
    for day in 1..=days {
        let failed = site.read(all.clone(), &mut store).await;
        assert!(failed.is_empty(), "the concentrator is there: {:?}", store.failures);
        let next = site.start + SignedDuration::from_hours(24 * day);
        sleep(Duration::try_from(next.duration_since(site.clock.now())).unwrap()).await;
    }
    let end = site.clock.now() - SignedDuration::from_hours(1);
    for _ in 0..48 {
        let late = |node: &usize| {
            store.covered.get(node).is_none_or(|covered| *covered < last(&site, profile, *node, end))
        };
        let late: BTreeSet<usize> = all.iter().copied().filter(late).collect();
        if late.is_empty() {
            break;
        }
        site.read(late, &mut store).await;
        sleep(Duration::from_secs(3600)).await;
    }
    (site, store)
}

/// The last capture of a node up to an instant.
fn last(site: &Site, profile: &str, node: usize, end: Timestamp) -> Timestamp {
    let rows = site.concentrators.meters()[node].expected(profile, end - SignedDuration::from_hours(25), end);
    rows.unwrap().last().unwrap().at
}

/// Everything that a meter still holds is stored, and what is stored is what it captured, also where it has overwritten that meanwhile.
fn assert_whole(site: &Site, store: &Store, profile: &str) {
    for (node, meter) in site.concentrators.meters().iter().enumerate() {
        let stored = &store.rows[&node];
        let held = meter.expected(profile, store.from, store.covered[&node]).unwrap();
        assert!(held.len() >= 4 && held.iter().all(|row| stored.contains_key(&row.at)), "node {node}");
        for (at, values) in stored {
            assert_eq!(*values, meter.capture(profile, *at).unwrap(), "node {node} at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mt_23_a_thousand_nodes_are_pulled_daily_without_a_gap_that_they_still_hold() {
    let (site, store) = pull(config(1000), "daily-values", 4).await;
    assert_whole(&site, &store, "daily-values");
    assert_eq!(site.concentrators.busy(0), Duration::ZERO, "nothing of it went over the power line");
}

#[tokio::test(start_paused = true)]
async fn mt_23_quarter_hours_of_sixteen_values_come_exactly() {
    let (site, store) = pull(config(20), "energy", 2).await;
    assert_whole(&site, &store, "energy");
    let layout = store.layout.as_ref().unwrap();
    assert_eq!((layout.period_s, layout.values().count()), (900, 16));
}

#[tokio::test(start_paused = true)]
async fn mt_23_a_service_that_closes_each_connection_is_pulled_from_all_the_same() {
    let (site, store) =
        pull(ConcentratorConfig { keeps_alive: false, ..config(20) }, "daily-values", 2).await;
    assert!(store.failures.is_empty(), "{:?}", store.failures);
    assert_eq!(site.concentrators.busy(0), Duration::ZERO);
    assert!(store.rows.values().all(|rows| rows.len() >= 3));
}

async fn reports(site: &Site, node: usize, task: Task) -> (Vec<Event>, Option<Reason>) {
    let (mut events, mut reason) = (Vec::new(), None);
    let take = |Report { event, .. }| match event {
        Event::Ended(ended) => reason = ended.err().map(|failure| failure.reason),
        event => events.push(event),
    };
    site.run(vec![(node, task)], take).await;
    (events, reason)
}

#[tokio::test(start_paused = true)]
async fn mt_01_what_is_not_held_is_passed_through_to_the_node() {
    let site = Site::new(ConcentratorConfig { torn_ppm: 0, ..config(200) }, 200);
    sleep(Duration::from_secs(30 * 3600)).await;
    let states = site.concentrators.states(0);
    let node = states.iter().position(|state| state.linked).unwrap();
    let total = RegisterRequest { obis: "1.0.1.8.0.255".parse().unwrap(), class_id: 3, attribute: 2 };
    let (events, reason) = reports(&site, node, Task::ReadRegisters(vec![total])).await;
    assert_eq!(reason, None);
    let [Event::Registers(values)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((values[0].obis, values[0].scaler, values[0].unit.symbol()), (total.obis, 0, "Wh"));
    assert!(site.concentrators.busy(0) > Duration::from_secs(1), "it took its time on the power line");

    let (events, reason) = reports(&site, node, Task::ReadClock).await;
    assert_eq!(reason, None);
    let [Event::Clock(clock)] = events[..] else { panic!("{events:?}") };
    assert!(clock.drift().abs() < SignedDuration::from_secs(30));
    let (events, _) = reports(&site, node, Task::Identify).await;
    let [Event::Identity { serial, .. }, Event::MBus(channels)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((serial, channels.len()), (&states[node].serial, 4));

    let lost = states.iter().position(|state| !state.linked).unwrap();
    let (_, reason) = reports(&site, lost, Task::ReadRegisters(vec![total])).await;
    assert_eq!(reason, Some(Reason::Timeout), "a node that is out of reach");
}
