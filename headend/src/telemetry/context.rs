//! One trace through the database: whoever orders something stores his place in the trace, whoever does it goes on from there.
//!
//! The place is a `traceparent` of W3C Trace Context, level 1.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The name in metadata and headers.
const HEADER: &str = "traceparent";

/// The place of the current span, to be kept with what it orders; `None` while no traces are sent.
pub fn trace_parent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(HEADER)
}

/// Makes `span` a child of a stored or received place. It must not have been entered yet. What is not a place is ignored.
pub fn follow(span: &Span, trace_parent: Option<&str>) {
    if let Some(context) = trace_parent.and_then(place) {
        // Without traces, or with this span filtered out, there is nothing to put in order.
        drop(span.set_parent(context));
    }
}

/// Notes in `span` that it also serves what was ordered at a place.
pub fn link(span: &Span, trace_parent: Option<&str>) {
    if let Some(context) = trace_parent.and_then(place) {
        span.add_link(context.span().span_context().clone());
    }
}

fn place(trace_parent: &str) -> Option<Context> {
    let carrier = HashMap::from([(HEADER.to_owned(), trace_parent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context.has_active_span().then_some(context)
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::traces;
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_place_is_handed_on_and_nonsense_is_ignored() {
        let provider = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry().with(traces::layer(&provider));
        tracing::subscriber::with_default(subscriber, || {
            let span = info_span!("request");
            follow(&span, Some(CALLER));
            let handed_on = span.in_scope(trace_parent).unwrap();
            assert_eq!(handed_on[..36], CALLER[..36], "the trace is the caller's");
            assert_ne!(handed_on[36..52], CALLER[36..52], "the place is our own");
            for nonsense in ["", "00-0-0-01", "drop table", &CALLER.replace('0', "x")] {
                let other = info_span!("request");
                follow(&other, Some(nonsense));
                assert_ne!(other.in_scope(trace_parent).unwrap()[..36], CALLER[..36], "{nonsense}");
            }
        });
    }

    #[test]
    fn without_traces_there_is_no_place() {
        assert_eq!(trace_parent(), None);
        follow(&info_span!("request"), Some(CALLER));
    }
}
