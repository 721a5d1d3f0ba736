//! What the program tells about itself while it runs: a log on standard error and, where the configuration says so, traces and metrics.
//!
//! `traces` sends spans over OTLP; `context` carries a trace through the database, from the call that ordered something to the work
//! that does it. [`metrics`] counts; `readers` are those who read the counts, over OTLP or by `prometheus`. Without an endpoint
//! nothing is sent or listened on, and a span costs what the log makes of it.

mod context;
pub mod metrics;
mod prometheus;
mod readers;
mod traces;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::task::JoinHandle;
use tracing::warn;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

pub use context::{follow, link, trace_parent};

use crate::config::{self, Log, LogFormat};

/// How long one attempt to send may take; what fails is dropped.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// Why the telemetry could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The filter is not understood.
    #[error("log.level '{level}' is not understood: {detail}")]
    Level {
        /// What was given.
        level: String,
        /// What the filter said.
        detail: String,
    },
    /// The endpoint can not be used.
    #[error("telemetry.otlp_endpoint {endpoint} can not be used: {detail}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What the exporter said.
        detail: String,
    },
    /// The address for Prometheus.
    #[error("telemetry.prometheus_listen {address} can not be used: {detail}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        detail: String,
    },
    /// The metrics can not be given to Prometheus.
    #[error("metrics can not be given to Prometheus: {detail}")]
    Prometheus {
        /// What the exporter said.
        detail: String,
    },
    /// A log is running already.
    #[error("the log was started twice")]
    Twice,
}

/// What runs beside the log and has to be stopped.
#[derive(Debug)]
#[must_use = "what was not sent yet is lost unless it is stopped"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    prometheus: Option<JoinHandle<()>>,
}

/// Starts the log for the whole process, and what `config` asks for. Has to be called before anything is counted.
///
/// # Errors
/// Every [`Error`]; [`Error::Twice`] on a second call.
pub async fn start(log: &Log, config: &config::Telemetry) -> Result<Telemetry, Error> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| Error::Level { level: log.level.clone(), detail: error.to_string() })?;
    let traces = config.otlp_endpoint.as_deref().map(|to| traces::provider(to, config)).transpose()?;
    let subscriber = tracing_subscriber::registry()
        .with(written(log).with_filter(filter))
        .with(traces.as_ref().map(traces::layer));
    // Not `try_init`: it takes in the records of the crate `log`, and where one of those is only asked about, as before each statement
    // to the database, filters of single layers lose the next span or event.
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)?;
    let (metrics, registry) = readers::provider(config)?;
    if let Some(provider) = &metrics {
        metrics::read_by(provider.clone());
    }
    let prometheus = match config.prometheus_listen.zip(registry) {
        Some((address, registry)) => Some(prometheus::serve(address, registry).await?),
        None => None,
    };
    Ok(Telemetry { traces, metrics, prometheus })
}

impl Telemetry {
    /// Sends what was not sent yet, for a few seconds at most.
    pub async fn stop(self) {
        if let Some(prometheus) = self.prometheus {
            prometheus.abort();
        }
        let (traces, metrics) = (self.traces, self.metrics);
        // Both wait for their answers on the thread that calls.
        let stopped = tokio::task::spawn_blocking(move || {
            let traces = traces.map_or(Ok(()), |traces| traces.shutdown());
            traces.and(metrics.map_or(Ok(()), |metrics| metrics.shutdown()))
        });
        if let Ok(Err(error)) = stopped.await {
            warn!(%error, "not all traces and metrics were sent");
        }
    }
}

/// The log in the shape that is asked for.
fn written(log: &Log) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    }
}

/// Who sends.
fn resource(config: &config::Telemetry) -> Resource {
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder().with_service_name(config.service_name.clone()).with_attribute(version).build()
}
