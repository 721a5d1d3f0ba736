//! Fleets that are known: registered, read until midnight, each meter on a line of its own.

use std::sync::Arc;

use collectors::{Captures, Covered, Event, Layout, LayoutColumn, MeterId, Report};
use dlms::Unit;
use dlms::profile::{CaptureObject, Column};
use headend::cluster::Cluster;
use headend::store::Store;
use headend::store::jobs::LeasedJob;
use jiff::{SignedDuration, Timestamp};
use models::Model;
use sqlx::AssertSqlSafe;

/// The name of the model of all meters.
pub(crate) const MODEL: &str = "fleet";

/// A bus that has enough to do.
pub(crate) const BUSY: &str = "busy:1";

/// A throttle group without room.
pub(crate) const FULL: &str = "full";

/// Meters that one statement registers.
const CHUNK: usize = 50_000;

/// Captures of a day.
const DAY: i64 = 96;

/// A database with a fleet.
pub(crate) struct Fleet {
    pub(crate) store: Store,
    pub(crate) database: String,
    pub(crate) meters: usize,
    /// How many come due on a day.
    reads: usize,
    /// Whether these are strewn over the fleet.
    strewn: bool,
    /// A midnight before everything.
    begin: Timestamp,
}

/// A model with a quarter-hourly load profile that is read once a day.
pub(crate) fn model() -> Model {
    let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
    model.name = MODEL.into();
    model.registers.clear();
    model.logs.clear();
    model.profiles.truncate(1);
    model.profiles[0].read_every = std::time::Duration::from_secs(86_400);
    model
}

impl Fleet {
    /// Registers so many meters, of which `reads` come due at a time: a piece of the fleet, as a night is worked through, or one here and one there. `blocked`
    /// others have work that nobody can be given.
    pub(crate) async fn register(
        cluster: &Cluster,
        meters: usize,
        (reads, strewn): (usize, bool),
        blocked: usize,
    ) -> Self {
        let database = format!("fleet_{meters}");
        let create = format!("CREATE DATABASE {database}");
        let postgres = Store::open(cluster.options("postgres"), 1);
        sqlx::query(AssertSqlSafe(create)).execute(postgres.pool()).await.unwrap();
        postgres.close().await;
        let store = Store::open(cluster.options(&database), 8);
        store.migrate().await.unwrap();
        let today = Timestamp::now().as_second().div_euclid(86_400) * 86_400;
        let begin = Timestamp::from_second(today).unwrap();
        let fleet = Self { store, database, meters, reads, strewn, begin };
        for from in (1..=meters).step_by(CHUNK) {
            fleet.register_some(from, (from + CHUNK - 1).min(meters)).await;
        }
        if blocked > 0 {
            fleet.block(blocked).await;
        }
        fleet.run("VACUUM ANALYZE").await;
        fleet
    }

    async fn register_some(&self, from: usize, to: usize) {
        self.run(&format!(
            "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security, identified_at, identify_tried_at)
             SELECT 'M' || n, '{MODEL}', '10.' || n / 65536 || '.' || n / 256 % 256 || '.' || n % 256 || ':4059', 1, 16, 'UTC', 'none', now(), now()
             FROM generate_series({from}, {to}) AS n"
        ))
        .await;
        self.run(&format!(
            "INSERT INTO meter_profile (meter_id, obis, last_ts, coverage, read_at, tried_at)
             SELECT id, '\\x0100630100ff', '{begin}', tstzmultirange(tstzrange('{begin}'::timestamptz - interval '30 days', '{begin}', '(]')), now(), now()
             FROM meter WHERE id BETWEEN {from} AND {to}",
            begin = self.begin,
        ))
        .await;
        self.run(&format!("UPDATE meter_plan SET look_at = now() + interval '10 years' WHERE meter_id BETWEEN {from} AND {to}"))
            .await;
    }

    /// Meters with work that has been due for long and that nobody can be given, a quarter each: they are to call, and do not; their lines are another collector's;
    /// their group is full; their bus is busy.
    async fn block(&self, count: usize) {
        self.run(&format!(
            "INSERT INTO meter (serial, model, address, device_address, throttle_group, server_sap, client_sap, zone, security)
             SELECT 'B' || n, '{MODEL}', CASE n % 4 WHEN 0 THEN 'inbound://B' || n WHEN 1 THEN '11.0.' || n / 256 || '.' || n % 256 || ':4059'
                 WHEN 2 THEN '12.0.' || n / 256 || '.' || n % 256 || ':4059' ELSE 'hdlc://{BUSY}' END,
                 CASE n % 4 WHEN 3 THEN 16 + n % 100 END, CASE n % 4 WHEN 2 THEN '{FULL}' END, 1, 16, 'UTC', 'none'
             FROM generate_series(1, {count}) AS n;
             UPDATE meter_plan p SET look_at = 'infinity' FROM meter m WHERE m.id = p.meter_id AND m.serial LIKE 'B%';
             UPDATE line SET lease_owner = gen_random_uuid(), lease_until = now() + interval '1 year' WHERE name LIKE '11.0.%';
             INSERT INTO job (meter_id, kind, wanted_by) SELECT id, 'identify', now() - interval '1 day' FROM meter WHERE serial LIKE 'B%'"
        ))
        .await;
    }

    /// Has the meters whose turn it is come due at the end of a day, and returns when that is.
    pub(crate) async fn let_come_due(&self, day: i64) -> Timestamp {
        let midnight = |day| self.begin + SignedDuration::from_hours(24 * day);
        let pieces = self.meters / self.reads;
        let place = usize::try_from(day).unwrap() % pieces;
        let theirs = match self.strewn {
            true => format!("meter_id % {pieces} = {place} AND meter_id <= {}", self.meters),
            false => format!("meter_id BETWEEN {} AND {}", place * self.reads + 1, (place + 1) * self.reads),
        };
        self.run(&format!(
            "UPDATE meter_plan SET look_at = now() WHERE {theirs};
             UPDATE meter_profile SET tried_at = now() - interval '2 days', last_ts = '{from}', coverage = tstzmultirange(tstzrange('{from}'::timestamptz - interval '30 days', '{from}', '(]'))
             WHERE {theirs}",
            from = midnight(day),
        ))
        .await;
        midnight(day + 1)
    }

    async fn run(&self, text: &str) {
        use sqlx::Executor as _;
        self.store.pool().execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
    }
}

/// What a meter answers to a job: all captures that it asks for.
pub(crate) fn captures(meter: MeterId, job: &LeasedJob) -> Vec<Report> {
    let report = |event| Report { job: job.id, meter, event };
    let covered = Covered { range: job.range, bytes_on_wire: 3658, exchanges: 3, ..Covered::default() };
    let end = report(Event::Ended(Ok(covered)));
    let Some((from, to)) = job.range else { return vec![end] };
    let at: Vec<_> = (0..DAY).rev().map(|n| to - SignedDuration::from_mins(15 * n)).collect();
    assert_eq!(
        at[0].duration_since(from),
        SignedDuration::from_secs(15 * 60 - 1),
        "from the second after what is covered"
    );
    let count = at.len();
    let captures = Captures {
        layout: job.layout.clone().unwrap_or_else(layout),
        at,
        offset_min: vec![Some(0); count],
        clock_status: vec![0; count],
        status: vec![Some(0); count],
        width: 4,
        values: (0..i64::try_from(4 * count).unwrap()).map(Some).collect(),
    };
    vec![report(Event::Captures(captures)), end]
}

/// Clock, status and four registers.
fn layout() -> Arc<Layout> {
    let column = |class_id, obis: &str, unit| {
        let capture =
            CaptureObject { class_id, instance: obis.parse().unwrap(), attribute: 2, data_index: 0 };
        LayoutColumn { capture, column: Column::of(&capture), scaler: 0, unit: Unit(unit) }
    };
    let columns = vec![
        column(8, "0.0.1.0.0.255", 255),
        column(1, "0.0.96.10.1.255", 255),
        column(3, "1.0.1.8.0.255", 30),
        column(3, "1.0.2.8.0.255", 30),
        column(3, "1.0.3.8.0.255", 32),
        column(3, "1.0.4.8.0.255", 32),
    ];
    Arc::new(Layout { obis: "1.0.99.1.0.255".parse().unwrap(), period_s: 900, columns })
}
