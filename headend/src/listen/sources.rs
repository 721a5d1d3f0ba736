//! What each address may take up, so that one that floods or dawdles does not hurt the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// Addresses that the table has room for before those without anything open are swept out.
const SWEEP: usize = 1024;

/// All addresses that have a connection open or a push on the way.
#[derive(Debug)]
pub(crate) struct Sources {
    connections: u32,
    pending: usize,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    sources: HashMap<IpAddr, Weak<Source>>,
    sweep_at: usize,
}

/// One address. It is forgotten when nothing holds it any more.
#[derive(Debug)]
pub(crate) struct Source {
    limit: u32,
    connections: AtomicU32,
    /// Turns for pushes that are on their way to the store.
    pub(crate) turns: Arc<Semaphore>,
}

/// A connection that counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Source>);

impl Sources {
    /// Each address may have so many connections open, and so many pushes on the way.
    pub(crate) fn new(connections: u32, pending: usize) -> Self {
        let known = Mutex::new(Known { sources: HashMap::new(), sweep_at: SWEEP });
        Self { connections, pending, known }
    }

    /// The address; IPv4 in IPv6 is IPv4.
    pub(crate) fn of(&self, address: IpAddr) -> Arc<Source> {
        // No code that holds the lock can leave the table half written.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.to_canonical();
        if let Some(source) = known.sources.get(&address).and_then(Weak::upgrade) {
            return source;
        }
        if known.sources.len() >= known.sweep_at {
            known.sources.retain(|_, source| source.strong_count() > 0);
            known.sweep_at = (known.sources.len() * 2).max(SWEEP);
        }
        let source = Arc::new(Source {
            limit: self.connections,
            connections: AtomicU32::new(0),
            turns: Arc::new(Semaphore::new(self.pending)),
        });
        known.sources.insert(address, Arc::downgrade(&source));
        source
    }
}

impl Source {
    /// Counts a connection; `None` when the address has as many as it may.
    pub(crate) fn connect(self: &Arc<Self>) -> Option<Connected> {
        let counted = self.connections.fetch_add(1, Ordering::Relaxed) < self.limit;
        let connected = Connected(Arc::clone(self));
        counted.then_some(connected)
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

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let sources = Sources::new(2, 1);
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
        let sources = Sources::new(1, 1);
        let kept = sources.of("10.0.0.1".parse().unwrap());
        for number in 0..5 * SWEEP as u32 {
            sources.of(IpAddr::V4((0x0B00_0000 + number).into()));
        }
        assert!(sources.known.lock().unwrap().sources.len() <= SWEEP);
        assert!(Arc::ptr_eq(&kept, &sources.of("10.0.0.1".parse().unwrap())));
    }
}
