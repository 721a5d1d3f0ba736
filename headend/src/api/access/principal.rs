//! Who calls.

use std::net::SocketAddr;

use jiff::Timestamp;
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

/// Where a connection comes from, and who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Address and port of the other side.
    pub(crate) address: Option<SocketAddr>,
    /// Who it is.
    pub(crate) identity: Identity,
}

/// Who stands behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The configuration knows the name.
    Known {
        /// Who it is.
        principal: Principal,
        /// Until when the certificate is valid.
        until: Option<Timestamp>,
    },
    /// The certificate is one of our CA, and names nobody that the configuration knows.
    Unknown {
        /// The name; empty when there is none in the certificate.
        name: String,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
}
