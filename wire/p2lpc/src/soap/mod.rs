//! Messages of the web service: SOAP 1.1 envelopes around a request or what is answered to it.

mod fields;
mod request;
mod response;
mod upgrade;

use crate::xml::{child, children, field, open};
use crate::{Error, Ident, OCTETS_LIMIT};
use fields::Fields;

pub use request::Request;
pub use response::{Cosem, FileEntry, MeterState, Response, Status};
pub use upgrade::{Upgrade, UpgradeState, Upgraded};

/// Name space of the operations. The reader does not look at it.
pub const NAMESPACE: &str = "urn:P2LPC";
/// Name space of the envelope.
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// A stretch of time, both ends included, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First second.
    pub from: i64,
    /// Last second.
    pub to: i64,
}

/// An attribute or a method of a COSEM object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Number of its class.
    pub class_id: u16,
    /// Its logical name.
    pub instance: Ident,
    /// Number of the attribute or method.
    pub member: i8,
}

/// How a concentrator refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the concentrator refuses: {code}: {text}")]
pub struct Fault {
    /// Why, without a prefix, such as [`Fault::UNREACHABLE`].
    pub code: String,
    /// The same for people.
    pub text: String,
}

impl Fault {
    /// The request is none: whoever asked made a mistake.
    pub const BAD_REQUEST: &str = "Client.BadRequest";
    /// The concentrator has no such meter.
    pub const UNKNOWN_METER: &str = "Client.UnknownMeter";
    /// The meter does not answer on the power line.
    pub const UNREACHABLE: &str = "Server.MeterUnreachable";
    /// The concentrator has too much to do: try again later.
    pub const BUSY: &str = "Server.Busy";

    /// The message that says so.
    pub fn encode(&self) -> Vec<u8> {
        envelope(|out| {
            open(out, "soap:Fault", &[], false);
            field(out, "faultcode", &format!("soap:{}", self.code));
            field(out, "faultstring", &self.text);
            out.push_str("</soap:Fault>");
        })
    }

    fn read(fields: &Fields<'_>) -> Result<Self, Error> {
        let code = fields.text("faultcode")?;
        let code = code.rsplit_once(':').map_or(code.as_str(), |(_, code)| code).to_owned();
        Ok(Self { code, text: fields.text("faultstring").unwrap_or_default() })
    }
}

/// A message with what `write` appends as its body.
fn envelope(write: impl FnOnce(&mut String)) -> Vec<u8> {
    let mut out = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    open(&mut out, "soap:Envelope", &[("xmlns:soap", ENVELOPE)], false);
    open(&mut out, "soap:Body", &[], false);
    write(&mut out);
    out.push_str("</soap:Body></soap:Envelope>");
    out.into_bytes()
}

/// A message with an element that belongs to the operations as its body.
fn message(name: &str, write: impl FnOnce(&mut String)) -> Vec<u8> {
    envelope(|out| {
        open(out, &format!("p:{name}"), &[("xmlns:p", NAMESPACE)], false);
        write(out);
        out.push_str(&format!("</p:{name}>"));
    })
}

/// Name of what a message is about, and what stands in it.
fn body(octets: &[u8]) -> Result<(String, Fields<'_>), Error> {
    if octets.len() > OCTETS_LIMIT {
        return Err(Error::TooLong { what: "octets", limit: OCTETS_LIMIT });
    }
    let text = str::from_utf8(octets).map_err(|error| Error::Malformed { octet: error.valid_up_to() })?;
    if text.trim().is_empty() {
        return Err(Error::Truncated { octets: octets.len() });
    }
    let envelope = child(text, "Envelope")?;
    let body = child(envelope.content, "Body")?;
    let element = children(body.content)?.into_iter().next();
    let element = element.ok_or(Error::Missing { what: "operation" })?;
    Ok((element.name, Fields::of(element.content)?))
}
