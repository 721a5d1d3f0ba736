//! The configuration. These structs are its manual: what a key means, its unit, its default and its extremes.
//!
//! Written as TOML; durations as `15s`, `2m`, `1h 30m`, `7days`. A key that is not listed here is refused, and so is a value
//! outside its extremes. Every key may be left out. `deploy/headend.toml` shows all of them.

mod check;
mod clock;
mod credit;
mod faults;
mod listener;
mod results;
mod retention;
mod telemetry;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::api::access::Role;
use crate::store::CommandKind;

pub use clock::Clock;
pub use credit::CreditLevel;
pub use faults::Faults;
pub use listener::Listener;
pub use results::Results;
pub use retention::Retention;
pub use telemetry::Telemetry;

/// Why a configuration can not be used. Each names the key, or the place in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file can not be read.
    #[error("can not read the configuration {path}: {detail}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("the configuration is not understood: {detail}")]
    Syntax {
        /// Line, key and what was expected.
        detail: String,
    },
    /// A value outside its extremes.
    #[error("{key} is {got}, but has to be {expected}")]
    OutOfRange {
        /// The key, as `section.name`.
        key: &'static str,
        /// What was given.
        got: String,
        /// What is accepted.
        expected: String,
    },
}

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where readings, meters and jobs are kept.
    pub database: Database,
    /// The public gRPC interface.
    pub api: Api,
    /// What this process does.
    pub roles: Roles,
    /// Talking to meters.
    pub collector: Collector,
    /// Storing what meters answered.
    pub ingest: Ingest,
    /// Hearing what meters send unasked.
    pub listener: Listener,
    /// Result files of concentrators.
    pub results: Results,
    /// Deciding what is due.
    pub plan: Plan,
    /// Clocks of meters, and ours.
    pub clock: Clock,
    /// `[credit]`: where prepaid energy is low, so that an event reminds of it, by the symbol of the unit in which meters count what remains, such as `Wh` or
    /// `currency`. Default: none, nothing reminds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub credit: BTreeMap<String, CreditLevel>,
    /// How long what meters said is kept.
    pub retention: Retention,
    /// Firmware images for meters.
    pub firmware: Firmware,
    /// What the program knows about types of meters.
    pub models: Models,
    /// What the program says about itself.
    pub log: Log,
    /// Traces and metrics.
    pub telemetry: Telemetry,
}

/// `[database]`: PostgreSQL 14 or later. Without a `url` the program runs a private server of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// A server to use, as `postgres://user:password@host:port/name`. Default: none, a private server is run.
    /// The password is never printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<DatabaseUrl>,
    /// Folder of the private server. Default: `data`, below the current folder. Not used with a `url`.
    pub data_dir: PathBuf,
    /// Folder with the programs `initdb` and `postgres` for the private server. Default: none, the newest of
    /// `/usr/lib/postgresql/*/bin` and `PATH`. Not used with a `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_dir: Option<PathBuf>,
    /// Connections this process opens at most. Default 16, from 4 to 500.
    pub max_connections: u32,
}

/// `[api]`: the gRPC interface, served when the role `api` is on. It is served with TLS to whoever shows a client certificate
/// that names one of the `principals`, or without encryption on a loopback address, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Address and port to listen on. Default `127.0.0.1:50051`.
    pub listen: SocketAddr,
    /// Certificate of the server in PEM, followed by those between it and the root. The three files are read anew within
    /// seconds when they change; connections that are open stay. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key in PEM, without a password. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Authorities in PEM; only clients with a certificate of one of them get a connection. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Serve without encryption, on a loopback address only: every program on this machine may call, with this role (`viewer`,
    /// `operator` or `engineer`), under the name `loopback`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext_role: Option<Role>,
    /// Kinds of orders, such as `install_firmware`, that wait until somebody else than who gave them approves them. Default: none; not
    /// with `plaintext_role`, where everybody is one person. To clear a meter always needs somebody else.
    pub two_persons: BTreeSet<CommandKind>,
    /// Who may call with TLS: the role (`viewer`, `operator` or `engineer`) for the name in the client certificate, which is the
    /// first URI among its alternative names, else the first DNS name, else the common name. Default: nobody; at most 10000
    /// names of 1 to 256 octets, and none of them `loopback` or `headend`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub principals: BTreeMap<String, Role>,
}

/// `[roles]`: what this process does. Roles meet only in the database, so several processes may share the work. Default: all but
/// `listener`, which opens ports to meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// Serve the gRPC interface.
    pub api: bool,
    /// Turn what is due into jobs.
    pub planner: bool,
    /// Lease jobs and talk to meters. Needs `ingest` in the same process, which stores what it reads.
    pub collector: bool,
    /// Store what the collector reads.
    pub ingest: bool,
    /// Hear and store what meters send unasked.
    pub listener: bool,
}

/// `[collector]`: talking to meters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Collector {
    /// Meters that are talked to at the same time. Default 512, from 1 to 100000.
    pub max_sessions: u32,
    /// Further meters that are talked to when `max_sessions` are busy and something urgent was ordered, such as a disconnect.
    /// Default 32, from 1 to 10000.
    pub urgent_sessions: u32,
    /// Lines with meters of one throttle group that this process has open at the same time, before anything is known of the group. From there on the
    /// number follows what is observed: one more when a round of works reached its meters, half as many when more than one in eight did
    /// not. Default 64, from `group_floor` to `group_ceiling`.
    pub group_start: u32,
    /// The least that a group is slowed down to. Default 2, from 1 to 100000.
    pub group_floor: u32,
    /// The most that a group may have. Default 512, from 1 to 100000.
    pub group_ceiling: u32,
    /// How long to wait for a connection. Default 10s, from 100ms to 5m.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long to wait for one answer. Default 10s, from 100ms to 5m.
    #[serde(with = "humantime_serde")]
    pub response_timeout: Duration,
    /// How long an association stays open after its last request, for more work to come, while nobody else needs its place. Default 2s, from 0s to 10m.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How often a read goes on after a broken line without any progress in between. Default 2, from 0 to 20.
    pub line_retries: u32,
    /// How long a meter belongs to this process without a sign of life from it; after that others may take its work.
    /// Default 1m, from 5s to 1h.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Invocation counters that are reserved for each job of a meter with ciphering; what a job does not use is lost.
    /// Default 2000, from 10 to 100000. A meter has 4 294 967 295 in its life with one key.
    pub counters_per_lease: u32,
    /// What lines do wrong on purpose. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<Faults>,
}

/// `[ingest]`: storing what meters answered, many meters in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// Captures and register values that make a batch full. Default 10000, from 1 to 100000. Larger batches make other
    /// transactions wait longer.
    pub max_rows: usize,
    /// How long a batch may wait for more. Default 50ms, from 0s to 10s.
    #[serde(with = "humantime_serde")]
    pub max_wait: Duration,
    /// Batches that are written at the same time, each over a connection of its own; while one waits for its
    /// commit, another keeps the processors busy. Default 4, from 1 to 16.
    pub writers: usize,
    /// Reports of collectors that wait for the next batch of a writer; when it is full, collectors wait. Default 1024, from 1 to 1000000.
    pub queue: usize,
}

/// `[plan]`: deciding what is due.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// How often is looked for meters of which something may be due. Default 10s, from 1s to 1h.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How far back the profiles of a new meter are read, and holes are filled. Default 30days, from 1h to 3650days.
    /// Never further than the meter keeps its captures.
    #[serde(with = "humantime_serde")]
    pub horizon: Duration,
    /// How often a meter is asked who it is. Default 1day, from 1m to 365days.
    #[serde(with = "humantime_serde")]
    pub identify_every: Duration,
    /// The least time between two reads of one profile that fill holes. Default 1m, from 1s to 30days.
    #[serde(with = "humantime_serde")]
    pub hole_pause: Duration,
    /// How much later a meter is asked again for what it did not give, before that counts as lost. Default 15m, from 0s to 30days.
    #[serde(with = "humantime_serde")]
    pub second_look: Duration,
    /// How often a planned job is tried before it fails. Default 5, from 1 to 100.
    pub max_attempts: i16,
    /// How long ended jobs are kept. Default 30days, from 1h to 3650days.
    #[serde(with = "humantime_serde")]
    pub keep_jobs: Duration,
}

/// `[firmware]`: firmware images for meters, which are kept in the database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Firmware {
    /// Octets that an image may have. Default 67108864 (64 MiB), from 1024 to 268435456. While it is uploaded, an image is held
    /// in memory.
    pub max_image_size: u32,
    /// Images that are kept at most. Default 100, from 1 to 10000.
    pub max_images: u32,
}

/// `[models]`: what the program knows about types of meters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// Folder with one TOML file for each type of meter, besides the built-in ones; a file with a built-in name replaces it.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// TOML file with codes of EndDeviceEventType (IEC 61968-9) for canonical keys, which go before the built-in ones: a section `[codes]` with
    /// lines such as `"power.down" = "3.26.0.47"`; an empty code takes one away. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cim: Option<PathBuf>,
}

/// `[log]`: what the program says about itself, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` for people, `json` for machines. Default `text`.
    pub format: LogFormat,
    /// Least level that is written, as in `info`, or by part, as in `info,headend::ingest=debug`. Default `info`.
    pub level: String,
}

/// Shape of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

/// A connection string, whose password is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The string itself, for connecting only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The string with `***` for the password, wherever PostgreSQL accepts one.
    fn redacted(&self) -> String {
        let (base, query) =
            self.0.split_once('?').map_or((self.0.as_str(), None), |(base, query)| (base, Some(query)));
        let base = match (base.find("://"), base.rfind('@')) {
            (Some(scheme), Some(at)) if scheme + 3 <= at => {
                let user = base[scheme + 3..at].split(':').next().unwrap_or_default();
                let secret = if base[scheme + 3..at].contains(':') { ":***" } else { "" };
                format!("{}{user}{secret}{}", &base[..scheme + 3], &base[at..])
            }
            _ => base.to_owned(),
        };
        let Some(query) = query else { return base };
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if key.contains("password") => format!("{key}=***"),
            _ => pair.to_owned(),
        });
        format!("{base}?{}", shown.collect::<Vec<_>>().join("&"))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, data_dir: PathBuf::from("data"), bin_dir: None, max_connections: 16 }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            tls_certificate: None,
            tls_key: None,
            client_ca: None,
            plaintext_role: None,
            two_persons: BTreeSet::new(),
            principals: BTreeMap::new(),
        }
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self { api: true, planner: true, collector: true, ingest: true, listener: false }
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            max_sessions: 512,
            urgent_sessions: 32,
            group_start: 64,
            group_floor: 2,
            group_ceiling: 512,
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            line_retries: 2,
            lease: Duration::from_secs(60),
            counters_per_lease: 2000,
            faults: None,
        }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self { max_rows: 10_000, max_wait: Duration::from_millis(50), writers: 4, queue: 1024 }
    }
}

impl Default for Plan {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            interval: Duration::from_secs(10),
            horizon: day * 30,
            identify_every: day,
            hole_pause: Duration::from_secs(60),
            second_look: Duration::from_secs(15 * 60),
            max_attempts: 5,
            keep_jobs: day * 30,
        }
    }
}

impl Default for Firmware {
    fn default() -> Self {
        Self { max_image_size: 64 << 20, max_images: 100 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let unreadable =
            |error: std::io::Error| Error::Unreadable { path: path.to_path_buf(), detail: error.to_string() };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// [`Error::Syntax`], [`Error::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text)
            .map_err(|error| Error::Syntax { detail: check::without_input(&error, text) })?;
        config.check()?;
        Ok(config)
    }

    /// The effective configuration, defaults included and secrets hidden, as TOML.
    ///
    /// # Errors
    /// [`Error::Syntax`] when a path is not UTF-8.
    pub fn render(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Syntax { detail: error.to_string() })
    }
}
