//! Turns the knobs of the protocol log and of line captures as the database says.

use std::time::Duration;

use collectors::{Instruments, Knobs, Layers};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::line_captures::LineCapture;
use crate::store::protocol_log::ProtocolLog;
use crate::store::{Error, Store};

/// How often the knobs are looked at. The table is empty but for the time in which somebody looks for a fault.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Holds the channels that are seen through `instruments` to the table, until `stop`. While the database is away the knobs stay, and end when
/// their time is over.
pub async fn follow(store: Store, instruments: &Instruments, stop: CancellationToken) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut known, mut captures, mut answered) = (Vec::new(), Vec::new(), true);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let set = async { Ok::<_, Error>((store.protocol_logs().await?, store.line_captures().await?)) };
        match set.await {
            Ok((set, captured)) => {
                if set != known {
                    info!(set = set.len(), "the protocol log is set anew");
                }
                (known, captures, answered) = (set, captured, true);
            }
            Err(error) => {
                if answered {
                    warn!(%error, "the knobs of the protocol log could not be looked at");
                }
                answered = false;
            }
        }
        instruments.protocol_log().turn(knobs(&known, &captures, Timestamp::now()));
    }
}

/// What is to be logged and captured at a time.
fn knobs(set: &[ProtocolLog], captures: &[LineCapture], now: Timestamp) -> Knobs {
    let mut knobs = Knobs::default();
    for log in set.iter().filter(|log| log.until.to_jiff() > now) {
        let layers = Layers { application: log.application, frame: log.frame, bytes: log.bytes };
        match (log.meter_id, &log.address) {
            (Some(meter), _) => drop(knobs.meters.insert(meter, layers)),
            (None, Some(address)) => drop(knobs.lines.insert(address.clone(), layers)),
            (None, None) => {}
        }
    }
    // Of several captures of the same the newest is fed.
    for capture in captures.iter().rev().filter(|capture| capture.is_running && capture.until.to_jiff() > now)
    {
        match (capture.meter_id, &capture.address) {
            (Some(meter), _) => drop(knobs.captured_meters.insert(meter, capture.id)),
            (None, Some(address)) => drop(knobs.captured_lines.insert(address.clone(), capture.id)),
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
        let before = knobs(&set, &[], now);
        assert!(before.meters[&7].application && before.lines["10.0.0.1:4059"].application);
        assert_eq!(knobs(&set, &[], until), Knobs::default());
    }
}
