use std::sync::{Arc, atomic::AtomicUsize};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    Clock, Dialer, Instruments, Limits, Lobby, Reach, Report, SystemClock, Work,
    inbox::Inbox,
    serve::{Outlets, serve},
    station::Session,
};

/// The task that owns the line to one address.
///
/// It works on one [`Work`] after the other, the highest priority first; among equals it goes on with the meter that it is at, for half a
/// minute, and then with the one that waits longest for its turn. A work with a higher priority than
/// the one that runs steps in where that one allows it: between two blocks of a profile, between two blocks of firmware. The line and
/// the association stay open while work for the same meter is there, and for [`Limits::linger`] after it; then they are
/// released and the channel ends. Nothing is spawned: [`run`](Self::run) is the whole channel.
pub struct Channel {
    session: Session,
    outlets: Outlets,
    backlog: Arc<AtomicUsize>,
    crowd: Arc<Notify>,
}

impl Channel {
    /// A channel that uses the clock of this machine, and that nobody called. `reports` is where the outcome goes; when it is full the
    /// channel waits, and with it the meter.
    pub fn new(limits: Limits, reports: mpsc::Sender<Report>) -> Self {
        Self::with(limits, reports, Dialer::System(Lobby::default()), Arc::new(SystemClock))
    }

    /// A channel over any kind of line, with any wall clock.
    pub fn with(
        limits: Limits,
        reports: mpsc::Sender<Report>,
        dialer: Dialer,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let outlets = Outlets { reads: reports.clone(), orders: reports, reach: Arc::default() };
        Self {
            session: Session::new(dialer, limits, clock),
            outlets,
            backlog: Arc::default(),
            crowd: Arc::default(),
        }
    }

    /// Sends what becomes of orders to another place than what was read: nobody who ordered something waits behind a batch of readings.
    #[must_use]
    pub fn orders_to(mut self, orders: mpsc::Sender<Report>) -> Self {
        self.outlets.orders = orders;
        self
    }

    /// The same channel, seen through these instruments, which it shares with others.
    #[must_use]
    pub fn seen_through(mut self, instruments: Arc<Instruments>) -> Self {
        self.session.instruments = instruments;
        self
    }

    /// The same channel, which looks at the clock of a meter beside what it reads: once for each association, and once for as long as the channel
    /// lives in languages that have none. It reports what it found as [`Event::Clock`](crate::Event::Clock) before the work ends.
    #[must_use]
    pub fn minding_clocks(mut self) -> Self {
        self.session.minds_clocks = true;
        self
    }

    /// The same channel, which does not linger when `crowd` is told ([`Notify::notify_waiters`]) that others need its place.
    #[must_use]
    pub fn giving_way_to(mut self, crowd: Arc<Notify>) -> Self {
        self.crowd = crowd;
        self
    }

    /// How many works wait in the channel, apart from those that it has not received yet; it goes on counting while the channel runs.
    pub fn backlog(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.backlog)
    }

    /// Whether the meters behind the line are reached; it goes on counting while the channel runs.
    pub fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.outlets.reach)
    }

    /// Runs until no work came for [`Limits::linger`] or the meter hung up or others needed the place meanwhile, until the senders of `work` are gone
    /// and everything received is done, or until nobody takes reports any more. A sender that then gets its work back makes a
    /// new channel for the address; what was sent before that is still done.
    ///
    /// Every work received ends with exactly one [`Event::Ended`](crate::Event::Ended), unless the future is dropped or the receiver of
    /// the reports is.
    pub async fn run(self, work: mpsc::Receiver<Work>) {
        let Self { mut session, outlets, backlog, crowd } = self;
        let mut inbox = Inbox::new(work, session.limits.queue, backlog, crowd);
        loop {
            inbox.gather(&mut session);
            match inbox.next() {
                Some(next) => {
                    let (since, bytes) = (Instant::now(), session.traffic().0);
                    let served = serve(&mut session, &mut inbox, &outlets, next).await;
                    session.note_use(since, bytes);
                    if served.is_err() {
                        break;
                    }
                }
                None => {
                    if !inbox.wait(&mut session).await {
                        break;
                    }
                }
            }
        }
        session.leave().await;
    }
}
