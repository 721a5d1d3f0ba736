//! What meters showed before orders, as collectors keep it: beside the command, before anything is sent.

use collectors::{BaselineError, BaselineKeeper, KeptBaseline};

use crate::store::Store;

/// The baseline of a command.
#[derive(Debug)]
pub(super) struct StoredBaseline {
    store: Store,
    command: i64,
}

impl StoredBaseline {
    /// That of the command with this number.
    pub(super) const fn new(store: Store, command: i64) -> Self {
        Self { store, command }
    }
}

impl BaselineKeeper for StoredBaseline {
    fn keep(&self, shown: i64) -> KeptBaseline<'_> {
        Box::pin(async move {
            let kept = self.store.keep_baseline(self.command, shown).await;
            let kept = kept.map_err(|error| BaselineError::Unavailable(error.to_string()))?;
            kept.ok_or(BaselineError::Over)
        })
    }
}
