//! A day of a load profile, and the lines that bring it.

use dlms::axdr::Data;
use dlms::client::{Association, Reply};
use dlms::hdlc::{self, Address, Settings};
use dlms::profile::{Column, NullRule, RowDecoder, Rows};
use dlms::{AttributeDescriptor, DateTime, wrapper};

use crate::common::{Level, Pair, attribute};

/// Rows of a day.
const ROWS: u32 = 96;
/// Registers of a row.
const REGISTERS: u32 = 4;
/// 2026-03-01 00:00 UTC.
const START: i64 = 1_772_323_200;
/// Longest APDU that client and meter agree on: the day comes in one.
const PDU: u16 = 8192;

/// The attribute that is read.
pub(crate) fn profile() -> AttributeDescriptor {
    attribute(7, "1.0.99.1.0.255", 2)
}

/// The encoded buffer.
pub(crate) fn buffer() -> Vec<u8> {
    let row = |row: u32| {
        let clock = DateTime::from_unix(START + i64::from(row) * 900, Some(-60), 0).octets().to_vec();
        let registers = (0..REGISTERS).map(|register| Data::DoubleLongUnsigned(value(row, register)));
        let head = [Data::OctetString(clock), Data::Unsigned(0)];
        Data::Structure(head.into_iter().chain(registers).collect())
    };
    let mut octets = Vec::new();
    Data::Array((0..ROWS).map(row).collect()).encode(&mut octets);
    octets
}

/// What a register shows.
fn value(row: u32, register: u32) -> u32 {
    1_000_000 * (register + 1) + 37 * row
}

/// Turns the octets of the buffer into rows.
pub(crate) fn decode(octets: &[u8], rows: &mut Rows) {
    let mut columns = vec![Column::Clock, Column::Status];
    columns.resize(2 + REGISTERS as usize, Column::Value);
    let mut decoder = RowDecoder::new(columns, NullRule::Absent);
    decoder.push(octets, rows).unwrap();
    decoder.finish().unwrap();
}

/// The rows are those of the buffer.
pub(crate) fn check(rows: &Rows) {
    assert_eq!(rows.len(), ROWS as usize);
    let expected =
        (0..ROWS).flat_map(|row| (0..REGISTERS).map(move |register| i64::from(value(row, register))));
    assert!(rows.values.iter().copied().eq(expected.map(Some)));
    assert_eq!(rows.clocks[95].unwrap().unix_seconds(), Some(START + 95 * 900));
}

/// A client that has asked, and the answer as TCP brings it.
pub(crate) struct Wrapped {
    client: Association,
    octets: Vec<u8>,
}

impl Wrapped {
    pub(crate) fn new(level: Level) -> Self {
        let (client, answer) = asked(level);
        let mut octets = Vec::new();
        wrapper::frame(1, 16, &answer, &mut octets).unwrap();
        Self { client, octets }
    }

    /// What TCP brings.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn read(&mut self, rows: &mut Rows) {
        let mut splitter = wrapper::Splitter::new(u16::MAX);
        splitter.push(&self.octets);
        let (_, apdu) = splitter.next_frame().unwrap().unwrap();
        take(&mut self.client, apdu, rows);
    }
}

/// A client that has asked over HDLC, and the frames that come back, one after each acknowledgement.
pub(crate) struct Hdlc {
    client: Association,
    link: hdlc::Client,
    frames: Vec<Vec<u8>>,
    out: Vec<u8>,
}

impl Hdlc {
    pub(crate) fn new(level: Level) -> Self {
        let (client, answer) = asked(level);
        let (mut link, mut twin) = (link(), link());
        let mut meter = hdlc::Server::new(vec![station()], Settings::default());
        connect(&mut twin, &mut meter);
        connect(&mut link, &mut hdlc::Server::new(vec![station()], Settings::default()));
        // The twin goes through it with the meter; the other one hears the same.
        let (mut out, mut frames) = (Vec::new(), Vec::new());
        twin.send(&[0xC0], &mut out).unwrap();
        link.send(&[0xC0], &mut Vec::new()).unwrap();
        loop {
            meter.push(&std::mem::take(&mut out));
            let mut frame = Vec::new();
            if let hdlc::Arrival::Apdu(id, _) = meter.poll(&mut frame).unwrap() {
                meter.answer(id, Some(&answer), &mut frame).unwrap();
            }
            twin.push(&frame);
            frames.push(frame);
            match twin.poll(&mut out).unwrap() {
                hdlc::Event::Reply => {}
                hdlc::Event::Apdu(_) => break,
                other => panic!("{other:?}"),
            }
        }
        Self { client, link, frames, out: Vec::with_capacity(256) }
    }

    pub(crate) fn read(&mut self, rows: &mut Rows) {
        for frame in &self.frames {
            self.link.push(frame);
            self.out.clear();
            match self.link.poll(&mut self.out).unwrap() {
                hdlc::Event::Reply => {}
                hdlc::Event::Apdu(apdu) => take(&mut self.client, apdu, rows),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn station() -> Address {
    Address::server(1, Some(17)).unwrap()
}

fn link() -> hdlc::Client {
    hdlc::Client::new(Address::client(16).unwrap(), station(), Settings::default())
}

fn connect(link: &mut hdlc::Client, meter: &mut hdlc::Server) {
    let (mut out, mut answer) = (Vec::new(), Vec::new());
    link.connect(&mut out).unwrap();
    meter.push(&out);
    meter.poll(&mut answer).unwrap();
    link.push(&answer);
    assert!(matches!(link.poll(&mut out).unwrap(), hdlc::Event::Connected(_)));
}

/// A client that has just asked for the day, and the answer.
fn asked(level: Level) -> (Association, Vec<u8>) {
    let mut pair = Pair::new(level, PDU, PDU);
    let profile = profile();
    pair.meter.values.insert((profile.class_id, profile.instance, profile.attribute), buffer());
    let mut request = Vec::new();
    pair.client.get(&profile, None, &mut request).unwrap();
    let answer = pair.answer(&request);
    (pair.client, answer)
}

fn take(client: &mut Association, apdu: &mut [u8], rows: &mut Rows) {
    match client.handle(apdu).unwrap() {
        Reply::Data(octets) => decode(octets, rows),
        other => panic!("{other:?}"),
    }
}
