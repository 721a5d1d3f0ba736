//! A private PostgreSQL, for machines where nobody administers a database.
//!
//! [`Cluster::start`] finds installed server binaries, creates a data folder the first time, and runs the server as a
//! child that listens on one Unix socket in a folder of its own: no TCP port and no password, the operating system says
//! who is calling (`peer`). Started by root, the server runs as the account `postgres`, because PostgreSQL refuses root.
//!
//! Layers: [`binaries`] which server · [`layout`] which folders and who owns them · [`server`] the process.

mod binaries;
mod layout;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tracing::info;

use crate::store::migrate::ensure_database;
use layout::Layout;
use server::Server;

/// Database and role that the private cluster is created with.
pub const NAME: &str = "headend";

/// How long a server may take until it answers; recovery after a crash replays the write-ahead log first.
const START_LIMIT: Duration = Duration::from_secs(180);

/// What a private cluster is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Folder for the data, the socket and the server's log. Created when absent.
    pub data_dir: PathBuf,
    /// Folder with `initdb` and `postgres`; `None` searches `/usr/lib/postgresql/*/bin`, then `PATH`.
    pub bin_dir: Option<PathBuf>,
    /// Connections that the server accepts, besides a few for maintenance.
    pub max_connections: u32,
}

/// Why a private cluster could not be started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No usable server is installed.
    #[error(
        "no PostgreSQL {wanted} server found in {searched}: install one (Debian: apt install postgresql), \
             or set database.bin_dir, or point database.url at a running server"
    )]
    NoServer {
        /// The major version that is needed, as text ("14 or later", "15").
        wanted: String,
        /// Where was looked.
        searched: String,
    },
    /// Another process serves the same data folder.
    #[error(
        "process {pid} already serves {data_dir}: stop the other headend, or give this one its own database.data_dir"
    )]
    AlreadyRunning {
        /// Its process id.
        pid: i32,
        /// The folder that both want.
        data_dir: PathBuf,
    },
    /// The account `postgres`, which serves when root starts us, can not reach the data folder.
    #[error(
        "the account '{user}' can not enter {folder}, which lies above the data: choose a database.data_dir \
             outside of it, or allow entering (chmod o+x)"
    )]
    NotTraversable {
        /// The account that runs the server.
        user: String,
        /// The first folder that refuses it.
        folder: PathBuf,
    },
    /// A folder of ours belongs to somebody else.
    #[error("{folder} exists and belongs to another account: remove it or choose another database.data_dir")]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or program of the machine failed us.
    #[error("{what}: {detail}")]
    System {
        /// What was tried.
        what: String,
        /// What the operating system or the program said.
        detail: String,
    },
    /// The server ended by itself, while starting or later.
    #[error("the database server ended ({status}); its log {log} ends with: {tail}")]
    Ended {
        /// Its exit status.
        status: String,
        /// The server's log file.
        log: PathBuf,
        /// The last lines of that file.
        tail: String,
    },
    /// The server runs but did not answer, or did not stop, in time.
    #[error("the database server did not {what} within {limit:?}; see {log}")]
    TooSlow {
        /// "answer" or "stop".
        what: &'static str,
        /// The limit that passed.
        limit: Duration,
        /// The server's log file.
        log: PathBuf,
    },
}

/// A running private server. Dropping it stops the server (fast shutdown: nothing committed is lost).
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    server: Server,
}

impl Cluster {
    /// Starts the server of `settings.data_dir`, creating the data first when there is none, and returns once it answers.
    ///
    /// # Errors
    /// Every [`Error`] but a late [`Error::Ended`].
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        let account = layout::Account::choose()?;
        let layout = Layout::prepare(&settings.data_dir, &account)?;
        let found = binaries::find(settings.bin_dir.as_deref(), layout.existing_major()?)?;
        layout.wait_until_free().await?;
        if !layout.exists() {
            server::create(&found, &layout, &account)?;
        }
        let server = Server::spawn(&found, &layout, &account, settings.max_connections).await?;
        let cluster = Self { layout, server };
        cluster.wait_until_ready().await?;
        info!(pid = cluster.pid(), version = found.major, data = %cluster.layout.data.display(), "database server runs");
        Ok(cluster)
    }

    /// How to connect to `database` of this cluster.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.layout.socket_dir)
            .port(layout::SOCKET_NUMBER)
            .username(NAME)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// Folder of the server's socket, as `psql -h` takes it.
    pub fn socket_dir(&self) -> &std::path::Path {
        &self.layout.socket_dir
    }

    /// Process id of the server.
    pub fn pid(&self) -> i32 {
        self.server.pid()
    }

    /// Completes when the server process has ended, for whatever reason.
    pub async fn ended(&self) -> Error {
        let status = self.server.ended().await;
        self.layout.ended(status)
    }

    /// Asks the server to stop (open transactions are rolled back) and waits until it has.
    ///
    /// # Errors
    /// [`Error::TooSlow`] when it does not stop in time; it is left running then.
    pub async fn stop(self) -> Result<(), Error> {
        let log = self.layout.log.clone();
        self.server.stop(log).await
    }

    async fn wait_until_ready(&self) -> Result<(), Error> {
        let attempt = async {
            loop {
                match PgConnection::connect_with(&self.options("postgres")).await {
                    Ok(mut connection) => {
                        return ensure_database(&mut connection, NAME).await.map_err(|error| refused(&error));
                    }
                    Err(error) if is_refusal(&error) => return Err(refused(&error)),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::select! {
            ready = attempt => ready,
            ended = self.ended() => Err(ended),
            () = tokio::time::sleep(START_LIMIT) => {
                Err(Error::TooSlow { what: "answer", limit: START_LIMIT, log: self.layout.log.clone() })
            }
        }
    }
}

/// Whether a server that answers will go on refusing us; "cannot connect now" (57P03) passes.
fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code != "57P03")
}

fn refused(error: &sqlx::Error) -> Error {
    Error::System { what: "prepare the private database server".into(), detail: error.to_string() }
}
