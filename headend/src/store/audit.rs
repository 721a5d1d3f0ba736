//! The audit: who did or wanted to do what. Rows are only added; what becomes of commands is written by the database itself.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, Store, failed};

/// Longest detail in octets; longer ones are cut.
const DETAIL_MAX: usize = 4096;
/// Longest name in octets; longer ones are cut.
const PRINCIPAL_MAX: usize = 256;
/// Longest action in octets; longer ones are cut.
const ACTION_MAX: usize = 128;
/// Longest target in octets; longer ones are cut.
const TARGET_MAX: usize = 512;

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub principal: String,
    /// What: the name of the call, such as `SwitchService/Disconnect`.
    pub action: String,
    /// To what: serial numbers or the number of a command.
    pub target: String,
    /// `accepted`, or the name of the refusal.
    pub outcome: String,
    /// One sentence for a person. Never holds a key or a password.
    pub detail: Option<String>,
    /// The request.
    pub request_id: Uuid,
}

impl Store {
    /// Adds a row.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn audit(&self, entry: &Entry) -> Result<(), Error> {
        let mut connection = self.pool().acquire().await.map_err(failed("store::audit"))?;
        insert(&mut connection, entry).await
    }
}

/// The same inside of a transaction.
pub(super) async fn insert(connection: &mut PgConnection, entry: &Entry) -> Result<(), Error> {
    // The server refuses a zero octet in a text.
    let cut = |text: &str, limit| text[..text.floor_char_boundary(limit)].replace('\0', " ");
    sqlx::query(
        "/* store::audit::insert */
         INSERT INTO audit (principal, action, target, outcome, detail, request_id) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(cut(&entry.principal, PRINCIPAL_MAX))
    .bind(cut(&entry.action, ACTION_MAX))
    .bind(cut(&entry.target, TARGET_MAX))
    .bind(&entry.outcome)
    .bind(entry.detail.as_deref().map(|detail| cut(detail, DETAIL_MAX)))
    .bind(entry.request_id)
    .execute(connection)
    .await
    .map_err(failed("store::audit::insert"))?;
    Ok(())
}
