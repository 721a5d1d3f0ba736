//! One work from its first request to the report of its end.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument as _;

use crate::{
    Address, Event, Failure, Reason, Report, Work, diagnosis::Setback, inbox::Inbox, station::Session, task,
    turn::Turn,
};

/// The receiver of the reports is gone.
pub(crate) struct NobodyListens;

/// Where reports go.
pub(crate) struct Outlets {
    /// Those of reads.
    pub(crate) reads: mpsc::Sender<Report>,
    /// Those of orders.
    pub(crate) orders: mpsc::Sender<Report>,
}

impl Outlets {
    /// The outlet of a work.
    pub(crate) fn of(&self, work: &Work) -> &mpsc::Sender<Report> {
        if work.task.terms().is_some() { &self.orders } else { &self.reads }
    }
}

/// An address to which no line could be opened.
pub(crate) struct Unreachable {
    address: Address,
    since: Instant,
    failure: Failure,
}

impl Unreachable {
    fn of(work: &Work, failure: &Failure) -> Option<Self> {
        let is_line = matches!(failure.reason, Reason::NoRoute | Reason::Refused);
        let address = || work.station.address.clone();
        is_line.then(|| Self { address: address(), since: Instant::now(), failure: failure.clone() })
    }

    fn concerns(&self, work: &Work, pause: Duration) -> bool {
        self.since.elapsed() < pause && self.address == work.station.address
    }
}

/// Does `work`. More urgent works of the inbox may be done in between, which is why the future is boxed: they are served in the
/// same way.
pub(crate) fn serve<'a>(
    session: &'a mut Session,
    inbox: &'a mut Inbox,
    outlets: &'a Outlets,
    work: Work,
) -> Pin<Box<dyn Future<Output = Result<(), NobodyListens>> + Send + 'a>> {
    let span = tracing::info_span!(
        parent: &work.span,
        "work",
        job = work.job,
        meter = work.station.meter,
        address = %work.station.address,
        task = work.task.kind()
    );
    let served = async move {
        let outcome = match known_unreachable(session, &work) {
            Some(failure) => Err(failure),
            None => {
                let mut turn = Turn::new(session, inbox, &work, outlets);
                match task::run(&mut turn, &work.task).await {
                    Ok(done) => Ok(turn.covered(done)),
                    Err(Setback::NobodyListens) => return Err(NobodyListens),
                    Err(setback) => {
                        let failure = turn.fail(setback).await;
                        session.unreachable = Unreachable::of(&work, &failure);
                        Err(failure)
                    }
                }
            }
        };
        if let Err(failure) = &outcome {
            tracing::info!(reason = %failure.reason, detail = failure.detail, "work failed");
        }
        let end = Report { job: work.job, meter: work.station.meter, event: Event::Ended(outcome) };
        outlets.of(&work).send(end).await.map_err(|_| NobodyListens)
    };
    Box::pin(served.instrument(span))
}

/// A dead meter costs one connect timeout, not one per work.
fn known_unreachable(session: &Session, work: &Work) -> Option<Failure> {
    let pause = session.limits.redial_pause;
    let found = session.unreachable.as_ref().filter(|found| found.concerns(work, pause))?;
    let in_doubt = work.task.terms().is_some_and(|terms| terms.in_doubt);
    Some(Failure { in_doubt, ..found.failure.clone() })
}
