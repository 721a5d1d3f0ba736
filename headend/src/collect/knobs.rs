//! Turns the knobs of the protocol log as the database says.

use std::time::Duration;

use collectors::{Instruments, Knobs, Layers};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::Store;
use crate::store::protocol_log::ProtocolLog;

/// How often the knobs are looked at. The table is empty but for the time in which somebody looks for a fault.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Holds the channels that are seen through `instruments` to the table, until `stop`. While the database is away the knobs stay, and end when
/// their time is over.
pub async fn follow(store: Store, instruments: &Instruments, stop: CancellationToken) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut known, mut answered) = (Vec::new(), true);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        match store.protocol_logs().await {
            Ok(set) => {
                if set != known {
                    info!(set = set.len(), "the protocol log is set anew");
                }
                (known, answered) = (set, true);
            }
            Err(error) => {
                if answered {
                    warn!(%error, "the knobs of the protocol log could not be looked at");
                }
                answered = false;
            }
        }
        instruments.protocol_log().turn(knobs(&known, Timestamp::now()));
    }
}

/// What is to be logged at a time.
fn knobs(set: &[ProtocolLog], now: Timestamp) -> Knobs {
    let mut knobs = Knobs::default();
    for log in set.iter().filter(|log| log.until.to_jiff() > now) {
        let layers = Layers { application: log.application, frame: log.frame, bytes: log.bytes };
        match (log.meter_id, &log.address) {
            (Some(meter), _) => drop(knobs.meters.insert(meter, layers)),
            (None, Some(address)) => drop(knobs.lines.insert(address.clone(), layers)),
            (None, None) => {}
        }
    }
    knobs
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff_sqlx::ToSqlx as _;

    use super::*;

    #[test]
    fn a_knob_ends_by_itself() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let until = now + SignedDuration::from_secs(60);
        let log = |meter_id, address: Option<&str>| ProtocolLog {
            meter_id,
            serial: None,
            address: address.map(str::to_owned),
            application: true,
            frame: false,
            bytes: false,
            until: until.to_sqlx(),
            set_by: "anna".into(),
            set_at: now.to_sqlx(),
        };
        let set = [log(Some(7), None), log(None, Some("10.0.0.1:4059"))];
        let before = knobs(&set, now);
        assert!(before.meters[&7].application && before.lines["10.0.0.1:4059"].application);
        assert_eq!(knobs(&set, until), Knobs::default());
    }
}
