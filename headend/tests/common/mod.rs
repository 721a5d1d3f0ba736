//! A private database server, and a database on it, for each test that needs one.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stand outside the test functions"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use collectors::{Captures, Covered, Event, Failure, JobId, Layout, LayoutColumn, MeterId, Reason, Report};
use dlms::profile::{CaptureObject, Column};
use dlms::{Obis, Unit};
use headend::cluster::{Cluster, NAME, Settings};
use headend::store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::template;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A server in a folder of its own. Dropping it stops it and removes the folder, also when a test panics; should the whole process die,
/// the kernel stops it.
pub(crate) struct Server {
    cluster: Option<Cluster>,
    folder: PathBuf,
}

impl Server {
    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("runs until it is dropped")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.cluster.take());
        let _already_gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// An empty folder that this test run did not use before.
pub(crate) fn folder() -> PathBuf {
    let name = format!("pg-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

pub(crate) fn settings(folder: &Path) -> Settings {
    Settings { data_dir: folder.to_path_buf(), bin_dir: template::bin_dir(), max_connections: 60 }
}

/// A database on a server of its own.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) name: String,
    pub(crate) server: Server,
}

impl Database {
    /// With the current schema.
    pub(crate) async fn new() -> Self {
        let folder = folder();
        template::copy_to(&folder, Path::new(env!("CARGO_BIN_EXE_headend")));
        Self::open(folder).await
    }

    /// Without anything.
    pub(crate) async fn empty() -> Self {
        Self::open(folder()).await
    }

    async fn open(folder: PathBuf) -> Self {
        let cluster = Cluster::start(&settings(&folder)).await.expect("a private cluster");
        let store = Store::open(cluster.options(NAME), 8);
        Self { store, name: NAME.into(), server: Server { cluster: Some(cluster), folder } }
    }

    /// Whether the server offers TimescaleDB.
    pub(crate) fn has_timescale(&self) -> bool {
        self.sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'") == "1"
    }

    /// Runs SQL by `psql`, which knows nothing of this program; rows as lines, columns parted by `|`.
    pub(crate) fn sql(&self, text: &str) -> String {
        run_sql(self.server.cluster().socket_dir(), &self.name, text)
    }

    /// Runs SQL that has to fail, by `psql`, and returns what the server said.
    pub(crate) fn refused(&self, text: &str) -> String {
        let output = psql(self.server.cluster().socket_dir(), &self.name, text);
        assert!(!output.status.success(), "{text}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Time passes in which no collector gives a sign of life.
    pub(crate) fn collectors_die(&self) {
        for table in ["meter", "line"] {
            let past = "lease_until = now() - interval '1 second' WHERE lease_owner IS NOT NULL";
            self.sql(&format!("UPDATE {table} SET {past}"));
        }
    }

    pub(crate) fn meter(&self, serial: &str) -> MeterId {
        let made = format!(
            "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security) \
             VALUES ('{serial}', 'generic-dlms', '127.0.0.1:4059', 1, 16, 'Europe/Berlin', 'none') RETURNING id"
        );
        self.sql(&made).lines().next().unwrap().parse().unwrap()
    }

    /// A meter with ciphering whose next invocation counter is `next`.
    pub(crate) fn gmac_meter(&self, serial: &str, next: i64) -> MeterId {
        let meter = self.meter(serial);
        self.sql(&format!(
            "UPDATE meter SET security = 'gmac', client_title = '\\x4845414431323334' WHERE id = {meter};
             INSERT INTO meter_secret VALUES ({meter}, NULL, decode(repeat('0a', 16), 'hex'), decode(repeat('0b', 16), 'hex'));
             INSERT INTO meter_counter VALUES ({meter}, {next})"
        ));
        meter
    }

    pub(crate) fn identify_job(&self, meter: MeterId, priority: i16) -> JobId {
        let made = format!(
            "INSERT INTO job (meter_id, kind, priority) VALUES ({meter}, 'identify', {priority}) RETURNING id"
        );
        self.sql(&made).lines().next().unwrap().parse().unwrap()
    }

    /// A planned read of the energy profile.
    pub(crate) fn profile_job(&self, meter: MeterId, from: Timestamp, to: Timestamp) -> JobId {
        let made = format!(
            "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts) \
             VALUES ({meter}, 'read_profile', '\\x0100630100ff', '{from}', '{to}') RETURNING id"
        );
        self.sql(&made).lines().next().unwrap().parse().unwrap()
    }
}

pub(crate) fn run_sql(socket: &Path, database: &str, text: &str) -> String {
    let output = psql(socket, database, text);
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn psql(socket: &Path, database: &str, text: &str) -> Output {
    Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "headend", "-d", database, "-h"])
        .arg(socket)
        .args(["-c", text])
        .env("PGTZ", "UTC")
        .output()
        .expect("psql")
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn energy() -> Obis {
    "1.0.99.1.0.255".parse().unwrap()
}

fn column(class_id: u16, obis: &str, scaler: i8, unit: u8) -> LayoutColumn {
    let capture = CaptureObject { class_id, instance: obis.parse().unwrap(), attribute: 2, data_index: 0 };
    LayoutColumn { capture, column: Column::of(&capture), scaler, unit: Unit(unit) }
}

/// Clock, status, active import in Wh with `scaler` and a voltage in tenths.
pub(crate) fn layout(period_s: u32, scaler: i8) -> Arc<Layout> {
    let columns = vec![
        column(8, "0.0.1.0.0.255", 0, 255),
        column(1, "0.0.96.10.1.255", 0, 255),
        column(3, "1.0.1.8.0.255", scaler, 30),
        column(3, "1.0.32.7.0.255", -1, 35),
    ];
    Arc::new(Layout { obis: energy(), period_s, columns })
}

/// Captures every quarter of an hour from `first` on: import counts up from `value`, the voltage is 230.1 V.
pub(crate) fn quarters(layout: &Arc<Layout>, first: Timestamp, count: usize, value: i64) -> Captures {
    let at = (0..count).map(|n| first + SignedDuration::from_mins(15 * n as i64)).collect();
    Captures {
        layout: Arc::clone(layout),
        at,
        offset_min: vec![Some(60); count],
        clock_status: vec![0; count],
        status: vec![Some(8); count],
        width: 2,
        values: (0..count as i64).flat_map(|n| [Some(value + n), Some(2301)]).collect(),
    }
}

pub(crate) fn captures(meter: MeterId, job: JobId, captures: Captures) -> Report {
    Report { job, meter, event: Event::Captures(captures) }
}

/// A work that failed.
pub(crate) fn failed(meter: MeterId, job: JobId, reason: Reason) -> Report {
    Report { job, meter, event: Event::Ended(Err(Failure::new(reason, "It broke."))) }
}

pub(crate) fn done(meter: MeterId, job: JobId, range: Option<(Timestamp, Timestamp)>) -> Report {
    Report {
        job,
        meter,
        event: Event::Ended(Ok(Covered { range, bytes_on_wire: 1234, exchanges: 5, ..Covered::default() })),
    }
}
