//! What a meter and its sub-units hold before they are cleared: kept where it outlives them.

use std::{fmt, future::Future, ops::Deref, pin::Pin, sync::Arc};

use crate::{BaselineError, MeterId, RegisterValue};

/// A sub-unit of a meter, or a circuit of it, which is cleared with the meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Key of the sub-unit in the inventory.
    pub meter: MeterId,
    /// Its serial number.
    pub serial: String,
    /// Which sub-unit it is, counted from 1.
    pub subunit: u8,
    /// Its address on the line, where it has one.
    pub device_address: Option<u64>,
}

/// A register of a meter or of one of its sub-units, and what it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub meter: MeterId,
    /// What it held.
    pub value: RegisterValue,
}

/// What is known, or done, later.
pub type Kept<'a, T> = Pin<Box<dyn Future<Output = Result<T, BaselineError>> + Send + 'a>>;

/// Where is kept what one order clears.
pub trait HoldingsKeeper: fmt::Debug + Send + Sync {
    /// The sub-units of the meter that are in service, in their order.
    fn parts(&self) -> Kept<'_, Vec<Part>>;

    /// What was kept last for this order; empty before that.
    fn kept(&self) -> Kept<'_, Vec<Held>>;

    /// Keeps what everything that is cleared holds now, durably: as readings, and beside the order in place of what was kept before.
    fn keep(&self, held: Vec<Held>) -> Kept<'_, ()>;
}

/// A handle to what an order clears. Two are equal when they are handles to the same keeper.
#[derive(Debug, Clone)]
pub struct Holdings(Arc<dyn HoldingsKeeper>);

impl Holdings {
    /// A handle.
    pub fn new(keeper: impl HoldingsKeeper + 'static) -> Self {
        Self(Arc::new(keeper))
    }
}

impl Deref for Holdings {
    type Target = dyn HoldingsKeeper;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Holdings {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
