//! Counts calls and measures how long each takes, up to the last octet of its answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http_body::{Body, Frame, SizeHint};
use tonic::codegen::{Service, http};
use tonic::{Code, Status};
use tower_layer::Layer;

use super::access;
use crate::telemetry::metrics;

/// What stands in place of the name of an rpc that nobody serves: callers do not choose the labels.
const UNKNOWN: &str = "unknown";

/// Counts every call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallsLayer;

impl<S> Layer<S> for CallsLayer {
    type Service = CallsService<S>;

    fn layer(&self, inner: S) -> CallsService<S> {
        CallsService { inner }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(crate) struct CallsService<S> {
    inner: S,
}

impl<S, I, O> Service<http::Request<I>> for CallsService<S>
where
    S: Service<http::Request<I>, Response = http::Response<O>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Counted<O>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<I>) -> Self::Future {
        let mut call = Call::began(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            // A call that is refused at once has its code here, and no body.
            call.code = Status::from_header_map(response.headers()).map_or(call.code, |status| status.code());
            Ok(response.map(|body| Counted { body, call }))
        })
    }
}

/// A call under way; it ends when this is dropped.
struct Call {
    rpc: String,
    began: Instant,
    code: Code,
}

impl Call {
    fn began(path: &str) -> Self {
        let known = access::needed(path).is_some();
        let rpc = if known { path.trim_start_matches('/') } else { UNKNOWN }.to_owned();
        metrics::call_began(&rpc);
        // Whoever goes away before the end has cancelled.
        Self { rpc, began: Instant::now(), code: Code::Cancelled }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        metrics::call_ended(&self.rpc, self.code, self.began.elapsed());
    }
}

/// The body of an answer, whose trailers tell the code of the call.
pub(crate) struct Counted<B> {
    body: B,
    call: Call,
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(status) = frame.trailers_ref().and_then(Status::from_header_map)
        {
            self.call.code = status.code();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
