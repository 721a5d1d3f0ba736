//! What was known at a time: when something comes to count, and up to when nothing that still comes counts as known.

use std::collections::BTreeMap;
use std::sync::Arc;

use dlms::Obis;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use models::{MBus, Model};
use sqlx::PgConnection;

use super::layouts::{obis, small};
use super::{Error, Store, failed};

/// Capture periods of load profiles, in seconds.
const PERIODS: std::ops::Range<u32> = 1..86_400;

/// How much is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The database's clock.
    pub asked_at: jiff::Timestamp,
    /// Whatever is still being stored counts from a later time on than this; `None` while somebody writes of whom the database does not tell us since when.
    pub until: Option<jiff::Timestamp>,
}

/// The time at which what a transaction stores comes to count: the same for all of it, and behind every time as of which anybody asked before. Taken when the
/// transaction holds what it changes, so that of two that change the same the later one counts later.
///
/// # Errors
/// Every [`Error`] of the server.
pub(super) async fn storing_at(connection: &mut PgConnection) -> Result<SqlTimestamp, Error> {
    let query = sqlx::query_scalar("/* store::storing_at */ SELECT storing_at()");
    query.fetch_one(connection).await.map_err(failed("store::storing_at"))
}

/// A load profile that a model names: name of the model, logical name of the profile, capture period in seconds.
pub type LoadProfile = (String, Obis, u32);

impl Store {
    /// What time it is in the database, and up to when everything is known.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn known(&self) -> Result<Known, Error> {
        let query = sqlx::query_as("/* store::known */ SELECT asked_at, until FROM known_until()");
        let (asked_at, until): (SqlTimestamp, Option<SqlTimestamp>) =
            query.fetch_one(self.pool()).await.map_err(failed("store::known"))?;
        Ok(Known { asked_at: asked_at.to_jiff(), until: until.map(SqlTimestamp::to_jiff) })
    }

    /// Notes which load profiles the models name from now on. Those on channels of M-Bus are of other meters.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn note_load_profiles(&self, models: &BTreeMap<String, Arc<Model>>) -> Result<(), Error> {
        let profiles =
            models.values().flat_map(|model| model.profiles.iter().map(move |profile| (model, profile)));
        let profiles = profiles
            .filter(|(_, profile)| {
                PERIODS.contains(&profile.period_s) && MBus::channel(profile.obis).is_none()
            })
            .map(|(model, profile)| (model.name.clone(), profile.obis, profile.period_s));
        let profiles: Vec<LoadProfile> = profiles.collect();
        super::repeat("store::note_load_profiles", || self.try_note(&profiles)).await
    }

    async fn try_note(&self, profiles: &[LoadProfile]) -> Result<(), Error> {
        let failed = failed("store::note_load_profiles");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        // Several processes may start at the same time.
        sqlx::query(
            "/* store::note_load_profiles */ SELECT pg_advisory_xact_lock(hashtext('model_profile'))",
        )
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        let periods = profiles.iter().map(|(.., period_s)| small("capture period", *period_s));
        sqlx::query(
            "/* store::note_load_profiles */
             WITH said AS (SELECT * FROM unnest($1::text[], $2::bytea[], $3::int4[]) AS s (model, obis, period_s)),
             gone AS (
                 UPDATE model_profile p SET until = storing_at()
                 WHERE until IS NULL AND (model, obis, period_s) NOT IN (SELECT model, obis, period_s FROM said))
             INSERT INTO model_profile (model, obis, period_s)
             SELECT model, obis, period_s FROM said EXCEPT SELECT model, obis, period_s FROM model_profile WHERE until IS NULL",
        )
        .bind(profiles.iter().map(|(model, ..)| model.as_str()).collect::<Vec<_>>())
        .bind(profiles.iter().map(|(_, obis, _)| obis.octets().to_vec()).collect::<Vec<_>>())
        .bind(periods.collect::<Result<Vec<i32>, Error>>()?)
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// The load profiles that the models named at a time.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn load_profiles(&self, known_at: jiff::Timestamp) -> Result<Vec<LoadProfile>, Error> {
        let query = sqlx::query_as(
            "/* store::load_profiles */ SELECT model, obis, period_s FROM model_profile
             WHERE since <= $1 AND (until IS NULL OR until > $1)",
        );
        let rows: Vec<(String, Vec<u8>, i32)> = query
            .bind(known_at.to_sqlx())
            .fetch_all(self.pool())
            .await
            .map_err(failed("store::load_profiles"))?;
        let profile = |(model, name, period_s): (String, Vec<u8>, i32)| {
            Ok((model, obis(&name)?, small("capture period", period_s)?))
        };
        rows.into_iter().map(profile).collect()
    }
}
