//! One work from its first request to the report of its end.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument as _;

use crate::{
    Event, Failure, Reach, Report, Work,
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
    /// Counts whether meters were reached.
    pub(crate) reach: Arc<Reach>,
}

impl Outlets {
    /// The outlet of a work.
    pub(crate) fn of(&self, work: &Work) -> &mpsc::Sender<Report> {
        if work.task.terms().is_some() { &self.orders } else { &self.reads }
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
        let outcome = match known_in_vain(session, &work) {
            Some(failure) => Err(failure),
            None => {
                let begun = Instant::now();
                let mut turn = Turn::new(session, inbox, &work, outlets);
                let outcome = match task::run(&mut turn, &work.task).await {
                    Ok(done) => match task::look_at_clock(&mut turn, &work.task).await {
                        Err(_) => return Err(NobodyListens),
                        Ok(()) => {
                            let covered = turn.covered(done);
                            session.note_welcome(&work.station);
                            Ok(covered)
                        }
                    },
                    Err(Setback::NobodyListens) => return Err(NobodyListens),
                    Err(setback) => {
                        let failure = turn.fail(&setback).await;
                        note(session, &work, &setback, &failure, begun.elapsed());
                        Err(failure)
                    }
                };
                outlets.reach.count(&outcome);
                outcome
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

/// Why the work need not be begun: a dead meter costs one look now and then, not one for each work, and one that refuses us is not asked
/// until it locks itself.
fn known_in_vain(session: &mut Session, work: &Work) -> Option<Failure> {
    let refused = session.refused(&work.station).cloned();
    let found = refused.or_else(|| {
        let bus = session.bus(&work.station);
        bus.known().forbids(work.station.meter, work.is_urgent(), Instant::now()).cloned()
    })?;
    let in_doubt = work.task.terms().is_some_and(|terms| terms.in_doubt);
    Some(Failure { in_doubt, ..found })
}

/// What a setback of a work, which took so long, says of other works. A dead station takes the line for as long as an answer may take, and
/// then leaves it to the others for as long at least.
fn note(session: &mut Session, work: &Work, setback: &Setback, failure: &Failure, took: Duration) {
    session.note_refusal(&work.station, failure);
    let Setback::Line(stage, error) = setback else { return };
    let (bus, now) = (session.bus(&work.station), Instant::now());
    let mut bus = bus.known();
    match (stage, error) {
        (Stage::Linking | Stage::Opening | Stage::Open, _) if !work.station.address.is_shared() => {}
        (Stage::Connecting, _) => bus.unreachable(failure.clone(), &session.limits, now),
        // What is wrong with the line itself, or with what the inventory says, is no sign of life or death.
        (_, LineError::NoRoute(_) | LineError::Cut | LineError::Collision | LineError::NoEcho)
        | (Stage::Open, _) => {}
        (Stage::Linking | Stage::Opening, _) => {
            bus.unanswered(work.station.meter, failure.clone(), took, &session.limits, now);
        }
    }
}
