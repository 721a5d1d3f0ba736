//! The server side of an association: what a meter does with requests. Used by the simulator.
//!
//! One [`Session`] per connection and client SAP. [`Session::handle`] takes a request and appends
//! the answer; the meter's data are behind [`Objects`]. `session` unwraps, dispatches and wraps,
//! `security` is what it demands, `opening` is AARQ, HLS proof and RLRQ, `services` finds the service and is GET, `set`, `action` and `access`
//! are the others, `transfer` is a long value on its way out and `incoming` one on its way in (at
//! most 64 KiB), `general` is general block transfer. Like the client it knows no time and no randomness.
//!
//! Absent on purpose: short names.

mod access;
mod action;
mod general;
mod incoming;
mod opening;
mod security;
mod services;
mod session;
mod set;
mod transfer;

pub use security::{Ciphering, Security};
pub use session::Session;

use crate::axdr::Data;
use crate::initiate::Conformance;
use crate::selection::Selection;
use crate::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor};

/// The objects of a meter, as one association sees them.
pub trait Objects {
    /// Appends the encoded value of an attribute, or of the part that `selection` names, to `out`.
    ///
    /// # Errors
    /// The result that the client is told; what `out` holds then does not matter.
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult>;

    /// Sets an attribute.
    ///
    /// # Errors
    /// The result that the client is told.
    fn set(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult>;

    /// Invokes a method and returns what it returns, if anything.
    ///
    /// # Errors
    /// The result that the client is told.
    fn action(
        &mut self,
        method: &MethodDescriptor,
        parameter: Option<&Data>,
    ) -> Result<Option<Data>, ActionResult>;
}

/// What a session demands and offers.
#[derive(Debug)]
pub struct Policy {
    /// How a client has to show who it is, and how messages are protected.
    pub security: Security,
    /// Longest APDU that we accept, in octets; 0 for no limit.
    pub max_pdu: u16,
    /// Services that we offer.
    pub conformance: Conformance,
}
