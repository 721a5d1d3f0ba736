//! Everything that is kept, in PostgreSQL. No other module of the program contains SQL.
//!
//! One file for each family of tables: [`meters`], [`jobs`] (leases) and [`job_list`] (orders), [`planned`] (what the planner
//! looks at), [`counters`], [`layouts`], [`captures`], [`profiles`] (high-water marks and coverage), [`ledger`] (what is lost), [`troubles`] (what cannot be read), [`schedules`], [`registers`], [`ratios`] (of transformers), [`mbus`] (devices on channels), [`clocks`],
//! [`readings`], [`flags`] (what is doubtful about them), [`keeping`] (for how long), [`known`] (since when), [`billing`] (what is asked for bills), [`commands`], [`firmware`] (images), [`pushes`] (on their way in), [`callers`] (who is connected), [`alarms`], [`events`], [`concentrators`], [`result_files`] and the [`audit`]. [`batch`] puts what meters answered into
//! one transaction over several of them. Each statement starts with the name of its function, so that the server's log can be read.

pub mod alarms;
mod aside;
pub mod audit;
pub mod batch;
pub mod billing;
pub mod callers;
pub mod captures;
pub mod clocks;
pub mod commands;
pub mod concentrators;
pub mod counters;
mod digest;
mod ends;
mod error;
pub mod events;
pub mod firmware;
pub mod flags;
mod give_back;
pub mod job_list;
pub mod jobs;
pub mod keeping;
pub mod known;
pub mod late_meters;
mod layouts;
mod lease;
pub mod ledger;
pub mod line_captures;
mod log;
pub mod mbus;
pub mod meters;
pub mod migrate;
mod model_drafts;
pub mod planned;
pub mod profiles;
pub mod protocol_log;
pub mod pushes;
pub mod ratios;
pub mod readings;
pub mod registers;
pub mod result_files;
pub mod schedules;
mod tally;
mod tariffs;
pub mod throttles;
pub mod troubles;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlms::Obis;
use models::{CimCodes, Model};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tracing::warn;

use crate::clock::OurClock;
use crate::config::CreditLevel;
use crate::telemetry::metrics;
use layouts::Layouts;
use tally::Tally;

pub use error::Error;
pub(crate) use error::failed;
pub use words::{
    AlarmSeverity, AlarmSource, CommandKind, CommandState, EventLossCause, FlagRule, JobKind, JobState,
    Policy, ProfileLossCause, PushFate, ResultState, Security,
};

/// How often a transaction is tried that others or the network disturbed.
const ATTEMPTS: u32 = 4;

/// How long to wait for a free connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(10);

/// Limits of every connection, in milliseconds: a statement, a lock, a transaction that was left open.
const CONNECTION_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "60000"),
    ("lock_timeout", "15000"),
    ("idle_in_transaction_session_timeout", "60000"),
];

/// Channel that tells of jobs: the payload is the id of a job that came due or ended.
pub const JOB_CHANNEL: &str = "job";

/// Channel that tells of commands: the payload is the id of a command whose life has a new entry. The database itself sends it.
pub const COMMAND_CHANNEL: &str = "command";

/// Channel that tells of new alarms, without saying which.
pub const ALARM_CHANNEL: &str = "alarm";

/// Channel that tells of new events, without saying which.
pub const EVENT_CHANNEL: &str = "event";

/// Channel that tells of readings: the payload is the id of a meter with new ones.
pub const READING_CHANNEL: &str = "reading";

/// The store. Cloning it is cheap; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    layouts: Arc<Layouts>,
    tally: Arc<Tally>,
    cim: Arc<CimCodes>,
    /// What types of meters can do, by their names.
    models: Arc<BTreeMap<String, Arc<Model>>>,
    /// Registers of any of them whose bits are events.
    words: Arc<BTreeSet<Obis>>,
    /// Registers of any of them with what remains of prepaid energy.
    remaining: Arc<BTreeSet<Obis>>,
    /// Where that is low, by the symbol of its unit.
    credit: Arc<BTreeMap<String, CreditLevel>>,
    clock: OurClock,
    /// How much later a meter is asked again for what it did not give.
    second_look: Duration,
    /// Months whose partition is known to exist. There are at most as many as the calendar of a meter has.
    months: Arc<Mutex<BTreeSet<i32>>>,
}

impl Store {
    /// Opens the store. Connections are made when they are needed, so this succeeds while the server is away.
    ///
    /// `max_connections` counts those of this store and all its clones.
    pub fn open(options: PgConnectOptions, max_connections: u32) -> Self {
        let options = options.application_name("headend").options(CONNECTION_LIMITS);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_LIMIT)
            .connect_lazy_with(options);
        Self {
            pool,
            layouts: Arc::default(),
            tally: Arc::default(),
            cim: Arc::default(),
            models: Arc::default(),
            words: Arc::default(),
            remaining: Arc::default(),
            credit: Arc::default(),
            clock: OurClock::default(),
            second_look: Duration::ZERO,
            months: Arc::default(),
        }
    }

    /// The same store, that writes these codes beside the keys of events; without them it writes none.
    #[must_use]
    pub fn with_cim(self, cim: CimCodes) -> Self {
        Self { cim: Arc::new(cim), ..self }
    }

    /// The same store, that holds readings against what these models say is plausible, and knows what the bits of their registers mean; of other models only
    /// the rules hold that need no number of a model.
    #[must_use]
    pub fn with_models(self, models: &BTreeMap<String, Arc<Model>>) -> Self {
        let words = models.values().flat_map(|model| events::words(model)).collect();
        let credits = models.values().filter_map(|model| model.credit);
        let remaining = Arc::new(credits.map(|credit| credit.remaining).collect());
        Self { models: Arc::new(models.clone()), words: Arc::new(words), remaining, ..self }
    }

    /// The same store, that tells when prepaid energy falls below these levels, by the symbol of the unit in which it is counted; without them it tells nothing.
    #[must_use]
    pub fn with_credit(self, levels: &BTreeMap<String, CreditLevel>) -> Self {
        Self { credit: Arc::new(levels.clone()), ..self }
    }

    /// The same store, that writes beside the clocks of meters how right this one is.
    #[must_use]
    pub fn with_clock(self, clock: OurClock) -> Self {
        Self { clock, ..self }
    }

    /// The same store, that takes what a meter did not give for lost when it does not give it so much later either; without it the next read will do.
    #[must_use]
    pub fn with_second_look(self, second_look: Duration) -> Self {
        Self { second_look, ..self }
    }

    /// The connections, for the files of this module and for tests.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Listens to notifications, see [`JOB_CHANNEL`] and [`READING_CHANNEL`]. It connects again by itself after an outage;
    /// what was notified in between is lost, so whoever listens has to look by himself from time to time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server is away.
    pub async fn listen(&self, channels: &[&str]) -> Result<PgListener, Error> {
        let mut listener = PgListener::connect_with(&self.pool).await.map_err(failed("store::listen"))?;
        listener.listen_all(channels.iter().copied()).await.map_err(failed("store::listen"))?;
        Ok(listener)
    }

    /// Closes all connections, after those in use are given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Runs a transaction, again when others or the network disturbed it. Every body has to be safe to repeat, because a commit
/// whose answer was lost may have happened.
pub(crate) async fn repeat<T, F, Fut>(name: &'static str, mut body: F) -> Result<T, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let mut attempt = 1;
    loop {
        match body().await {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                metrics::store_retry();
                warn!(transaction = name, attempt, %error, "transaction is tried again");
                tokio::time::sleep(Duration::from_millis(20) * 4_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}
