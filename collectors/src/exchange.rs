//! What one request and its answer look like to those who look on: a count, and a span `exchange`.
//!
//! The span is of level debug. Where nobody takes it, an exchange costs one comparison for it.

use std::fmt;

use dlms::{AttributeDescriptor, MethodDescriptor, Obis};
use tracing::{Span, field::Empty};

use crate::{Reason, line::Line};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Associate,
    Prove,
    Release,
    Get,
    GetList,
    Set,
    Action,
    NextBlock,
}

impl Service {
    /// Every service, in the order of the discriminants.
    pub(crate) const ALL: [Self; 8] = [
        Self::Associate,
        Self::Prove,
        Self::Release,
        Self::Get,
        Self::GetList,
        Self::Set,
        Self::Action,
        Self::NextBlock,
    ];

    /// The name in spans, counts and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Associate => "associate",
            Self::Prove => "prove",
            Self::Release => "release",
            Self::Get => "get",
            Self::GetList => "get_list",
            Self::Set => "set",
            Self::Action => "action",
            Self::NextBlock => "next_block",
        }
    }
}

/// What an exchange is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) service: Service,
    /// Interface class, logical name, number of the attribute or method.
    object: Option<(u16, Obis, i8)>,
}

impl Subject {
    /// The request to associate.
    pub(crate) const ASSOCIATE: Self = Self { service: Service::Associate, object: None };
    /// The proof of the key, the second step of high level security.
    pub(crate) const PROVE: Self = Self { service: Service::Prove, object: None };
    /// The release of the association.
    pub(crate) const RELEASE: Self = Self { service: Service::Release, object: None };

    /// The read of an attribute, or of its first block.
    pub(crate) const fn get(attribute: &AttributeDescriptor) -> Self {
        let object = (attribute.class_id, attribute.instance, attribute.attribute);
        Self { service: Service::Get, object: Some(object) }
    }

    /// The read of several attributes at once, of which this is the first.
    pub(crate) const fn get_list(first: &AttributeDescriptor) -> Self {
        Self { service: Service::GetList, ..Self::get(first) }
    }

    /// The write of an attribute, or of its first block.
    pub(crate) const fn set(attribute: &AttributeDescriptor) -> Self {
        let object = (attribute.class_id, attribute.instance, attribute.attribute);
        Self { service: Service::Set, object: Some(object) }
    }

    /// The invocation of a method, or its first block.
    pub(crate) const fn action(method: &MethodDescriptor) -> Self {
        Self { service: Service::Action, object: Some((method.class_id, method.instance, method.method)) }
    }

    /// The next block of the same.
    #[must_use]
    pub(crate) const fn next_block(self) -> Self {
        Self { service: Service::NextBlock, object: self.object }
    }

    /// The span of an exchange about it; what the exchange cost is [recorded](record) when it is over.
    pub(crate) fn span(&self) -> Span {
        let span = tracing::debug_span!(
            "exchange",
            otel.kind = "client",
            otel.status_code = Empty,
            service = self.service.as_str(),
            class = Empty,
            logical_name = Empty,
            index = Empty,
            request_octets = Empty,
            answer_octets = Empty,
            result = Empty,
        );
        if let Some((class, instance, index)) = self.object.filter(|_| !span.is_disabled()) {
            span.record("class", class);
            span.record("logical_name", tracing::field::display(instance));
            span.record("index", index);
        }
        span
    }
}

/// Service, interface class, logical name, number of the attribute or method.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service.as_str())?;
        match self.object {
            Some((class, instance, index)) => write!(f, " {class} {instance} {index}"),
            None => Ok(()),
        }
    }
}

/// Notes an exchange on its line and completes its span: octets of the APDUs, and `ok` or the reason why it failed.
pub(crate) fn record(
    (subject, span): (&Subject, &Span),
    line: &mut Line,
    octets: (usize, usize),
    failed: Option<Reason>,
) {
    line.note(subject, octets, failed);
    complete(span, octets, failed);
}

/// Completes the span of an exchange: octets of what was said and heard, and `ok` or the reason why it failed.
pub(crate) fn complete(span: &Span, octets: (usize, usize), failed: Option<Reason>) {
    if span.is_disabled() {
        return;
    }
    span.record("request_octets", octets.0);
    span.record("answer_octets", octets.1);
    span.record("result", failed.map_or("ok", Reason::as_str));
    if failed.is_some() {
        span.record("otel.status_code", "ERROR");
    }
}
