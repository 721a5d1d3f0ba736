//! Who calls.

use tonic::Request;

use super::role::Role;
use crate::api::status::Refusal;

/// Somebody, or some system, that the configuration knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name, as in the client certificate; `loopback` on a connection without encryption.
    pub name: String,
    /// What the principal is there for.
    pub role: Role,
}

impl Principal {
    /// Whoever made a request. It has passed the layer, so that the role may do what the request asks for.
    ///
    /// # Errors
    /// UNAUTHENTICATED when the request did not come through the layer.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Refusal> {
        request.extensions().get().cloned().ok_or(Refusal::Nameless)
    }
}

/// Who stands behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The configuration knows the name.
    Known(Principal),
}
