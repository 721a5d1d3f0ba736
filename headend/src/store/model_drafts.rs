//! Drafts of models. Written by [`super::batch`], inside of its transaction.

use collectors::{JobId, MeterId};
use sqlx::PgConnection;

use super::{Error, Store, failed};

/// The draft that was made of a meter, and the job that made it.
pub(super) type Draft<'a> = (MeterId, JobId, &'a str);

impl Store {
    /// The draft that a job made; `None` when it made none.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn model_draft_of_job(&self, meter: MeterId, job: JobId) -> Result<Option<String>, Error> {
        sqlx::query_scalar(
            "/* store::model_drafts::of_job */
             SELECT draft FROM model_draft WHERE meter_id = $1 AND job_id = $2",
        )
        .bind(meter)
        .bind(job)
        .fetch_optional(self.pool())
        .await
        .map_err(failed("store::model_drafts::of_job"))
    }
}

/// Stores drafts; of a job that is repeated the last one stays.
pub(super) async fn insert(connection: &mut PgConnection, drafts: &[Draft<'_>]) -> Result<(), Error> {
    for (meter, job, draft) in drafts {
        sqlx::query(
            "/* store::model_drafts::insert */
             INSERT INTO model_draft (meter_id, job_id, draft) VALUES ($1, $2, $3)
             ON CONFLICT (meter_id, job_id) DO UPDATE SET made_at = now(), draft = excluded.draft",
        )
        .bind(meter)
        .bind(job)
        .bind(draft)
        .execute(&mut *connection)
        .await
        .map_err(failed("store::model_drafts::insert"))?;
    }
    Ok(())
}
