//! The running program: its database, its roles, and the order in which they stop.
//!
//! Stopping goes against the flow of readings: no more work is leased, what is on the wire ends, everything that was reported is
//! stored, leases go back, the interface closes, the connections close, the private database stops.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use collectors::{Instruments, Lobby, Report};
use jiff::{SignedDuration, Timestamp};
use models::{CimCodes, Model};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, WeakSender};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::api::{self, Entrance, Limits, Tls, TlsError, TlsFiles};
use crate::clock::{self, OurClock};
use crate::cluster::{self, Cluster};
use crate::collect::{Collector, Writers, captures, knobs};
use crate::config::{self, Config};
use crate::ingest::{self, Haste};
use crate::store::{self, Store};
use crate::telemetry::metrics;
use crate::{keeping, listen, plan, results};

/// How long what is found out about an order may wait for the order's end, with which it is stored.
const FINDINGS_WAIT: Duration = Duration::from_millis(250);

/// How often old jobs and old entries of the log of readings are deleted.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// For how many days it is kept what came of schedules.
const KEEP_SCHEDULE_DAYS: i32 = 731;
/// How often clocks that are off are looked for, where they are put right by themselves.
const CLOCKS: Duration = Duration::from_secs(60);

/// How long the log of readings is kept, for those who follow it.
const KEEP_LOG: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why the program could not run, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The private database.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The connection string.
    #[error("database.url is not understood: {0}")]
    Url(String),
    /// A model file.
    #[error(transparent)]
    Models(#[from] models::Error),
    /// The address of the interface.
    #[error("api.listen {address} cannot be used: {detail}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        detail: String,
    },
    /// Nobody could call the interface.
    #[error(
        "nobody could call the API: name api.tls_certificate, api.tls_key and api.client_ca and who may call in [api.principals], \
         or set api.plaintext_role to serve every program on this machine without encryption, or turn roles.api off"
    )]
    NoEntrance,
    /// The certificates of the interface.
    #[error("the API cannot be served with TLS: {0}")]
    Tls(#[from] TlsError),
    /// The interface.
    #[error(transparent)]
    Api(#[from] api::Error),
    /// The ports for meters.
    #[error(transparent)]
    Listener(#[from] listen::Error),
    /// A part of the program ended by itself.
    #[error("{0} ended by itself, which is a fault of this program: see its log")]
    Role(&'static str),
}

/// A database that is ready, and the private server behind it, if there is one.
#[derive(Debug)]
pub struct Database {
    /// The store.
    pub store: Store,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens the database of the configuration; starts a private server when it names none.
    ///
    /// # Errors
    /// [`Error::Cluster`], [`Error::Url`].
    pub async fn open(config: &config::Database) -> Result<Self, Error> {
        if let Some(url) = &config.url {
            // The message of the parser names the part at fault, never the password.
            let options = url.expose().parse().map_err(|error: sqlx::Error| Error::Url(error.to_string()))?;
            return Ok(Self { store: Store::open(options, config.max_connections), cluster: None });
        }
        let settings = cluster::Settings {
            data_dir: absolute(&config.data_dir),
            bin_dir: config.bin_dir.clone(),
            max_connections: config.max_connections,
        };
        let cluster = Cluster::start(&settings).await?;
        let store = Store::open(cluster.options(cluster::NAME), config.max_connections);
        Ok(Self { store, cluster: Some(cluster) })
    }

    /// Makes the schema ready: a private database is ours to bring up to date, any other is only checked.
    async fn prepare(&self) -> Result<(), Error> {
        match self.cluster {
            Some(_) => self.store.migrate().await?,
            None => self.store.check_schema().await?,
        }
        Ok(())
    }

    /// Completes when a private server has ended by itself; never with another one.
    async fn ended(&self) -> Error {
        match &self.cluster {
            Some(cluster) => cluster.ended().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Closes the connections and stops the private server.
    ///
    /// # Errors
    /// [`Error::Cluster`] when the server does not stop.
    pub async fn close(self) -> Result<(), Error> {
        self.store.close().await;
        match self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }
}

/// Runs the roles of the configuration until `stop`.
///
/// # Errors
/// Every [`Error`]; the database is closed whatever happened.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), Error> {
    let models = Arc::new(load_models(&config.models)?);
    let (cim, entrance) = (load_cim(&config.models)?, entrance(&config)?);
    let database = Database::open(&config.database).await?;
    let clock = OurClock::new(config.clock.trust);
    let store = database.store.clone().with_cim(cim).with_models(&models).with_clock(clock.clone());
    let store = store.with_credit(&config.credit).with_second_look(config.plan.second_look);
    let outcome = match database.prepare().await {
        Ok(()) => {
            tokio::select! {
                outcome = roles(&config, &store, (models, clock), entrance, stop.clone()) => outcome,
                ended = database.ended() => Err(ended),
            }
        }
        Err(error) => Err(error),
    };
    stop.cancel();
    let closed = database.close().await;
    outcome.and(closed)
}

/// The built-in models and those of the folder; one with the name of a built-in replaces it.
///
/// # Errors
/// [`Error::Models`].
pub fn load_models(config: &config::Models) -> Result<BTreeMap<String, Arc<Model>>, Error> {
    let mut models = models::builtin()?;
    if let Some(folder) = &config.dir {
        models.extend(models::load_dir(folder)?);
    }
    Ok(models)
}

/// The codes that other systems give to keys: the built-in ones, and before them those of the file.
///
/// # Errors
/// [`Error::Models`].
pub fn load_cim(config: &config::Models) -> Result<CimCodes, Error> {
    let codes = config.cim.as_ref().map_or_else(CimCodes::builtin, CimCodes::load);
    codes.map_err(Error::Models)
}

/// Who may call the interface; `None` where it is not served.
///
/// # Errors
/// [`Error::NoEntrance`], [`Error::Tls`].
pub fn entrance(config: &Config) -> Result<Option<Entrance>, Error> {
    if !config.roles.api {
        return Ok(None);
    }
    let api = &config.api;
    let files = (&api.tls_certificate, &api.tls_key, &api.client_ca);
    if let (Some(certificate), Some(key), Some(client_ca)) = files {
        let (certificate, key, client_ca) = (certificate.clone(), key.clone(), client_ca.clone());
        let files = TlsFiles { certificate, key, client_ca };
        return Ok(Some(Entrance::Tls(Tls::open(files, api.principals.clone())?)));
    }
    api.plaintext_role.map(|role| Some(Entrance::Plaintext(role))).ok_or(Error::NoEntrance)
}

async fn roles(
    config: &Config,
    store: &Store,
    (models, clock): (Arc<BTreeMap<String, Arc<Model>>>, OurClock),
    entrance: Option<Entrance>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let (owner, lobby) = (Uuid::new_v4(), Lobby::default());
    let mut running = Vec::new();
    if let Some(entrance) = entrance {
        let limits = Limits {
            two_persons: config.api.two_persons.clone(),
            image_octets: config.firmware.max_image_size,
            images: config.firmware.max_images,
            ..Limits::default()
        };
        store.note_load_profiles(&models).await?;
        let parts = api::Parts { store: store.clone(), models: models.clone(), limits, entrance };
        running.push(("the interface", start_api(config.api.listen, parts, stop.clone()).await?));
    }
    if config.roles.planner {
        let planner = planner(store.clone(), Arc::clone(&models), config.clone(), stop.clone());
        let planning = async {
            planner.await;
            Ok(())
        };
        running.push(("the planner", tokio::spawn(planning)));
    }
    if config.roles.listener {
        let listener = listen::Listener::open(config.listener.clone()).await?;
        let hearing = listener.run(store.clone(), Arc::clone(&models), (owner, lobby.clone()), stop.clone());
        running.push(("the listener", tokio::spawn(async { Ok(hearing.await?) })));
    }
    if config.roles.collector {
        let collecting = collect(
            config.clone(),
            store.clone(),
            (owner, lobby),
            (Arc::clone(&models), clock),
            stop.clone(),
        );
        running.push(("the collector", tokio::spawn(collecting)));
    }
    if config.roles.ingest && config.results.folder.is_some() {
        let taking = results::run(store.clone(), models, (owner, config.results.clone()), stop.clone());
        let taking = async {
            taking.await;
            Ok(())
        };
        running.push(("what takes result files over", tokio::spawn(taking)));
    }
    info!(%owner, roles = running.len(), "the head-end runs");
    let outcome = first_end(&mut running, &stop).await;
    stop.cancel();
    let mut last = Ok(());
    for (role, task) in running {
        if !task.is_finished() {
            debug!(role, "stopping");
        }
        last = last.and(ended(role, task.await));
    }
    info!("the head-end has stopped");
    outcome.and(last)
}

/// Waits for the stop. A role that ends before it takes all the others with it.
async fn first_end(running: &mut [(&'static str, Role)], stop: &CancellationToken) -> Result<(), Error> {
    let mut check = interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = check.tick() => {
                if let Some((role, _)) = running.iter().find(|(_, task)| task.is_finished()) {
                    warn!(role, "ended by itself");
                    return Ok(());
                }
            }
        }
    }
}

type Role = JoinHandle<Result<(), Error>>;

fn ended(
    role: &'static str,
    outcome: Result<Result<(), Error>, tokio::task::JoinError>,
) -> Result<(), Error> {
    outcome.unwrap_or(Err(Error::Role(role)))
}

async fn start_api(address: SocketAddr, parts: api::Parts, stop: CancellationToken) -> Result<Role, Error> {
    let unusable = |error: std::io::Error| Error::Listen { address, detail: error.to_string() };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    info!(address = %listener.local_addr().map_err(unusable)?, "the interface listens");
    Ok(tokio::spawn(async move { Ok(api::serve(listener, parts, stop).await?) }))
}

/// Collector and writers of one process: what the first reports the others store, before the leases go back.
async fn collect(
    config: Config,
    store: Store,
    (owner, lobby): (Uuid, Lobby),
    (models, clock): (Arc<BTreeMap<String, Arc<Model>>>, OurClock),
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut writers = JoinSet::new();
    let mut writer = |ingest: config::Ingest, haste| {
        let (sender, queue) = mpsc::channel(ingest.queue);
        writers.spawn(ingest::run(store.clone(), owner, queue, ingest, haste));
        sender
    };
    let reads: Vec<_> =
        (0..config.ingest.writers).map(|_| writer(config.ingest.clone(), Haste::None)).collect();
    let orders = writer(config::Ingest { max_wait: FINDINGS_WAIT, ..config.ingest.clone() }, Haste::Ends);
    let instruments = Arc::new(Instruments::default());
    // Only weak: the writers end when the collector has.
    let queues: Vec<_> = reads.iter().chain([&orders]).map(mpsc::Sender::downgrade).collect();
    metrics::observe(Arc::clone(&instruments), move || {
        let waiting = |queue: mpsc::Sender<Report>| (queue.max_capacity() - queue.capacity()) as u64;
        queues.iter().filter_map(WeakSender::upgrade).map(waiting).sum()
    });
    let knobs = knobs::follow(store.clone(), &instruments, stop.clone());
    let (captured, queue) = captures::queue();
    instruments.protocol_log().capture_to(captured);
    let capturing = captures::store_captured(store.clone(), queue, stop.clone());
    let queues = Writers { reads, orders };
    let collector = Collector::new(
        store.clone(),
        owner,
        Arc::clone(&models),
        config.collector,
        queues,
        Arc::clone(&instruments),
    )
    .called_by(lobby)
    .by_clock(clock.clone(), config.clock.measure);
    let comparing = clock::follow(store.clone(), clock, stop.clone());
    let overhearing = listen::overhear(&instruments, store.clone(), models, config.listener, stop.clone());
    tokio::join!(knobs, capturing, comparing, overhearing, collector.run(stop));
    let (mut captures, mut batches) = (0, 0);
    while let Some(written) = writers.join_next().await {
        let stats = written.map_err(|_| Error::Role("ingest"))?;
        captures += stats.written.captures.sent;
        batches += stats.batches;
    }
    let returned = store.release(owner).await?;
    info!(captures, batches, jobs_returned = returned, "everything read is stored");
    Ok(())
}

/// Turns what is due into jobs, and keeps house.
async fn planner(
    store: Store,
    models: Arc<BTreeMap<String, Arc<Model>>>,
    config: Config,
    stop: CancellationToken,
) {
    let mut counts = interval(config.telemetry.metrics_interval);
    let mut clocks = interval(CLOCKS);
    clocks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut passes = interval(config.plan.interval);
    let mut housekeeping = interval(HOUSEKEEPING);
    passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress = Instant::now();
    match plan::begin(&store, &models, &config.plan).await {
        Ok(0) => {}
        Ok(meters) => info!(meters, "models or the configuration changed: meters are looked at again"),
        Err(error) => warn!(%error, "what changed since the last start is not known: it counts within a day"),
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = passes.tick() => match plan::pass(&store, &models, &config.plan, Timestamp::now()).await {
                Ok(planned) if !planned.is_all => {
                    info!(meters = planned.meters, jobs = planned.jobs, "planned, and others wait");
                    passes.reset_immediately();
                }
                Ok(planned) if planned.jobs + planned.given_up > 0 => {
                    info!(meters = planned.meters, jobs = planned.jobs, given_up = planned.given_up, "planned");
                }
                Ok(_) => {}
                Err(error) => warn!(%error, "nothing could be planned"),
            },
            () = sleep_until(progress) => {
                note_progress(&store).await;
                progress = next_minute();
            }
            _ = housekeeping.tick() => {
                keep_house(&store, &config).await;
                keeping::pass(&store, &config).await;
            }
            _ = counts.tick(), if metrics::are_read() => count(&store, &config.clock).await,
            _ = clocks.tick(), if config.clock.synchronise => {
                if let Err(error) = clock::keep::pass(&store, &models, &config.clock, Timestamp::now()).await {
                    warn!(%error, "no clock could be ordered to be put right");
                }
            }
        }
    }
}

/// When the next minute of the clock begins: goals are at full minutes, and are looked at then.
fn next_minute() -> Instant {
    let second = u64::try_from(Timestamp::now().as_second().rem_euclid(60)).unwrap_or(0);
    Instant::now() + Duration::from_secs(60 - second)
}

/// Notes how far schedules have come.
async fn note_progress(store: &Store) {
    if let Err(error) = plan::note_progress(store, Timestamp::now()).await {
        warn!(%error, "how far schedules have come could not be noted");
    }
}

async fn count(store: &Store, clock: &config::Clock) {
    match store.wrong_clocks(i64::try_from(clock.tolerance.as_millis()).unwrap_or(i64::MAX)).await {
        Ok(clocks) => metrics::clocks_wrong(clocks),
        Err(error) => warn!(%error, "clocks that are off could not be counted"),
    }
    match store.waiting_jobs().await {
        Ok(counts) => metrics::jobs_waiting(&counts),
        Err(error) => warn!(%error, "jobs that wait could not be counted"),
    }
    match store.open_commands().await {
        Ok(counts) => metrics::commands_open(&counts),
        Err(error) => warn!(%error, "commands that are open could not be counted"),
    }
}

async fn keep_house(store: &Store, config: &Config) {
    if let Err(error) = store.purge_clocks(config.clock.keep).await {
        warn!(%error, "old measurements of clocks could not be deleted");
    }
    if let Err(error) = store.call_off_retired().await {
        warn!(%error, "the work of retired meters could not be called off");
    }
    if let Err(error) = store.purge_jobs(config.plan.keep_jobs).await {
        warn!(%error, "old jobs could not be deleted");
    }
    if let Err(error) = store.purge_schedule_days(KEEP_SCHEDULE_DAYS).await {
        warn!(%error, "what came of schedules long ago could not be deleted");
    }
    if let Err(error) = store.forget_strangers().await {
        warn!(%error, "those who called and are no meter's could not be forgotten");
    }
    let before = Timestamp::now().checked_sub(KEEP_LOG).unwrap_or(Timestamp::MIN);
    if let Err(error) = store.trim_batches(before).await {
        warn!(%error, "the log of readings could not be trimmed");
    }
}

/// A folder as the server process needs it, which has another current folder.
fn absolute(folder: &std::path::Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())
}
