//! One meter at the end of the line: the association is opened when it is needed, checked once, kept while it serves, and
//! opened again when the line has failed.

mod kept;
mod lists;
mod open;
mod plain;
mod refusals;
mod rejection;
mod stored;
mod way;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub(crate) use self::{kept::Kept, lists::LIST_MAX};
use self::{open::Open, plain::Plain, refusals::Standing};

use dlms::{
    AttributeDescriptor, Error, MethodDescriptor,
    axdr::Data,
    client::{Association, Counters, Reply, SystemTitle},
    selection::Selection,
};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use crate::{
    Clock, Dialer, Failure, Limits, MeterId, Reason, Station, Task, Work,
    association::{self, Scratch},
    bus::SharedBus,
    counters::CounterPool,
    diagnosis::{Setback, Stage},
    driver::Memory,
    exchange::{self, Subject},
    instruments::Instruments,
    line::{LineError, Origin, Port, Stop},
    value,
};

/// Longest wait for the answer to a release: nothing depends on it.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
/// Counters that opening an association can spend, as a rule: initiate, proof, and the action around the proof. A proof in blocks spends one for each.
const OPENING_COUNTERS: u32 = 3;
/// How often blocks of one window are sent again when no answer comes.
const REPEATS_MAX: u32 = 3;
/// Longest value that is put together from blocks, in octets. Buffers of profiles are never put together.
const VALUE_MAX: usize = 64 * 1024;

/// What a channel has at the end of its line, and what it holds for the meters there.
pub(crate) struct Session {
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) instruments: Arc<Instruments>,
    /// Whether the clocks of meters are looked at beside what is read.
    pub(crate) minds_clocks: bool,
    dialer: Dialer,
    /// The name of the line, the time of a character on it where that is known, and what else is known of it.
    line: String,
    character: Option<Duration>,
    bus: Option<SharedBus>,
    open: Option<Open>,
    /// The port of the line, while no station has it.
    idle: Option<Port>,
    /// The conversation with a station that knows no APDUs.
    plain: Option<Plain>,
    memory: Memory,
    /// What random gaps are made of.
    chance: u64,
    /// The wish that what is read be ended for something more urgent, and until when more of that is to be expected.
    stop: Stop,
    pressed_until: Option<Instant>,
    pools: BTreeMap<MeterId, CounterPool>,
    /// Whether meters let us in.
    standings: BTreeMap<MeterId, Standing>,
    /// Meters that refused a request with list, whatever they granted.
    without_lists: BTreeSet<MeterId>,
    scratch: Scratch,
    answer: Vec<u8>,
    /// What was asked for last.
    subject: Subject,
    blocks: u32,
    bytes_closed: u64,
    exchanges: u32,
    /// Associations begun so far.
    associations: u64,
    last_delay: Duration,
    /// Longest wait for an answer of a station that nothing stands before.
    answer_time: Duration,
}

/// What is left of an exchange after an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Nothing.
    Last,
    /// Further blocks, to be fetched or to be sent.
    More,
}

impl Session {
    pub(crate) fn new(dialer: Dialer, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            answer_time: limits.response_timeout,
            limits,
            clock,
            instruments: Arc::default(),
            minds_clocks: false,
            dialer,
            line: String::new(),
            character: None,
            bus: None,
            open: None,
            idle: None,
            plain: None,
            memory: Memory::default(),
            chance: 0,
            stop: Stop::default(),
            pressed_until: None,
            pools: BTreeMap::new(),
            standings: BTreeMap::new(),
            without_lists: BTreeSet::new(),
            scratch: Scratch::default(),
            answer: Vec::new(),
            subject: Subject::ASSOCIATE,
            blocks: 0,
            bytes_closed: 0,
            exchanges: 0,
            associations: 0,
            last_delay: Duration::ZERO,
        }
    }

    /// Octets and exchanges so far.
    pub(crate) fn traffic(&self) -> (u64, u32) {
        let open = self.open.as_ref().map_or(0, |open| open.line.bytes());
        let plain = self.plain.as_ref().map_or(0, Plain::bytes);
        (self.bytes_closed + open + plain + self.idle.as_ref().map_or(0, Port::bytes), self.exchanges)
    }

    /// The value or block that came last.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Time from the last request to its answer.
    pub(crate) const fn last_delay(&self) -> Duration {
        self.last_delay
    }

    /// System title that the meter proved to be its own, by the keys of the open association.
    pub(crate) fn server_title(&self) -> Option<SystemTitle> {
        let association = &self.open.as_ref()?.association;
        association.counters().and_then(|_| association.negotiated().server_title)
    }

    /// Takes a range of invocation counters into the meter's pool.
    pub(crate) fn reserve(&mut self, meter: MeterId, range: &Counters) {
        self.pools.entry(meter).or_default().add(range);
    }

    /// Gives up the counters that the meter would refuse because it expects higher ones.
    ///
    /// # Errors
    /// The counter that we are at, when that is too far behind to be followed.
    pub(crate) fn give_up_below(&mut self, meter: MeterId, expected: u32) -> Result<(), u32> {
        self.pools.entry(meter).or_default().raise(expected)
    }

    /// Whether counters for another association with the meter are there.
    pub(crate) fn has_counters(&self, meter: MeterId) -> bool {
        self.pools.get(&meter).is_some_and(|pool| !pool.is_empty())
    }

    /// Makes the open association one with the work's station, verified.
    pub(crate) async fn ensure(&mut self, work: &Work) -> Result<(), Setback> {
        self.limits.response_timeout = self.answer_time + work.station.answer_within();
        if !self.open.as_ref().is_some_and(|open| kept::is_same(&open.station, &work.station)) {
            self.release().await;
            self.connect(work).await?;
        }
        // Which object of an unknown meter holds the serial number is what is to be found out.
        let expected = work.station.serial.as_ref().filter(|_| work.task != Task::Discover);
        let Some(expected) = expected else { return Ok(()) };
        let found = self.serial(&work.station).await?;
        if found == expected.trim() {
            return Ok(());
        }
        if let Some(open) = &mut self.open {
            open.line.judge(false);
        }
        self.release().await;
        let address = &work.station.address;
        Err(Setback::Final(Failure::new(
            Reason::WrongMeter,
            format!(
                "The meter at {address} has serial number {found}, not {expected}; correct address or inventory."
            ),
        )))
    }

    /// The serial number that the meter names; asked for once per association.
    pub(crate) async fn serial(&mut self, station: &Station) -> Result<String, Setback> {
        if let Some(known) = self.open.as_ref().and_then(|open| open.serial.clone()) {
            return Ok(known);
        }
        let obis = station.model.identity.serial;
        let missing = || {
            let detail =
                format!("The meter does not show a serial number in {obis}; check the meter's model.");
            Setback::Final(Failure::new(Reason::MeterRefused, detail))
        };
        let octets = match self.value(&value::data(obis)).await {
            Err(setback) if setback.is_absence() => return Err(missing()),
            other => other?,
        };
        let data = Data::decode(&octets).map_err(Setback::answer)?;
        let serial = value::text(&data).ok_or_else(missing)?;
        if let Some(open) = &mut self.open {
            open.serial = Some(serial.clone());
        }
        Ok(serial)
    }

    /// Reads a whole attribute.
    pub(crate) async fn value(&mut self, descriptor: &AttributeDescriptor) -> Result<Vec<u8>, Setback> {
        let piece = self.get(descriptor, None).await?;
        self.whole(piece).await
    }

    /// The whole of the value whose first piece came.
    async fn whole(&mut self, mut piece: Piece) -> Result<Vec<u8>, Setback> {
        let mut whole = self.answer.clone();
        while piece == Piece::More {
            piece = self.next_block().await?;
            whole.extend_from_slice(&self.answer);
            if whole.len() > VALUE_MAX {
                return Err(Setback::answer(Error::TooLong { what: "value", limit: VALUE_MAX }));
            }
        }
        Ok(whole)
    }

    /// Asks for an attribute and takes its first piece.
    pub(crate) async fn get(
        &mut self,
        descriptor: &AttributeDescriptor,
        selection: Option<&Selection>,
    ) -> Result<Piece, Setback> {
        self.blocks = 0;
        self.subject = Subject::get(descriptor);
        self.exchange(|association, out| association.get(descriptor, selection, out)).await
    }

    /// Asks for the next piece of the attribute.
    pub(crate) async fn next_block(&mut self) -> Result<Piece, Setback> {
        self.blocks += 1;
        if self.blocks > self.limits.blocks_per_answer {
            return Err(Setback::Flooded);
        }
        self.subject = self.subject.next_block();
        self.exchange(|association, out| association.next_block(out)).await
    }

    /// Sets an attribute, in blocks when the value is long.
    pub(crate) async fn set(
        &mut self,
        descriptor: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), Setback> {
        self.blocks = 0;
        self.subject = Subject::set(descriptor);
        let piece = self.exchange(|association, out| association.set(descriptor, value, out)).await?;
        self.finish(piece).await
    }

    /// Invokes a method, in blocks when the parameters are long; what it returns is of no interest.
    pub(crate) async fn action(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
    ) -> Result<(), Setback> {
        self.blocks = 0;
        self.subject = Subject::action(method);
        let piece = self.exchange(|association, out| association.action(method, parameters, out)).await?;
        self.finish(piece).await
    }

    /// Sends what is left of a request and takes what is left of its answer.
    async fn finish(&mut self, mut piece: Piece) -> Result<(), Setback> {
        while piece == Piece::More {
            piece = self.next_block().await?;
        }
        Ok(())
    }

    /// Sends one request about the subject and waits for its answer, in a span.
    async fn exchange(
        &mut self,
        write: impl FnOnce(&mut Association, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<Piece, Setback> {
        let span = self.subject.span();
        let outcome = self.ask(write).instrument(span.clone()).await;
        let octets = (self.scratch.request.len(), self.scratch.apdu.len());
        let failed = outcome.as_ref().err().map(|setback| self.reason(setback));
        if let Some(open) = &mut self.open {
            exchange::record((&self.subject, &span), &mut open.line, octets, failed);
        }
        outcome
    }

    /// What a setback of the open association comes to.
    fn reason(&self, setback: &Setback) -> Reason {
        let station = self.open.as_ref().map(|open| &open.station);
        station.map_or(Reason::LineCut, |station| setback.failure(station, &self.limits).reason)
    }

    /// Sends one request and waits for its answer; answers to earlier requests are ignored.
    async fn ask(
        &mut self,
        write: impl FnOnce(&mut Association, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<Piece, Setback> {
        let broken = |error| Setback::Line(Stage::Open, error);
        let Some(open) = &mut self.open else { return Err(broken(LineError::Cut)) };
        let Scratch { request, apdu } = &mut self.scratch;
        request.clear();
        apdu.clear();
        write(&mut open.association, request).map_err(Setback::answer)?;
        let asked = Instant::now();
        let limit = self.limits.response_timeout;
        open.line.send(request, limit).await.map_err(broken)?;
        open.stream(limit).await.map_err(broken)?;
        let mut deadline = Instant::now() + limit;
        let (mut stale, mut repeats) = (0, 0);
        while stale <= self.limits.stale_answers {
            let origin = match open.line.receive(apdu, deadline).await {
                Err(silence @ (LineError::Silent | LineError::Noisy { .. })) => {
                    if repeats >= REPEATS_MAX || !open.repeat(limit).await.map_err(broken)? {
                        return Err(broken(silence));
                    }
                    repeats += 1;
                    deadline = Instant::now() + limit;
                    continue;
                }
                received => received.map_err(broken)?,
            };
            if origin == Origin::Stranger {
                stale += 1;
                continue;
            }
            let found = match open.association.handle(apdu) {
                Ok(Reply::Streamed) => {
                    deadline = Instant::now() + limit;
                    continue;
                }
                Ok(Reply::Stale | Reply::Released | Reply::Access(_)) => {
                    stale += 1;
                    continue;
                }
                Ok(Reply::Data(octets) | Reply::List(octets) | Reply::Action(Some(octets))) => {
                    Ok((octets, Piece::Last))
                }
                Ok(Reply::Set | Reply::Action(None)) => Ok((&[][..], Piece::Last)),
                Ok(Reply::Block(octets)) => Ok((octets, Piece::More)),
                Ok(Reply::BlockTaken | Reply::Turn) => Ok((&[][..], Piece::More)),
                Err(error) => Err(Setback::answer(error)),
            };
            self.exchanges = self.exchanges.saturating_add(1);
            self.last_delay = asked.elapsed();
            let (octets, piece) = found?;
            self.answer.clear();
            self.answer.extend_from_slice(octets);
            return Ok(piece);
        }
        Err(Setback::Flooded)
    }

    async fn connect(&mut self, work: &Work) -> Result<(), Setback> {
        let station = &work.station;
        let takes_counters = station.credentials.takes_counters();
        if takes_counters && !self.has_counters(station.meter) {
            return Err(Setback::NoCounters);
        }
        let seed = work.seed.of_association(self.associations + 1);
        self.chance = seed.gaps();
        let mut line = self.dial(station).await?;
        if let Some(kept) = line.kept().filter(|kept| kept.serves(station)) {
            tracing::debug!("association still open");
            self.open = Some(kept.resume(line));
            return Ok(());
        }
        let pool = self.pools.entry(station.meter).or_default();
        let counters = if takes_counters { pool.take() } else { None };
        let range = counters.as_ref().map(|counters| (counters.next(), counters.left()));
        let before = self.exchanges;
        self.associations += 1;
        let security = station.credentials.security(&station.model, &seed, counters);
        let counts = (&mut self.scratch, &mut self.exchanges);
        match association::open(&mut line, station, security, &self.limits, counts).await {
            Ok(association) => {
                tracing::debug!("association open");
                if station.credentials.prove_the_meter() {
                    line.judge(true);
                }
                self.open = Some(Open::new(line, association, Arc::clone(station)));
                self.note_welcome(station);
                Ok(())
            }
            Err(setback) => {
                let answers = self.exchanges.saturating_sub(before);
                if let Some(range) = range {
                    pool.add(&after_opening(range, answers));
                }
                if self.is_no_proof(&setback, station) {
                    line.judge(false);
                }
                self.part(line).await;
                Err(self.explain(setback, station, (range.map(|(next, _)| next), answers)).await)
            }
        }
    }

    /// Takes leave of the meter. That nothing but courtesy depends on it is why nothing can fail here.
    pub(crate) async fn release(&mut self) {
        self.part_plain().await;
        let Some(open) = &mut self.open else { return };
        let limit = RELEASE_TIMEOUT.min(self.limits.response_timeout) + open.station.answer_within();
        let Scratch { request, apdu } = &mut self.scratch;
        request.clear();
        apdu.clear();
        if open.association.release(request).is_ok() {
            let farewell = async {
                open.line.send(request, limit).await?;
                open.line.receive(apdu, Instant::now() + limit).await
            };
            let span = Subject::RELEASE.span();
            let answered = timeout(limit, farewell.instrument(span.clone())).await;
            let failed = match answered {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(self.reason(&Setback::Line(Stage::Open, error))),
                Err(_) => Some(Reason::Timeout),
            };
            if failed.is_some() {
                tracing::debug!("the meter did not answer the release");
            }
            let octets = (self.scratch.request.len(), self.scratch.apdu.len());
            if let Some(open) = &mut self.open {
                exchange::record((&Subject::RELEASE, &span), &mut open.line, octets, failed);
            }
        }
        self.close().await;
    }

    /// Leaves the meter without a word: what is said there can no longer be trusted.
    pub(crate) async fn close(&mut self) {
        self.part_plain().await;
        let Some(open) = self.open.take() else { return };
        if let Some(counters) = open.association.counters() {
            self.pools.entry(open.station.meter).or_default().add(counters);
        }
        self.part(open.line).await;
    }
}

/// What certainly is unused of a range when opening an association with it has failed after so many answers: the request that followed them
/// and those before it took one each at most, and the proof took one.
fn after_opening((next, left): (u32, u32), answers: u32) -> Counters {
    let end = next.saturating_add(left);
    let spent = OPENING_COUNTERS.max(answers.saturating_add(2));
    Counters::new(next.saturating_add(spent).min(end), end)
}
