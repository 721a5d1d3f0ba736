//! Meters go back to the queue when the last of their running jobs has ended, and with it may change the way to them.

use std::collections::{BTreeMap, BTreeSet};

use collectors::{MeterId, Reason};
use sqlx::{FromRow, PgConnection};
use tracing::info;
use uuid::Uuid;

use super::ends::End;
use super::meters::correct;
use super::{Error, failed};

/// A meter that is ours, and the way to it.
#[derive(Debug, Clone, FromRow)]
struct Held {
    id: MeterId,
    /// 0 its address, n the n-th further way.
    path: i16,
    /// Further ways that there are.
    paths: i16,
    /// Whether it has been reached over a further way for an hour.
    long: bool,
    /// Whether it was corrected meanwhile.
    corrected: bool,
}

/// Gives meters back whose last running job has ended; `OFFSET 0` has that looked up by the meter, whatever the server believes of its indexes. The meters are locked by a statement of their own: the one after it
/// then sees every job that a lease took before.
pub(super) async fn give_back(
    connection: &mut PgConnection,
    owner: Uuid,
    meters: Vec<MeterId>,
    ends: &[End],
) -> Result<(), Error> {
    if meters.is_empty() {
        return Ok(());
    }
    let failed = failed("store::give_back");
    let held: Vec<Held> = sqlx::query_as(
        "/* store::give_back */
         SELECT m.id, m.path, coalesce(m.path_since < now() - interval '1 hour', false) AS long, m.corrected,
             (SELECT count(*) FROM meter_path p WHERE p.meter_id = m.id)::int2 AS paths
         FROM meter m WHERE m.id = ANY ($1) AND m.lease_owner = $2 ORDER BY m.id FOR NO KEY UPDATE",
    )
    .bind(&meters)
    .bind(owner)
    .fetch_all(&mut *connection)
    .await
    .map_err(&failed)?;
    let freed: Vec<MeterId> = sqlx::query_scalar(
        "/* store::give_back */
         UPDATE meter m SET lease_owner = NULL, lease_until = NULL, corrected = false WHERE m.id = ANY ($1) AND m.lease_owner = $2
             AND NOT EXISTS (SELECT FROM job j WHERE j.meter_id = m.id AND j.finished_at IS NULL AND j.state = 'running' OFFSET 0) RETURNING m.id",
    )
    .bind(&meters)
    .bind(owner)
    .fetch_all(&mut *connection)
    .await
    .map_err(&failed)?;
    let freed: BTreeSet<MeterId> = freed.into_iter().collect();
    let freed = held.into_iter().filter(|meter| freed.contains(&meter.id));
    let (corrected, same): (Vec<Held>, Vec<Held>) = freed.partition(|meter| meter.corrected);
    // What went wrong until now went by what it was before.
    correct::begin_anew(connection, &corrected.iter().map(|meter| meter.id).collect::<Vec<_>>()).await?;
    change(connection, &same, ends).await
}

/// Has the next attempt at a meter take another way where it was not reached, and the first again where it has been a while on another.
/// Only here, where the meter has no lease: the line that goes with the way is another one.
async fn change(connection: &mut PgConnection, meters: &[Held], ends: &[End]) -> Result<(), Error> {
    let mut reached: BTreeMap<MeterId, bool> = BTreeMap::new();
    for end in ends {
        *reached.entry(end.meter()).or_default() |= !end.reason().is_some_and(is_of_the_way);
    }
    let next = meters.iter().filter_map(|meter| {
        let path = next(meter, *reached.get(&meter.id)?);
        (path != meter.path).then_some((meter.id, path))
    });
    let (ids, paths): (Vec<MeterId>, Vec<i16>) = next.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    for (meter, path) in ids.iter().zip(&paths) {
        info!(meter, path, "the next attempt at the meter takes another way");
    }
    // A line that the inventory named instead of the address stays. What failed on the way before waits only when all ways were tried.
    sqlx::query(
        "/* store::give_back::change */
         WITH changed AS (UPDATE meter m SET path = c.path, path_since = CASE WHEN c.path > 0 THEN now() END,
             line = CASE
                 WHEN m.line = coalesce((SELECT p.line FROM meter_path p WHERE p.meter_id = m.id AND p.place = m.path), address_line(m.address))
                 THEN coalesce((SELECT p.line FROM meter_path p WHERE p.meter_id = m.id AND p.place = c.path), address_line(m.address))
                 ELSE m.line END
         FROM unnest($1::int4[], $2::int2[]) AS c (id, path) WHERE m.id = c.id RETURNING m.id, m.path)
         UPDATE job j SET due_at = now() FROM changed c
         WHERE j.meter_id = c.id AND c.path > 0 AND j.finished_at IS NULL AND j.state = 'due' AND j.due_at > now() AND j.reason IN ('no_route', 'refused', 'timeout')",
    )
    .bind(ids)
    .bind(paths)
    .execute(connection)
    .await
    .map_err(failed("store::give_back::change"))?;
    Ok(())
}

/// Whether another way may do what this one did not.
const fn is_of_the_way(reason: Reason) -> bool {
    matches!(reason, Reason::NoRoute | Reason::Refused | Reason::Timeout)
}

/// The way that the next attempt takes.
const fn next(meter: &Held, was_reached: bool) -> i16 {
    match (was_reached, meter.long) {
        (true, false) => meter.path,
        (true, true) => 0,
        (false, _) if meter.path >= meter.paths => 0,
        (false, _) => meter.path + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_are_tried_in_turn_and_the_first_is_come_back_to() {
        let after = |path, paths, was_reached, long| {
            next(&Held { id: 1, path, paths, long, corrected: false }, was_reached)
        };
        assert_eq!(after(0, 0, false, false), 0, "there is no other");
        assert_eq!([0, 1, 2].map(|path| after(path, 2, false, false)), [1, 2, 0]);
        assert_eq!([0, 1, 2].map(|path| after(path, 2, true, false)), [0, 1, 2], "it works");
        assert_eq!(after(2, 2, true, true), 0);
        assert_eq!(after(1, 2, false, true), 2);
    }
}
