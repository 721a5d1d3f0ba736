use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument;

use crate::{
    Clock, Dialer, Event, Failure, Limits, Reason, Report, SystemClock, Work, diagnosis::Setback,
    station::Session, task, turn::Turn,
};

/// The task that owns the line to one address.
///
/// It works on one [`Work`] after the other, the highest priority first and the oldest among equals. The line and the
/// association stay open while work for the same meter is there, and for [`Limits::linger`] after it; then they are
/// released and the channel ends. Nothing is spawned: [`run`](Self::run) is the whole channel.
pub struct Channel {
    session: Session,
    reports: mpsc::Sender<Report>,
    queue: Queue,
    unreachable: Option<Unreachable>,
}

/// An address to which no line could be opened.
struct Unreachable {
    address: String,
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

impl Channel {
    /// A channel over TCP that uses the clock of this machine. `reports` is where the outcome goes; when it is full the
    /// channel waits, and with it the meter.
    pub fn new(limits: Limits, reports: mpsc::Sender<Report>) -> Self {
        Self::with(limits, reports, Dialer::Tcp, Arc::new(SystemClock))
    }

    /// A channel over any kind of line, with any wall clock.
    pub fn with(
        limits: Limits,
        reports: mpsc::Sender<Report>,
        dialer: Dialer,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let queue = Queue { waiting: BTreeMap::new(), arrived: 0, limit: limits.queue.max(1) };
        Self { session: Session::new(dialer, limits, clock), reports, queue, unreachable: None }
    }

    /// Runs until no work came for [`Limits::linger`] or the meter hung up meanwhile, until the senders of `work` are gone
    /// and everything received is done, or until nobody takes reports any more. A sender that then gets its work back makes a
    /// new channel for the address; what was sent before that is still done.
    ///
    /// Every work received ends with exactly one [`Event::Ended`], unless the future is dropped or the receiver of the
    /// reports is.
    pub async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        loop {
            while self.queue.has_room()
                && let Ok(arrived) = work.try_recv()
            {
                self.accept(arrived);
            }
            if let Some(next) = self.queue.pop() {
                if self.serve(next).await.is_err() {
                    break;
                }
                continue;
            }
            match self.next_arrival(&mut work).await {
                Some(arrived) => self.accept(arrived),
                None => break,
            }
        }
        self.session.release().await;
    }

    /// Waits for work and keeps the association meanwhile; after the linger time it releases it and takes no more. `None`:
    /// there will be no more.
    async fn next_arrival(&mut self, work: &mut mpsc::Receiver<Work>) -> Option<Work> {
        tokio::select! {
            biased;
            arrived = work.recv() => return arrived,
            () = self.session.lapse() => {}
        }
        self.session.release().await;
        work.close();
        // What was sent before the door closed is still done.
        work.recv().await
    }

    fn accept(&mut self, mut work: Work) {
        if let Some(range) = work.counters.take() {
            self.session.reserve(work.station.meter, &range);
        }
        self.queue.push(work);
    }

    async fn serve(&mut self, work: Work) -> Result<(), NobodyListens> {
        let span = tracing::info_span!(
            parent: &work.span,
            "work",
            job = work.job,
            meter = work.station.meter,
            address = %work.station.address,
            task = work.task.kind()
        );
        let pause = self.session.limits.redial_pause;
        async {
            let mut turn = Turn::new(&mut self.session, &work, &self.reports);
            let outcome = match self.unreachable.as_ref().filter(|found| found.concerns(&work, pause)) {
                Some(unreachable) => Err(unreachable.failure.clone()),
                None => match task::run(&mut turn, &work.task).await {
                    Ok(range) => Ok(turn.covered(range)),
                    Err(Setback::NobodyListens) => return Err(NobodyListens),
                    Err(setback) => {
                        let failure = turn.fail(setback).await;
                        self.unreachable = Unreachable::of(&work, &failure);
                        Err(failure)
                    }
                },
            };
            if let Err(failure) = &outcome {
                tracing::info!(reason = %failure.reason, detail = failure.detail, "work failed");
            }
            turn.report(Event::Ended(outcome)).await.map_err(|_| NobodyListens)
        }
        .instrument(span)
        .await
    }
}

/// The receiver of the reports is gone.
struct NobodyListens;

/// Works that wait, bounded.
struct Queue {
    /// By priority, then by arrival.
    waiting: BTreeMap<(Reverse<i16>, u64), Work>,
    arrived: u64,
    limit: usize,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.waiting.len() < self.limit
    }

    fn push(&mut self, work: Work) {
        self.arrived += 1;
        self.waiting.insert((Reverse(work.priority), self.arrived), work);
    }

    fn pop(&mut self) -> Option<Work> {
        self.waiting.pop_first().map(|(_, work)| work)
    }
}
