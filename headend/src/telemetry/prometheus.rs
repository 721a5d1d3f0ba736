//! Metrics for Prometheus, over HTTP at `/metrics`, in its text format.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::Error;

/// Gives what `registry` gathers to whoever asks, until it is aborted.
pub(super) async fn serve(address: SocketAddr, registry: Registry) -> Result<JoinHandle<()>, Error> {
    let unusable = |error: std::io::Error| Error::Listen { address, detail: error.to_string() };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let page = Router::new().route("/metrics", get(move || async move { page(&registry) }));
    info!(%address, "metrics are given to Prometheus");
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, page).await {
            error!(%error, "metrics are no longer given to Prometheus");
        }
    }))
}

fn page(registry: &Registry) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            error!(%error, "metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
