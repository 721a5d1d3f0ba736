//! What collectors found out about throttle groups, for whoever looks on.

use std::time::Duration;

use jiff_sqlx::Timestamp;
use uuid::Uuid;

use super::jobs::interval;
use super::{Error, Store, failed};

/// Groups that are listed at most.
const MOST: i64 = 10_000;

/// A throttle group as a collector sees it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Throttle {
    /// The group.
    pub name: String,
    /// The collector.
    pub owner: Uuid,
    /// Lines with meters of the group that it had open.
    pub open: i32,
    /// Lines that it would have had open at most.
    pub most: i32,
    /// When that was so.
    pub noted_at: Timestamp,
}

impl Store {
    /// Notes the groups of `owner`, each with the lines that are open and may be, in place of what was noted of it before. What other
    /// collectors noted longer ago than `age` is forgotten: they gave no sign of life since.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn note_throttles(
        &self,
        owner: Uuid,
        groups: &[(&str, u32, u32)],
        age: Duration,
    ) -> Result<(), Error> {
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        sqlx::query(
            "/* store::throttles::note_throttles */
             WITH gone AS (
                 DELETE FROM throttle WHERE (owner = $1 AND name <> ALL ($2)) OR (owner <> $1 AND noted_at < now() - $5))
             INSERT INTO throttle (owner, name, open, most)
             SELECT $1, name, open, most FROM unnest($2::text[], $3::int4[], $4::int4[]) AS t (name, open, most)
             ON CONFLICT (name, owner) DO UPDATE SET open = EXCLUDED.open, most = EXCLUDED.most, noted_at = now()",
        )
        .bind(owner)
        .bind(groups.iter().map(|(name, ..)| *name).collect::<Vec<_>>())
        .bind(groups.iter().map(|(_, open, _)| count(*open)).collect::<Vec<_>>())
        .bind(groups.iter().map(|(.., most)| count(*most)).collect::<Vec<_>>())
        .bind(interval(age))
        .execute(&self.pool)
        .await
        .map_err(failed("store::throttles::note_throttles"))?;
        Ok(())
    }

    /// The throttle groups that collectors know something of, by name, the first 10,000.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn throttles(&self) -> Result<Vec<Throttle>, Error> {
        sqlx::query_as(
            "/* store::throttles::throttles */
             SELECT name, owner, open, most, noted_at FROM throttle ORDER BY name, owner LIMIT $1",
        )
        .bind(MOST)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::throttles::throttles"))
    }
}
