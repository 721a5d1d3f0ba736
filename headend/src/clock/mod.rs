//! Our own clock, which has to be right before anybody else's can be: it is compared with that of the database, which all processes share.
//! [`keep`] puts the clocks of meters right that are off.

pub mod keep;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use collectors::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::store::Store;
use crate::telemetry::metrics;

/// How often it is compared.
const COMPARE_EVERY: Duration = Duration::from_secs(30);
/// How long a comparison holds.
const HOLDS: Duration = Duration::from_secs(5 * 60);

/// The clock of this machine, as far as it is known to be right. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct OurClock {
    trust: Duration,
    compared: Arc<Mutex<Option<Compared>>>,
}

/// How the clock of this machine compared with that of the database.
#[derive(Debug, Clone, Copy)]
struct Compared {
    ahead: SignedDuration,
    uncertainty: SignedDuration,
    at: Instant,
}

impl OurClock {
    /// A clock that is relied on as long as it is not farther from the database's than `trust`.
    pub fn new(trust: Duration) -> Self {
        Self { trust, compared: Arc::default() }
    }

    /// Milliseconds by which it is ahead of the database's, when that is known.
    pub fn ahead_ms(&self) -> Option<i64> {
        let compared = self.known().filter(|compared| compared.at.elapsed() < HOLDS)?;
        i64::try_from(compared.ahead.as_millis()).ok()
    }

    /// Takes over that it is so far ahead of the database's, give or take the uncertainty.
    pub fn compare(&self, ahead: SignedDuration, uncertainty: SignedDuration) {
        // What is written under the lock is one value, whole or not at all.
        let mut known = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Compared { ahead, uncertainty, at: Instant::now() });
    }

    fn known(&self) -> Option<Compared> {
        *self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for OurClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn fault(&self) -> Option<String> {
        let Some(compared) = self.known().filter(|compared| compared.at.elapsed() < HOLDS) else {
            return Some(
                "the clock of this machine could not be compared with that of the database lately.".into(),
            );
        };
        let trust = SignedDuration::try_from(self.trust).unwrap_or(SignedDuration::MAX);
        let least = compared.ahead.abs() - compared.uncertainty;
        (least > trust).then(|| {
            let side = if compared.ahead.is_negative() { "behind" } else { "ahead of" };
            format!(
                "the clock of this machine is {} ms {side} that of the database, more than clock.trust; put the time of both machines right.",
                compared.ahead.abs().as_millis()
            )
        })
    }
}

/// Compares the clock with that of the database, again and again, until `stop`.
pub async fn follow(store: Store, clock: OurClock, stop: CancellationToken) {
    let mut looks = interval(COMPARE_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trusted = true;
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        match store.compare_clock().await {
            Ok((ahead, uncertainty)) => {
                clock.compare(ahead, uncertainty);
                metrics::clock_ahead(ahead);
            }
            Err(error) => {
                warn!(%error, "the clock of this machine could not be compared with that of the database")
            }
        }
        match (clock.fault(), trusted) {
            (Some(fault), true) => error!(fault, "no meter is set by the clock of this machine"),
            (None, false) => info!("the clock of this machine is right again"),
            _ => {}
        }
        trusted = clock.fault().is_none();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> SignedDuration {
        SignedDuration::from_millis(ms)
    }

    #[test]
    fn a_clock_is_trusted_while_it_is_known_to_be_right() {
        let clock = OurClock::new(Duration::from_secs(2));
        assert!(clock.fault().unwrap().contains("could not be compared"));
        clock.compare(ms(-1_500), ms(3));
        assert_eq!((clock.fault(), clock.ahead_ms()), (None, Some(-1_500)));
        // What may be right is not called wrong.
        clock.compare(ms(2_400), ms(400));
        assert_eq!(clock.fault(), None);
        clock.compare(ms(-7_000), ms(400));
        let fault = clock.fault().unwrap();
        assert!(fault.contains("7000 ms behind that of the database"), "{fault}");
        let long_ago = Instant::now().checked_sub(HOLDS).unwrap();
        *clock.compared.lock().unwrap() = Some(Compared { ahead: ms(0), uncertainty: ms(1), at: long_ago });
        assert!(clock.fault().unwrap().contains("lately"));
        assert_eq!(clock.ahead_ms(), None);
    }
}
