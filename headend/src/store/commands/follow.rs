//! The lives of commands, followed without leaving anything out, like the log of readings.

use jiff_sqlx::Timestamp;

use crate::store::readings::Position;
use crate::store::{CommandState, Error, Store, failed};

/// An entry in the life of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place among all.
    pub position: Position,
    /// The command.
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

#[derive(sqlx::FromRow)]
struct Row {
    horizon: i64,
    xid: Option<i64>,
    id: Option<i64>,
    command_id: Option<i64>,
    at: Option<Timestamp>,
    state: Option<CommandState>,
    what: Option<String>,
    value: Option<String>,
    done: Option<i32>,
    total: Option<i32>,
}

impl Row {
    fn change(self) -> Option<Change> {
        Some(Change {
            position: Position { xid: self.xid?, id: self.id? },
            command: self.command_id?,
            at: self.at?,
            state: self.state?,
            what: self.what,
            value: self.value,
            done: self.done?,
            total: self.total?,
        })
    }
}

impl Store {
    /// Changes behind a place, at most `limit`; and the place up to which was searched, which lies behind the last change when there are no
    /// more.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn changes_after(
        &self,
        position: Position,
        filter: &ChangeFilter,
        limit: u32,
    ) -> Result<(Vec<Change>, Position), Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "/* store::changes_after */ SELECT horizon.xmin::text::int8 AS horizon, h.*
             FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin) horizon LEFT JOIN LATERAL (
                 SELECT h.xid::text::int8 AS xid, h.id, h.command_id, h.at, h.state, h.what, h.value, h.done, h.total FROM command_change h
                 WHERE (h.xid, h.id) > ($1::text::xid8, $2) AND h.xid < horizon.xmin
                     AND ($3::int8[] IS NULL OR h.command_id = ANY ($3))
                     AND ($4::int4[] IS NULL OR EXISTS (SELECT FROM command c WHERE c.id = h.command_id AND c.meter_id = ANY ($4)))
                 ORDER BY h.xid, h.id LIMIT $5) h ON true
             ORDER BY h.xid, h.id",
        )
        .bind(position.xid.to_string())
        .bind(position.id)
        .bind(&filter.commands)
        .bind(&filter.meters)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::changes_after"))?;
        let horizon = rows.first().map_or(position.xid, |row| row.horizon);
        let changes: Vec<_> = rows.into_iter().filter_map(Row::change).collect();
        let searched = match changes.last() {
            Some(last) if changes.len() as u64 >= u64::from(limit) => last.position,
            // Changes of the transaction `horizon` itself may still come, and their numbers start at 1.
            _ => position.max(Position { xid: horizon, id: 0 }),
        };
        Ok((changes, searched))
    }

    /// The life of one command, the oldest entry first; the latest `limit` entries.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn life_of_command(&self, id: i64, limit: i64) -> Result<Vec<Change>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "/* store::life_of_command */ SELECT * FROM (
                 SELECT 0::int8 AS horizon, xid::text::int8 AS xid, id, command_id, at, state, what, value, done, total
                 FROM command_change WHERE command_id = $1 ORDER BY command_change.id DESC LIMIT $2) latest ORDER BY id",
        )
        .bind(id)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::life_of_command"))?;
        Ok(rows.into_iter().filter_map(Row::change).collect())
    }
}
