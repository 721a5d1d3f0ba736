//! What can go wrong with the store, sorted by who is at fault.

use sqlx::Error as Sqlx;

use crate::telemetry::metrics;

/// Why the store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server is away, full or shutting down. The same request may succeed later.
    #[error("the database is not available ({statement}): {detail}")]
    Unavailable {
        /// The statement or transaction.
        statement: &'static str,
        /// What the server or the network said.
        detail: String,
    },
    /// Others were in the way for too long (deadlock, lock, time limit). The same request may succeed later.
    #[error("the database was too busy ({statement}): {detail}")]
    Contended {
        /// The statement or transaction.
        statement: &'static str,
        /// What the server said.
        detail: String,
    },
    /// The server refuses these data, now and later.
    #[error("the database refused the data ({statement}, {code}): {detail}")]
    Refused {
        /// The statement or transaction.
        statement: &'static str,
        /// The SQLSTATE.
        code: String,
        /// What the server said.
        detail: String,
    },
    /// The schema was made by a newer version of the program.
    #[error(
        "the database has schema {database}, this program knows up to {program}: run a newer version of the program"
    )]
    SchemaNewer {
        /// Version of the schema.
        database: i64,
        /// Newest version that the program knows.
        program: i64,
    },
    /// The schema is older than the program needs.
    #[error("the database has schema {database}, this program needs {program}: run `headend migrate`")]
    SchemaOlder {
        /// Version of the schema; 0 when there is none.
        database: i64,
        /// The version that the program needs.
        program: i64,
    },
    /// Captures lie in a hypertable, and the server has not loaded TimescaleDB: it would show none of the compressed ones, and not say so.
    #[error(
        "the database keeps captures with TimescaleDB, which its server has not loaded: install it beside that server \
             again, and name timescaledb in shared_preload_libraries of a server that you run yourself"
    )]
    TimescaleMissing,
    /// A migration that was applied is not the one that the program contains.
    #[error("the schema of the database can not be brought up to date: {detail}")]
    Migration {
        /// Which one, and what is wrong with it.
        detail: String,
    },
    /// Captures went missing between sending and storing; nothing of the batch was stored.
    #[error(
        "{sent} captures were sent, but {inserted} are new, {identical} known and {revised} revised: nothing was stored"
    )]
    Unreconciled {
        /// Captures sent.
        sent: u64,
        /// Of these, stored as new.
        inserted: u64,
        /// Of these, found as they were sent.
        identical: u64,
        /// Of these, stored in place of a different one.
        revised: u64,
    },
    /// Something stored is not understood by this version of the program.
    #[error("the database holds a {what} that is not understood: {detail}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// What was found.
        detail: String,
    },
}

impl Error {
    /// Whether the same request may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Contended { .. })
    }

    /// Whether a row with the same key exists already (SQLSTATE 23505).
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "23505")
    }
}

/// Turns an error of the driver into ours, with the name of the statement.
pub(crate) fn failed(statement: &'static str) -> impl Fn(Sqlx) -> Error {
    move |error| {
        let error = named(statement, error);
        metrics::store_error(&error);
        error
    }
}

fn named(statement: &'static str, error: Sqlx) -> Error {
    match error {
        Sqlx::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            sort(statement, code, error.message().to_owned())
        }
        Sqlx::ColumnDecode { index, source } => {
            Error::Unreadable { what: statement, detail: format!("column {index}: {source}") }
        }
        Sqlx::Decode(source) => Error::Unreadable { what: statement, detail: source.to_string() },
        Sqlx::ColumnNotFound(_) | Sqlx::TypeNotFound { .. } | Sqlx::RowNotFound | Sqlx::Encode(_) => {
            Error::Unreadable { what: statement, detail: error.to_string() }
        }
        other => Error::Unavailable { statement, detail: other.to_string() },
    }
}

/// Sorts by SQLSTATE (PostgreSQL documentation, appendix A).
fn sort(statement: &'static str, code: String, detail: String) -> Error {
    match code.as_str() {
        // serialization failure, deadlock, lock not available, query cancelled by its time limit
        "40001" | "40P01" | "55P03" | "57014" => Error::Contended { statement, detail },
        // connection, resources (disk full, too many connections), operator intervention, system error
        _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "25P03" => {
            Error::Unavailable { statement, detail }
        }
        _ => Error::Refused { statement, code, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let transient =
            ["40001", "40P01", "55P03", "57014", "57P01", "57P03", "53100", "08006", "58030", "25P03"];
        let lasting = ["23505", "23503", "22003", "42P01", "23514"];
        for code in transient {
            assert!(sort("x", code.into(), String::new()).is_transient(), "{code}");
        }
        for code in lasting {
            assert!(!sort("x", code.into(), String::new()).is_transient(), "{code}");
        }
        assert!(sort("x", "23505".into(), String::new()).is_duplicate());
        assert!(!sort("x", "23503".into(), String::new()).is_duplicate());
    }
}
