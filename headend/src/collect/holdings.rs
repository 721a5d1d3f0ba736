//! What meters hold before they are cleared, as collectors keep it: beside the command and among the readings, before anything is sent.

use collectors::{BaselineError, Held, HoldingsKeeper, Kept, Part};

use crate::store::{Error, Store};

/// What a command clears.
#[derive(Debug)]
pub(super) struct StoredHoldings {
    store: Store,
    command: i64,
}

impl StoredHoldings {
    /// That of the command with this number.
    pub(super) const fn new(store: Store, command: i64) -> Self {
        Self { store, command }
    }
}

impl HoldingsKeeper for StoredHoldings {
    fn parts(&self) -> Kept<'_, Vec<Part>> {
        Box::pin(async move { self.store.parts_of(self.command).await.map_err(|error| unavailable(&error)) })
    }

    fn kept(&self) -> Kept<'_, Vec<Held>> {
        Box::pin(async move { self.store.holdings(self.command).await.map_err(|error| unavailable(&error)) })
    }

    fn keep(&self, held: Vec<Held>) -> Kept<'_, ()> {
        Box::pin(async move {
            let kept = self.store.keep_holdings(self.command, &held).await;
            match kept.map_err(|error| unavailable(&error))? {
                true => Ok(()),
                false => Err(BaselineError::Over),
            }
        })
    }
}

fn unavailable(error: &Error) -> BaselineError {
    BaselineError::Unavailable(error.to_string())
}
