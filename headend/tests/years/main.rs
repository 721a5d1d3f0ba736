//! Years of a meter and its head-end within seconds: what is due becomes jobs, jobs are read over a line in memory, and in the end the table holds
//! what the meter captured, value by value.
//!
//! The time is that of the test: it lies in the future, so that nothing which the database dates by its own clock is later. What counts as failure: a row
//! too few, too many or different.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "../common/mod.rs"]
mod common;
mod meter;
#[path = "../template/mod.rs"]
mod template;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use collectors::{
    Channel, Clock, Credentials, Dialer, Limits, MemoryDialer, ProfileRange, Report, Seed, Station, Task,
    Work,
};
use common::{Database, at, done, energy};
use headend::config;
use headend::plan;
use headend::store::JobKind;
use headend::store::jobs::{LeasedJob, Wanted};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use meter::{Meter, play};
use models::{Model, RangeDeviation};
use tokio::sync::mpsc;
use uuid::Uuid;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MINUTE: Duration = Duration::from_secs(60);
/// Leases in a row after which a day counts as hung.
const ROUNDS: usize = 40;

struct Now(Timestamp);

impl Clock for Now {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A head-end that is told what time it is.
struct Head {
    database: Database,
    owner: Uuid,
    models: BTreeMap<String, Arc<Model>>,
    meters: BTreeMap<i32, Arc<Mutex<Meter>>>,
}

impl Head {
    async fn new(range_deviation: RangeDeviation) -> Self {
        let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
        model.profiles.retain(|profile| profile.obis == energy());
        model.registers.clear();
        model.logs.clear();
        model.quirks.range_deviation = range_deviation;
        let models = BTreeMap::from([(model.name.clone(), Arc::new(model))]);
        Self { database: Database::new().await, owner: Uuid::new_v4(), models, meters: BTreeMap::new() }
    }

    fn register(&mut self, meter: Meter) -> (i32, Arc<Mutex<Meter>>) {
        let id = self.database.meter(&meter.serial);
        self.database.sql(&format!("UPDATE meter SET created_at = '{}' WHERE id = {id}", meter.until));
        let meter = Arc::new(Mutex::new(meter));
        self.meters.insert(id, Arc::clone(&meter));
        (id, meter)
    }

    /// Lets all that is due be read, as it is at this time.
    async fn work(&self, now: Timestamp) {
        self.meters.values().for_each(|meter| meter.lock().unwrap().live(now));
        let config = config::Plan { horizon: Duration::from_secs(100 * 86_400), ..config::Plan::default() };
        plan::pass(&self.database.store, &self.models, &config, now).await.unwrap();
        for _ in 0..ROUNDS {
            let leased = self.database.store.lease(self.owner, Wanted::any(10), MINUTE, 10).await.unwrap();
            if leased.is_empty() {
                return;
            }
            for meter in leased {
                let mut reports = Vec::new();
                for job in &meter.jobs {
                    reports.extend(self.carry_out(meter.meter, job, now).await);
                }
                self.database.store.write(self.owner, &reports).await.unwrap();
            }
        }
        panic!("{now}: there is always more to do");
    }

    async fn carry_out(&self, id: i32, job: &LeasedJob, now: Timestamp) -> Vec<Report> {
        let (JobKind::ReadProfile, Some(obis), Some((from, to))) = (job.kind, job.obis, job.range) else {
            return vec![done(id, job.id, None)];
        };
        let meter = &self.meters[&id];
        let station = Station {
            meter: id,
            address: "memory:1".parse().unwrap(),
            device_address: None,
            subunit: None,
            via: None,
            server_sap: 1,
            client_sap: 16,
            credentials: Credentials::none(),
            model: Arc::clone(&self.models["generic-dlms"]),
            serial: Some(meter.lock().unwrap().serial.clone()),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        };
        let work = Work {
            job: job.id,
            station: Arc::new(station),
            counters: None,
            seed: Seed::new([7; 32]),
            task: Task::ReadProfile(ProfileRange {
                obis,
                from,
                to,
                layout: job.layout.clone(),
                last: job.last_ts,
            }),
            priority: 0,
            span: tracing::Span::none(),
        };
        let (dialer, lines) = MemoryDialer::new();
        let player = tokio::spawn(play(Arc::clone(meter), lines));
        let (sender, mut reports) = mpsc::channel(4);
        let (works, queue) = mpsc::channel(1);
        works.try_send(work).unwrap();
        drop(works);
        let channel = Channel::with(Limits::default(), sender, Dialer::Memory(dialer), Arc::new(Now(now)));
        let mut all = Vec::new();
        let gather = async {
            while let Some(report) = reports.recv().await {
                all.push(report);
            }
        };
        tokio::join!(channel.run(queue), gather);
        player.abort();
        all
    }

    /// What the table holds of a meter: unix time and the values of each row.
    fn stored(&self, id: i32) -> Vec<String> {
        let rows = self.database.sql(&format!(
            "SELECT extract(epoch FROM ts)::int8, v0, v1, v2 FROM profile_row WHERE meter_id = {id} ORDER BY ts"
        ));
        rows.lines().map(str::to_owned).collect()
    }

    /// What was lost of a meter: why, and from when to when.
    fn losses(&self, id: i32) -> String {
        self.database.sql(&format!(
            "SELECT cause, to_char(after_ts, 'MM-DD HH24:MI:SS'), to_char(until_ts, 'MM-DD HH24:MI:SS') FROM profile_loss
             WHERE meter_id = {id} ORDER BY after_ts"
        ))
    }

    /// Holes in what is covered of a meter, and where that ends.
    fn covered(&self, id: i32) -> String {
        self.database.sql(&format!(
            "SELECT tstzmultirange(range_merge(coverage)) - coverage, to_char(upper(coverage), 'MM-DD HH24:MI:SS') FROM meter_profile
             WHERE meter_id = {id}"
        ))
    }

    /// Rows of a local day.
    fn rows_of(&self, id: i32, day: &str) -> String {
        self.database.sql(&format!(
            "SELECT count(*) FROM profile_row WHERE meter_id = {id}
             AND (ts - interval '1 second') AT TIME ZONE 'Europe/Berlin' >= '{day}'
             AND (ts - interval '1 second') AT TIME ZONE 'Europe/Berlin' < '{day}'::date + 1"
        ))
    }
}

/// What a meter captured as the table has it.
fn truth(meter: &Mutex<Meter>) -> Vec<String> {
    let meter = meter.lock().unwrap();
    let row = |(at, values): (&Timestamp, &Vec<u32>)| {
        let value = |index: usize| values.get(index).map(ToString::to_string).unwrap_or_default();
        format!("{}|{}|{}|{}", at.as_second(), value(0), value(1), value(2))
    };
    meter.captured.iter().map(row).collect()
}

/// The first line in which two lists differ, for a person.
fn assert_same(stored: &[String], truth: &[String]) {
    let differs = stored.iter().zip(truth).position(|(stored, true_row)| stored != true_row);
    let place = differs.unwrap_or(stored.len().min(truth.len()));
    let (stored_row, true_row) = (stored.get(place), truth.get(place));
    assert!(
        stored.len() == truth.len() && differs.is_none(),
        "{} rows, {} captured; row {place}: {stored_row:?}, {true_row:?}",
        stored.len(),
        truth.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_with_both_changes_of_the_zone_a_long_outage_and_steps_of_the_clock() {
    let (begin, end) = (at("2027-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
    let mut head = Head::new(RangeDeviation::Send).await;
    let (id, meter) = head.register(Meter::new("YEAR1", begin, true));
    let outage = at("2027-06-01T00:00:00Z")..at("2027-07-01T00:00:00Z");
    let steps = [(at("2027-05-10T10:07:00Z"), 3600), (at("2027-05-20T10:07:00Z"), -3600)];
    let mut now = begin + DAY / 72;
    while now < end {
        for (at, seconds) in steps.iter().filter(|(at, _)| (now - DAY..now).contains(at)) {
            meter.lock().unwrap().step(*at, *seconds);
        }
        if outage.contains(&now) {
            meter.lock().unwrap().live(now);
        } else {
            head.work(now).await;
        }
        now += DAY;
    }
    assert_same(&head.stored(id), &truth(&meter));
    assert_eq!(head.rows_of(id, "2027-03-28"), "92");
    assert_eq!(head.rows_of(id, "2027-10-31"), "100");
    assert_eq!(head.rows_of(id, "2027-05-10"), "92", "an hour that the clock never showed");
    assert_eq!(head.rows_of(id, "2027-06-15"), "96", "read after the outage");
    // What the clock showed twice is there as it came last, and as it came first as a revision.
    assert_eq!(meter.lock().unwrap().repeated, 4);
    assert_eq!(head.database.sql("SELECT count(*) FROM profile_row_rev"), "4");
    // Lost is what the clock never showed, and what was before the meter; the outage is not.
    assert_eq!(
        head.losses(id),
        "before_first|09-23 00:19:59|01-01 00:00:00\nnot_recorded|05-10 10:00:00|05-10 11:00:00"
    );
    assert_eq!(head.covered(id), "{}|12-31 00:15:00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_year_in_which_period_and_columns_change_and_the_meter_is_exchanged() {
    let (begin, end) = (at("2027-08-01T00:00:00Z"), at("2028-01-15T00:00:00Z"));
    let mut head = Head::new(RangeDeviation::Unspecified).await;
    let (old_id, old) = head.register(Meter::new("OLD", begin, false));
    let period = at("2027-09-10T00:20:00Z");
    let firmware = at("2027-10-10T00:20:00Z");
    let exchange = at("2027-11-20T00:20:00Z");
    let shorter = at("2027-12-10T00:20:00Z");
    let mut new = None;
    let mut now = begin + DAY / 72;
    while now < end {
        head.work(now).await;
        // Each comes a moment after a read: what the change deletes has been read.
        match now {
            now if now == period => old.lock().unwrap().capture_every(now, 1800),
            now if now == firmware => old.lock().unwrap().capture_columns(now, 3),
            now if now == exchange => {
                head.database
                    .sql("UPDATE meter SET state = 'retired', retired_at = now() WHERE serial = 'OLD'");
                head.meters.clear();
                new = Some(head.register(Meter::new("NEW", now, false)));
            }
            now if now == shorter => new.as_ref().unwrap().1.lock().unwrap().capture_every(now, 300),
            _ => {}
        }
        now += DAY;
    }
    let (new_id, new) = new.unwrap();
    assert_same(&head.stored(old_id), &truth(&old));
    assert_same(&head.stored(new_id), &truth(&new));
    assert_eq!(head.rows_of(old_id, "2027-10-31"), "50", "half-hours of a day of 25 hours");
    assert_eq!(head.rows_of(new_id, "2027-12-01"), "96");
    let periods = "SELECT string_agg(DISTINCT l.period_s::text, ' ' ORDER BY l.period_s::text) FROM profile_row r JOIN profile_layout l ON l.id = r.layout_id
                   WHERE r.ts > '2027-09-11' AND r.meter_id =";
    assert_eq!(
        head.database.sql(&format!("{periods} {old_id}")),
        "1800",
        "what is captured at another rate has another layout"
    );
    let layouts = "SELECT count(DISTINCT layout_id) FROM profile_row WHERE meter_id =";
    assert_eq!(head.database.sql(&format!("{layouts} {old_id}")), "3");
    assert_eq!(head.database.sql("SELECT count(*) FROM profile_row_rev"), "0");
    assert_eq!(
        head.rows_of(new_id, "2027-12-20"),
        "288",
        "captures of five minutes, where the model says fifteen"
    );
    // Five minutes passed between the last capture at the old rate and the first that could begin at the new one.
    let shown = |id| (head.losses(id), head.covered(id));
    let (lost, covered) = shown(old_id);
    assert_eq!((lost.lines().count(), &*covered), (1, "{}|11-20 00:00:00"), "{lost}");
    assert!(lost.starts_with("before_first|") && lost.ends_with("|08-01 00:00:00"), "{lost}");
    let (lost, covered) = shown(new_id);
    let [before, between] = &lost.lines().collect::<Vec<_>>()[..] else { panic!("{lost}") };
    assert!(before.starts_with("before_first|") && before.ends_with("|11-20 00:15:00"), "{lost}");
    assert_eq!(*between, "not_recorded|12-10 00:15:00|12-10 00:20:00");
    assert_eq!(covered, "{}|01-14 00:20:00");
}
