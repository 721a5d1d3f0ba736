//! A billing run: page after page of meters, set after set, so that the memory that it takes does not grow with the fleet.

use std::collections::VecDeque;

use ami_proto::v1::{BillingSet, GetBillingSetsResponse};
use futures_util::stream;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{Instrument as _, Span};

use super::super::follow::Messages;
use super::super::status::Refusal;
use super::assemble::assemble;
use super::cycle::Cycle;
use super::gather::{Gather, Subject};
use crate::store::Store;
use crate::store::billing::{Billed, BilledFilter};

/// Meters whose sets are made at once.
const PAGE: i64 = 100;

/// A run between two sets.
pub(super) struct Run {
    store: Store,
    gather: Gather,
    filter: BilledFilter,
    cycle: Cycle,
    known_at: Timestamp,
    /// Up to this key all meters were looked at.
    after: i32,
    ready: VecDeque<BillingSet>,
    is_over: bool,
    _turn: OwnedSemaphorePermit,
}

impl Run {
    /// A run over the meters of a filter.
    pub(super) fn new(
        store: Store,
        filter: BilledFilter,
        cycle: Cycle,
        known_at: Timestamp,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            gather: Gather::new(store.clone(), known_at),
            store,
            filter,
            cycle,
            known_at,
            after: 0,
            ready: VecDeque::new(),
            is_over: false,
            _turn: turn,
        }
    }

    /// The sets as messages of a call.
    pub(super) fn messages(self, shutdown: CancellationToken) -> Messages<GetBillingSetsResponse> {
        let span = Span::current();
        Box::pin(stream::unfold(Some(self), move |run| step(run, shutdown.clone()).instrument(span.clone())))
    }

    /// The next set; `None` behind the last.
    async fn next(&mut self) -> Result<Option<BillingSet>, Refusal> {
        while self.ready.is_empty() && !self.is_over {
            let meters = self.store.billed_meters(&self.filter, self.known_at, self.after, PAGE).await?;
            self.is_over = i64::try_from(meters.len()) != Ok(PAGE);
            self.after = meters.last().map_or(self.after, |last| last.id);
            self.ready = self.page(meters).await?;
        }
        Ok(self.ready.pop_front())
    }

    /// The sets of some meters.
    async fn page(&mut self, meters: Vec<Billed>) -> Result<VecDeque<BillingSet>, Refusal> {
        let subjects: Vec<_> =
            meters.into_iter().map(|meter| self.subject(meter)).collect::<Result<_, _>>()?;
        let facts = self.gather.facts(&subjects).await?;
        let mut sets = VecDeque::with_capacity(subjects.len());
        for (subject, facts) in subjects.into_iter().zip(facts) {
            // Who asks for a meter by name is told that nothing is known; who asks for a fleet is spared those that were not there.
            if self.filter.meters.is_none() && facts.is_empty() && !subject.was_in_service() {
                continue;
            }
            sets.push_back(assemble(&subject.meter, subject.limits, self.known_at, facts)?);
        }
        Ok(sets)
    }

    fn subject(&self, meter: Billed) -> Result<Subject, Refusal> {
        let zone = TimeZone::get(&meter.zone).map_err(|_| Refusal::Internal)?;
        let limits = self.cycle.limits(&zone).ok_or(Refusal::Internal)?;
        Ok(Subject::new(meter, limits, self.known_at))
    }
}

async fn step(
    run: Option<Run>,
    shutdown: CancellationToken,
) -> Option<(Result<GetBillingSetsResponse, Status>, Option<Run>)> {
    let mut run = run?;
    let next = tokio::select! {
        next = run.next() => next,
        () = shutdown.cancelled() => Err(Refusal::ShuttingDown),
    };
    match next {
        Ok(set) => set.map(|set| (Ok(GetBillingSetsResponse { set: Some(set) }), Some(run))),
        Err(refusal) => Some((Err(refusal.into()), None)),
    }
}
