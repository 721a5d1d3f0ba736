//! A meter of a few objects at the other end of a memory line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use dlms::{
    ActionResult, AssociationResult, AttributeDescriptor, Conformance, DataAccessResult, DateTime,
    MethodDescriptor, Obis, ScalerUnit, Unit,
    acse::Aare,
    apdu::{GetResponse, InvokeId},
    axdr::Data,
    client::{Authentication, Counters, GlobalKeys, Hls, Key, Password, SystemTitle},
    profile::{CaptureObject, encode_list},
    selection::Selection,
    server::{self, Objects, Policy, Session},
    wrapper::{self, Splitter},
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
};

use super::at;

pub(crate) const SERIAL: &str = "30000001";
pub(crate) const PASSWORD: &str = "87654321";
pub(crate) const PROFILE: Obis = Obis::new([1, 0, 99, 1, 0, 255]);
pub(crate) const ENERGY: Obis = Obis::new([1, 0, 1, 8, 0, 255]);
pub(crate) const VOLTAGE: Obis = Obis::new([1, 0, 32, 7, 0, 255]);
pub(crate) const CLOCK: Obis = Obis::new([0, 0, 1, 0, 0, 255]);
/// When a billing period ended.
pub(crate) const END_OF_BILLING: Obis = Obis::new([0, 0, 0, 1, 2, 255]);
pub(crate) const QUARTER: i64 = 900;
/// Octets of an APDU that the head-end takes: about six rows.
pub(crate) const PDU: u16 = 200;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Level {
    None,
    Lls,
    Gmac,
}

/// Tag and choice of a GET request with list.
const GET_LIST: [u8; 2] = [0xC0, 3];
/// An exception-response: service-unknown, service-not-supported.
const NOT_SUPPORTED: [u8; 3] = [0xD8, 2, 2];
const GENERAL_BLOCK: u8 = 0xE0;

/// What the meter does wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mischief {
    /// Each connection, by number, is cut in the middle of the frame after so many answers.
    pub(crate) cut_after: BTreeMap<u32, u32>,
    /// Each connection from that number on falls silent after so many answers.
    pub(crate) silent_after: Option<u32>,
    /// Each connection, by number, falls silent after so many answers.
    pub(crate) silent_in: BTreeMap<u32, u32>,
    /// Connections, by number, over which it hears nothing.
    pub(crate) deaf_in: BTreeSet<u32>,
    /// After so many reads of the buffer, it has these columns.
    pub(crate) captures_after: Option<(usize, Vec<CaptureObject>)>,
    /// The buffer is sent in blocks of which none is the last, with a row in each or with nothing in all but the first.
    pub(crate) endless: bool,
    pub(crate) empty_blocks: bool,
    /// Requests, by number, that get these octets for an answer.
    pub(crate) answers: BTreeMap<u32, Vec<u8>>,
    /// Before each answer, this APDU is sent unasked.
    pub(crate) unasked: Option<Vec<u8>>,
    /// That a method returned nothing is left out where it may be.
    pub(crate) terse: bool,
    /// Before each answer comes a frame for another client, and one with the invoke-id of an earlier request.
    pub(crate) chatty: bool,
    /// The client that is let in without security, and may read its invocation counter.
    pub(crate) public: Option<u16>,
    /// It says nothing to whom it does not let in.
    pub(crate) conceals: bool,
    /// Octets of an APDU that it takes, where these are not 1024.
    pub(crate) max_pdu: Option<u16>,
    /// Services that it grants instead of all that the client proposes.
    pub(crate) services: Option<Conformance>,
    /// Requests with list are answered with an exception, whatever was granted.
    pub(crate) refuses_lists: bool,
    /// General blocks that get lost on the way to the head-end, by number, counted over all answers.
    pub(crate) lost_blocks: BTreeSet<u32>,
    /// Ranges are ignored, all rows are sent.
    pub(crate) ignores_range: bool,
    /// Times have no deviation and no status.
    pub(crate) without_deviation: bool,
    /// Rows have one column less than the capture objects say.
    pub(crate) short_rows: bool,
    /// Cells that stand in place of the energy, by the number of their row.
    pub(crate) odd_cells: BTreeMap<usize, Data>,
    /// Rows whose month is 13.
    pub(crate) wrong_months: BTreeSet<usize>,
    /// Rows that have one column less than the others.
    pub(crate) shorter: BTreeSet<usize>,
    /// What it says to a range in which it has no rows.
    pub(crate) refuses_nothing: Option<DataAccessResult>,
    /// What it says to every range.
    pub(crate) refuses_ranges: Option<DataAccessResult>,
    /// It gives all rows at once; otherwise it refuses that.
    pub(crate) gives_whole: bool,
    /// The second of the row with this number.
    pub(crate) wrong_second: Option<(usize, u8)>,
    /// Midnight is the hour 24 of the day before.
    pub(crate) counts_to_24: bool,
    /// Rows that it says it holds; it does not say when that is absent.
    pub(crate) entries_in_use: Option<u32>,
    /// Rows that it says it keeps; it does not say when that is absent.
    pub(crate) profile_entries: Option<u32>,
    /// It gives rows by their time only.
    pub(crate) refuses_entries: bool,
    /// Times that the period implies are left out.
    pub(crate) implied: bool,
    /// How it says that rows are sorted; it does not say when that is absent.
    pub(crate) sort_method: Option<u8>,
    /// The clock was not valid before this time, and rows of then are in every range.
    pub(crate) invalid_before: Option<Timestamp>,
    /// Attributes that are refused.
    pub(crate) denied: Vec<(Obis, i8)>,
    /// Attributes that are refused in another way.
    pub(crate) refusals: Vec<(Obis, i8, DataAccessResult)>,
    /// What attributes hold instead of what they should.
    pub(crate) odd_values: Vec<(Obis, i8, Data)>,
    /// What becomes of each order, by number; the others are carried out and answered.
    pub(crate) orders: BTreeMap<usize, Fate>,
    /// The load switch accepts orders and stays as it is.
    pub(crate) welded: bool,
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out, and its answer is lost with the connection.
    AnswerLost,
    /// It never arrives: the connection is cut before.
    OrderLost,
    /// It is carried out, and from then on every connection is silent.
    SilentAfter,
}

/// The load switch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadSwitch {
    pub(crate) output: bool,
    pub(crate) control: u8,
    pub(crate) mode: u8,
    pub(crate) lock: u16,
}

/// What the meter saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) connections: u32,
    pub(crate) requests: u32,
    pub(crate) aarqs: u32,
    pub(crate) releases: u32,
    pub(crate) ranges: Vec<(Option<i64>, Option<i64>)>,
    pub(crate) gets: Vec<(Obis, i8)>,
    /// Orders that were carried out or refused: object, method or attribute.
    pub(crate) orders: Vec<(Obis, i8)>,
    /// Orders that arrived or should have.
    pub(crate) sent: usize,
    /// General blocks that were sent, lost ones too.
    pub(crate) blocks: u32,
}

pub(crate) struct Meter {
    pub(crate) level: Level,
    pub(crate) serial: String,
    pub(crate) password: String,
    pub(crate) key: u8,
    /// The secret of who is let in by a proof with SHA-256 instead.
    pub(crate) secret: Option<String>,
    pub(crate) last_client_counter: Option<u32>,
    pub(crate) captures: Vec<CaptureObject>,
    pub(crate) rows: Vec<Timestamp>,
    pub(crate) switch: LoadSwitch,
    /// What its clock shows, which stands still, and its status.
    pub(crate) clock: (Timestamp, u8),
    /// Its log of events, whatever it is called; none when that is absent.
    pub(crate) log: Option<LogBook>,
    pub(crate) mischief: Mischief,
    pub(crate) seen: Seen,
}

/// A log of events.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogBook {
    pub(crate) captures: Vec<CaptureObject>,
    /// Entries: a time and the other cells.
    pub(crate) entries: Vec<(DateTime, Vec<Data>)>,
    /// Entries that it says it has room for; it does not say when that is absent.
    pub(crate) room: Option<u32>,
}

impl Meter {
    /// A meter with a day of quarter-hours, 2026-06-01 UTC.
    pub(crate) fn new(level: Level) -> Self {
        let object = |class_id, instance| CaptureObject { class_id, instance, attribute: 2, data_index: 0 };
        let midnight = at("2026-06-01T00:00:00Z").as_second();
        Self {
            level,
            serial: SERIAL.into(),
            password: PASSWORD.into(),
            key: 0xE1,
            secret: None,
            last_client_counter: None,
            captures: vec![object(8, CLOCK), object(3, ENERGY), object(3, VOLTAGE)],
            rows: (1..=96).map(|row| Timestamp::from_second(midnight + row * QUARTER).unwrap()).collect(),
            clock: (at("2026-06-02T12:00:00Z"), 0x80),
            switch: LoadSwitch { output: true, control: 1, mode: 4, lock: 0 },
            log: None,
            mischief: Mischief::default(),
            seen: Seen::default(),
        }
    }

    /// What becomes of the order that arrives now; `None` when it is none.
    fn fate(&mut self, apdu: &[u8]) -> Option<Fate> {
        // SET, ACTION and their ciphered forms; the proof of the key is an ACTION, too, and comes before the association is open.
        let is_order = matches!(apdu[0], 0xC1 | 0xC3 | 0xC9 | 0xCB);
        self.seen.sent += usize::from(is_order);
        self.mischief.orders.get(&self.seen.sent).copied().filter(|_| is_order)
    }

    /// Answers a request, rightly or not.
    fn answer(&mut self, session: &mut Session, apdu: &mut [u8], answer: &mut Vec<u8>) {
        let (is_endless, is_empty) = (self.mischief.endless, self.mischief.empty_blocks);
        if let Some(instead) = self.mischief.answers.get(&self.seen.requests) {
            answer.extend_from_slice(instead);
        } else if self.mischief.refuses_lists && apdu.starts_with(&GET_LIST) {
            answer.extend_from_slice(&NOT_SUPPORTED);
        } else if let Some(block) = is_endless.then(|| endless_block(apdu, is_empty)).flatten() {
            *answer = block;
        } else {
            session.handle(apdu, self, answer);
        }
        if self.mischief.terse && matches!(answer[..], [0xC7, 1, _, _, 0]) {
            answer.pop();
        }
    }

    pub(crate) fn share(self) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(self))
    }

    pub(crate) fn session(&self) -> Session {
        self.session_at(self.level)
    }

    fn session_at(&self, level: Level) -> Session {
        let security = match level {
            Level::None => server::Security::none(),
            Level::Gmac if let Some(secret) = &self.secret => {
                let secret = Password::new(secret.as_bytes());
                let challenge = (*b"meter challenge!").into();
                server::Security {
                    authentication: Authentication::Hls { hls: Hls::Sha256 { secret }, challenge },
                    title: Some(SystemTitle::new(*b"MMM\0\0\0\0\x07")),
                    ciphering: None,
                }
            }
            Level::Lls => server::Security::lls(Password::new(self.password.as_bytes())),
            Level::Gmac => server::Security::gmac(
                SystemTitle::new(*b"MMM\0\0\0\0\x07"),
                GlobalKeys::of_suite_0(Key::new([self.key; 16]), Key::new([0xA1; 16])),
                *b"meter challenge!",
                Counters::new(self.seen.connections * 10_000, u32::MAX),
                self.last_client_counter,
            ),
        };
        let all = Conformance::CLIENT.union(Conformance::GENERAL_BLOCK_TRANSFER);
        let conformance = self.mischief.services.unwrap_or(all);
        Session::new(Policy { security, max_pdu: self.mischief.max_pdu.unwrap_or(1024), conformance })
    }
}

impl LogBook {
    /// Clock, event code, and what else is captured beside them.
    pub(crate) fn new(others: &[(u16, &str)]) -> Self {
        let captures = [(8, "0.0.1.0.0.255")].iter().chain(others).map(|(class_id, name)| CaptureObject {
            class_id: *class_id,
            instance: name.parse().unwrap(),
            attribute: 2,
            data_index: 0,
        });
        Self { captures: captures.collect(), entries: Vec::new(), room: None }
    }

    pub(crate) fn with(mut self, time: DateTime, cells: &[Data]) -> Self {
        self.entries.push((time, cells.to_vec()));
        self
    }

    fn attribute(
        &self,
        attribute: i8,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        match (attribute, selection) {
            (2, Some(Selection::Range(range))) => {
                let bound = |time: DateTime| time.unix_seconds();
                let (from, to) = (bound(range.from).unwrap(), bound(range.to).unwrap());
                // What has no time is in every range.
                let inside = |time: &DateTime| time.unix_seconds().is_none_or(|at| (from..=to).contains(&at));
                let entries = self.entries.iter().filter(|(time, _)| inside(time));
                let rows = entries.map(|(time, cells)| {
                    Data::Structure([&[Data::OctetString(time.octets().to_vec())], &cells[..]].concat())
                });
                Data::Array(rows.collect()).encode(out);
            }
            (3, None) => encode_list(&self.captures, out),
            (4, None) => Data::DoubleLongUnsigned(0).encode(out),
            (8, None) if let Some(room) = self.room => Data::DoubleLongUnsigned(room).encode(out),
            _ => return Err(DataAccessResult::ScopeOfAccessViolated),
        }
        Ok(())
    }
}

/// What the meter measured at a time.
pub(crate) fn expected_values(at: Timestamp) -> [i64; 2] {
    let quarter = at.as_second() / QUARTER;
    [quarter * 3, 2300 + quarter % 50]
}

impl Objects for Meter {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        let name = (attribute.instance, attribute.attribute);
        self.seen.gets.push(name);
        if self.mischief.denied.contains(&name) {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        let is_meant = |obis: Obis, attribute: i8| (obis, attribute) == name;
        if let Some((.., refusal)) =
            self.mischief.refusals.iter().find(|(obis, attribute, _)| is_meant(*obis, *attribute))
        {
            return Err(*refusal);
        }
        if let Some((.., odd)) =
            self.mischief.odd_values.iter().find(|(obis, attribute, _)| is_meant(*obis, *attribute))
        {
            odd.encode(out);
            return Ok(());
        }
        let text = |text: &str| Data::OctetString(text.as_bytes().to_vec());
        match (attribute.class_id, attribute.instance.octets(), attribute.attribute) {
            (1, [0, 0, 96, 1, 0, 255], 2) => text(&self.serial).encode(out),
            (1, [0, 0, 42, 0, 0, 255], 2) => text("TINY30000001").encode(out),
            (1, [1, 0, 0, 2, 0, 255], 2) => text("1.0").encode(out),
            (8, _, 2) => {
                let (shown, status) = self.clock;
                let time = DateTime::from_unix(shown.as_second(), Some(-120), status);
                Data::OctetString(time.octets().to_vec()).encode(out);
            }
            (1, [0, 0, 43, 1, 0, 255], 2) => {
                Data::DoubleLongUnsigned(self.last_client_counter.unwrap_or_default()).encode(out);
            }
            (3, _, 2) if attribute.instance == ENERGY => Data::DoubleLongUnsigned(4711).encode(out),
            (3, _, 2) if attribute.instance == VOLTAGE => Data::LongUnsigned(2301).encode(out),
            (3, _, 3) if attribute.instance == ENERGY => ScalerUnit { scaler: 0, unit: Unit(30) }.encode(out),
            (3, _, 3) if attribute.instance == VOLTAGE => {
                ScalerUnit { scaler: -1, unit: Unit(35) }.encode(out)
            }
            (3, [0, 0, 96, 7, 19, 255], 3) => ScalerUnit { scaler: 0, unit: Unit(7) }.encode(out),
            (1, [1, 0, 94, 98, 69, 255], 2) => Data::LongUnsigned(self.switch.lock).encode(out),
            (70, _, 2) => Data::Boolean(self.switch.output).encode(out),
            (70, _, 3) => Data::Enum(self.switch.control).encode(out),
            (70, _, 4) => Data::Enum(self.switch.mode).encode(out),
            (7, [_, _, 99, 97 | 98, ..], number) => match &self.log {
                Some(log) => return log.attribute(number, selection, out),
                None => return Err(DataAccessResult::ObjectUndefined),
            },
            (7, _, 2) => return self.buffer(selection, out),
            (7, _, 3) => encode_list(&self.captures, out),
            (7, _, 4) => Data::DoubleLongUnsigned(900).encode(out),
            (7, _, 5) if let Some(method) = self.mischief.sort_method => Data::Enum(method).encode(out),
            (7, _, 6) => {
                let mut list = Vec::new();
                encode_list(&self.captures[..1], &mut list);
                // Behind tag and length of the list is the only one in it.
                out.extend_from_slice(&list[2..]);
            }
            (7, _, 7) if let Some(entries) = self.mischief.entries_in_use => {
                Data::DoubleLongUnsigned(entries).encode(out);
            }
            (7, _, 8) if let Some(entries) = self.mischief.profile_entries => {
                Data::DoubleLongUnsigned(entries).encode(out);
            }
            _ => return Err(DataAccessResult::ObjectUndefined),
        }
        Ok(())
    }

    fn set(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult> {
        self.seen.orders.push((attribute.instance, attribute.attribute));
        match (attribute.instance.octets(), value) {
            ([1, 0, 94, 98, 69, 255], Data::LongUnsigned(lock)) => {
                self.switch.lock = *lock;
                (self.switch.output, self.switch.control) = (true, 1);
                Ok(())
            }
            (_, Data::OctetString(octets)) if attribute.class_id == 8 => {
                let time = DateTime::new(octets.as_slice().try_into().unwrap());
                self.clock = (Timestamp::from_second(time.unix_seconds().unwrap()).unwrap(), 0x80);
                Ok(())
            }
            _ => Err(DataAccessResult::ReadWriteDenied),
        }
    }

    fn action(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
    ) -> Result<Option<Data>, ActionResult> {
        self.seen.orders.push((method.instance, method.method));
        if self.mischief.denied.contains(&(method.instance, method.method)) {
            return Err(ActionResult::ObjectUndefined);
        }
        if let (8, 6, Some(Data::Long(seconds))) = (method.class_id, method.method, parameters) {
            self.clock.0 += SignedDuration::from_secs(i64::from(*seconds));
            return Ok(None);
        }
        if method.class_id != 70 || parameters != Some(&Data::Integer(0)) {
            return Err(ActionResult::ObjectUndefined);
        }
        if self.mischief.welded {
            return Ok(None);
        }
        match (method.method, self.switch.mode) {
            (_, 0) => return Err(ActionResult::ReadWriteDenied),
            (1, _) => (self.switch.output, self.switch.control) = (false, 0),
            (_, 2 | 4) => (self.switch.output, self.switch.control) = (true, 1),
            _ => self.switch.control = 2,
        }
        Ok(None)
    }
}

/// One more block of a buffer that has no end, when that is what the request is about.
fn endless_block(request: &[u8], is_empty: bool) -> Option<Vec<u8>> {
    let (number, value) = match request {
        [0xC0, 1, _, 0, 7, ..] => (1, vec![1, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
        [0xC0, 2, _, number @ ..] => {
            let time = DateTime::from_unix(at("2026-01-01T00:00:00Z").as_second(), Some(0), 0);
            let cells = [
                Data::OctetString(time.octets().to_vec()),
                Data::DoubleLongUnsigned(1),
                Data::LongUnsigned(1),
            ];
            let mut row = Vec::new();
            if !is_empty {
                Data::Structure(cells.to_vec()).encode(&mut row);
            }
            (u32::from_be_bytes(number.try_into().unwrap()) + 1, row)
        }
        _ => return None,
    };
    let mut block = Vec::new();
    let invoke = InvokeId::new(request[2]);
    GetResponse::Block { invoke, last: false, number, result: Ok(&value) }.encode(&mut block);
    Some(block)
}

/// Whether an answer says that somebody is not let in.
fn shuts_out(session: &Session, answer: &[u8]) -> bool {
    let is_accepted = Aare::decode(answer).is_ok_and(|aare| aare.result == AssociationResult::Accepted);
    matches!(answer[0], 0x61 | 0xC7 | 0xD8) && !session.is_associated() && !is_accepted
}

/// Plays the meter on every line that is opened, one after the other.
pub(crate) async fn play(meter: Arc<Mutex<Meter>>, mut lines: mpsc::Receiver<DuplexStream>) {
    while let Some(line) = lines.recv().await {
        serve(&meter, line).await;
    }
}

/// Whether the next general block gets lost.
fn is_lost(meter: &Mutex<Meter>) -> bool {
    let mut meter = meter.lock().unwrap();
    meter.seen.blocks += 1;
    let number = meter.seen.blocks;
    meter.mischief.lost_blocks.contains(&number)
}

async fn serve(meter: &Mutex<Meter>, mut line: DuplexStream) {
    let (mut session, number) = {
        let mut meter = meter.lock().unwrap();
        meter.seen.connections += 1;
        (meter.session(), meter.seen.connections)
    };
    let mut splitter = Splitter::new(u16::MAX);
    let mut answers = 0;
    let mut chunk = [0; 512];
    while let Ok(got @ 1..) = line.read(&mut chunk).await {
        splitter.push(&chunk[..got]);
        while let Ok(Some((header, apdu))) = splitter.next_frame() {
            let (mut answer, mut frames) = (Vec::new(), Vec::new());
            let is_cut = {
                let mut meter = meter.lock().unwrap();
                if meter.mischief.deaf_in.contains(&number) {
                    continue;
                }
                meter.seen.requests += 1;
                meter.seen.aarqs += u32::from(apdu[0] == 0x60);
                meter.seen.releases += u32::from(apdu[0] == 0x62);
                let fate = if session.is_associated() { meter.fate(apdu) } else { None };
                if fate == Some(Fate::OrderLost) {
                    return;
                }
                if apdu[0] == 0x60 && meter.mischief.public == Some(header.source) {
                    session = meter.session_at(Level::None);
                }
                meter.answer(&mut session, apdu, &mut answer);
                if let Some(push) = &meter.mischief.unasked {
                    wrapper::frame(header.destination, header.source, push, &mut frames).unwrap();
                }
                meter.last_client_counter = session.last_client_counter().or(meter.last_client_counter);
                match fate {
                    Some(Fate::AnswerLost) => return,
                    Some(Fate::SilentAfter) => meter.mischief.silent_after = Some(0),
                    _ => {}
                }
                let limit = meter.mischief.silent_in.get(&number).copied().or(meter.mischief.silent_after);
                let is_concealed = meter.mischief.conceals && shuts_out(&session, &answer);
                if is_concealed || limit.is_some_and(|limit| answers >= limit) {
                    continue;
                }
                if meter.mischief.chatty {
                    wrapper::frame(header.destination, 99, &answer, &mut frames).unwrap();
                    if answer[0] == 0xC4 {
                        let mut late = answer.clone();
                        late[2] ^= 0x05;
                        wrapper::frame(header.destination, header.source, &late, &mut frames).unwrap();
                    }
                }
                meter.mischief.cut_after.get(&number) == Some(&answers)
            };
            answers += 1;
            while !answer.is_empty() {
                if answer[0] != GENERAL_BLOCK || !is_lost(meter) {
                    wrapper::frame(header.destination, header.source, &answer, &mut frames).unwrap();
                }
                answer.clear();
                session.stream(&mut answer);
            }
            if is_cut {
                frames.truncate(frames.len() / 2);
            }
            if line.write_all(&frames).await.is_err() || is_cut {
                return;
            }
        }
    }
}
