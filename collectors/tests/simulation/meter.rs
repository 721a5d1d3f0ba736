//! The objects of the simulated meter: the truth that the reader has to find.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use collectors::Clock;
use dlms::{
    ActionResult, AttributeDescriptor, Conformance, DataAccessResult, DateTime, MethodDescriptor, Obis,
    ScalerUnit, Unit,
    axdr::Data,
    client::{Counters, GlobalKeys, Key, Password, SystemTitle},
    cosem::Form,
    profile::{CaptureObject, Column, encode_list},
    selection::Selection,
    server::{self, Objects, Policy, Session},
};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use models::{DeviationSign, NullRule};
use tokio::time::Instant;

pub(crate) const SERIAL: &str = "30000001";
pub(crate) const PASSWORD: &str = "87654321";
pub(crate) const PROFILE: Obis = Obis::new([1, 0, 99, 1, 0, 255]);
/// A register that the meter does not have.
pub(crate) const ABSENT: Obis = Obis::new([1, 0, 77, 7, 0, 255]);
const DAY: u32 = 86_400;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Level {
    None,
    Lls,
    Gmac,
}

/// How rows say their time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Times {
    /// With the deviation.
    Deviation,
    /// Local, with the summer bit.
    SummerBit,
    /// Local, with a status that is not specified.
    Silent,
    /// Local, with a status whose summer bit is never set.
    BitNeverSet,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) status: Option<u32>,
    pub(crate) values: Vec<Option<i64>>,
}

#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) level: Level,
    pub(crate) zone: TimeZone,
    pub(crate) times: Times,
    pub(crate) null_rule: NullRule,
    pub(crate) implied: bool,
    /// The newest row comes first.
    pub(crate) newest_first: bool,
    pub(crate) period_s: u32,
    pub(crate) captures: Vec<CaptureObject>,
    /// How it means deviations.
    pub(crate) sign: DeviationSign,
    /// The form of the times in a range, without which it refuses it.
    pub(crate) range_dates: Form,
    pub(crate) rows: Vec<Row>,
    pub(crate) skew_s: i64,
    pub(crate) wall: Arc<Wall>,
    pub(crate) last_client_counter: Option<u32>,
    pub(crate) sessions: u32,
    pub(crate) asked: BTreeSet<(Obis, i8)>,
}

/// The wall clock of both sides: it goes as tokio's paused clock does.
#[derive(Debug)]
pub(crate) struct Wall {
    pub(crate) began: Instant,
    pub(crate) start: Timestamp,
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let elapsed = Duration::from_micros(u64::try_from(self.began.elapsed().as_micros()).unwrap());
        self.start + SignedDuration::try_from(elapsed).unwrap()
    }
}

impl Meter {
    pub(crate) fn session(&mut self) -> Session {
        self.sessions += 1;
        let security = match self.level {
            Level::None => server::Security::none(),
            Level::Lls => server::Security::lls(Password::new(PASSWORD.as_bytes())),
            Level::Gmac => server::Security::gmac(
                SystemTitle::new(*b"MMM\0\0\0\0\x07"),
                GlobalKeys::of_suite_0(Key::new([0xE1; 16]), Key::new([0xA1; 16])),
                *b"meter challenge!",
                Counters::new(self.sessions * 100_000, u32::MAX),
                self.last_client_counter,
            ),
        };
        Session::new(Policy { security, max_pdu: 1024, conformance: Conformance::CLIENT })
    }

    pub(crate) fn column(&self, index: usize) -> Column {
        Column::of(&self.captures[index])
    }

    /// What a register holds; the scaler follows from the logical name.
    pub(crate) fn register(instance: Obis) -> i64 {
        i64::from(instance.octets()[2]) * 1001
    }

    pub(crate) fn scaler(instance: Obis) -> ScalerUnit {
        let octet = instance.octets()[2];
        ScalerUnit { scaler: octet.cast_signed() % 4 - 2, unit: Unit(30 + octet % 6) }
    }

    /// When what a row says occurred did so: on days without a change of the clocks, so that it needs no neighbours to be understood.
    pub(crate) fn occurred(row: Timestamp) -> Timestamp {
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        noon + SignedDuration::from_secs(row.as_second() % 900_000)
    }

    /// A time as the meter says it.
    fn said(&self, at: Timestamp) -> DateTime {
        self.sign.apply(self.standard(at))
    }

    fn standard(&self, at: Timestamp) -> DateTime {
        let info = self.zone.to_offset_info(at);
        let offset = info.offset().seconds();
        let summer = if info.dst().is_dst() { DateTime::DAYLIGHT_SAVING } else { 0 };
        let local = at.as_second() + i64::from(offset);
        match self.times {
            Times::Deviation => {
                let deviation = i16::try_from(-offset / 60).unwrap();
                DateTime::from_unix(at.as_second(), Some(deviation), summer)
            }
            Times::SummerBit => DateTime::from_unix(local, None, summer),
            Times::Silent => DateTime::from_unix(local, None, 0xFF),
            Times::BitNeverSet => DateTime::from_unix(local, None, 0),
        }
    }

    pub(crate) fn status_of(&self, at: Timestamp) -> u8 {
        self.said(at).status()
    }

    /// Whether the range as the client said it holds the time: by instants, or by what the clock on the wall showed.
    fn holds(&self, from: &DateTime, to: &DateTime, at: Timestamp) -> bool {
        let local = at.as_second() + i64::from(self.zone.to_offset(at).seconds());
        let (from, to) = (self.sign.apply(*from), self.sign.apply(*to));
        let after =
            from.unix_seconds().map_or(from.local_seconds().unwrap() <= local, |s| s <= at.as_second());
        after && to.unix_seconds().map_or(local <= to.local_seconds().unwrap(), |s| at.as_second() <= s)
    }

    /// Whether one period lies between the row before in an answer and this one.
    fn follows(&self, before: Timestamp, at: Timestamp) -> bool {
        let (before, at) = if self.newest_first { (at, before) } else { (before, at) };
        match self.period_s {
            0 => false,
            DAY => before.to_zoned(self.zone.clone()).checked_add(1.days()).unwrap().timestamp() == at,
            period => before + SignedDuration::from_secs(period.into()) == at,
        }
    }

    fn buffer(&self, selection: Option<&Selection>, out: &mut Vec<u8>) {
        let Some(Selection::Range(range)) = selection else { panic!("the whole buffer was asked for") };
        assert_eq!(range.form, self.range_dates, "the form of the times of a range");
        let mut before: Option<&Row> = None;
        let mut answer = Vec::new();
        for place in 0..self.rows.len() {
            let index = if self.newest_first { self.rows.len() - 1 - place } else { place };
            let row = &self.rows[index];
            if !self.holds(&range.from, &range.to, row.at) {
                continue;
            }
            answer.push(Data::Structure(self.cells(index, row, before)));
            before = Some(row);
        }
        Data::Array(answer).encode(out);
    }

    fn cells(&self, index: usize, row: &Row, before: Option<&Row>) -> Vec<Data> {
        let mut values = 0;
        let repeats = self.null_rule == NullRule::Repeat;
        let cells = self.captures.iter().enumerate().map(|(column, _)| match self.column(column) {
            Column::Clock if self.implied && before.is_some_and(|before| self.follows(before.at, row.at)) => {
                Data::NullData
            }
            Column::Clock if index % 5 == 3 => Data::DateTime(self.said(row.at)),
            Column::Clock => Data::OctetString(self.said(row.at).octets().to_vec()),
            Column::Float | Column::Text | Column::Ignored => Data::OctetString(vec![0xFF; index % 9]),
            Column::Time => Data::OctetString(self.said(Self::occurred(row.at)).octets().to_vec()),
            Column::Status => {
                let same = before.is_some_and(|before| before.status == row.status);
                match row.status {
                    Some(bits) if !(repeats && same) => Data::DoubleLongUnsigned(bits),
                    _ => Data::NullData,
                }
            }
            Column::Value => {
                let same = before.is_some_and(|before| before.values[values] == row.values[values]);
                let value = row.values[values];
                values += 1;
                match value {
                    Some(value) if !(repeats && same && !index.is_multiple_of(3)) => number(value),
                    _ => Data::NullData,
                }
            }
        });
        cells.collect()
    }
}

/// The smallest type that holds the number.
fn number(value: i64) -> Data {
    let unsigned = u16::try_from(value).map(Data::LongUnsigned);
    unsigned.or_else(|_| i32::try_from(value).map(Data::DoubleLong)).unwrap_or(Data::Long64(value))
}

impl Objects for Meter {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        self.asked.insert((attribute.instance, attribute.attribute));
        let text = |text: &str| Data::OctetString(text.as_bytes().to_vec());
        match (attribute.class_id, attribute.instance.octets(), attribute.attribute) {
            _ if attribute.instance == ABSENT => return Err(DataAccessResult::ObjectUndefined),
            (1, [0, 0, 96, 1, 0, 255], 2) => text(SERIAL).encode(out),
            (1, [0, 0, 42, 0, 0, 255], 2) => text("TINY30000001").encode(out),
            (1, [1, 0, 0, 2, 0, 255], 2) => text("1.0").encode(out),
            (8, _, 2) => {
                let shown = self.wall.now() + SignedDuration::from_secs(self.skew_s);
                Data::OctetString(DateTime::from_unix(shown.as_second(), Some(0), 0).octets().to_vec())
                    .encode(out);
            }
            (3, _, 2) => number(Self::register(attribute.instance)).encode(out),
            (3, _, 3) => Self::scaler(attribute.instance).encode(out),
            (7, _, 2) => self.buffer(selection, out),
            (7, _, 3) => encode_list(&self.captures, out),
            (7, _, 4) => Data::DoubleLongUnsigned(self.period_s).encode(out),
            (7, _, 5) => Data::Enum(if self.newest_first { 2 } else { 1 }).encode(out),
            _ => return Err(DataAccessResult::ObjectUndefined),
        }
        Ok(())
    }

    fn set(&mut self, _: &AttributeDescriptor, _: &Data) -> Result<(), DataAccessResult> {
        Err(DataAccessResult::ReadWriteDenied)
    }

    fn action(&mut self, _: &MethodDescriptor, _: Option<&Data>) -> Result<Option<Data>, ActionResult> {
        Err(ActionResult::ObjectUndefined)
    }
}
