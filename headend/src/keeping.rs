//! What becomes of readings after they were stored: days are added up, what need not be kept any longer is forgotten, and the server is told what to compress.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::config::Config;
use crate::store::{Error, Store};

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Does what is due of all that. What fails is tried again by the next pass.
pub async fn pass(store: &Store, config: &Config) {
    if let Err(error) = add_up(store).await {
        warn!(%error, "days could not be added up");
    }
    let ago = |time: Duration| {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(time).unwrap_or(Timestamp::MIN)
    };
    if let Some(time) = config.retention.readings {
        match store.forget_readings(ago(time)).await {
            Ok(0) => {}
            Ok(readings) => info!(readings, "old readings were deleted"),
            Err(error) => warn!(%error, "old readings could not be deleted"),
        }
    }
    if let Some(time) = config.retention.events {
        match store.forget_events(ago(time)).await {
            Ok(0) => {}
            Ok(events) => info!(events, "old events were deleted"),
            Err(error) => warn!(%error, "old events could not be deleted"),
        }
    }
    // A day more than holes are filled, because captures bear the time of meters.
    if let Err(error) = store.compress_captures(config.plan.horizon + DAY).await {
        warn!(%error, "the database can not be told to compress old captures");
    }
}

/// Adds up all days that readings came of.
async fn add_up(store: &Store) -> Result<(), Error> {
    while store.add_up_days().await? > 0 {}
    Ok(())
}
