//! What a P2LPC concentrator (Iskraemeco, power line meters Mx351 and Mx371) says: result documents and the messages of its web service. Octets in,
//! records out.
//!
//! No socket, no clock, no file. [`Document`] is what the concentrator has read of its meters by itself, whether it comes as a file or in a
//! message; [`Request`] and [`Response`] are messages (SOAP 1.1), [`Fault`] is how it refuses, [`http`] is what stands around them. A document that is cut off or damaged gives what
//! is whole in it, and says why the rest is missing.
//!
//! Names of elements are known without their name spaces, in whatever prefix they come. There are no entities but the five of XML, and none is ever
//! expanded from a document type.

mod decimal;
mod document;
mod error;
mod hex;
pub mod http;
mod ident;
mod reading;
mod soap;
mod time;
mod xml;

pub use decimal::Decimal;
pub use document::{Device, Document, Event, Profile, Register, Row};
pub use error::Error;
pub use ident::Ident;
pub use reading::{DEPTH_LIMIT, OCTETS_LIMIT};
pub use soap::{
    Cosem, Fault, FileEntry, MeterState, NAMESPACE, Object, Request, Response, Span, Status, Upgrade,
    UpgradeState, Upgraded,
};
