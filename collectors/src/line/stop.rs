use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The wish that an answer be ended before it is whole, as soon as the station gives the turn back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub(crate) fn demand(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Not any more.
    pub(crate) fn relent(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_demanded(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
