//! What a read costs the database and the program as the number of registered meters grows: a real PostgreSQL, and collectors that do everything but
//! talk to meters. Sizes take turns, so that a noisy machine disturbs them alike.
//!
//! Every read is planned, leased, answered with a day of 96 captures of four values, stored and given back. Prints one line of JSON for each
//! measurement; `cargo xtask bench fleet` makes a table of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that fails ends, and tells what it measured"
)]

mod fleet;
mod processor;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet::{Fleet, captures, model};
use headend::cluster::{Cluster, Settings};
use headend::store::Store;
use headend::store::jobs::Wanted;
use headend::{config, plan};
use uuid::Uuid;

/// Reads whose captures one transaction stores.
const BATCH: usize = 96;

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() {
    let number = |name: &str, usual: usize| {
        let given = std::env::args().skip_while(|argument| argument != name).nth(1);
        given.map_or(usual, |text| text.parse().unwrap())
    };
    let (reads, rounds, blocked) = (number("--reads", 1000), number("--rounds", 5), number("--blocked", 0));
    let strewn = std::env::args().any(|argument| argument == "--strewn");
    let sizes = std::env::args().skip_while(|argument| argument != "--sizes").nth(1);
    let sizes = sizes.unwrap_or_else(|| "1000,10000".into());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fleet-{}", std::process::id()));
    let bin_dir = std::env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let settings = Settings { data_dir: folder.clone(), bin_dir, max_connections: 40 };
    let cluster = Cluster::start(&settings).await.unwrap();
    let mut fleets = Vec::new();
    for size in sizes.split(',').map(|size| size.parse().unwrap()) {
        let begun = Instant::now();
        fleets.push(Fleet::register(&cluster, size, (reads.min(size), strewn), blocked).await);
        eprintln!("{size} meters registered in {} s", begun.elapsed().as_secs());
    }
    for round in 0..=rounds {
        for fleet in &fleets {
            let line = measure(&cluster, fleet, i64::try_from(round).unwrap()).await;
            // The first round warms caches and plans of statements up.
            if round > 0 {
                println!("{line}");
            }
        }
    }
    for fleet in &fleets {
        println!("{}", restart(&cluster, fleet).await);
    }
    drop(fleets);
    cluster.stop().await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

/// Nothing but the load profile comes due.
fn plan_config() -> config::Plan {
    config::Plan { identify_every: Duration::from_secs(3650 * 86_400), ..config::Plan::default() }
}

/// What a collector has room for.
fn wanted() -> Wanted {
    let rooms = BTreeMap::from([(fleet::FULL.to_owned(), 0)]);
    Wanted { busy: vec![fleet::BUSY.into()], rooms, ..Wanted::any(32) }
}

/// Reads what comes due on a day, and says what that cost.
async fn measure(cluster: &Cluster, fleet: &Fleet, day: i64) -> String {
    let now = fleet.let_come_due(day).await;
    let models = BTreeMap::from([(fleet::MODEL.to_owned(), Arc::new(model()))]);
    let (config, owner, store) = (plan_config(), Uuid::new_v4(), &fleet.store);
    let (own, database, begun) = (processor::own(), processor::family(cluster.pid()), Instant::now());
    let planned = plan::pass(store, &models, &config, now).await.unwrap();
    let planning = (processor::own() - own, processor::family(cluster.pid()) - database);
    let (mut reports, mut lines, mut read) = (Vec::new(), Vec::new(), 0);
    while store.put_aside(owner, &wanted()).await.unwrap() {}
    loop {
        let leased = store.lease(owner, wanted(), LEASE, 10).await.unwrap();
        let is_last = leased.is_empty();
        for meter in leased {
            for job in &meter.jobs {
                reports.extend(captures(meter.meter, job));
                read += 1;
            }
            lines.push(meter.line);
        }
        if lines.len() >= BATCH || is_last {
            store.write(owner, &std::mem::take(&mut reports)).await.unwrap();
            store.leave(owner, &std::mem::take(&mut lines)).await.unwrap();
        }
        if is_last {
            break;
        }
    }
    assert_eq!(u64::try_from(read).unwrap(), planned.jobs, "everything that was planned is read");
    let each = |ticks: u64| ticks * 10_000 / u64::try_from(read).unwrap_or(1).max(1);
    serde_json::json!({
        "what": "read", "meters": fleet.meters, "reads": read,
        "database_us": each(processor::family(cluster.pid()) - database),
        "program_us": each(processor::own() - own),
        "planning_database_us": each(planning.1), "planning_program_us": each(planning.0),
        "wall_ms": u64::try_from(begun.elapsed().as_millis()).unwrap(),
        "memory_kib": processor::memory_kib(),
    })
    .to_string()
}

/// A head-end that begins with a fleet that is known: how long until the first work is leased.
async fn restart(cluster: &Cluster, fleet: &Fleet) -> String {
    let now = fleet.let_come_due(400).await;
    let models = BTreeMap::from([(fleet::MODEL.to_owned(), Arc::new(model()))]);
    let (memory, begun) = (processor::memory_kib(), Instant::now());
    let store = Store::open(cluster.options(&fleet.database), 8);
    store.check_schema().await.unwrap();
    store.recover().await.unwrap();
    plan::begin(&store, &models, &plan_config()).await.unwrap();
    plan::pass(&store, &models, &plan_config(), now).await.unwrap();
    let leased = store.lease(Uuid::new_v4(), wanted(), LEASE, 10).await.unwrap();
    assert!(!leased.is_empty());
    serde_json::json!({
        "what": "restart", "meters": fleet.meters,
        "wall_ms": u64::try_from(begun.elapsed().as_millis()).unwrap(),
        "memory_kib": processor::memory_kib().saturating_sub(memory),
    })
    .to_string()
}
