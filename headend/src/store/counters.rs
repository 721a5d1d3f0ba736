//! Invocation counters. They are reserved by [`super::jobs`] when a meter is leased; here they are raised.

use std::collections::BTreeMap;

use collectors::{COUNTER_LEAP_MAX, MeterId};
use sqlx::PgConnection;
use tracing::warn;

use super::{Error, Store, failed};

impl Store {
    /// Raises the counters of meters to what they expect. A counter is never lowered, and one that would be raised by more
    /// than [`COUNTER_LEAP_MAX`] stays. Returns the meters whose counter is now at least what they expect.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`] for a meter that does not exist.
    pub async fn raise_counters(&self, expected: &BTreeMap<MeterId, u32>) -> Result<Vec<MeterId>, Error> {
        let mut connection = self.pool.acquire().await.map_err(failed("store::counters::raise"))?;
        raise(&mut connection, expected).await
    }
}

/// The same inside of a transaction.
pub(super) async fn raise(
    connection: &mut PgConnection,
    expected: &BTreeMap<MeterId, u32>,
) -> Result<Vec<MeterId>, Error> {
    if expected.is_empty() {
        return Ok(Vec::new());
    }
    let meters: Vec<i32> = expected.keys().copied().collect();
    let counters: Vec<i64> = expected.values().copied().map(i64::from).collect();
    let mut raised: Vec<MeterId> = sqlx::query_scalar(
        "/* store::counters::raise */
         INSERT INTO meter_counter AS c (meter_id, next)
         SELECT meter_id, expected FROM unnest($1::int4[], $2::int8[]) AS e (meter_id, expected)
         WHERE expected <= $3 OR EXISTS (SELECT FROM meter_counter k WHERE k.meter_id = e.meter_id)
         ORDER BY meter_id
         ON CONFLICT (meter_id) DO UPDATE SET next = greatest(c.next, EXCLUDED.next)
             WHERE EXCLUDED.next - c.next <= $3
         RETURNING meter_id",
    )
    .bind(&meters)
    .bind(counters)
    .bind(i64::from(COUNTER_LEAP_MAX))
    .fetch_all(connection)
    .await
    .map_err(failed("store::counters::raise"))?;
    raised.sort_unstable();
    for meter in meters.iter().filter(|meter| raised.binary_search(meter).is_err()) {
        warn!(
            meter,
            expected = expected.get(meter),
            "a meter expects an invocation counter that is too far ahead; it stays"
        );
    }
    Ok(raised)
}
