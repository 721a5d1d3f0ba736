//! Nodes of concentrators. Written by [`super::batch`], inside of its transaction.

use collectors::{MeterId, Node};
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{FromRow, PgConnection};

use super::{Error, Store, failed};

/// What a concentrator named.
pub(super) type Listed<'a> = (MeterId, &'a [Node]);

/// A node as it is known.
#[derive(Debug, Clone, FromRow)]
pub struct StoredNode {
    /// Its name behind the concentrator.
    pub node: String,
    /// What else the concentrator says it is.
    pub identity: Option<String>,
    /// Whether the concentrator reached it when it was asked last.
    pub linked: bool,
    /// Phase that it is on, from 1.
    pub phase: Option<i16>,
    /// Repeaters in between.
    pub level: Option<i16>,
    /// When it was named for the first time.
    pub first_seen: SqlTimestamp,
    /// When it was last named as linked.
    pub last_seen: Option<SqlTimestamp>,
    /// When it was found, got lost or came back.
    pub changed_at: SqlTimestamp,
    /// The meter in service that has its address; `None` is quarantine.
    pub serial: Option<String>,
}

/// Which nodes to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Only those that are no meter of the inventory.
    pub unknown: bool,
    /// Only those that the concentrator does not reach.
    pub lost: bool,
}

impl Store {
    /// The nodes that a concentrator has named, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn nodes(&self, concentrator: MeterId, filter: NodeFilter) -> Result<Vec<StoredNode>, Error> {
        sqlx::query_as(
            "/* store::concentrators::nodes */
             SELECT n.node, n.identity, n.linked, n.phase, n.level, n.first_seen, n.last_seen, n.changed_at, m.serial
             FROM concentrator_node n JOIN meter c ON c.id = n.concentrator_id
             LEFT JOIN meter m ON m.line = c.line AND m.address = 'concentrator://' || c.serial || '/' || n.node AND m.state = 'active'
                 AND m.parent_id IS NULL
             WHERE n.concentrator_id = $1 AND NOT ($2 AND m.id IS NOT NULL) AND NOT ($3 AND n.linked)
             ORDER BY length(n.node), n.node",
        )
        .bind(concentrator)
        .bind(filter.unknown)
        .bind(filter.lost)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::concentrators::nodes"))
    }
}

/// Takes over what concentrators named; what one does not name any more is lost.
pub(super) async fn replace(connection: &mut PgConnection, listed: &[Listed<'_>]) -> Result<(), Error> {
    for (concentrator, nodes) in listed {
        sqlx::query(
            "/* store::concentrators::replace */
             WITH named AS (
                 SELECT DISTINCT ON (name) * FROM unnest($2::text[], $3::text[], $4::bool[], $5::int2[], $6::int2[])
                     AS n (name, identity, linked, phase, level)),
             kept AS (
                 INSERT INTO concentrator_node AS k (concentrator_id, node, identity, linked, phase, level, last_seen)
                 SELECT $1, name, identity, linked, phase, level, CASE WHEN linked THEN now() END FROM named
                 ON CONFLICT (concentrator_id, node) DO UPDATE SET identity = coalesce(EXCLUDED.identity, k.identity),
                     linked = EXCLUDED.linked, phase = EXCLUDED.phase, level = EXCLUDED.level,
                     last_seen = coalesce(EXCLUDED.last_seen, k.last_seen),
                     changed_at = CASE WHEN k.linked = EXCLUDED.linked THEN k.changed_at ELSE now() END)
             UPDATE concentrator_node SET linked = false, changed_at = now()
             WHERE concentrator_id = $1 AND linked AND node <> ALL ($2)",
        )
        .bind(concentrator)
        .bind(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>())
        .bind(nodes.iter().map(|node| node.identity.as_deref()).collect::<Vec<_>>())
        .bind(nodes.iter().map(|node| node.is_linked).collect::<Vec<_>>())
        .bind(nodes.iter().map(|node| node.phase.map(i16::from)).collect::<Vec<_>>())
        .bind(nodes.iter().map(|node| node.level.map(i16::from)).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await
        .map_err(failed("store::concentrators::replace"))?;
    }
    Ok(())
}
