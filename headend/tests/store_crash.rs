//! The database server is killed while readings come in: what was acknowledged is there, and nothing is lost or doubled.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use collectors::Report;
use common::{at, captures, folder, layout, quarters, run_sql, settings};
use headend::cluster::{Cluster, NAME};
use headend::config;
use headend::ingest::{self, Haste};
use headend::store::Store;
use jiff::SignedDuration;
use tokio::sync::mpsc;
use uuid::Uuid;

const METERS: i32 = 40;

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}

/// The workers of a killed server need a moment to notice.
async fn start(folder: &Path) -> Cluster {
    let started = Instant::now();
    loop {
        match Cluster::start(&settings(folder)).await {
            Ok(cluster) => return cluster,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(30), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let folder = Removed(folder());
    let mut cluster = start(&folder.0).await;
    let store = Store::open(cluster.options(NAME), 6);
    store.migrate().await.unwrap();
    let socket = cluster.socket_dir().to_path_buf();
    let meters = format!(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         SELECT 'S' || n, 'generic-dlms', 'h:1', 1, 16, 'UTC', 'none' FROM generate_series(1, {METERS}) AS n"
    );
    run_sql(&socket, NAME, &meters);
    let (sender, receiver) = mpsc::channel(8);
    let config = config::Ingest { max_rows: 400, max_wait: Duration::from_millis(5), queue: 8, writers: 1 };
    let ingest = tokio::spawn(ingest::run(store.clone(), Uuid::new_v4(), receiver, config, Haste::None));
    let enough = Arc::new(AtomicBool::new(false));
    let feed = tokio::spawn(feed(sender, Arc::clone(&enough)));
    for _ in 0..2 {
        let before: i64 = run_sql(&socket, NAME, "SELECT count(*) FROM profile_row").parse().unwrap();
        let acknowledged = wait_for_rows(&socket, before + 20 * 96).await;
        Command::new("kill").args(["-9", &cluster.pid().to_string()]).status().unwrap();
        let _ended = cluster.ended().await;
        drop(cluster);
        cluster = start(&folder.0).await;
        let found: i64 = run_sql(&socket, NAME, "SELECT count(*) FROM profile_row").parse().unwrap();
        assert!(
            found >= acknowledged,
            "{acknowledged} captures were visible before the kill, {found} are after it"
        );
    }
    enough.store(true, Ordering::Relaxed);
    let days = feed.await.unwrap();
    let stats = tokio::time::timeout(Duration::from_secs(120), ingest).await.unwrap().unwrap();
    let total = i64::from(METERS) * days * 96;
    // A commit whose answer was lost is written again and then found identical: counted as sent once more, stored once.
    let captures = stats.written.captures;
    assert_eq!(captures.sent, captures.inserted + captures.identical + captures.revised);
    assert_eq!(captures.revised, 0);
    let check = "SELECT count(*), count(DISTINCT (meter_id, ts)), sum(v0) FROM profile_row";
    let per_meter: i64 = (0..days * 96).sum();
    assert_eq!(run_sql(&socket, NAME, check), format!("{total}|{total}|{}", per_meter * i64::from(METERS)));
    let whole = format!(
        "SELECT count(*) FROM meter_profile
         WHERE coverage = tstzmultirange(tstzrange('2024-05-01 00:00+00', '2024-05-01 00:00+00'::timestamptz + interval '{days} days', '(]'))"
    );
    assert_eq!(
        run_sql(&socket, NAME, &whole),
        METERS.to_string(),
        "coverage moved with the rows, never without"
    );
    cluster.stop().await.unwrap();
}

/// Sends whole days of all meters until it is enough, and returns how many.
async fn feed(sender: mpsc::Sender<Report>, enough: Arc<AtomicBool>) -> i64 {
    let layout = layout(900, -3);
    for day in 0.. {
        for meter in 1..=METERS {
            let from = at("2024-05-01T00:15:00Z") + SignedDuration::from_hours(24 * day);
            sender.send(captures(meter, 1, quarters(&layout, from, 96, 96 * day))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if enough.load(Ordering::Relaxed) {
            return day + 1;
        }
    }
    0
}

async fn wait_for_rows(socket: &Path, enough: i64) -> i64 {
    let started = Instant::now();
    loop {
        let found: i64 = run_sql(socket, NAME, "SELECT count(*) FROM profile_row").parse().unwrap();
        if found >= enough {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "only {found} captures came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
