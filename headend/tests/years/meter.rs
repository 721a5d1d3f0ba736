//! A meter with a buffer and a clock that can be moved, at the other end of a line in memory: the truth that has to be in the table.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use dlms::axdr::Data;
use dlms::profile::{CaptureObject, encode_list};
use dlms::selection::Selection;
use dlms::server::{self, Objects, Policy, Session};
use dlms::wrapper::{self, Splitter};
use dlms::{
    ActionResult, AttributeDescriptor, Conformance, DataAccessResult, DateTime, MethodDescriptor, Obis,
    ScalerUnit, Unit,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// What can be captured beside the clock: import, export, a voltage.
const COLUMNS: [(&str, ScalerUnit); 3] = [
    ("1.0.1.8.0.255", ScalerUnit { scaler: 0, unit: Unit(30) }),
    ("1.0.2.8.0.255", ScalerUnit { scaler: 0, unit: Unit(30) }),
    ("1.0.32.7.0.255", ScalerUnit { scaler: -1, unit: Unit(35) }),
];

/// A capture as it stands in the buffer.
struct Row {
    at: Timestamp,
    time: DateTime,
    values: Vec<u32>,
}

pub(crate) struct Meter {
    pub(crate) serial: String,
    zone: TimeZone,
    /// Whether its times have a deviation, or only the summer bit.
    says_deviation: bool,
    /// Seconds by which its clock is ahead.
    ahead_s: i64,
    /// Up to when, by its own clock, it has captured.
    pub(crate) until: Timestamp,
    period_s: i64,
    columns: usize,
    depth: usize,
    rows: VecDeque<Row>,
    /// What it captured last for each time, whether it still holds it or not.
    pub(crate) captured: BTreeMap<Timestamp, Vec<u32>>,
    /// Times that came again with other values.
    pub(crate) repeated: usize,
}

impl Meter {
    /// A meter that is put up now.
    pub(crate) fn new(serial: &str, now: Timestamp, says_deviation: bool) -> Self {
        Self {
            serial: serial.to_owned(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            says_deviation,
            ahead_s: 0,
            until: now,
            period_s: 900,
            columns: 2,
            depth: 9600,
            rows: VecDeque::new(),
            captured: BTreeMap::new(),
            repeated: 0,
        }
    }

    /// Time passes until `now`, and the meter captures.
    pub(crate) fn live(&mut self, now: Timestamp) {
        let own = now + SignedDuration::from_secs(self.ahead_s);
        let mut end = (self.until.as_second().div_euclid(self.period_s) + 1) * self.period_s;
        while end <= own.as_second() {
            self.capture(Timestamp::from_second(end).unwrap());
            end += self.period_s;
        }
        self.until = own;
    }

    fn capture(&mut self, at: Timestamp) {
        // What is measured goes by the time, whatever the clock shows.
        let minute = u32::try_from((at.as_second() - self.ahead_s) / 60).unwrap();
        let measured = [minute, minute / 7, 2300 + minute % 50];
        let row = Row { at, time: self.said(at), values: measured.into_iter().take(self.columns).collect() };
        let before = self.captured.insert(at, row.values.clone());
        self.repeated += usize::from(before.is_some_and(|before| before != row.values));
        self.rows.push_back(row);
        if self.rows.len() > self.depth {
            self.rows.pop_front();
        }
    }

    /// A time as the meter says it.
    fn said(&self, at: Timestamp) -> DateTime {
        let info = self.zone.to_offset_info(at);
        let summer = if info.dst().is_dst() { DateTime::DAYLIGHT_SAVING } else { 0 };
        let offset = info.offset().seconds();
        match self.says_deviation {
            true => DateTime::from_unix(at.as_second(), i16::try_from(-offset / 60).ok(), summer),
            false => DateTime::from_unix(at.as_second() + i64::from(offset), None, summer),
        }
    }

    /// Its clock is moved, now.
    pub(crate) fn step(&mut self, now: Timestamp, seconds: i64) {
        self.live(now);
        self.ahead_s += seconds;
        self.until = now + SignedDuration::from_secs(self.ahead_s);
    }

    /// Captures at another rate from now on; what it held is gone, as IEC 62056-6-2 has it.
    pub(crate) fn capture_every(&mut self, now: Timestamp, period_s: i64) {
        self.live(now);
        self.period_s = period_s;
        self.rows.clear();
    }

    /// Captures other objects from now on; what it held is gone.
    pub(crate) fn capture_columns(&mut self, now: Timestamp, columns: usize) {
        self.live(now);
        self.columns = columns;
        self.rows.clear();
    }

    fn captures(&self) -> Vec<CaptureObject> {
        let object = |class_id, name: &str| CaptureObject {
            class_id,
            instance: name.parse().unwrap(),
            attribute: 2,
            data_index: 0,
        };
        let values = COLUMNS.iter().take(self.columns).map(|(name, _)| object(3, name));
        std::iter::once(object(8, "0.0.1.0.0.255")).chain(values).collect()
    }

    fn buffer(&self, selection: Option<&Selection>, out: &mut Vec<u8>) {
        let local = |time: &DateTime| time.local_seconds().unwrap();
        let inside = |(place, row): &(usize, &Row)| match selection {
            Some(Selection::Range(range)) => match (range.from.unix_seconds(), range.to.unix_seconds()) {
                (Some(from), Some(to)) => (from..=to).contains(&row.at.as_second()),
                _ => (local(&range.from)..=local(&range.to)).contains(&local(&row.time)),
            },
            Some(Selection::Entries(entries)) => {
                (entries.from as usize..=entries.to as usize).contains(&(place + 1))
            }
            _ => panic!("the whole buffer was asked for"),
        };
        let rows = self.rows.iter().enumerate().filter(inside).map(|(_, row)| {
            let time = Data::OctetString(row.time.octets().to_vec());
            let values = row.values.iter().copied().map(Data::DoubleLongUnsigned);
            Data::Structure(std::iter::once(time).chain(values).collect())
        });
        Data::Array(rows.collect()).encode(out);
    }
}

impl Objects for Meter {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        let column = |instance: Obis| COLUMNS.iter().find(|(name, _)| name.parse() == Ok(instance));
        match (attribute.class_id, attribute.attribute) {
            (1, 2) if attribute.instance == Obis::new([0, 0, 96, 1, 0, 255]) => {
                Data::OctetString(self.serial.as_bytes().to_vec()).encode(out);
            }
            (7, 2) => self.buffer(selection, out),
            (7, 3) => encode_list(&self.captures(), out),
            (7, 4) => Data::DoubleLongUnsigned(u32::try_from(self.period_s).unwrap()).encode(out),
            (7, 7) => Data::DoubleLongUnsigned(u32::try_from(self.rows.len()).unwrap()).encode(out),
            (3, 3) => column(attribute.instance).ok_or(DataAccessResult::ObjectUndefined)?.1.encode(out),
            _ => return Err(DataAccessResult::ObjectUndefined),
        }
        Ok(())
    }

    fn set(&mut self, _: &AttributeDescriptor, _: &Data) -> Result<(), DataAccessResult> {
        Err(DataAccessResult::ReadWriteDenied)
    }

    fn action(&mut self, _: &MethodDescriptor, _: Option<&Data>) -> Result<Option<Data>, ActionResult> {
        Err(ActionResult::ReadWriteDenied)
    }
}

/// Plays the meter on every line that is opened.
pub(crate) async fn play(meter: Arc<Mutex<Meter>>, mut lines: mpsc::Receiver<DuplexStream>) {
    while let Some(mut line) = lines.recv().await {
        let policy =
            Policy { security: server::Security::none(), max_pdu: 2048, conformance: Conformance::CLIENT };
        let (mut session, mut splitter) = (Session::new(policy), Splitter::new(u16::MAX));
        let mut chunk = [0; 2048];
        while let Ok(got @ 1..) = line.read(&mut chunk).await {
            splitter.push(&chunk[..got]);
            while let Ok(Some((header, apdu))) = splitter.next_frame() {
                let (mut answer, mut frame) = (Vec::new(), Vec::new());
                session.handle(apdu, &mut *meter.lock().unwrap(), &mut answer);
                wrapper::frame(header.destination, header.source, &answer, &mut frame).unwrap();
                if line.write_all(&frame).await.is_err() {
                    break;
                }
            }
        }
    }
}
