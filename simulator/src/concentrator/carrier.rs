//! The power line: one transaction at a time, as slow as its speed and its repeaters make it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::ConcentratorConfig;

/// Bits of an octet: the line is synchronous.
const BITS_PER_OCTET: u64 = 8;
/// What is around the octets of an APDU and the repetitions that good lines need take as long as the octets themselves.
const OVERHEAD: u64 = 2;
/// How often a request is sent before its node counts as lost.
const ATTEMPTS: u32 = 3;

/// What a node says to a request.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Nothing, one answer, or several that follow one another.
    pub(super) answers: Vec<Vec<u8>>,
    /// How long it takes before it says that.
    pub(super) thinks: Duration,
}

/// The power line of one concentrator.
#[derive(Debug)]
pub(super) struct Carrier {
    speed: u64,
    lane: Mutex<()>,
    busy_ns: AtomicU64,
}

impl Carrier {
    pub(super) fn new(config: &ConcentratorConfig) -> Self {
        let speed = u64::from(config.speed.max(1)) * u64::from(config.accelerate.max(1));
        Self { speed, lane: Mutex::new(()), busy_ns: AtomicU64::new(0) }
    }

    /// How long octets are under way in one direction over so many repeaters.
    pub(super) fn airtime(&self, octets: usize, level: u8) -> Duration {
        let hops = u64::from(level) + 1;
        let bits = u64::try_from(octets).unwrap_or(u64::MAX).saturating_mul(BITS_PER_OCTET * OVERHEAD * hops);
        Duration::from_nanos(bits.saturating_mul(1_000_000_000) / self.speed)
    }

    /// Carries a request of so many octets to a node and what it says back, when nobody else's transaction is under way. `is_linked` tells whether the
    /// node is on the line; one that gets lost in between leaves no answer, and what it had said already is lost with it.
    pub(super) async fn transact(
        &self,
        (request, level): (usize, u8),
        is_linked: impl Fn() -> bool,
        answer: impl FnOnce() -> Said,
    ) -> Vec<Vec<u8>> {
        let _lane = self.lane.lock().await;
        let way = self.airtime(request, level);
        self.occupy(way).await;
        if !is_linked() {
            self.occupy(way * (ATTEMPTS - 1)).await;
            return Vec::new();
        }
        let Said { answers, thinks } = answer();
        sleep(thinks).await;
        for answer in &answers {
            self.occupy(self.airtime(answer.len(), level)).await;
            if !is_linked() {
                return Vec::new();
            }
        }
        answers
    }

    /// How long the line was in use so far.
    pub(super) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed))
    }

    async fn occupy(&self, time: Duration) {
        sleep(time).await;
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.fetch_add(nanos, Ordering::Relaxed);
    }
}
