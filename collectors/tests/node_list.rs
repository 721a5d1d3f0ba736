//! A concentrator, which is the simulator's, says which nodes it has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{sync::Arc, time::Duration};

use collectors::{Dialer, Event, MemoryDialer, Node, Reason, Report, Station, Task};
use common::{at, ended, limits, reason, work};
use jiff::tz::TimeZone;
use simulator::{Backend, Clock, ConcentratorConfig, Concentrators, FleetConfig, Security};

const NODES: u32 = 30;

fn concentrators(backend: Backend, model: &str) -> Arc<Concentrators> {
    let clock = Clock::starting_at(at("2026-06-02T00:00:00Z"));
    let fleet = FleetConfig {
        count: NODES,
        security: Security::None,
        history_days: 1,
        clock: clock.clone(),
        ..FleetConfig::new(Arc::clone(&models::builtin().unwrap()["mt371"]))
    };
    let config = ConcentratorConfig {
        backend,
        nodes: NODES,
        model: model.to_owned(),
        lost_ppm: 300_000,
        outage: Duration::from_secs(3600),
        ..ConcentratorConfig::default()
    };
    let concentrators = Concentrators::offline(fleet, config).unwrap();
    clock.advance(6 * 3600);
    Arc::new(concentrators)
}

async fn list(concentrators: &Arc<Concentrators>) -> Vec<Report> {
    let model = Arc::clone(&models::builtin().unwrap()[&concentrators.config().model]);
    let station = Station {
        serial: Some(concentrators.serials()[0].clone()),
        model,
        zone: TimeZone::UTC,
        ..common::station(common::Level::None)
    };
    let (dialer, mut lines) = MemoryDialer::new();
    let served = Arc::clone(concentrators);
    let player = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            served.serve(0, line).await;
        }
    });
    let works = vec![work(1, &Arc::new(station), Task::ListNodes)];
    let reports = common::run(Dialer::Memory(dialer), limits(), works).await;
    player.abort();
    reports
}

fn nodes(reports: &[Report]) -> Vec<Node> {
    assert!(ended(reports, 1).is_ok(), "{reports:?}");
    let named = reports.iter().find_map(|report| match &report.event {
        Event::Nodes(nodes) => Some(nodes.clone()),
        _ => None,
    });
    named.expect("nodes were reported")
}

/// MT-02: names as they stand in addresses, whatever way the nodes are reached; which of them are lost, where the concentrator says that.
#[tokio::test(start_paused = true)]
async fn mt_02_a_concentrator_names_its_nodes_as_their_addresses_do() {
    for (backend, model) in [
        (Backend::Wrapper { base: 16 }, "dlms-concentrator"),
        (Backend::Gateway { network: 0 }, "dlms-gateway"),
        (Backend::P2lpc, "p2lpc"),
        (Backend::Forward, "gdw376-terminal"),
    ] {
        let concentrators = concentrators(backend, model);
        let states = concentrators.states(0);
        let linked: Vec<_> = states.iter().map(|state| state.linked).collect();
        assert!(linked.contains(&true) && linked.contains(&false), "{linked:?}");
        let found = nodes(&list(&concentrators).await);
        for (number, meter) in concentrators.meters().iter().enumerate() {
            let name = if model == "dlms-concentrator" { number.to_string() } else { meter.serial() };
            let node = found.iter().find(|node| node.name == name);
            let is_linked = node.is_some_and(|node| node.is_linked);
            match model {
                // What it was configured with stays, whoever is lost.
                "dlms-concentrator" | "gdw376-terminal" => assert!(is_linked, "{name}"),
                _ => assert_eq!(is_linked, linked[number], "{model} {name}"),
            }
            if model == "gdw376-terminal" {
                assert_eq!(node.unwrap().identity, Some((number + 1).to_string()), "its measuring point");
            }
            if model == "p2lpc" {
                let node = node.unwrap();
                assert_eq!(
                    (node.phase, node.level),
                    (Some(states[number].phase), Some(states[number].level))
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_is_no_concentrator_says_so() {
    let concentrators = concentrators(Backend::Wrapper { base: 16 }, "sed302");
    assert_eq!(reason(&list(&concentrators).await, 1), Reason::Unsupported);
}
