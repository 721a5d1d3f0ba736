//! Which orders one person alone cannot give.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::Request;

use crate::api::status::Refusal;
use crate::store::CommandKind;

/// The kinds of orders that wait until somebody else approves them.
#[derive(Debug, Clone, Default)]
pub(crate) struct TwoPersons(Arc<BTreeSet<CommandKind>>);

impl TwoPersons {
    /// These kinds.
    pub(crate) fn new(kinds: BTreeSet<CommandKind>) -> Self {
        Self(Arc::new(kinds))
    }

    /// What holds for a request. It has passed the layer.
    ///
    /// # Errors
    /// UNAUTHENTICATED when the request did not come through the layer.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Refusal> {
        request.extensions().get().cloned().ok_or(Refusal::Nameless)
    }

    /// Whether an order of that kind needs two.
    pub(crate) fn are_needed(&self, kind: CommandKind) -> bool {
        self.0.contains(&kind)
    }
}
