//! What one request and its answer look like to those who look on: a span `exchange`.
//!
//! The span is of level debug. Where nobody takes it, an exchange costs one comparison for it.

use dlms::{AttributeDescriptor, MethodDescriptor, Obis};
use tracing::{Span, field::Empty};

use crate::diagnosis::Setback;

/// What an exchange is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    service: &'static str,
    /// Interface class, logical name, number of the attribute or method.
    object: Option<(u16, Obis, i8)>,
}

impl Subject {
    /// The request to associate.
    pub(crate) const ASSOCIATE: Self = Self { service: "associate", object: None };
    /// The proof of the key, the second step of high level security.
    pub(crate) const PROVE: Self = Self { service: "prove", object: None };
    /// The release of the association.
    pub(crate) const RELEASE: Self = Self { service: "release", object: None };

    /// The read of an attribute, or of its first block.
    pub(crate) const fn get(attribute: &AttributeDescriptor) -> Self {
        let object = (attribute.class_id, attribute.instance, attribute.attribute);
        Self { service: "get", object: Some(object) }
    }

    /// The write of an attribute, or of its first block.
    pub(crate) const fn set(attribute: &AttributeDescriptor) -> Self {
        let object = (attribute.class_id, attribute.instance, attribute.attribute);
        Self { service: "set", object: Some(object) }
    }

    /// The invocation of a method, or its first block.
    pub(crate) const fn action(method: &MethodDescriptor) -> Self {
        Self { service: "action", object: Some((method.class_id, method.instance, method.method)) }
    }

    /// The next block of the same.
    #[must_use]
    pub(crate) const fn next_block(self) -> Self {
        Self { service: "next_block", object: self.object }
    }

    /// The span of an exchange about it; what the exchange cost is [recorded](record) when it is over.
    pub(crate) fn span(&self) -> Span {
        let span = tracing::debug_span!(
            "exchange",
            otel.kind = "client",
            otel.status_code = Empty,
            service = self.service,
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

/// Completes the span of an exchange: octets of the APDUs, and `ok` or the reason that `failed` gives.
pub(crate) fn record<T>(
    span: &Span,
    (request, answer): (usize, usize),
    outcome: &Result<T, Setback>,
    failed: impl FnOnce(&Setback) -> &'static str,
) {
    if span.is_disabled() {
        return;
    }
    span.record("request_octets", request);
    match outcome {
        Err(Setback::Line(..)) => {}
        _ => drop(span.record("answer_octets", answer)),
    }
    match outcome {
        Ok(_) => drop(span.record("result", "ok")),
        Err(setback) => {
            span.record("result", failed(setback));
            span.record("otel.status_code", "ERROR");
        }
    }
}
