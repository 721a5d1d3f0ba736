//! What each address may take up, so that one that floods or dawdles does not hurt the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::pace::Pace;
use crate::config;

/// Addresses that the table has room for before those without anything open are swept out.
const SWEEP: usize = 1024;

/// All addresses that have a connection open or a push on the way.
#[derive(Debug)]
pub(crate) struct Sources {
    connections: u32,
    connections_per_second: u32,
    pending: usize,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    sources: HashMap<IpAddr, Arc<Source>>,
    sweep_at: usize,
}

/// One address. It is forgotten when nothing holds it any more, and it did not connect for a while.
#[derive(Debug)]
pub(crate) struct Source {
    limit: u32,
    connections: AtomicU32,
    pace: Mutex<Pace>,
    /// Turns for pushes that are on their way to the store.
    pub(crate) turns: Arc<Semaphore>,
}

/// A connection that counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Source>);

impl Sources {
    /// Each address may have as many connections open, and as many pushes on the way, and open connections as often, as the configuration
    /// says.
    pub(crate) fn new(config: &config::Listener) -> Self {
        let known = Mutex::new(Known { sources: HashMap::new(), sweep_at: SWEEP });
        Self {
            connections: config.connections_per_address,
            connections_per_second: config.connections_per_second_and_address,
            pending: config.pending_per_address,
            known,
        }
    }

    /// The address; IPv4 in IPv6 is IPv4.
    pub(crate) fn of(&self, address: IpAddr) -> Arc<Source> {
        // No code that holds the lock can leave the table half written.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.to_canonical();
        if let Some(source) = known.sources.get(&address) {
            return Arc::clone(source);
        }
        if known.sources.len() >= known.sweep_at {
            let now = Instant::now();
            known.sources.retain(|_, source| Arc::strong_count(source) > 1 || !source.pace().is_idle(now));
            known.sweep_at = (known.sources.len() * 2).max(SWEEP);
        }
        let source = Arc::new(Source {
            limit: self.connections,
            connections: AtomicU32::new(0),
            pace: Mutex::new(Pace::new(self.connections_per_second, Instant::now())),
            turns: Arc::new(Semaphore::new(self.pending)),
        });
        known.sources.insert(address, Arc::clone(&source));
        source
    }
}

impl Source {
    /// Counts a connection; `None` when the address has as many as it may, or opens them too often.
    pub(crate) fn connect(self: &Arc<Self>) -> Option<Connected> {
        let counted = self.connections.fetch_add(1, Ordering::Relaxed) < self.limit;
        let connected = Connected(Arc::clone(self));
        (counted && self.pace().admit(Instant::now())).then_some(connected)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// Whose connection it is.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.0
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(connections_per_address: u32, connections_per_second_and_address: u32) -> Sources {
        let config = config::Listener::default();
        Sources::new(&config::Listener {
            connections_per_address,
            connections_per_second_and_address,
            pending_per_address: 1,
            ..config
        })
    }

    #[test]
    fn c_12_who_comes_too_often_is_turned_away_and_not_forgotten_by_leaving() {
        let sources = sources(1000, 1);
        let address = "10.0.0.1".parse().unwrap();
        let admitted = (0..1000).filter(|_| sources.of(address).connect().is_some()).count();
        // Ten seconds' worth; the machine may be slow.
        assert!((10..100).contains(&admitted), "{admitted}");
        assert!(sources.of("10.0.0.2".parse().unwrap()).connect().is_some());
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let sources = sources(2, 100);
        let (mine, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = sources.of(mine).connect().unwrap();
        let _second = sources.of("::ffff:10.0.0.1".parse().unwrap()).connect().unwrap();
        assert!(sources.of(mine).connect().is_none());
        assert!(sources.of(other).connect().is_some());
        drop(first);
        assert!(sources.of(mine).connect().is_some());
        let turn = Arc::clone(&sources.of(mine).turns).try_acquire_owned();
        // The source lives on by its other connection.
        assert!(turn.is_ok() && sources.of(mine).turns.try_acquire().is_err());
        assert!(sources.of(other).turns.try_acquire().is_ok());
    }

    #[test]
    fn addresses_without_anything_open_are_forgotten() {
        let sources = sources(1, 100);
        let kept = sources.of("10.0.0.1".parse().unwrap());
        for number in 0..5 * SWEEP as u32 {
            sources.of(IpAddr::V4((0x0B00_0000 + number).into()));
        }
        assert!(sources.known.lock().unwrap().sources.len() <= SWEEP);
        assert!(Arc::ptr_eq(&kept, &sources.of("10.0.0.1".parse().unwrap())));
    }
}
