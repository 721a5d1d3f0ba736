//! Tariffs as meters hold them. Written by [`super::batch`], inside of its transaction.

use collectors::{JobId, MeterId, TariffObjects};
use sqlx::PgConnection;

use super::{Error, Store, failed};

/// The tariff of a meter and the job that read it.
pub(super) type Tariff<'a> = (MeterId, JobId, &'a TariffObjects);

/// A row of the table.
type Row = (Vec<Vec<u8>>, Vec<Vec<u8>>, Vec<u8>, Option<Vec<u8>>);

impl Store {
    /// The tariff objects that a job read; `None` when it read none.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn tariff_of_job(&self, meter: MeterId, job: JobId) -> Result<Option<TariffObjects>, Error> {
        let row: Option<Row> = sqlx::query_as(
            "/* store::tariffs::of_job */
             SELECT active, passive, activation_time, special_days FROM tariff_reading WHERE meter_id = $1 AND job_id = $2",
        )
        .bind(meter)
        .bind(job)
        .fetch_optional(self.pool())
        .await
        .map_err(failed("store::tariffs::of_job"))?;
        // The table holds arrays of four.
        Ok(row.and_then(|(active, passive, activation_time, special_days)| {
            let (active, passive) = (active.try_into().ok()?, passive.try_into().ok()?);
            Some(TariffObjects { active, passive, activation_time, special_days })
        }))
    }
}

/// Stores what meters hold; of a job that is repeated the last reading stays.
pub(super) async fn insert(connection: &mut PgConnection, tariffs: &[Tariff<'_>]) -> Result<(), Error> {
    for (meter, job, objects) in tariffs {
        sqlx::query(
            "/* store::tariffs::insert */
             INSERT INTO tariff_reading (meter_id, job_id, active, passive, activation_time, special_days)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (meter_id, job_id) DO UPDATE SET read_at = now(), active = excluded.active, passive = excluded.passive,
                 activation_time = excluded.activation_time, special_days = excluded.special_days",
        )
        .bind(meter)
        .bind(job)
        .bind(&objects.active[..])
        .bind(&objects.passive[..])
        .bind(&objects.activation_time)
        .bind(&objects.special_days)
        .execute(&mut *connection)
        .await
        .map_err(failed("store::tariffs::insert"))?;
    }
    Ok(())
}
