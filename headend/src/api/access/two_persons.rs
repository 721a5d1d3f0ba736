//! Which orders one person alone cannot give.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::Request;

use crate::api::status::Refusal;
use crate::store::CommandKind;

/// The kinds of orders that wait until somebody else approves them, and whether there is somebody else.
#[derive(Debug, Clone)]
pub(crate) struct TwoPersons {
    kinds: Arc<BTreeSet<CommandKind>>,
    are_there: bool,
}

impl TwoPersons {
    /// These kinds, and those that always need two; `are_there`: at least two persons may approve.
    pub(crate) fn new(kinds: BTreeSet<CommandKind>, are_there: bool) -> Self {
        Self { kinds: Arc::new(kinds), are_there }
    }

    /// What holds for a request. It has passed the layer.
    ///
    /// # Errors
    /// UNAUTHENTICATED when the request did not come through the layer.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Refusal> {
        request.extensions().get().cloned().ok_or(Refusal::Nameless)
    }

    /// Whether an order of that kind needs two.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when it always does and there are none.
    pub(crate) fn are_needed(&self, kind: CommandKind) -> Result<bool, Refusal> {
        if kind.is_for_two_persons() && !self.are_there {
            return Err(Refusal::NoSecondPerson);
        }
        Ok(kind.is_for_two_persons() || self.kinds.contains(&kind))
    }
}
