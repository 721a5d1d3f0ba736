//! The lives of commands, followed without leaving anything out: their entries are numbered in the order of the commits.

use jiff_sqlx::Timestamp;

use crate::store::{CommandState, Error, Store, failed};

/// An entry in the life of a command.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Change {
    /// Its number; a later one has a higher one.
    pub id: i64,
    /// The command.
    #[sqlx(rename = "command_id")]
    pub command: i64,
    /// When.
    pub at: Timestamp,
    /// The state from here on.
    pub state: CommandState,
    /// What was found out; `None` for a change of state or a progress.
    pub what: Option<String>,
    /// The finding; of a change of state, its detail.
    pub value: Option<String>,
    /// Steps done by then.
    pub done: i32,
    /// Steps there are.
    pub total: i32,
}

/// Whose lives to follow; `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only these commands.
    pub commands: Option<Vec<i64>>,
    /// Only commands of these meters.
    pub meters: Option<Vec<i32>>,
}

impl Store {
    /// The number of the latest entry: only what happens from now on lies behind it.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn last_change(&self) -> Result<i64, Error> {
        let query =
            sqlx::query_scalar("/* store::last_change */ SELECT coalesce(max(id), 0) FROM command_change");
        query.fetch_one(self.pool()).await.map_err(failed("store::last_change"))
    }

    /// Entries behind a number, in order, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn changes_after(
        &self,
        after: i64,
        filter: &ChangeFilter,
        limit: i64,
    ) -> Result<Vec<Change>, Error> {
        sqlx::query_as(
            "/* store::changes_after */ SELECT h.id, h.command_id, h.at, h.state, h.what, h.value, h.done, h.total FROM command_change h
             WHERE h.id > $1 AND ($2::int8[] IS NULL OR h.command_id = ANY ($2))
                 AND ($3::int4[] IS NULL OR EXISTS (SELECT FROM command c WHERE c.id = h.command_id AND c.meter_id = ANY ($3)))
             ORDER BY h.id LIMIT $4",
        )
        .bind(after)
        .bind(&filter.commands)
        .bind(&filter.meters)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::changes_after"))
    }

    /// The life of one command, the oldest entry first; the latest `limit` entries.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn life_of_command(&self, id: i64, limit: i64) -> Result<Vec<Change>, Error> {
        sqlx::query_as(
            "/* store::life_of_command */ SELECT * FROM (
                 SELECT id, command_id, at, state, what, value, done, total FROM command_change WHERE command_id = $1
                 ORDER BY id DESC LIMIT $2) latest ORDER BY id",
        )
        .bind(id)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::life_of_command"))
    }
}
