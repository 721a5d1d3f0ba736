//! Calls that go on until somebody ends them: message after message, until the client goes away, a refusal, or the stop of the server.

use std::future::Future;
use std::pin::Pin;

use futures_util::stream;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{Instrument as _, Span};

use super::status::Refusal;

/// The messages of such a call.
pub(super) type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// Somebody who follows a log, between two messages.
pub(super) trait Follower: Send + 'static {
    /// What the client gets.
    type Message: Send;

    /// The next message; a sign of life when nothing happens for long. A refusal is the last one.
    fn next(&mut self) -> impl Future<Output = Result<Self::Message, Refusal>> + Send;
}

/// The messages of a follower.
pub(super) fn messages<F: Follower>(follower: F, shutdown: CancellationToken) -> Messages<F::Message> {
    let span = Span::current();
    Box::pin(stream::unfold(Some(follower), move |follower| {
        step(follower, shutdown.clone()).instrument(span.clone())
    }))
}

async fn step<F: Follower>(
    follower: Option<F>,
    shutdown: CancellationToken,
) -> Option<(Result<F::Message, Status>, Option<F>)> {
    let mut follower = follower?;
    let next = tokio::select! {
        next = follower.next() => next,
        () = shutdown.cancelled() => Err(Refusal::ShuttingDown),
    };
    match next {
        Ok(message) => Some((Ok(message), Some(follower))),
        Err(refusal) => Some((Err(refusal.into()), None)),
    }
}
