//! Q/GDW 376.1: a terminal as a device of its own, with a version, a clock and records of events.

use dlms::{DateTime, Obis};
use gdw376::{
    Address, Afn, Moment, Splitter, USER_DATA_MAX,
    forward::AUTHENTICATION,
    meters::{Configured, ENTRIES},
    terminal::{Answer, Kind, Question, Record, SetClock},
};
use jiff::{Timestamp, civil};
use models::{Model, NodeList, Reach};

use super::{Ear, Pitch, Rejected, Say, clock_subject, no_value, tasks, unspeakable, wrong};
use crate::{
    ClockReading, Event, Failure, LogEntries, LogRange, Node, Reason,
    diagnosis::Setback,
    exchange::Subject,
    task::{
        list_nodes, ordered,
        read_log::Book,
        sync_clock::{Hands, Step, arrival},
    },
    turn::Turn,
    value,
};

/// The century of a year with two digits.
const CENTURY: i16 = 2000;
/// Records that a terminal keeps of each kind, and those that are asked for at once.
const KEPT: u16 = 256;
const PART: u8 = 8;
/// Meters that are asked for at once: an answer about them has less than 1,024 octets, which the smallest terminals take.
const METERS: u16 = 32;

/// The conversation with one terminal.
pub(super) struct TerminalDriver<'a> {
    model: &'a Model,
    number: u8,
    software: Option<String>,
}

impl<'a> TerminalDriver<'a> {
    pub(super) const fn new(model: &'a Model) -> Self {
        Self { model, number: 0, software: None }
    }

    /// The name of the terminal, which every answer bears, where the inventory calls it so; it is asked who it is in any case.
    pub(super) async fn serial(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        let subject = Subject::get(&value::data(self.model.identity.serial));
        // Who does not tell what runs in it is there all the same.
        if let Answer::Version { software, .. } = self.ask(turn, Question::Version, subject).await? {
            self.software = Some(software).filter(|software| !software.is_empty());
        }
        let name = terminal(turn)?.to_string();
        let is_called_so = |serial: &&String| serial.trim().eq_ignore_ascii_case(&name);
        Ok(turn.station().serial.as_ref().filter(is_called_so).cloned())
    }

    /// The version of its software, once it has said who it is.
    pub(super) fn firmware(&self) -> Option<String> {
        self.software.clone()
    }

    pub(super) async fn clock(&mut self, turn: &mut Turn<'_>) -> Result<civil::DateTime, Setback> {
        match self.ask(turn, Question::Clock, clock_subject(self.model)).await? {
            Answer::Clock(moment) => local(moment),
            _ => Err(no_value()),
        }
    }

    /// Reads the records of a kind, from the latest back to the beginning of the range, and returns the range.
    pub(super) async fn log(
        &mut self,
        turn: &mut Turn<'_>,
        wanted: &LogRange,
    ) -> Result<(Timestamp, Timestamp), Setback> {
        let (range, zone) = (&wanted.range, turn.station().zone.clone());
        let mut book = Book::new(self.model, zone.clone(), wanted)?;
        let mut parts: Vec<Vec<Record>> = Vec::new();
        let kind = kind(self.model, range.obis);
        let mut until = self.made(turn, kind, range.obis).await?;
        for _ in 0..KEPT / u16::from(PART) {
            let from = until.wrapping_sub(PART);
            let records = self.records(turn, Question::Records { kind, from, until }, range.obis).await?;
            let moments = records.iter().filter_map(|record| record.at);
            let is_older = |at: Moment| {
                local(at).ok().and_then(|at| zone.to_timestamp(at).ok()).is_some_and(|at| at < range.from)
            };
            let is_last = records.len() < usize::from(PART) || moments.into_iter().any(is_older);
            parts.push(records);
            turn.yield_to_urgent().await?;
            if is_last {
                break;
            }
            until = from;
        }
        let mut entries = Vec::new();
        for record in parts.into_iter().rev().flatten() {
            let (at, entered) = book.enter(octets(record.at), Some(record.code.into()), point(&record));
            if at.is_none_or(|at| (range.from..=range.to).contains(&at)) {
                entries.extend(entered);
            }
        }
        if !entries.is_empty() {
            turn.report(Event::Logged(LogEntries { log: range.obis, entries })).await?;
        }
        turn.report(Event::LogRead(book.close(None))).await?;
        Ok((range.from, range.to))
    }

    /// Asks for all meters that it was configured with. It does not say which of them it reaches.
    pub(super) async fn nodes(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        let concentrator = self.model.concentrator.as_ref();
        if concentrator.and_then(|concentrator| concentrator.node_list) != Some(NodeList::MeasuringPoints) {
            return Err(list_nodes::unnamed());
        }
        let mut nodes = Vec::new();
        // Entries that were deleted leave holes, so that only the end is the end.
        for first in (1..=ENTRIES).step_by(usize::from(METERS)) {
            let count = METERS.min(ENTRIES - first + 1);
            match self.ask(turn, Question::Meters { first, count }, meters_subject()).await? {
                Answer::Meters(meters) => nodes.extend(meters.iter().filter_map(node)),
                // It has room for so many.
                Answer::Denied if first > 1 => break,
                Answer::Denied => return Err(untold()),
                _ => return Err(wrong("it answers a question about meters with something else")),
            }
            turn.yield_to_urgent().await?;
        }
        list_nodes::report(turn, nodes).await
    }

    /// How many records of the kind it has made, modulo 256: the place of the next one.
    async fn made(&mut self, turn: &mut Turn<'_>, kind: Kind, log: Obis) -> Result<u8, Setback> {
        match (self.ask(turn, Question::Counts, log_subject(log)).await?, kind) {
            (Answer::Counts { important, .. }, Kind::Important) => Ok(important),
            (Answer::Counts { general, .. }, Kind::General) => Ok(general),
            _ => Err(no_value()),
        }
    }

    /// Records; none where it denies that there are any.
    async fn records(
        &mut self,
        turn: &mut Turn<'_>,
        question: Question,
        log: Obis,
    ) -> Result<Vec<Record>, Setback> {
        match self.ask(turn, question, log_subject(log)).await? {
            Answer::Records(records) => Ok(records),
            Answer::Denied => Ok(Vec::new()),
            _ => Err(wrong("it answers a question about records with something else")),
        }
    }

    async fn ask(
        &mut self,
        turn: &mut Turn<'_>,
        question: Question,
        subject: Subject,
    ) -> Result<Answer, Setback> {
        let terminal = terminal(turn)?;
        self.number = (self.number + 1) % 16;
        let (mut octets, number) = (Vec::new(), self.number);
        question.encode(terminal, number, &mut octets).map_err(unspeakable)?;
        turn.say(&say(subject, &octets), || Reply::new(terminal, number)).await
    }
}

/// Only the time itself can be set, and a terminal captures nothing itself.
impl Hands for TerminalDriver<'_> {
    async fn look(&mut self, turn: &mut Turn<'_>) -> Result<ClockReading, Setback> {
        let local = self.clock(turn).await?;
        tasks::reading(turn, local)
    }

    async fn periods(&mut self, _: &mut Turn<'_>) -> Result<Vec<u32>, Setback> {
        Ok(Vec::new())
    }

    /// Answers have the numbers of their questions.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn take(
        &mut self,
        turn: &mut Turn<'_>,
        _: Step,
        shown: &ClockReading,
    ) -> Result<ordered::Answer, Setback> {
        loop {
            let sent = self.set_clock(turn, shown).await;
            if let Some(answer) = ordered::judged(turn, sent).await? {
                return Ok(answer);
            }
        }
    }
}

impl TerminalDriver<'_> {
    async fn set_clock(&mut self, turn: &mut Turn<'_>, shown: &ClockReading) -> Result<(), Setback> {
        let at = arrival(turn, shown).ok_or_else(|| unspeakable("a time that is none"))?;
        let local = turn.station().zone.to_datetime(at);
        let two = |number: i8| number.unsigned_abs();
        let to = Moment {
            year: u8::try_from(local.year() - CENTURY).map_err(unspeakable)?,
            month: two(local.month()),
            day: two(local.day()),
            weekday: two(local.weekday().to_monday_one_offset()),
            hour: two(local.hour()),
            minute: two(local.minute()),
            second: two(local.second()),
        };
        let reach = self.model.concentrator.as_ref().map(|concentrator| &concentrator.reach);
        let proves = matches!(reach, Some(Reach::Forward { authentication: true, .. }));
        let order = SetClock { to, authentication: proves.then_some([0; AUTHENTICATION]) };
        let terminal = terminal(turn)?;
        self.number = (self.number + 1) % 16;
        let (mut octets, number) = (Vec::new(), self.number);
        order.encode(terminal, number, &mut octets).map_err(unspeakable)?;
        let say = Say { is_order: true, ..say(clock_subject(self.model), &octets) };
        match turn.say_once(&say, &mut Reply::new(terminal, number)).await? {
            Answer::Done => Ok(()),
            Answer::Denied => Err(denied()),
            _ => Err(wrong("it answers an order with something else")),
        }
    }
}

fn denied() -> Setback {
    let detail = "The terminal denies to set its clock; check `authentication` in its model.";
    Setback::Refused {
        failure: Failure::new(Reason::MeterRefused, detail),
        is_absence: false,
        may_pass: false,
    }
}

/// A meter that it was configured with; nothing, where the entry was deleted.
fn node(meter: &Configured) -> Option<Node> {
    let point = Some(meter.point).filter(|point| *point > 0)?;
    Some(Node { identity: Some(point.to_string()), ..Node::linked(meter.name()?) })
}

fn untold() -> Setback {
    let detail =
        "The terminal denies to tell which meters it was configured with; take `node_list` out of its model.";
    Setback::Refused {
        failure: Failure::new(Reason::MeterRefused, detail),
        is_absence: true,
        may_pass: false,
    }
}

/// The terminal, in an exchange that the head-end begins.
fn terminal(turn: &Turn<'_>) -> Result<Address, Setback> {
    turn.station()
        .terminal()
        .ok_or_else(|| unspeakable("a terminal is named by eight hexadecimal digits, region and number"))
}

fn say(subject: Subject, octets: &[u8]) -> Say<'_> {
    Say { subject, octets, is_secret: false, is_order: false, is_long: false, speed: Pitch::Same }
}

/// Which records a log of the model is: the first one the important, any other the others.
fn kind(model: &Model, log: Obis) -> Kind {
    match model.logs.first() {
        Some(first) if first.obis == log => Kind::Important,
        _ => Kind::General,
    }
}

/// Number of the measuring point that a record is about, where that stands in front in its kind (ERC 8 to 13, 17, 24 to 31, 33 and 34).
fn point(record: &Record) -> Option<String> {
    if !matches!(record.code, 8..=13 | 17 | 24..=31 | 33 | 34) {
        return None;
    }
    // The highest bit says whether something began or ended.
    let number = u16::from_le_bytes(*record.rest.first_chunk()?) & 0x0FFF;
    (number > 0).then(|| number.to_string())
}

fn local(moment: Moment) -> Result<civil::DateTime, Setback> {
    let two = |number: u8| i8::try_from(number).unwrap_or_default();
    let Moment { month, day, hour, minute, second, .. } = moment;
    let year = CENTURY + i16::from(moment.year);
    civil::DateTime::new(year, two(month), two(day), two(hour), two(minute), two(second), 0).map_err(wrong)
}

/// A local time as DLMS has it: without weekday, deviation and status.
fn octets(moment: Option<Moment>) -> DateTime {
    let Some(Moment { year, month, day, hour, minute, second, .. }) = moment else {
        return DateTime::new([0xFF; 12]);
    };
    let [high, low] = (CENTURY.unsigned_abs() + u16::from(year)).to_be_bytes();
    DateTime::new([high, low, month, day, 0xFF, hour, minute, second, 0xFF, 0x80, 0x00, 0xFF])
}

fn log_subject(log: Obis) -> Subject {
    Subject::get(&dlms::AttributeDescriptor { class_id: 7, instance: log, attribute: 2 })
}

/// What asking for its meters is about: in DLMS, the SAP assignment.
fn meters_subject() -> Subject {
    Subject::get(&dlms::AttributeDescriptor {
        class_id: 17,
        instance: Obis::new([0, 0, 41, 0, 0, 255]),
        attribute: 2,
    })
}

/// Waits for the answer with a number.
struct Reply {
    splitter: Splitter,
    terminal: Address,
    number: u8,
}

impl Reply {
    const fn new(terminal: Address, number: u8) -> Self {
        Self { splitter: Splitter::new(USER_DATA_MAX), terminal, number }
    }
}

impl Ear for Reply {
    const ANSWERS_NAME_REQUESTS: bool = true;

    type Answer = Answer;

    fn hear(&mut self, octets: &[u8], _reply: &mut Vec<u8>) -> Result<Option<Answer>, Setback> {
        self.splitter.push(octets);
        while let Some(frame) = self.splitter.next_frame() {
            // Tests of the link, and answers to what was given up, are none of it.
            let is_ours = frame.address.by(self.terminal.station) == self.terminal
                && frame.sequence.number() == self.number
                && frame.control.is_up()
                && frame.afn != Afn::LINK;
            if is_ours {
                return Answer::read(&frame).map(Some).map_err(wrong);
            }
        }
        Ok(None)
    }

    fn rejected(&self) -> Rejected {
        let gdw376::Rejected { frames, octets } = self.splitter.rejected();
        Rejected { frames, octets }
    }
}
