use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[telemetry]`: traces and metrics for the tools of an operations centre. Without `otlp_endpoint` nothing is sent, without
/// `prometheus_listen` nothing is listened on. `docs/metrics.md` lists the metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where traces and metrics are sent over OTLP/gRPC, as `http://host:port`; usually a collector on the same machine, because
    /// there is no encryption. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// Name under which this process appears there. Default `headend`.
    pub service_name: String,
    /// How many of 1000 traces that begin here are kept. Default 1000, from 0 to 1000. A call that comes with a trace of its own is
    /// kept when its caller keeps it.
    pub sample_per_mille: u16,
    /// How often metrics are sent to `otlp_endpoint`, and jobs that wait are counted. Default 15s, from 1s to 1h.
    #[serde(with = "humantime_serde")]
    pub metrics_interval: Duration,
    /// Address and port on which metrics are given to Prometheus, at `/metrics`. Default: none. There is no encryption and no log-in:
    /// keep it on the loopback interface, as in `127.0.0.1:9464`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus_listen: Option<SocketAddr>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            service_name: "headend".into(),
            sample_per_mille: 1000,
            metrics_interval: Duration::from_secs(15),
            prometheus_listen: None,
        }
    }
}
