//! Clocks of meters that are off are put right without anybody asking, where `clock.synchronise` says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use ami_proto::v1::ClockOrder;
use jiff::{SignedDuration, Timestamp};
use models::Model;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tracing::info;
use uuid::Uuid;

use crate::config;
use crate::store::audit::Entry;
use crate::store::commands::{NewOrder, Placed};
use crate::store::{self, CommandKind, Store};

/// Meters whose clocks are ordered to be put right in one pass at most.
const PASS: u16 = 100;
/// Who orders.
const PRINCIPAL: &str = "headend";
/// No interval is longer: at midnight a day ends.
const DAY_S: u32 = 86_400;

/// Orders the clocks to be put right that are off by more than the tolerance: each at most once a day, and none that is so far off that it
/// would jump over the end of an interval for certain, which a person has to order. Returns how many.
///
/// # Errors
/// Those of the store.
pub async fn pass(
    store: &Store,
    models: &BTreeMap<String, Arc<Model>>,
    config: &config::Clock,
    now: Timestamp,
) -> Result<usize, store::Error> {
    let able = able(models);
    let tolerance_ms = i64::try_from(config.tolerance.as_millis()).unwrap_or(i64::MAX);
    let wrong = store.clocks_to_sync(&able, tolerance_ms, i64::from(PASS)).await?;
    if wrong.is_empty() {
        return Ok(0);
    }
    let request_id = Uuid::new_v4();
    let reason = format!("The clock is off by more than clock.tolerance ({tolerance_ms} ms).");
    let arguments = ClockOrder::default().encode_to_vec();
    let patience = SignedDuration::try_from(CommandKind::SyncClock.patience()).unwrap_or(SignedDuration::MAX);
    let order = NewOrder {
        principal: PRINCIPAL.into(),
        idempotency_key: request_id.to_string(),
        kind: CommandKind::SyncClock,
        fingerprint: Sha256::digest(&arguments).into(),
        arguments: Some(arguments),
        reason: reason.clone(),
        request_id,
        trace_parent: None,
        meters: wrong.iter().map(|clock| clock.meter_id).collect(),
        priority: CommandKind::SyncClock.priority(),
        not_before: now,
        deadline: now.checked_add(patience).unwrap_or(Timestamp::MAX),
        needs_approval: false,
    };
    let serials: Vec<&str> = wrong.iter().map(|clock| clock.serial.as_str()).collect();
    let entry = Entry {
        principal: PRINCIPAL.into(),
        action: "planner.sync_clock".into(),
        target: serials.join(" "),
        outcome: "accepted".into(),
        detail: Some(reason),
        request_id,
    };
    match store.place_order(&order, &entry).await? {
        Placed::Commands(commands) => {
            info!(clocks = commands.len(), "clocks are put right");
            Ok(commands.len())
        }
        // Somebody retired a meter in between: the next pass does without it.
        Placed::KeyReused | Placed::Retired(_) => Ok(0),
    }
}

/// The models whose clocks can be put right, and below how many milliseconds without jumping over the end of an interval for certain.
fn able(models: &BTreeMap<String, Arc<Model>>) -> BTreeMap<&str, i64> {
    let able = models.values().filter(|model| model.clock_sync.is_some());
    able.map(|model| {
        let periods = model.profiles.iter().map(|profile| profile.period_s);
        let shortest = periods.filter(|period| *period > 0).chain([DAY_S]).min().unwrap_or(DAY_S);
        (model.name.as_str(), i64::from(shortest) * 1000)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_can_be_set_have_the_length_of_their_shortest_interval() {
        let models = models::builtin().unwrap();
        let able = able(&models);
        assert_eq!(able.get("sed302"), Some(&900_000));
        assert_eq!(able.get("joy311"), None);
    }
}
