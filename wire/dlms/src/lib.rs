//! DLMS/COSEM (IEC 62056-5-3, -6-1, -6-2, -4-7), client and server, security suites 0 to 2: octets in, octets out.
//!
//! No socket, no clock, no randomness, no task: times, challenges and invocation counters are arguments. From the wire upwards:
//! [`wrapper`] frames APDUs on TCP and [`hdlc`] on lines, with [`llc`] in front of them; [`gateway`] names a
//! device behind another one, [`mbus`] carries pushes; [`axdr`] is the encoding of values; [`acse`] and
//! [`initiate`] open and release an association;
//! [`security`] protects APDUs; [`apdu`] are the services GET, SET and ACTION and the notifications, which [`push`] takes in; [`selection`] asks for a part of a profile and [`profile`] turns
//! its buffer into columns; [`cosem`] gives the attributes and methods of single classes their meaning; [`client`] and [`server`] put all of it together; [`decode`] shows
//! to people what octets mean.

pub mod acse;
pub mod apdu;
pub mod axdr;
pub mod client;
pub mod cosem;
mod datetime;
pub mod decode;
mod descriptor;
mod error;
pub mod gateway;
pub mod gbt;
pub mod hdlc;
pub mod initiate;
pub mod llc;
pub mod mbus;
mod obis;
pub mod profile;
pub mod push;
pub mod security;
pub mod selection;
pub mod server;
mod unit;
pub mod wrapper;

pub use datetime::{DateTime, Parts};
pub use descriptor::{AttributeDescriptor, MethodDescriptor};
pub use error::{
    ActionResult, AssociationResult, CertificateFault, ConfirmedServiceError, DataAccessResult, Diagnostic,
    Downgrade, Error, ExceptionResponse, Fault, ServiceError, StateError,
};
pub use initiate::Conformance;
pub use obis::{Obis, ObisError};
pub use unit::{ScalerUnit, Unit};
