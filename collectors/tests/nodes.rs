//! A thousand meters behind one concentrator: each day everything that is missing is read over a power line of 1200 bit/s, and at any time one node in fifty is out of
//! reach. Time is that of tokio's paused clock, which the meters' clock follows: days pass within seconds, and the same way each time.
//!
//! What counts as failure: a capture that a meter holds and that is not stored when the day's reads are over; a value that the meter did not capture; a work
//! without an end. A node that is out of reach is none: it is read when it is back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Event, Layout, Limits, MemoryDialer, ProfileRange, Reason, Report, Seed,
    Station, Task, Via, Work,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::Model;
use simulator::{Clock, ConcentratorConfig, Concentrators, FleetConfig, Security};
use tokio::{sync::mpsc, time::sleep};

const NODES: u32 = 1000;
const PROFILE: &str = "daily-values";
const START: &str = "2026-03-01T00:10:00Z";
const DAYS: u32 = 4;
/// Between two attempts to read those that were out of reach, and how many of them there are on a day.
const AGAIN_AFTER: Duration = Duration::from_secs(2 * 3600);
const ATTEMPTS: u32 = 5;

static MODELS: LazyLock<BTreeMap<String, Arc<Model>>> = LazyLock::new(|| models::builtin().unwrap());

fn model(name: &str) -> Arc<Model> {
    Arc::clone(&MODELS[name])
}

/// Our clock is as right as the meters' is.
struct SameClock(Clock);

impl collectors::Clock for SameClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// What is kept of the meters.
#[derive(Default)]
struct Store {
    rows: BTreeMap<usize, BTreeMap<Timestamp, Vec<i64>>>,
    /// Up to where each meter was read.
    covered: BTreeMap<usize, Timestamp>,
    layout: Option<Arc<Layout>>,
    failures: BTreeMap<&'static str, u32>,
}

impl Store {
    fn take(&mut self, Report { job, event, .. }: Report) -> Option<usize> {
        let node = usize::try_from(job).unwrap();
        match event {
            Event::Layout(layout) => self.layout = Some(layout),
            Event::Captures(captures) => {
                let values = captures.values.chunks(captures.width);
                let values = values.map(|row| row.iter().map(|value| value.unwrap()).collect());
                self.rows.entry(node).or_default().extend(captures.at.iter().copied().zip(values));
            }
            Event::Ended(Ok(done)) => _ = self.covered.insert(node, done.range.unwrap().1),
            Event::Ended(Err(failure)) => {
                assert_eq!(failure.reason, Reason::Timeout, "{failure:?}");
                *self.failures.entry(failure.reason.as_str()).or_default() += 1;
                return Some(node);
            }
            _ => {}
        }
        None
    }
}

struct Site {
    concentrators: Arc<Concentrators>,
    clock: Clock,
    start: Timestamp,
    via: Arc<Via>,
}

impl Site {
    fn new(config: ConcentratorConfig, security: Security) -> Self {
        let start: Timestamp = START.parse().unwrap();
        let clock = Clock::starting_at(start);
        let fleet = FleetConfig {
            count: NODES,
            security,
            clock: clock.clone(),
            history_days: 5,
            ..FleetConfig::new(model("mt371"))
        };
        let address = "memory:1".parse().unwrap();
        let via = Arc::new(Via { meter: -1, address, model: model(&config.model) });
        let concentrators = Arc::new(Concentrators::offline(fleet, config).unwrap());
        Self { concentrators, clock, start, via }
    }

    fn station(&self, node: usize) -> Arc<Station> {
        let meter = &self.concentrators.meters()[node];
        let model = model("mt371");
        Arc::new(Station {
            meter: i32::try_from(node).unwrap(),
            address: format!("concentrator://C0000000/{node}").parse().unwrap(),
            device_address: None,
            subunit: None,
            via: Some(Arc::clone(&self.via)),
            server_sap: model.association.server_sap,
            client_sap: model.association.client_sap_none,
            credentials: Credentials::none(),
            serial: Some(meter.serial()),
            model,
            zone: TimeZone::UTC,
        })
    }

    /// Reads what is missing of these nodes up to now, and returns those that it could not read.
    async fn read(&self, nodes: BTreeSet<usize>, store: &mut Store) -> BTreeSet<usize> {
        let (dialer, mut lines) = MemoryDialer::new();
        let concentrators = Arc::clone(&self.concentrators);
        let player = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                tokio::spawn(concentrators.serve(0, line));
            }
        });
        let to = self.clock.now();
        let obis = model("mt371").profile(PROFILE).unwrap().obis;
        let works: Vec<_> = nodes
            .iter()
            .map(|node| {
                let from =
                    store.covered.get(node).map_or(self.start - SignedDuration::from_hours(72), |covered| {
                        *covered + SignedDuration::from_secs(1)
                    });
                let range = ProfileRange { obis, from, to, layout: store.layout.clone() };
                Work {
                    job: i64::try_from(*node).unwrap(),
                    station: self.station(*node),
                    counters: None,
                    seed: Seed::new([7; 32]),
                    task: Task::ReadProfile(range),
                    priority: 0,
                    span: tracing::Span::none(),
                }
            })
            .collect();
        let (reports, mut outcome) = mpsc::channel(16);
        let (sender, receiver) = mpsc::channel(16);
        let clock = Arc::new(SameClock(self.clock.clone()));
        let limits = Limits { linger: Duration::from_millis(1), ..Limits::default() };
        let channel = Channel::with(limits, reports, Dialer::Memory(dialer), clock);
        let feed = async move {
            for work in works {
                sender.send(work).await.unwrap();
            }
        };
        let gather = async {
            let mut failed = BTreeSet::new();
            while let Some(report) = outcome.recv().await {
                failed.extend(store.take(report));
            }
            failed
        };
        let (_, (), failed) = tokio::join!(channel.run(receiver), feed, gather);
        player.abort();
        failed
    }
}

#[tokio::test(start_paused = true)]
async fn mt01_mt02_a_thousand_nodes_are_read_daily_without_a_gap_that_they_still_hold() {
    let config = ConcentratorConfig {
        nodes: NODES,
        lost_ppm: 20_000,
        outage: Duration::from_secs(6 * 3600),
        ..ConcentratorConfig::default()
    };
    let site = Site::new(config, Security::None);
    let mut store = Store::default();
    for day in 0..DAYS {
        let mut missing: BTreeSet<usize> = (0..usize::try_from(NODES).unwrap()).collect();
        let day_end = site.start + SignedDuration::from_hours(24 * i64::from(day + 1));
        for attempt in 0..ATTEMPTS {
            missing = site.read(missing, &mut store).await;
            if missing.is_empty() {
                break;
            }
            assert!(missing.len() < 80, "on day {day}, attempt {attempt}: {} nodes", missing.len());
            sleep(AGAIN_AFTER).await;
        }
        assert!(missing.is_empty(), "on day {day} out of reach for good: {missing:?}");
        assert!(site.clock.now() < day_end, "a day is enough");
        for (node, meter) in site.concentrators.meters().iter().enumerate() {
            let from = site.start - SignedDuration::from_hours(72);
            let held = meter.expected(PROFILE, from, store.covered[&node]).unwrap();
            let held: BTreeMap<_, _> = held.into_iter().map(|row| (row.at, row.values)).collect();
            assert_eq!(store.rows[&node], held, "node {node} on day {day}");
            assert_eq!(held.len(), 3 + usize::try_from(day).unwrap());
        }
        sleep(Duration::try_from(day_end.duration_since(site.clock.now())).unwrap()).await;
    }
    assert!(store.failures["timeout"] > 20, "nodes were out of reach: {:?}", store.failures);
}
