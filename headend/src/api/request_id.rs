//! A name for every request: taken from the metadata `x-request-id` when it is a UUID there, made otherwise; in every log line
//! of the request (beside the principal, once known), on the jobs that it orders, and in the metadata of the answer. Its span goes
//! on with the trace of the caller, if the metadata `traceparent` name one.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::codegen::{Service, http};
use tower_layer::Layer;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use crate::telemetry;

/// The metadata key.
pub(crate) const HEADER: &str = "x-request-id";

/// The id of a request, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) Uuid);

impl RequestId {
    /// The id that the layer gave to a request.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().copied().unwrap_or_else(|| Self(Uuid::now_v7()))
    }
}

/// Gives every request its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestIdLayer;

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> RequestIdService<S> {
        RequestIdService { inner }
    }
}

/// A service whose requests have ids.
#[derive(Debug, Clone)]
pub(crate) struct RequestIdService<S> {
    inner: S,
}

impl<S, I, O> Service<http::Request<I>> for RequestIdService<S>
where
    S: Service<http::Request<I>, Response = http::Response<O>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<O>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<I>) -> Self::Future {
        let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        let id = given.and_then(|text| Uuid::try_parse(text).ok()).unwrap_or_else(Uuid::now_v7);
        let call = request.uri().path();
        let span = info_span!("request", otel.name = call, otel.kind = "server", call, request_id = %id, principal = Empty);
        let place = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        telemetry::follow(&span, place);
        request.extensions_mut().insert(RequestId(id));
        let answer = span.in_scope(|| self.inner.call(request));
        let named = async move {
            let mut response = answer.await?;
            if let Ok(value) = http::HeaderValue::from_str(&id.to_string()) {
                response.headers_mut().insert(HEADER, value);
            }
            Ok(response)
        };
        Box::pin(named.instrument(span))
    }
}
