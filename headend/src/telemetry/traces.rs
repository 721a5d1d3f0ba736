//! Spans of this program over OTLP/gRPC.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::{Error, SEND_LIMIT, resource};
use crate::config;

/// Parts of the program whose spans are sent: not those of libraries, least of all of the one that sends.
const PARTS: [&str; 2] = ["headend", "collectors"];

/// What sends spans to `endpoint`, in batches, from a task of its own.
pub(super) fn provider(endpoint: &str, config: &config::Telemetry) -> Result<SdkTracerProvider, Error> {
    let unusable = |error: opentelemetry_otlp::ExporterBuildError| Error::Endpoint {
        endpoint: endpoint.to_owned(),
        detail: error.to_string(),
    };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(SEND_LIMIT);
    #[allow(clippy::float_arithmetic, reason = "the library asks for it, and it is no reading")]
    let share = f64::from(config.sample_per_mille.min(1000)) / 1000.0;
    // Who calls us with a trace has decided already.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter.build().map_err(unusable)?)
        .with_sampler(sampler)
        .with_resource(resource(config))
        .build())
}

/// Makes spans of ours known to `provider`, down to single exchanges with meters.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let parts = Targets::new().with_targets(PARTS.map(|part| (part, Level::DEBUG)));
    tracing_opentelemetry::layer().with_tracer(provider.tracer("headend")).with_filter(parts)
}
