//! One work from its first request to the report of its end.

use std::{future::Future, pin::Pin};

use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument as _;

use crate::{
    Address, Event, Failure, Limits, MeterId, Report, Work,
    diagnosis::{Setback, Stage},
    inbox::Inbox,
    line::LineError,
    station::Session,
    task,
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

/// What could not be reached.
pub(crate) struct Unreachable {
    address: Address,
    /// The one station of the line; `None` when it is the line itself.
    meter: Option<MeterId>,
    until: Instant,
    failure: Failure,
}

impl Unreachable {
    /// What the setback of a work says of other works. A dead station takes the line for as long as an answer may take, and then leaves
    /// it to the others for as long at least.
    fn of(work: &Work, setback: &Setback, failure: &Failure, limits: &Limits) -> Option<Self> {
        let Setback::Line(Stage::Connecting, error) = setback else { return None };
        let is_station = work.station.address.is_hdlc() && !matches!(error, LineError::NoRoute(_));
        Some(Self {
            address: work.station.address.clone(),
            meter: is_station.then_some(work.station.meter),
            until: Instant::now()
                + if is_station {
                    limits.redial_pause.max(limits.response_timeout)
                } else {
                    limits.redial_pause
                },
            failure: failure.clone(),
        })
    }

    fn concerns(&self, work: &Work) -> bool {
        self.address == work.station.address && self.meter.is_none_or(|meter| meter == work.station.meter)
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
                        let failure = turn.fail(&setback).await;
                        let unreachable = Unreachable::of(&work, &setback, &failure, &session.limits);
                        session.unreachable.extend(unreachable);
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
fn known_unreachable(session: &mut Session, work: &Work) -> Option<Failure> {
    session.unreachable.retain(|found| found.until > Instant::now());
    let found = session.unreachable.iter().find(|found| found.concerns(work))?;
    let in_doubt = work.task.terms().is_some_and(|terms| terms.in_doubt);
    Some(Failure { in_doubt, ..found.failure.clone() })
}
