use serde::{Deserialize, Serialize};

/// `[telemetry]`: traces for the tools of an operations centre. Without `otlp_endpoint` nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where traces are sent over OTLP/gRPC, as `http://host:port`; usually a collector on the same machine, because
    /// there is no encryption. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// Name under which this process appears there. Default `headend`.
    pub service_name: String,
    /// How many of 1000 traces that begin here are kept. Default 1000, from 0 to 1000. A call that comes with a trace of its own is
    /// kept when its caller keeps it.
    pub sample_per_mille: u16,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, service_name: "headend".into(), sample_per_mille: 1000 }
    }
}
