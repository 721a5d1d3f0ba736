//! Concentrators and their nodes. What they name is written by [`super::batch`], inside of its transaction.

use collectors::{MeterId, Node};
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{FromRow, PgConnection};

use super::{Error, Store, failed};

/// What a concentrator named.
pub(super) type Listed<'a> = (MeterId, &'a [Node]);

/// A concentrator in service, and how many stand behind it.
#[derive(Debug, Clone, FromRow)]
pub struct StoredConcentrator {
    /// Key.
    pub id: i32,
    /// Serial number.
    pub serial: String,
    /// Name of its model.
    pub model: String,
    /// What it calls its firmware.
    pub firmware: Option<String>,
    /// When it last said who it is.
    pub identified_at: Option<SqlTimestamp>,
    /// What its clock showed when it was read last.
    pub clock_ts: Option<SqlTimestamp>,
    /// When that was.
    pub clock_read_at: Option<SqlTimestamp>,
    /// Milliseconds from that question to its answer.
    pub clock_delay_ms: Option<i64>,
    /// Meters in service behind it.
    pub meters: i64,
    /// Nodes that it has named.
    pub nodes: i64,
    /// Of these, those that it does not reach.
    pub lost: i64,
    /// Of these, those that are no meter of the inventory.
    pub unknown: i64,
    /// When its last job ended.
    pub asked_at: Option<SqlTimestamp>,
    /// Why that failed, if it did.
    pub reason: Option<String>,
    /// The same for a person.
    pub detail: Option<String>,
}

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
    /// Concentrators in service with an id above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn concentrators(&self, after: MeterId, limit: i64) -> Result<Vec<StoredConcentrator>, Error> {
        sqlx::query_as(
            "/* store::concentrators::concentrators */
             SELECT d.id, d.serial, d.model, d.firmware, d.identified_at, k.meter_ts AS clock_ts, k.read_at AS clock_read_at,
                 k.delay_ms AS clock_delay_ms, n.nodes, n.lost, n.unknown,
                 (SELECT count(*) FROM meter m WHERE m.line = d.line AND m.state = 'active' AND m.id <> d.id) AS meters,
                 j.finished_at AS asked_at, CASE WHEN j.state = 'failed' THEN j.reason::text END AS reason,
                 CASE WHEN j.state = 'failed' THEN j.detail END AS detail
             FROM meter d
             CROSS JOIN LATERAL (
                 SELECT count(*) AS nodes, count(*) FILTER (WHERE NOT n.linked) AS lost, count(*) FILTER (WHERE NOT EXISTS (
                     SELECT FROM meter m WHERE m.line = d.line AND m.address = 'concentrator://' || d.serial || '/' || n.node
                         AND m.state = 'active')) AS unknown
                 FROM concentrator_node n WHERE n.concentrator_id = d.id) n
             LEFT JOIN LATERAL (
                 SELECT k.* FROM clock_reading k WHERE k.meter_id = d.id ORDER BY k.read_at DESC LIMIT 1) k ON true
             LEFT JOIN LATERAL (
                 SELECT j.* FROM job j WHERE j.meter_id = d.id AND j.state IN ('done', 'failed') ORDER BY j.id DESC LIMIT 1) j ON true
             WHERE d.line = 'concentrator://' || d.serial AND d.state = 'active' AND d.id > $1 ORDER BY d.id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::concentrators::concentrators"))
    }

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
