//! What a meter showed before an order whose effect is relative to that: kept where it outlives an attempt.

use std::{fmt, future::Future, ops::Deref, pin::Pin, sync::Arc};

/// Why it is not known what the meter showed before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Where it is kept does not answer now.
    #[error("what the meter shows before the order can not be kept now: {0}")]
    Unavailable(String),
    /// The order came to its end without this attempt.
    #[error("the order came to its end meanwhile")]
    Over,
}

/// What counts as the state before the order, later.
pub type KeptBaseline<'a> = Pin<Box<dyn Future<Output = Result<i64, BaselineError>> + Send + 'a>>;

/// Where the baseline of one order is kept.
pub trait BaselineKeeper: fmt::Debug + Send + Sync {
    /// Keeps what the meter shows, durably, unless something was kept for this order before; gives what is kept.
    fn keep(&self, shown: i64) -> KeptBaseline<'_>;
}

/// A handle to the baseline of an order. Two are equal when they are handles to the same keeper.
#[derive(Debug, Clone)]
pub struct Baseline(Arc<dyn BaselineKeeper>);

impl Baseline {
    /// A handle.
    pub fn new(keeper: impl BaselineKeeper + 'static) -> Self {
        Self(Arc::new(keeper))
    }
}

impl Deref for Baseline {
    type Target = dyn BaselineKeeper;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Baseline {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
