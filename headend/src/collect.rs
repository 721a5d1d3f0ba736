//! The role collector: leases meters with due work, gives each its channel, and keeps the leases alive.
//!
//! One channel for each line, made when there is work and gone a moment after the last of it; the line is leased for as long. There are never
//! more than [`max_sessions`](config::Collector::max_sessions) of them, and a reserve for what is urgent: no more meters are leased than there
//! is room for.

mod aside;
mod baseline;
pub mod captures;
pub mod classes;
mod holdings;
mod image;
pub mod knobs;
mod lane;
mod throttle;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ami_proto::v1::ImageHeader;
use collectors::{
    Baseline, Channel, Dialer, Holdings, ImageOctets, Instruments, Limits, Lobby, Report, Work,
};
use dlms::security::Wear;
use models::Model;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::clock::OurClock;
use crate::config;
use crate::plan::SCHEDULED;
use crate::store::jobs::{Leased, URGENT, Wanted};
use crate::store::{JOB_CHANNEL, Store};
use crate::telemetry::metrics;
use aside::Pace;
use baseline::StoredBaseline;
use holdings::StoredHoldings;
use image::StoredImage;
use lane::Lane;
use throttle::Throttles;
use work::Sources;

/// How often the queue is looked at when nobody says that there is something new.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long several wake-ups are gathered before the queue is looked at, so that a burst of them costs one statement.
const GATHER: Duration = Duration::from_millis(3);

/// Meters that one statement leases at most, so that its transaction stays short.
const MOST_AT_ONCE: usize = 32;

/// Works that one channel takes at most. It is never reached: a channel gets the works of one lease beyond what makes it [busy](Lane::is_busy), and what comes
/// with urgent work, which is at most what all meters of a bus have.
const LANE_QUEUE: usize = 16_384;

/// How long work that is on the wire may go on after the program was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The collector of this process.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    owner: Uuid,
    models: Arc<BTreeMap<String, Arc<Model>>>,
    config: config::Collector,
    writers: Writers,
    instruments: Arc<Instruments>,
    dialer: Dialer,
    clock: OurClock,
    /// Whether the clocks of meters are looked at beside what is read.
    minds_clocks: bool,
    lanes: BTreeMap<String, Lane>,
    /// Lines that channels have left and that are still leased.
    left: BTreeSet<String>,
    throttles: Throttles,
    /// When work is put aside, and when it is brought back.
    aside: Pace,
    back: Pace,
    /// Looks at the queue so far, for the turns of work that comes behind everything else.
    looks: u64,
    /// Told by every channel that ends.
    ended: Arc<Notify>,
    /// When late commands were last looked for.
    expired_at: Instant,
}

/// The queues of those who store what the collector reports.
#[derive(Debug)]
pub struct Writers {
    /// One for each writer of readings; what comes over one line always goes to the same one, in order.
    pub reads: Vec<mpsc::Sender<Report>>,
    /// The writer of what becomes of orders, who does not wait for a batch to fill.
    pub orders: mpsc::Sender<Report>,
}

/// What a look at the queue found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Work; there may be more.
    Work,
    /// Nothing that is due and free.
    Nothing,
    /// As many channels as may be, of all or of a group.
    NoRoom,
}

impl Collector {
    /// A collector that works as `owner`, one number for each start of the program, and hands what it reads to the writers. All its
    /// channels are seen through `instruments`.
    pub fn new(
        store: Store,
        owner: Uuid,
        models: Arc<BTreeMap<String, Arc<Model>>>,
        config: config::Collector,
        writers: Writers,
        instruments: Arc<Instruments>,
    ) -> Self {
        let dialer = dialer(&config, Lobby::default());
        let throttles = Throttles::new(&config);
        Self {
            store,
            owner,
            models,
            config,
            writers,
            instruments,
            dialer,
            clock: OurClock::default(),
            minds_clocks: false,
            lanes: BTreeMap::new(),
            left: BTreeSet::new(),
            throttles,
            aside: Pace::default(),
            back: Pace::default(),
            looks: 0,
            ended: Arc::default(),
            expired_at: Instant::now(),
        }
    }

    /// The same collector, which reads meters that call this process as well.
    #[must_use]
    pub fn called_by(mut self, lobby: Lobby) -> Self {
        self.dialer = dialer(&self.config, lobby);
        self
    }

    /// The same collector with this clock of its own, which looks at those of meters beside what it reads if it is to.
    #[must_use]
    pub fn by_clock(mut self, clock: OurClock, minds_clocks: bool) -> Self {
        (self.clock, self.minds_clocks) = (clock, minds_clocks);
        self
    }

    /// Works until `stop`, then lets what is on the wire come to its end for a moment. What was leased and not begun is left to
    /// [`Store::release`], which has to be called once everything that was reported is stored.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut heartbeat = interval(self.config.lease / 3);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listener = None;
        loop {
            let found = self.lease().await;
            self.expire().await;
            let look_again = Instant::now() + if found == Found::Work { Duration::ZERO } else { LOOK_EVERY };
            tokio::select! {
                () = stop.cancelled() => break,
                _ = heartbeat.tick() => self.heartbeat().await,
                () = woken(&self.store, &mut listener) => {}
                () = self.ended.notified(), if found == Found::NoRoom => tokio::time::sleep(GATHER).await,
                () = sleep_until(look_again) => {}
            }
        }
        self.stop().await;
    }

    /// Fills the free places with due work.
    async fn lease(&mut self) -> Found {
        self.observe();
        self.leave().await;
        let room = self.room();
        let (room, tidied) =
            if room.least_priority <= SCHEDULED { self.tidy(room).await } else { (room, false) };
        let (some_only, is_turn) = (room.least_priority > SCHEDULED, room.most_priority < SCHEDULED);
        let is_crowded = some_only || room.rooms.values().any(|room| *room == 0);
        if room.meters == 0 {
            return Found::NoRoom;
        }
        match self.store.lease(self.owner, room, self.config.lease, self.config.counters_per_lease).await {
            Ok(leased) if !leased.is_empty() => {
                for meter in leased {
                    self.dispatch(meter).await;
                }
                Found::Work
            }
            Ok(_) if tidied || is_turn => Found::Work,
            Ok(_) if is_crowded => Found::NoRoom,
            Ok(_) => Found::Nothing,
            Err(error) => {
                warn!(%error, "no work could be leased");
                Found::Nothing
            }
        }
    }

    /// Brings work back that there is room for now, and puts aside what there is none for. Says what may be leased after that, and whether it is for once what is
    /// urgent only, because there is more to put aside.
    async fn tidy(&mut self, room: Wanted) -> (Wanted, bool) {
        let low = self.lanes.iter_mut().filter(|(_, lane)| lane.was_busy && lane.is_low());
        let mut names: Vec<String> = low
            .map(|(line, lane)| {
                lane.was_busy = false;
                line.clone()
            })
            .collect();
        if !names.is_empty() || self.back.is_due() {
            names.push(self.owner.to_string());
            match self.store.bring_back(&names).await {
                Ok(jobs) => self.back.told(jobs > 0),
                Err(error) => warn!(%error, "work that stands aside could not be brought back"),
            }
        }
        if self.aside.is_due() {
            match self.store.put_aside(self.owner, &room).await {
                Ok(more) => {
                    self.aside.told(more);
                    if more {
                        return (Wanted { least_priority: URGENT, ..Wanted::any(room.meters) }, true);
                    }
                }
                Err(error) => warn!(%error, "work could not be put aside"),
            }
        }
        (room, false)
    }

    /// Tells the throttle groups what came of their works.
    fn observe(&mut self) {
        for lane in self.lanes.values() {
            if let Some(group) = &lane.group
                && self.throttles.ended(group, lane.reach.take())
            {
                warn!(
                    group,
                    "more than one in eight of its meters were not reached: half as many of its lines are open from now on"
                );
                metrics::group_halved();
            }
        }
    }

    /// Gives back the lines that channels have left.
    async fn leave(&mut self) {
        let ended = self.lanes.extract_if(.., |_, lane| lane.task.is_finished());
        self.left.extend(ended.map(|(line, _)| line));
        if self.left.is_empty() {
            return;
        }
        let lines: Vec<String> = self.left.iter().cloned().collect();
        match self.store.leave(self.owner, &lines).await {
            Ok(()) => self.left.clear(),
            Err(error) => warn!(%error, lines = lines.len(), "lines could not be given back yet"),
        }
    }

    /// How many meters may be leased now, and for what. When all places are taken, the reserve is left for what is urgent, and the last of the places
    /// for what people wait for. Now and then it is the turn of what comes behind everything else, so that it is never starved.
    fn room(&mut self) -> Wanted {
        let open = self.lanes.len();
        let free = |places: u32| (places as usize).saturating_sub(open).min(MOST_AT_ONCE);
        let meters = |free: usize| u32::try_from(free).unwrap_or(u32::MAX);
        let all = self.config.max_sessions.saturating_add(self.config.urgent_sessions);
        match free(self.config.max_sessions) {
            0 => {
                self.make_room(|_| true);
                Wanted { least_priority: URGENT, ..Wanted::any(meters(free(all))) }
            }
            free => {
                self.looks += 1;
                let (least_priority, most_priority) =
                    classes::span(self.looks, open, self.config.max_sessions);
                let mut busy = Vec::new();
                for (line, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.is_busy()) {
                    lane.was_busy = true;
                    busy.push(line.clone());
                }
                self.throttles.open(self.lanes.values().filter_map(|lane| lane.group.as_deref()));
                let (rooms, room) = (self.throttles.rooms(), self.throttles.room());
                let is_full = |group: &String| rooms.get(group) == Some(&0);
                self.make_room(|lane| least_priority > SCHEDULED || lane.group.as_ref().is_some_and(is_full));
                Wanted { meters: meters(free), least_priority, most_priority, busy, rooms, room }
            }
        }
    }

    /// Has those of these channels end that have nothing to do and only linger.
    fn make_room(&self, of: impl Fn(&Lane) -> bool) {
        self.lanes.values().filter(|lane| of(lane)).for_each(|lane| lane.crowd.notify_waiters());
    }

    /// Sends the jobs of a meter to its channel; those that cannot even be tried end at once.
    async fn dispatch(&mut self, leased: Leased) {
        debug!(meter = leased.meter, jobs = leased.jobs.len(), line = %leased.line, "leased");
        for (first, end) in leased.jobs.iter().filter_map(|job| job.counters) {
            if let Some(wear) = Wear::reached(first.saturating_sub(1), end) {
                warn!(serial = leased.serial, %wear, end, "invocation counters are used up under the meter's key: give it a new one");
            }
        }
        let octets = |image: &ImageHeader| {
            let (name, sha256) = (image.name.clone(), image.sha256.clone());
            ImageOctets::new(StoredImage::new(self.store.clone(), name, sha256))
        };
        let baseline = |command| Baseline::new(StoredBaseline::new(self.store.clone(), command));
        let holdings = |command| Holdings::new(StoredHoldings::new(self.store.clone(), command));
        let sources = Sources { images: &octets, baselines: &baseline, holdings: &holdings };
        let (works, refused) = work::from_lease(&leased, &self.models, sources);
        for report in refused {
            // The receiver outlives the collector; without it nothing could be stored anyway.
            let _ = self.writer(&leased.line).send(report).await;
        }
        if works.is_empty() && !self.lanes.contains_key(&leased.line) {
            self.left.insert(leased.line);
            return;
        }
        for work in works {
            self.send((&leased.line, leased.throttle_group.as_deref()), work).await;
        }
    }

    /// Gives work to the channel of a line, which is made when there is none that takes more.
    async fn send(&mut self, (line, group): (&str, Option<&str>), work: Work) {
        let work = match self.lanes.get(line) {
            Some(lane) => match lane.works.send(work).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(work)) => work,
            },
            None => work,
        };
        let before = self.lanes.remove(line).map(|lane| lane.task);
        let group = group.map(str::to_owned);
        let lane = Lane { group, ..self.open(line, before, work).await };
        self.left.remove(line);
        self.lanes.insert(line.to_owned(), lane);
    }

    /// A channel that begins with `first` when the one `before` it has left the line.
    async fn open(&self, line: &str, before: Option<JoinHandle<()>>, first: Work) -> Lane {
        let limits = Limits {
            connect_timeout: self.config.connect_timeout,
            response_timeout: self.config.response_timeout,
            linger: self.config.linger,
            line_retries: self.config.line_retries,
            queue: LANE_QUEUE,
            ..Limits::default()
        };
        let (works, queue) = mpsc::channel(LANE_QUEUE);
        // Its receiver is here and it is empty: this neither fails nor waits. A channel that finds no work goes away.
        let _ = works.send(first).await;
        let crowd = Arc::new(Notify::new());
        let channel = Channel::with(
            limits,
            self.writer(line).clone(),
            self.dialer.clone(),
            Arc::new(self.clock.clone()),
        )
        .orders_to(self.writers.orders.clone())
        .giving_way_to(Arc::clone(&crowd))
        .seen_through(Arc::clone(&self.instruments));
        let channel = if self.minds_clocks { channel.minding_clocks() } else { channel };
        let (backlog, reach, ended) = (channel.backlog(), channel.reach(), Arc::clone(&self.ended));
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                // Its outcome was reported; only that it is over counts here.
                let _ = before.await;
            }
            channel.run(queue).await;
            ended.notify_one();
        });
        Lane { works, backlog, group: None, was_busy: false, reach, crowd, task }
    }

    /// The queue of the writer that stores what comes over this line.
    fn writer(&self, line: &str) -> &mpsc::Sender<Report> {
        let sum =
            line.bytes().fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(octet)));
        &self.writers.reads[sum % self.writers.reads.len()]
    }

    /// Ends commands that it is too late for.
    async fn expire(&mut self) {
        if self.expired_at.elapsed() < LOOK_EVERY {
            return;
        }
        self.expired_at = Instant::now();
        match self.store.expire_commands().await {
            Ok(0) => {}
            Ok(commands) => info!(commands, "commands came to their end without being carried out"),
            Err(error) => warn!(%error, "late commands could not be looked for"),
        }
    }

    async fn heartbeat(&self) {
        if let Some(faults) = &self.config.faults {
            let struck: u64 = self.instruments.faults().map(|(_, count)| count).sum();
            warn!(?faults, struck, "all lines of this collector fail on purpose: `collector.faults` is set");
        }
        match self.store.renew(self.owner, self.config.lease).await {
            Ok(held) => {
                metrics::meters_leased(held.len());
                debug!(meters = held.len(), "leases renewed");
            }
            Err(error) => warn!(%error, "leases could not be renewed"),
        }
        let groups: Vec<_> = self.throttles.groups().collect();
        metrics::groups_slowed(self.throttles.slowed());
        if let Err(error) = self.store.note_throttles(self.owner, &groups, self.config.lease * 2).await {
            warn!(%error, "throttle groups could not be noted");
        }
        if let Err(error) = self.store.bring_back_first().await {
            warn!(%error, "work that stands aside for nothing could not be looked for");
        }
        match self.store.recover().await {
            Ok(0) => {}
            Ok(jobs) => info!(jobs, "work of a collector that gave no sign of life is due again"),
            Err(error) => warn!(%error, "expired leases could not be looked for"),
        }
    }

    async fn stop(self) {
        let deadline = Instant::now() + STOP_GRACE;
        let tasks: Vec<_> = self.lanes.into_values().map(|lane| lane.task).collect();
        for mut task in tasks {
            if timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Opens lines, and borrows those that meters opened.
fn dialer(config: &config::Collector, lobby: Lobby) -> Dialer {
    let dialer = Dialer::System(lobby);
    match config.faults {
        Some(faults) => dialer.failing(faults.into()),
        None => dialer,
    }
}

/// Completes when somebody says that a job came due or ended. Never completes while the database is away: the look every second
/// goes on.
async fn woken(store: &Store, listener: &mut Option<PgListener>) {
    let connected = match listener {
        Some(connected) => connected,
        None => match store.listen(&[JOB_CHANNEL]).await {
            Ok(fresh) => listener.insert(fresh),
            Err(error) => {
                debug!(%error, "not listening for jobs");
                return std::future::pending().await;
            }
        },
    };
    if connected.recv().await.is_err() {
        *listener = None;
        return std::future::pending().await;
    }
    tokio::time::sleep(GATHER).await;
    // A batch tells of each of its jobs. What has come is only found by receiving: the listener's own buffer is filled by queries alone.
    while let Ok(Ok(_)) = timeout(Duration::ZERO, connected.recv()).await {}
}
