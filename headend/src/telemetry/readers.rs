//! Who reads the metrics: an OTLP collector, to which they are sent, and Prometheus, which asks for them.

use opentelemetry_otlp::{MetricExporter, WithExportConfig as _};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::Registry;

use super::{Error, SEND_LIMIT, resource};
use crate::config;

/// The readers of the configuration; `None` when there are none. With `prometheus_listen`, the registry is what is to be given out.
pub(super) fn provider(
    config: &config::Telemetry,
) -> Result<(Option<SdkMeterProvider>, Option<Registry>), Error> {
    if config.otlp_endpoint.is_none() && config.prometheus_listen.is_none() {
        return Ok((None, None));
    }
    let mut builder = SdkMeterProvider::builder().with_resource(resource(config));
    if let Some(endpoint) = &config.otlp_endpoint {
        let unusable = |error: opentelemetry_otlp::ExporterBuildError| Error::Endpoint {
            endpoint: endpoint.clone(),
            detail: error.to_string(),
        };
        let exporter =
            MetricExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(SEND_LIMIT);
        let exporter = exporter.build().map_err(unusable)?;
        builder = builder
            .with_reader(PeriodicReader::builder(exporter).with_interval(config.metrics_interval).build());
    }
    let mut registry = None;
    if config.prometheus_listen.is_some() {
        let given = Registry::new();
        let reader =
            opentelemetry_prometheus::exporter().with_registry(given.clone()).scope_info_enabled(false);
        let reader = reader.build().map_err(|error| Error::Prometheus { detail: error.to_string() })?;
        builder = builder.with_reader(reader);
        registry = Some(given);
    }
    Ok((Some(builder.build()), registry))
}
