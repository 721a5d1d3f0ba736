//! What storing captures costs PostgreSQL, beside a raw `COPY` of the same rows: without known ones among them, and with some. Goal: at most 1.15 times as much
//! with one day in two thousand known already.
//!
//! Everything goes over one connection, whose server process is measured; the processor time of this program does not count. `cargo xtask bench ingest`.

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
/// A hundredth of a second: the processor time of processes is told in these.
const TICK_NS: u64 = 10_000_000;
/// One day of so many was stored before.
const KNOWN: [(&str, Option<usize>); 3] = [("0 %", None), ("0.05 %", Some(2_000)), ("1 %", Some(100))];
const COLUMNS: &str = "meter_id, layout_id, ts, status, clock_offset_min, clock_status, job_id, stored_at, v0, v1, v2, v3, v4, v5, v6, v7";

fn main() -> anyhow::Result<()> {
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
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
    let rows = METERS as u64 * DAYS.unsigned_abs() * ROWS as u64;
    println!(
        "bench ingest: {rows} captures of {VALUES} values, {rounds} rounds; nanoseconds of the server's processor for a capture"
    );
    let mut found: [Vec<u64>; 1 + KNOWN.len()] = Default::default();
    for _ in 0..rounds {
        for (place, (_, known)) in KNOWN.iter().enumerate() {
            found[1 + place].push(stored(&store, *known).await? * TICK_NS / rows);
        }
        found[0].push(copied(&store).await? * TICK_NS / rows);
    }
    let raw = median(&mut found[0]);
    for (name, times) in ["raw COPY"].iter().chain(KNOWN.iter().map(|(name, _)| name)).zip(&mut found) {
        let middle = median(times);
        let (least, most) = (times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
        println!(
            "{name:10} {:>6} ns  ({least} … {most})  {:>5} % of raw COPY",
            middle,
            middle * 100 / raw.max(1)
        );
    }
    store.close().await;
    cluster.stop().await?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Stores all days, one of `known` twice, and returns the hundredths of a second that it cost the server.
async fn stored(store: &Store, known: Option<usize>) -> anyhow::Result<u64> {
    statement(store, "TRUNCATE profile_row, profile_row_rev, meter_profile, reading_batch, reading_flag")
        .await?;
    statement(store, "CHECKPOINT").await?;
    let layout = layout()?;
    let (mut reports, mut count, mut cost) = (Vec::new(), 0, 0);
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
                cost += server_cpu(store).await? - before;
                reports.clear();
            }
        }
    }
    Ok(cost)
}

/// Puts the same rows into the emptied table, and returns what that cost the server.
async fn copied(store: &Store) -> anyhow::Result<u64> {
    let mut connection = store.pool().acquire().await?;
    let mut octets = Vec::new();
    let out =
        format!("COPY (SELECT {COLUMNS} FROM profile_row ORDER BY ts, meter_id) TO STDOUT (FORMAT binary)");
    {
        let mut rows = connection.copy_out_raw(&out).await?;
        while let Some(part) = rows.next().await {
            octets.extend_from_slice(&part?);
        }
    }
    drop(connection);
    statement(store, "TRUNCATE profile_row").await?;
    statement(store, "CHECKPOINT").await?;
    let before = server_cpu(store).await?;
    let mut connection = store.pool().acquire().await?;
    let mut copy =
        connection.copy_in_raw(&format!("COPY profile_row ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
    for part in octets.chunks(256 << 10) {
        copy.send(part).await?;
    }
    copy.finish().await?;
    drop(connection);
    Ok(server_cpu(store).await? - before)
}

/// Hundredths of a second that the server process of the one connection has used.
async fn server_cpu(store: &Store) -> anyhow::Result<u64> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(store.pool()).await?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    let ticks = |field: usize| -> anyhow::Result<u64> { Ok(fields.get(field).context("no time")?.parse()?) };
    Ok(ticks(11)? + ticks(12)?)
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
    let midnight: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let first = day * ROWS as i64 + 1;
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

fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}
