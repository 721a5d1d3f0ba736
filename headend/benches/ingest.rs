//! What storing captures costs PostgreSQL, beside a raw `COPY` of the same rows: without known ones among them, and with some. Goal: at most 1.15 times as much
//! with one day in two thousand known already.
//!
//! After each batch its new rows are put into another database of the same server by `COPY`, in the order in which they came: what else the machine does meanwhile
//! takes longer than a batch, so it is in both. In the end all rows are put there once more, ordered by time, in one statement. Each database has one connection, the processor time
//! of whose server process counts; that of this program does not. `cargo xtask bench ingest`.

#![allow(clippy::print_stdout, reason = "a benchmark says what it measured")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use collectors::{Captures, Event, Layout, LayoutColumn, Report};
use dlms::Unit;
use dlms::profile::{CaptureObject, Column};
use futures_util::StreamExt as _;
use headend::cluster::{Cluster, NAME, Settings};
use headend::store::Store;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const METERS: i32 = 200;
const DAYS: i64 = 20;
/// Days of meters in a batch.
const BATCH: usize = 100;
const ROWS: usize = 96;
const VALUES: usize = 8;
const ALL: u64 = METERS as u64 * DAYS as u64 * ROWS as u64;
/// One day of so many was stored before.
const KNOWN: [(&str, Option<usize>); 3] = [("0 %", None), ("0.05 %", Some(2_000)), ("1 %", Some(100))];
const COLUMNS: &str = "meter_id, layout_id, ts, status, clock_offset_min, clock_status, job_id, stored_at, v0, v1, v2, v3, v4, v5, v6, v7";

fn main() -> anyhow::Result<()> {
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    tokio::runtime::Runtime::new()?.block_on(run(rounds))
}

async fn run(rounds: usize) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-ingest-{}", std::process::id()));
    let bin_dir = std::env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let settings = Settings { data_dir: folder.clone(), bin_dir, max_connections: 20 };
    let cluster = Cluster::start(&settings).await?;
    let store = Store::open(cluster.options(NAME), 1).with_models(&models::builtin()?);
    store.migrate().await?;
    statement(
        &store,
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         SELECT 'B' || n, 'sed302', '127.0.0.1:4059', 1, 16, 'UTC', 'none' FROM generate_series(1, 200) AS n",
    )
    .await?;
    statement(&store, "CREATE DATABASE raw").await?;
    let raw = Store::open(cluster.options("raw"), 1);
    raw.migrate().await?;
    for day in 0..=DAYS {
        raw.ensure_partitions([midnight(day)?]).await?;
    }
    println!(
        "bench ingest: {ALL} captures of {VALUES} values, {rounds} rounds; nanoseconds of the server's processor for a capture"
    );
    let (mut found, mut at_once): ([Vec<Cost>; KNOWN.len()], Vec<u64>) = Default::default();
    for _ in 0..rounds {
        for ((_, known), costs) in KNOWN.iter().zip(&mut found) {
            costs.push(side_by_side(&store, &raw, *known).await?);
        }
        at_once.push(copied_at_once(&raw).await?);
    }
    println!("known    stored                 raw COPY of each batch  stored, in per mille of that");
    for ((name, _), costs) in KNOWN.iter().zip(&found) {
        let stored = spread(costs.iter().map(|cost| cost.stored));
        let copied = spread(costs.iter().map(|cost| cost.copied));
        let ratio = spread(costs.iter().map(|cost| cost.stored * 1_000 / cost.copied.max(1)));
        println!("{name:7}  {stored}  {copied}   {ratio}");
    }
    println!("raw COPY of all at once: {}", spread(at_once.into_iter()));
    store.close().await;
    raw.close().await;
    cluster.stop().await?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Nanoseconds that the server spent on a capture.
struct Cost {
    stored: u64,
    copied: u64,
}

/// Stores all days, one of `known` twice, and copies what is new of each batch.
async fn side_by_side(store: &Store, raw: &Store, known: Option<usize>) -> anyhow::Result<Cost> {
    statement(store, "TRUNCATE profile_row, profile_row_rev, meter_profile, reading_batch, reading_flag")
        .await?;
    statement(raw, "TRUNCATE profile_row").await?;
    statement(raw, "CHECKPOINT").await?;
    let layout = layout()?;
    let (mut reports, mut count, mut cost) = (Vec::new(), 0, Cost { stored: 0, copied: 0 });
    for day in 0..DAYS {
        for meter in 1..=METERS {
            reports.push(report(&layout, meter, day)?);
            count += 1;
            if day > 0 && known.is_some_and(|known| count % known == 0) {
                reports.push(report(&layout, meter, day - 1)?);
            }
            if count % BATCH == 0 {
                let before = server_cpu(store).await?;
                store.write(Uuid::nil(), &reports).await?;
                cost.stored += server_cpu(store).await? - before;
                reports.clear();
                let (from, to) = (midnight(day)?, midnight(day + 1)?);
                let first = meter - BATCH as i32;
                let which = format!(
                    "WHERE meter_id > {first} AND meter_id <= {meter} AND ts > '{from}' AND ts <= '{to}' ORDER BY meter_id, ts"
                );
                cost.copied += copied(raw, &rows(store, &which).await?).await?;
            }
        }
    }
    Ok(Cost { stored: cost.stored / ALL, copied: cost.copied / ALL })
}

/// Puts all rows into the emptied table, in one statement and ordered by time.
async fn copied_at_once(raw: &Store) -> anyhow::Result<u64> {
    let rows = rows(raw, "ORDER BY ts, meter_id").await?;
    statement(raw, "TRUNCATE profile_row").await?;
    statement(raw, "CHECKPOINT").await?;
    Ok(copied(raw, &rows).await? / ALL)
}

/// Rows of a database as `COPY` has them.
async fn rows(store: &Store, which: &str) -> anyhow::Result<Vec<u8>> {
    let mut connection = store.pool().acquire().await?;
    let out = format!("COPY (SELECT {COLUMNS} FROM profile_row {which}) TO STDOUT (FORMAT binary)");
    let (mut octets, mut rows) = (Vec::new(), connection.copy_out_raw(&out).await?);
    while let Some(part) = rows.next().await {
        octets.extend_from_slice(&part?);
    }
    Ok(octets)
}

/// Copies rows, and returns the nanoseconds that it cost the server.
async fn copied(raw: &Store, rows: &[u8]) -> anyhow::Result<u64> {
    let before = server_cpu(raw).await?;
    let mut connection = raw.pool().acquire().await?;
    let mut copy =
        connection.copy_in_raw(&format!("COPY profile_row ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
    for part in rows.chunks(256 << 10) {
        copy.send(part).await?;
    }
    copy.finish().await?;
    drop(connection);
    Ok(server_cpu(raw).await? - before)
}

/// Nanoseconds of processor time that the server process of the one connection has used.
async fn server_cpu(store: &Store) -> anyhow::Result<u64> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(store.pool()).await?;
    let spent = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    Ok(spent.split_whitespace().next().context("no time")?.parse()?)
}

async fn statement(store: &Store, text: &'static str) -> anyhow::Result<()> {
    sqlx::query(text).execute(store.pool()).await?;
    Ok(())
}

/// Clock and eight counters.
fn layout() -> anyhow::Result<Arc<Layout>> {
    let column = |class_id, obis: &str, unit| -> anyhow::Result<LayoutColumn> {
        let capture = CaptureObject { class_id, instance: obis.parse()?, attribute: 2, data_index: 0 };
        Ok(LayoutColumn { capture, column: Column::of(&capture), scaler: 0, unit: Unit(unit) })
    };
    let mut columns = vec![column(8, "0.0.1.0.0.255", 255)?];
    for group in 1..=VALUES {
        columns.push(column(3, &format!("1.0.{group}.8.0.255"), if group < 3 { 30 } else { 32 })?);
    }
    Ok(Arc::new(Layout { obis: "1.0.99.1.0.255".parse()?, period_s: 900, columns }))
}

/// A day of a meter: every counter goes on.
fn report(layout: &Arc<Layout>, meter: i32, day: i64) -> anyhow::Result<Report> {
    let (midnight, first) = (midnight(0)?, day * ROWS as i64 + 1);
    let captures = Captures {
        layout: Arc::clone(layout),
        at: (0..ROWS as i64).map(|row| midnight + SignedDuration::from_mins(15 * (first + row))).collect(),
        offset_min: vec![Some(0); ROWS],
        clock_status: vec![0; ROWS],
        status: vec![None; ROWS],
        width: VALUES,
        // Of reactive energy, quadrants are half of import and export each.
        values: (0..ROWS as i64)
            .flat_map(|row| [10, 5, 8, 6, 4, 4, 3, 3].map(|step| Some(step * (first + row) * 10)))
            .collect(),
    };
    Ok(Report { job: 1, meter, event: Event::Captures(captures) })
}

/// The beginning of a day, counted from 0.
fn midnight(day: i64) -> anyhow::Result<Timestamp> {
    let first: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    Ok(first + SignedDuration::from_hours(24 * day))
}

/// The middle one of some numbers, with the least and the most.
fn spread(numbers: impl Iterator<Item = u64>) -> String {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let middle = numbers.get(numbers.len() / 2).copied().unwrap_or(0);
    let (least, most) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
    format!("{middle:>5} ({least:>4} … {most:>4})")
}
