//! A concentrator in memory, and a head-end that has nothing but one channel and what it stores.

#![allow(dead_code, reason = "the benchmark uses a part of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

use collectors::{
    Channel, Credentials, Dialer, Event, Layout, Limits, MemoryDialer, ProfileRange, Report, Seed, Station,
    Task, Via, Work,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::Model;
use simulator::{
    Backend, Clock, ConcentratorConfig, Concentrators, FIRST_DEVICE, FaultRule, FleetConfig, Security,
};
use tokio::{
    io::DuplexStream,
    sync::{mpsc, watch},
    task::JoinSet,
};

const START: &str = "2026-03-01T00:10:00Z";
/// The model of the meters.
const METERS: &str = "mt371";

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
pub(crate) struct Store {
    profile: String,
    /// From when on it is to have everything.
    pub(crate) from: Timestamp,
    pub(crate) rows: BTreeMap<usize, BTreeMap<Timestamp, Vec<i64>>>,
    /// Up to where each meter was read.
    pub(crate) covered: BTreeMap<usize, Timestamp>,
    pub(crate) layout: Option<Arc<Layout>>,
    pub(crate) failures: BTreeMap<&'static str, u32>,
    /// Octets between the head-end and the concentrator.
    pub(crate) octets: u64,
}

impl Store {
    pub(crate) fn of(profile: &str, from: Timestamp) -> Self {
        Self {
            profile: profile.to_owned(),
            from,
            rows: BTreeMap::new(),
            covered: BTreeMap::new(),
            layout: None,
            failures: BTreeMap::new(),
            octets: 0,
        }
    }

    fn take(&mut self, Report { job, event, .. }: Report) -> Option<usize> {
        let node = usize::try_from(job).unwrap();
        match event {
            Event::Layout(layout) => self.layout = Some(layout),
            Event::Captures(captures) => {
                let values = captures.values.chunks(captures.width);
                let values = values.map(|row| row.iter().map(|value| value.unwrap()).collect());
                self.rows.entry(node).or_default().extend(captures.at.iter().copied().zip(values));
            }
            Event::Ended(Ok(done)) => {
                self.octets += done.bytes_on_wire;
                self.covered.extend(done.range.map(|(_, end)| (node, end)));
            }
            Event::Ended(Err(failure)) => {
                *self.failures.entry(failure.reason.as_str()).or_default() += 1;
                return Some(node);
            }
            _ => {}
        }
        None
    }
}

/// A concentrator and how it is reached.
pub(crate) struct Site {
    pub(crate) concentrators: Arc<Concentrators>,
    pub(crate) clock: Clock,
    pub(crate) start: Timestamp,
    via: Arc<Via>,
    up: watch::Sender<bool>,
}

impl Site {
    pub(crate) fn new(config: ConcentratorConfig, nodes: u32) -> Self {
        Self::with_faults(config, nodes, Vec::new())
    }

    pub(crate) fn with_faults(config: ConcentratorConfig, nodes: u32, faults: Vec<FaultRule>) -> Self {
        let start: Timestamp = START.parse().unwrap();
        let clock = Clock::starting_at(start);
        let fleet = FleetConfig {
            count: nodes,
            security: Security::None,
            clock: clock.clone(),
            history_days: 5,
            faults,
            ..FleetConfig::new(model(METERS))
        };
        let address = "memory:1".parse().unwrap();
        let via = Arc::new(Via { meter: -1, address, model: model(&config.model) });
        let concentrators = Arc::new(Concentrators::offline(fleet, config).unwrap());
        Self { concentrators, clock, start, via, up: watch::Sender::new(true) }
    }

    fn station(&self, node: usize) -> Arc<Station> {
        let meter = &self.concentrators.meters()[node];
        let model = model(METERS);
        let number = u64::try_from(node).unwrap();
        let (name, device_address) = match self.concentrators.config().backend {
            Backend::Wrapper { .. } => (node.to_string(), None),
            Backend::Gateway { .. } | Backend::P2lpc => (meter.serial(), None),
            Backend::Forward => (meter.serial(), Some(u64::from(FIRST_DEVICE) + number)),
        };
        Arc::new(Station {
            meter: i32::try_from(node).unwrap(),
            address: format!("concentrator://C0000000/{name}").parse().unwrap(),
            device_address,
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

    /// Cuts the concentrator off, or lets it come back.
    pub(crate) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    /// Reads what is missing of these nodes up to now, and returns those that it could not read.
    pub(crate) async fn read(&self, nodes: BTreeSet<usize>, store: &mut Store) -> BTreeSet<usize> {
        let to = self.clock.now();
        let obis = model(METERS).profile(&store.profile).unwrap().obis;
        let task = |node: &usize| {
            let next = |covered: &Timestamp| *covered + SignedDuration::from_secs(1);
            let from = store.covered.get(node).map_or(store.from, next);
            Task::ReadProfile(ProfileRange { obis, from, to, layout: store.layout.clone(), last: None })
        };
        let tasks = nodes.iter().map(|node| (*node, task(node))).collect();
        let mut failed = BTreeSet::new();
        self.run(tasks, |report| failed.extend(store.take(report))).await;
        failed
    }

    /// Does tasks with nodes, whose numbers are those of the jobs.
    pub(crate) async fn run(&self, tasks: Vec<(usize, Task)>, mut take: impl FnMut(Report)) {
        let (dialer, lines) = MemoryDialer::new();
        let player = tokio::spawn(play(Arc::clone(&self.concentrators), lines, self.up.subscribe()));
        let work = |(node, task)| Work {
            job: i64::try_from(node).unwrap(),
            station: self.station(node),
            counters: None,
            seed: Seed::new([7; 32]),
            task,
            priority: 0,
            span: tracing::Span::none(),
        };
        let works: Vec<_> = tasks.into_iter().map(work).collect();
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
            while let Some(report) = outcome.recv().await {
                take(report);
            }
        };
        _ = tokio::join!(channel.run(receiver), feed, gather);
        player.abort();
    }
}

/// Lets the concentrator serve every line that is opened, while it is up.
async fn play(
    concentrators: Arc<Concentrators>,
    mut lines: mpsc::Receiver<DuplexStream>,
    mut up: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(line) = lines.recv() => drop(connections.spawn(concentrators.serve(0, line))),
            // Who listens no longer refuses whoever comes.
            _ = up.wait_for(|up| !up) => break,
        }
    }
}
