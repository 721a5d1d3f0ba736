use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use dlms::{
    AttributeDescriptor, DateTime, Error, MethodDescriptor, axdr::Data, client::SystemTitle,
    selection::Selection,
};
use jiff::{Timestamp, civil};
use tokio::time::sleep;

use crate::{
    Covered, Event, Failure, Finding, Report, Station, Work,
    diagnosis::{Setback, Stage, counter_unusable},
    driver::{Ear, Memory, Say},
    inbox::Inbox,
    line::{LineError, Stop},
    serve::{NobodyListens, Outlets, serve},
    station::{Piece, Session},
    task::Done,
    time::instant,
};

/// How often in a row an answer may be ended for something more urgent: then it is let come, so that in the end everything is read.
const INTERRUPTIONS_MAX: u32 = 2;
/// The pause between attempts doubles this often at most.
const DOUBLINGS_MAX: u32 = 5;

/// One work's time with the session: requests with a bounded number of attempts, reports, and what it cost.
pub(crate) struct Turn<'a> {
    session: &'a mut Session,
    inbox: &'a mut Inbox,
    work: &'a Work,
    outlets: &'a Outlets,
    /// Setbacks in a row.
    setbacks: u32,
    /// Interruptions in a row.
    interruptions: u32,
    was_open: bool,
    traffic_before: (u64, u32),
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        session: &'a mut Session,
        inbox: &'a mut Inbox,
        work: &'a Work,
        outlets: &'a Outlets,
    ) -> Self {
        let traffic_before = session.traffic();
        Self { session, inbox, work, outlets, setbacks: 0, interruptions: 0, was_open: false, traffic_before }
    }

    /// The meter.
    pub(crate) fn station(&self) -> &'a Station {
        &self.work.station
    }

    /// System title of the meter, when the association is ciphered.
    pub(crate) fn server_title(&self) -> Option<SystemTitle> {
        self.session.server_title()
    }

    /// Whether the meter granted that rows are selected; taken for granted while no association is open.
    pub(crate) fn selects(&self) -> bool {
        self.session.selects()
    }

    /// Our wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.session.clock.now()
    }

    /// The instant of a time of the meter; `None` when it is no time on the calendar.
    pub(crate) fn instant(&self, time: &DateTime) -> Option<Timestamp> {
        let station = self.station();
        instant(time, &station.zone, &station.model.quirks)
    }

    /// Time from the last request to its answer.
    pub(crate) const fn last_delay(&self) -> Duration {
        self.session.last_delay()
    }

    /// The octets that [`get`](Self::get) or [`next_block`](Self::next_block) brought.
    pub(crate) fn answer(&self) -> &[u8] {
        self.session.answer()
    }

    /// Sends a report; waits while the receiver is busy.
    pub(crate) async fn report(&self, event: Event) -> Result<(), Setback> {
        let report = Report { job: self.work.job, meter: self.work.station.meter, event };
        self.outlets.of(self.work).send(report).await.map_err(|_| Setback::NobodyListens)
    }

    /// Reads a whole attribute, again if need be.
    pub(crate) async fn read(&mut self, descriptor: &AttributeDescriptor) -> Result<Data, Setback> {
        let octets = self.read_octets(descriptor).await?;
        Data::decode(&octets).map_err(Setback::answer)
    }

    /// Reads a whole attribute, again if need be, and leaves it encoded.
    pub(crate) async fn read_octets(&mut self, descriptor: &AttributeDescriptor) -> Result<Vec<u8>, Setback> {
        loop {
            let read = match self.ensure().await {
                Ok(()) => self.session.value(descriptor).await,
                Err(setback) => Err(setback),
            };
            match read {
                Ok(octets) => {
                    self.progressed();
                    return Ok(octets);
                }
                Err(setback) => self.recover(setback).await?,
            }
        }
    }

    /// Reads a whole attribute once, over the association that is open.
    pub(crate) async fn read_once(&mut self, descriptor: &AttributeDescriptor) -> Result<Vec<u8>, Setback> {
        self.session.value(descriptor).await
    }

    /// Whether the clock of the meter is to be looked at beside what was read: once for each association; true once.
    pub(crate) fn clock_is_due(&mut self) -> bool {
        self.session.clock_is_due(&self.work.station)
    }

    /// Whether the clocks of meters are looked at beside what is read.
    pub(crate) const fn minds_clocks(&self) -> bool {
        self.session.minds_clocks
    }

    /// The clock was read because somebody asked for it.
    pub(crate) fn clock_is_known(&mut self) {
        self.session.clock_is_due(&self.work.station);
    }

    /// Why no meter may be set by our clock.
    pub(crate) fn clock_fault(&self) -> Option<String> {
        self.session.clock.fault()
    }

    /// Reads whole attributes, again if need be, several in one request where the meter takes that, and leaves them encoded. What the
    /// meter refuses, whatever it says about it, is an error in its place.
    pub(crate) async fn read_all(
        &mut self,
        descriptors: &[AttributeDescriptor],
    ) -> Result<Vec<Result<Vec<u8>, Setback>>, Setback> {
        let mut all = Vec::with_capacity(descriptors.len());
        for some in descriptors.chunks(self.session.list_max()) {
            let found = self.list(some).await?;
            for (descriptor, found) in some.iter().zip(found) {
                let found = match found {
                    Some(found) => found,
                    None => self.read_octets(descriptor).await,
                };
                match found {
                    Err(setback) if !setback.is_of_one() => return Err(setback),
                    found => all.push(found),
                }
            }
        }
        Ok(all)
    }

    /// What one request with list brought; `None` in the place of what is to be asked for on its own.
    async fn list(
        &mut self,
        descriptors: &[AttributeDescriptor],
    ) -> Result<Vec<Option<Result<Vec<u8>, Setback>>>, Setback> {
        let one_by_one = || descriptors.iter().map(|_| None).collect();
        if descriptors.len() < 2 {
            return Ok(one_by_one());
        }
        let mut is_renewed = false;
        loop {
            // Only what comes of the request itself tells whether the meter takes lists.
            self.associate().await?;
            if !self.session.takes_lists() {
                return Ok(one_by_one());
            }
            match self.session.values(descriptors).await {
                Ok(values) => {
                    self.progressed();
                    let each = values.into_iter().map(|value| match value.map_err(Error::Access) {
                        Ok(octets) => Some(Ok(octets)),
                        // What may pass is asked for again.
                        Err(refusal) => Some(Setback::answer(refusal)).filter(Setback::is_absence).map(Err),
                    });
                    return Ok(each.collect());
                }
                // How short requests have to be was not known before.
                Err(Setback::Protocol(_, Error::RequestTooLong { .. })) => return Ok(one_by_one()),
                // That the meter takes no lists shows on an association that it surely knows.
                Err(setback) if setback.may_be_forgotten() && !is_renewed => {
                    is_renewed = true;
                    self.session.close().await;
                }
                Err(setback @ Setback::Protocol(Stage::Open, _)) if !setback.is_spent() => {
                    self.session.renounce_lists();
                    if !setback.keeps_association() {
                        self.session.close().await;
                    }
                }
                Err(setback) => self.recover(setback).await?,
            }
        }
    }

    /// The serial number, asked for once per association, again if need be.
    pub(crate) async fn serial(&mut self) -> Result<String, Setback> {
        loop {
            let read = match self.ensure().await {
                Ok(()) => self.session.serial(&self.work.station).await,
                Err(setback) => Err(setback),
            };
            match read {
                Ok(serial) => return Ok(serial),
                Err(setback) => self.recover(setback).await?,
            }
        }
    }

    /// Asks once for an attribute and takes its first piece; the caller [recovers](Self::recover). On a line that stations share, something
    /// more urgent may end it in the middle of the answer: [`LineError::Interrupted`].
    pub(crate) async fn get(
        &mut self,
        descriptor: &AttributeDescriptor,
        selection: Option<&Selection>,
    ) -> Result<Piece, Setback> {
        self.ensure().await?;
        let stop = self.session.stop();
        let limit = (self.work.priority, self.interruptions < INTERRUPTIONS_MAX);
        unless_urgent(self.session.get(descriptor, selection), self.inbox, limit, &stop).await
    }

    /// Asks once for the next piece; the caller [recovers](Self::recover). It may be ended like [`get`](Self::get).
    pub(crate) async fn next_block(&mut self) -> Result<Piece, Setback> {
        let stop = self.session.stop();
        let limit = (self.work.priority, self.interruptions < INTERRUPTIONS_MAX);
        unless_urgent(self.session.next_block(), self.inbox, limit, &stop).await
    }

    /// Sets an attribute, in blocks when the value is long. Asked once: after a lost answer nobody knows whether it is set, and the caller
    /// finds out by reading.
    pub(crate) async fn set(
        &mut self,
        descriptor: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), Setback> {
        self.ensure().await?;
        self.session.set(descriptor, value).await
    }

    /// Invokes a method, in blocks when the parameters are long. Asked once, like [`set`](Self::set).
    pub(crate) async fn action(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
    ) -> Result<(), Setback> {
        self.ensure().await?;
        self.session.action(method, parameters).await
    }

    /// Asks once the concentrator before the meter for something that it has itself; the caller [recovers](Self::recover).
    pub(crate) async fn ask_concentrator(
        &mut self,
        request: p2lpc::Request,
    ) -> Result<p2lpc::Response, Setback> {
        self.session.ask_concentrator(self.work, request).await
    }

    /// Opens a fresh association, again if need be: an order that got lost on the one before can not be taken up any more.
    pub(crate) async fn renew(&mut self) -> Result<(), Setback> {
        self.session.close().await;
        self.associate().await
    }

    /// Opens the association if it is not open, again if need be.
    async fn associate(&mut self) -> Result<(), Setback> {
        loop {
            match self.ensure().await {
                Ok(()) => return Ok(()),
                Err(setback) => self.recover(setback).await?,
            }
        }
    }

    /// Says something in another language than DLMS, again if need be, and waits for what an ear makes of the answer.
    pub(crate) async fn say<E: Ear>(
        &mut self,
        say: &Say<'_>,
        ear: impl Fn() -> E,
    ) -> Result<E::Answer, Setback> {
        loop {
            match self.say_once(say, &mut ear()).await {
                Ok(answer) => {
                    self.progressed();
                    return Ok(answer);
                }
                Err(setback) => self.recover(setback).await?,
            }
        }
    }

    /// Says something once; the caller [recovers](Self::recover), or finds out by reading what came of it.
    pub(crate) async fn say_once<E: Ear>(
        &mut self,
        say: &Say<'_>,
        ear: &mut E,
    ) -> Result<E::Answer, Setback> {
        let answer = self.session.say(self.work, say, ear).await;
        self.was_open |= answer.is_ok();
        answer
    }

    /// The same work, about a part of the meter.
    pub(crate) fn work_of(&self, part: Arc<Station>) -> Work {
        let Work { job, seed, ref task, priority, ref span, .. } = *self.work;
        Work { job, station: part, counters: None, seed, task: task.clone(), priority, span: span.clone() }
    }

    /// A turn within this one for [`work_of`](Self::work_of) a part; this one [goes on](Self::rejoin) with what it cost.
    pub(crate) fn aside<'b>(&'b mut self, work: &'b Work) -> Turn<'b> {
        Turn {
            session: self.session,
            inbox: self.inbox,
            work,
            outlets: self.outlets,
            setbacks: 0,
            interruptions: 0,
            was_open: self.was_open,
            traffic_before: self.traffic_before,
        }
    }

    /// Ends what was done aside: what of the traffic is to be left out so far, because it was that of others.
    pub(crate) const fn left_out(self) -> (u64, u32) {
        self.traffic_before
    }

    /// Goes on after something was done aside.
    pub(crate) const fn rejoin(&mut self, left_out: (u64, u32)) {
        self.traffic_before = left_out;
    }

    /// Says something that nobody answers.
    pub(crate) async fn say_farewell(&mut self, octets: &[u8]) {
        self.session.say_farewell(octets).await;
    }

    /// Whether the time was not told to everybody on the line on this day yet. It counts as told from now on.
    pub(crate) fn may_tell_time(&mut self, day: civil::Date) -> bool {
        self.session.bus(&self.work.station).known().tell_time(day)
    }

    /// What the channel remembers of devices.
    pub(crate) const fn memory(&mut self) -> &mut Memory {
        self.session.memory()
    }

    /// Until when an order may be sent.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.work.task.terms().map(|terms| terms.deadline)
    }

    /// Reports what an attempt to carry out an order found out or did.
    pub(crate) async fn found(&self, what: &'static str, value: String) -> Result<(), Setback> {
        tracing::info!(what, value, "found");
        self.report(Event::Found(Finding::new(self.now(), what, value))).await
    }

    /// Lets more urgent works go first. True when there were any: what was under way with the meter, such as a transfer in blocks, has
    /// to begin again then.
    pub(crate) async fn yield_to_urgent(&mut self) -> Result<bool, Setback> {
        let mut gave_way = false;
        loop {
            self.inbox.gather(self.session);
            let Some(urgent) = self.inbox.next_above(self.work.priority) else { return Ok(gave_way) };
            gave_way = true;
            let before = self.session.traffic();
            let served = serve(self.session, self.inbox, self.outlets, urgent).await;
            let after = self.session.traffic();
            self.traffic_before.0 += after.0 - before.0;
            self.traffic_before.1 = self.traffic_before.1.saturating_add(after.1.saturating_sub(before.1));
            served.map_err(|NobodyListens| Setback::NobodyListens)?;
        }
    }

    /// Something new arrived: setbacks are counted anew.
    pub(crate) const fn progressed(&mut self) {
        (self.setbacks, self.interruptions) = (0, 0);
    }

    /// Lets what interrupted the work go first.
    pub(crate) async fn give_way(&mut self) -> Result<(), Setback> {
        self.interruptions += 1;
        self.session.press();
        self.session.close().await;
        self.yield_to_urgent().await.map(|_| ())
    }

    /// Makes ready for another attempt, after a pause, or gives the setback back when there is to be none.
    pub(crate) async fn recover(&mut self, setback: Setback) -> Result<(), Setback> {
        if setback.is_spent() {
            // Every attempt uses up a range, so this ends.
            self.session.close().await;
            return if self.session.has_counters(self.work.station.meter) { Ok(()) } else { Err(setback) };
        }
        let is_given_up = match setback {
            Setback::Line(Stage::Connecting, _) => !self.was_open,
            // It was asked once more already, in the clear.
            Setback::Line(Stage::Opening, _) => self.session.is_mute(self.station()),
            // The others wait.
            Setback::Line(Stage::Linking, ref error) => *error != LineError::Cut,
            _ => false,
        };
        if is_given_up || !setback.may_heal() || self.setbacks >= self.session.limits.line_retries {
            return Err(setback);
        }
        let pause = self.session.limits.retry_pause * 2u32.pow(self.setbacks.min(DOUBLINGS_MAX));
        self.setbacks += 1;
        tracing::debug!(?setback, attempt = self.setbacks, ?pause, "asking again on a new association");
        self.session.close().await;
        sleep(pause).await;
        Ok(())
    }

    /// What a setback means to an operator.
    pub(crate) fn explain(&self, setback: &Setback) -> Failure {
        setback.failure(self.station(), &self.session.limits)
    }

    /// Ends the turn with a failure.
    pub(crate) async fn fail(&mut self, setback: &Setback) -> Failure {
        if !setback.keeps_association() {
            self.session.close().await;
        }
        let failure = self.explain(setback);
        let Some(expected) = failure.expected_counter else { return failure };
        match self.session.give_up_below(self.work.station.meter, expected) {
            Ok(()) => failure,
            Err(next) => Failure { in_doubt: failure.in_doubt, ..counter_unusable(expected, next) },
        }
    }

    /// Ends the turn with success.
    pub(crate) fn covered(&self, done: Done) -> Covered {
        let ((bytes, exchanges), (bytes_before, exchanges_before)) =
            (self.session.traffic(), self.traffic_before);
        Covered {
            range: done.range,
            outcome: done.outcome,
            note: done.note,
            bytes_on_wire: bytes - bytes_before,
            exchanges: exchanges.saturating_sub(exchanges_before),
        }
    }

    async fn ensure(&mut self) -> Result<(), Setback> {
        self.session.ensure(self.work).await?;
        self.was_open = true;
        Ok(())
    }
}

/// What comes of an exchange, or nothing as soon as something more urgent than the priority has come, if it may be ended at all, and the
/// station has given the turn back.
async fn unless_urgent(
    exchange: impl Future<Output = Result<Piece, Setback>>,
    inbox: &mut Inbox,
    (priority, may_end): (i16, bool),
    stop: &Stop,
) -> Result<Piece, Setback> {
    let mut exchange = pin!(exchange);
    if may_end {
        tokio::select! {
            biased;
            done = &mut exchange => return done,
            () = inbox.hear_above(priority) => stop.demand(),
        }
    }
    let done = exchange.await;
    stop.relent();
    done
}
