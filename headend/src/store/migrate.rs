//! The schema: migrations are embedded in the program, applied in order and never changed.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, PgConnection};
use tracing::info;

use super::{Error, Store, failed};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

impl Store {
    /// Brings the schema up to date. Several processes may do so at the same time.
    ///
    /// # Errors
    /// [`Error::SchemaNewer`], [`Error::Migration`] when an applied migration differs from ours, [`Error::TimescaleMissing`], [`Error::Unavailable`].
    pub async fn migrate(&self) -> Result<(), Error> {
        let before = self.schema().await?;
        if before > newest() {
            return Err(Error::SchemaNewer { database: before, program: newest() });
        }
        MIGRATIONS.run(&self.pool).await.map_err(broken)?;
        if before < newest() {
            info!(from = before, to = newest(), "schema brought up to date");
        }
        Ok(())
    }

    /// Checks that the schema is the one that the program needs.
    ///
    /// # Errors
    /// [`Error::SchemaNewer`], [`Error::SchemaOlder`], [`Error::TimescaleMissing`], [`Error::Unavailable`].
    pub async fn check_schema(&self) -> Result<(), Error> {
        let (database, program) = (self.schema().await?, newest());
        match database.cmp(&program) {
            std::cmp::Ordering::Less => Err(Error::SchemaOlder { database, program }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Error::SchemaNewer { database, program }),
        }
    }

    /// Version of the schema; 0 when there is none.
    async fn schema(&self) -> Result<i64, Error> {
        let failed = failed("store::migrate::schema");
        let exists: bool = sqlx::query_scalar(
            "/* store::migrate::schema */ SELECT to_regclass('_sqlx_migrations') IS NOT NULL",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(&failed)?;
        if !exists {
            return Ok(0);
        }
        self.check_hypertable().await?;
        sqlx::query_scalar("/* store::migrate::schema */ SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
            .fetch_one(&self.pool)
            .await
            .map_err(&failed)
    }

    /// Refuses a hypertable whose library is not loaded. The setting is there as soon as it is, whoever asks.
    async fn check_hypertable(&self) -> Result<(), Error> {
        let is_missing: bool = sqlx::query_scalar(
            "/* store::migrate::check_hypertable */ SELECT EXISTS (SELECT FROM pg_class
             WHERE oid = to_regclass('profile_row') AND relkind = 'r' AND current_setting('timescaledb.license', true) IS NULL)",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(failed("store::migrate::check_hypertable"))?;
        if is_missing { Err(Error::TimescaleMissing) } else { Ok(()) }
    }
}

/// Creates a database on a server of ours when it is missing. `name` is a word of the program, never one of a person.
pub(crate) async fn ensure_database(
    connection: &mut PgConnection,
    name: &'static str,
) -> Result<(), sqlx::Error> {
    let present: bool = sqlx::query_scalar(
        "/* store::migrate::ensure_database */ SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)",
    )
    .bind(name)
    .fetch_one(&mut *connection)
    .await?;
    if !present {
        let create = format!("/* store::migrate::ensure_database */ CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(create)).execute(connection).await?;
    }
    Ok(())
}

/// The newest version that the program contains.
fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn broken(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => failed("store::migrate")(error),
        other => Error::Migration { detail: other.to_string() },
    }
}
