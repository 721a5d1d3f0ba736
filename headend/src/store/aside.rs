//! Work that can not be taken now stands aside, behind what it waits for: a line that another collector has or that has enough to do, a throttle group
//! without room, a process that has the connection of the meter. A look at the queue passes over it once, and what a look costs does not grow with it.
//!
//! Only planned work stands aside: it may wait until whoever has the line, the room or the connection asks for it. What people wait for stays where everybody looks.

use uuid::Uuid;

use super::jobs::Wanted;
use super::{Error, Store, failed};
use crate::plan::SCHEDULED;

/// Jobs at the head of the queue that are looked at to put them aside.
const WINDOW: i64 = 1000;

/// Jobs that come back from behind one name at a time: as many as a channel has before its line counts as busy.
const EACH: i64 = 64;

/// Names of which one job each comes back with every sign of life.
const NAMES: i64 = 10_000;

impl Store {
    /// Puts planned work at the head of the queue aside that `owner` would pass over, because it has no room for it or another owner has the line. Returns
    /// whether that was most of what it looked at, so that there is probably more.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn put_aside(&self, owner: Uuid, wanted: &Wanted) -> Result<bool, Error> {
        let full = wanted.rooms.iter().filter(|(_, room)| **room == 0).map(|(name, _)| name.as_str());
        let done = sqlx::query(
            "/* store::aside::put_aside */
             WITH seen AS MATERIALIZED (
                 SELECT id, meter_id FROM job
                 WHERE state = 'due' AND NOT waits AND behind IS NULL AND due_at <= now() AND priority BETWEEN $4 AND $5
                 ORDER BY priority DESC, wanted_by, due_at LIMIT $6),
             passed AS MATERIALIZED (
                 SELECT s.id, CASE
                     WHEN l.lease_owner <> $1 AND l.lease_until >= now() OR m.line = ANY ($2) THEN m.line
                     WHEN l.lease_owner = $1 THEN NULL
                     WHEN m.throttle_group = ANY ($3) THEN m.throttle_group
                     ELSE caller_elsewhere(m.line, $1) END AS behind
                 FROM seen s JOIN meter m ON m.id = s.meter_id JOIN line l ON l.name = m.line),
             held AS (
                 SELECT j.id, p.behind FROM passed p JOIN job j ON j.id = p.id
                 WHERE p.behind IS NOT NULL AND j.state = 'due' FOR NO KEY UPDATE OF j SKIP LOCKED)
             UPDATE job j SET behind = h.behind FROM held h WHERE j.id = h.id",
        )
        .bind(owner)
        .bind(&wanted.busy)
        .bind(full.collect::<Vec<_>>())
        .bind(wanted.least_priority)
        .bind(wanted.most_priority.min(SCHEDULED))
        .bind(WINDOW)
        .execute(self.pool())
        .await
        .map_err(failed("store::aside::put_aside"))?;
        Ok(done.rows_affected() >= WINDOW.cast_unsigned() / 2)
    }

    /// Puts the first of what stands behind each of these names, lines that have not enough to do any more or the process itself, back into the queue. Returns
    /// how many jobs that were.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn bring_back(&self, names: &[String]) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::aside::bring_back */
             UPDATE job SET behind = NULL WHERE id = ANY (ARRAY(
                 SELECT b.id FROM unnest($1::text[]) AS n (name) CROSS JOIN LATERAL (
                     SELECT id FROM job WHERE state = 'due' AND behind = n.name
                     ORDER BY priority DESC, wanted_by, due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) b))",
        )
        .bind(names)
        .bind(EACH)
        .execute(self.pool())
        .await
        .map_err(failed("store::aside::bring_back"))?;
        Ok(done.rows_affected())
    }

    /// Gives back lines that the channels of `owner` have left, and puts the first of what stands behind them back into the queue, and behind their groups
    /// as much as there is room for now.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn leave(&self, owner: Uuid, lines: &[String]) -> Result<(), Error> {
        sqlx::query(
            "/* store::aside::leave */
             WITH gone AS (
                 UPDATE line SET lease_owner = NULL, lease_until = NULL WHERE name = ANY ($2) AND lease_owner = $1 RETURNING name),
             names AS (
                 SELECT name, $3 AS size FROM gone
                 UNION ALL
                 SELECT g.throttle_group, count(*) + 1 FROM gone CROSS JOIN LATERAL (
                     SELECT throttle_group FROM meter WHERE line = gone.name AND throttle_group IS NOT NULL LIMIT 1) g
                 GROUP BY g.throttle_group)
             UPDATE job SET behind = NULL WHERE id = ANY (ARRAY(
                 SELECT b.id FROM names n CROSS JOIN LATERAL (
                     SELECT id FROM job WHERE state = 'due' AND behind = n.name
                     ORDER BY priority DESC, wanted_by, due_at LIMIT n.size FOR NO KEY UPDATE SKIP LOCKED) b))",
        )
        .bind(owner)
        .bind(lines)
        .bind(EACH)
        .execute(self.pool())
        .await
        .map_err(failed("store::aside::leave"))?;
        Ok(())
    }

    /// Puts the first job behind each name back into the queue, of 10,000 names at most. What it stands behind may have gone in the moment in which it was put aside,
    /// or with the collector that had it: then it is taken, and the rest follows it. Returns how many jobs that were.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn bring_back_first(&self) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::aside::bring_back_first */
             WITH RECURSIVE names (name) AS (
                 (SELECT behind FROM job WHERE state = 'due' AND behind IS NOT NULL ORDER BY behind LIMIT 1)
                 UNION ALL
                 SELECT (SELECT behind FROM job WHERE state = 'due' AND behind > n.name ORDER BY behind LIMIT 1) FROM names n WHERE n.name IS NOT NULL)
             UPDATE job SET behind = NULL WHERE id = ANY (ARRAY(
                 SELECT b.id FROM (SELECT name FROM names WHERE name IS NOT NULL LIMIT $1) n CROSS JOIN LATERAL (
                     SELECT id FROM job WHERE state = 'due' AND behind = n.name
                     ORDER BY priority DESC, wanted_by, due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) b))",
        )
        .bind(NAMES)
        .execute(self.pool())
        .await
        .map_err(failed("store::aside::bring_back_first"))?;
        Ok(done.rows_affected())
    }
}
