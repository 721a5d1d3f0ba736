//! How much of the time of a power line is used while nodes behind a concentrator are read, one after the other: by each back-end, a day of quarter-hours and daily
//! values. Time is that of tokio's paused clock, so the figures are the same on every machine; the processor's own time is not in them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints what it measured, and stops when something is wrong"
)]

#[path = "../tests/nodes/site.rs"]
mod site;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use simulator::{Backend, ConcentratorConfig};

use site::{Site, Store};

/// Back-ends by the models of their concentrators.
const BACKENDS: [(Backend, &str); 3] = [
    (Backend::Wrapper { base: 16 }, "dlms-concentrator"),
    (Backend::Gateway { network: 0 }, "dlms-gateway"),
    (Backend::Forward, "gdw376-terminal"),
];
/// Profiles, and the hours of each that are read.
const PROFILES: [(&str, i64); 2] = [("energy", 24), ("daily-values", 24)];
/// Nodes, when nothing else is said.
const NODES: u32 = 100;

fn main() {
    let nodes = std::env::var("CONCENTRATOR_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(NODES);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    println!(
        "{:20} {:14} {:>6} {:>10} {:>12} {:>12}",
        "model", "profile", "reads", "octets", "s a read", "line in use"
    );
    for (backend, model) in BACKENDS {
        for (profile, hours) in PROFILES {
            runtime.block_on(measure(nodes, (backend, model), (profile, hours)));
        }
    }
}

async fn measure(nodes: u32, (backend, model): (Backend, &str), (profile, hours): (&str, i64)) {
    let config =
        ConcentratorConfig { backend, model: model.to_owned(), nodes, ..ConcentratorConfig::default() };
    let site = Site::new(config, nodes);
    let mut store = Store::of(profile, site.start - SignedDuration::from_hours(hours));
    let all: BTreeSet<usize> = (0..usize::try_from(nodes).unwrap()).collect();
    // The first one finds out what the columns are.
    assert!(site.read(BTreeSet::from([0]), &mut store).await.is_empty());
    store.covered.clear();
    store.octets = 0;
    let (begun, busy) = (tokio::time::Instant::now(), site.concentrators.busy(0));
    assert!(site.read(all, &mut store).await.is_empty(), "every node is read");
    let (took, used) = (begun.elapsed(), site.concentrators.busy(0) - busy);
    let permille = used.as_millis() * 1000 / took.as_millis();
    let each_ms = took.as_millis() / u128::from(nodes);
    println!(
        "{model:20} {profile:14} {nodes:>6} {:>10} {:>10}.{} {:>10}.{} %",
        store.octets / u64::from(nodes),
        each_ms / 1000,
        each_ms % 1000 / 100,
        permille / 10,
        permille % 10
    );
}
