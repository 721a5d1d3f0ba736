//! What a seed means: one meter, the weather on its line, and what it is asked.

use std::{sync::Arc, time::Duration};

use collectors::{Credentials, Layout, LayoutColumn, ProfileRange, RegisterRequest, Station, Task};
use dlms::{
    Obis, ScalerUnit, Unit,
    client::{GlobalKeys, Key, Password, SystemTitle},
    cosem::Form,
    profile::{CaptureObject, Column},
};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use models::{DeviationSign, NullRule, RangeDeviation};
use tokio::time::Instant;

use super::{
    line::{Fault, Weather},
    meter::{ABSENT, Level, Meter, PASSWORD, PROFILE, Row, SERIAL, Times, Wall},
    rng::Rng,
};

const DAY: u32 = 86_400;

/// A work before it is handed over.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) job: i64,
    /// Pause before it is handed over.
    pub(crate) pause: Duration,
    pub(crate) priority: i16,
    pub(crate) counters: u32,
    pub(crate) task: Task,
    /// The layout that it brings is not the meter's.
    pub(crate) is_stale: bool,
}

pub(crate) struct Plan {
    pub(crate) pdu: u16,
    pub(crate) max_rows: u32,
    pub(crate) range_deviation: RangeDeviation,
    pub(crate) orders: Vec<Order>,
    pub(crate) weather: Weather,
}

pub(crate) fn make(rng: &mut Rng) -> (Plan, Meter) {
    let meter = meter(rng);
    let max_rows = if rng.permille(300) { u32::try_from(rng.between(4, 300)).unwrap() } else { 0 };
    let orders = (1..=rng.between(1, 6)).map(|job| order(rng, &meter, job)).collect();
    let plan = Plan {
        pdu: u16::try_from(rng.between(64, 1500)).unwrap(),
        max_rows,
        range_deviation: rng.pick(&[RangeDeviation::Send, RangeDeviation::Unspecified]),
        orders,
        weather: weather(rng, meter.level),
    };
    (plan, meter)
}

fn weather(rng: &mut Rng, level: Level) -> Weather {
    let mut faults = vec![Fault::Drop, Fault::Late, Fault::Cut, Fault::Twice, Fault::SlowAccept];
    if level == Level::Gmac {
        faults.extend([Fault::DamagedAnswer, Fault::DamagedRequest]);
    }
    faults.retain(|_| rng.permille(700));
    let permille = rng.pick(&[0, 10, 50, 100, 300, 700]);
    Weather { faults, permille, delay_ms: rng.pick(&[0, 20, 400]) }
}

fn meter(rng: &mut Rng) -> Meter {
    let (zone, changes) = rng.pick(&[
        ("Europe/Berlin", ["2026-10-25T01:00:00Z", "2026-03-29T01:00:00Z"]),
        ("America/New_York", ["2026-11-01T06:00:00Z", "2026-03-08T07:00:00Z"]),
        ("Australia/Lord_Howe", ["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"]),
        ("Europe/Dublin", ["2026-10-25T01:00:00Z", "2026-03-29T01:00:00Z"]),
        ("UTC", ["2026-12-31T23:00:00Z", "2026-02-28T23:00:00Z"]),
    ]);
    let period_s = rng.pick(&[900, 1800, 3600, DAY, 0]);
    let times = rng.pick(&[Times::Deviation, Times::SummerBit, Times::Silent, Times::BitNeverSet]);
    let null_rule = rng.pick(&[NullRule::Repeat, NullRule::Absent]);
    let captures = captures(rng);
    let change: Timestamp = rng.pick(&changes).parse().unwrap();
    let zone = TimeZone::get(zone).unwrap();
    let instants =
        instants(rng, change, (period_s, &zone), matches!(times, Times::Deviation | Times::SummerBit));
    let mut rows: Vec<Row> = Vec::with_capacity(instants.len());
    for at in instants {
        let row = row(rng, at, &captures, null_rule, rows.last());
        rows.push(row);
    }
    let wall = Arc::new(Wall { began: Instant::now(), start: change + SignedDuration::from_hours(24 * 12) });
    Meter {
        level: rng.pick(&[Level::None, Level::Lls, Level::Gmac, Level::Gmac]),
        zone,
        times,
        null_rule,
        implied: rng.permille(400),
        newest_first: rng.permille(200),
        period_s,
        captures,
        sign: rng.pick(&[DeviationSign::Standard, DeviationSign::Inverted]),
        range_dates: rng.pick(&[Form::Octets, Form::Typed]),
        rows,
        skew_s: rng.between(-900, 900),
        wall,
        last_client_counter: None,
        sessions: 0,
        asked: std::collections::BTreeSet::new(),
    }
}

fn captures(rng: &mut Rng) -> Vec<CaptureObject> {
    let object = |class_id, instance, attribute| CaptureObject {
        class_id,
        instance: Obis::new(instance),
        attribute,
        data_index: 0,
    };
    let mut captures = Vec::new();
    if rng.permille(400) {
        captures.push(object(1, [0, 0, 96, 10, 1, 255], 2));
    }
    for octet in 1..=u8::try_from(rng.between(1, 8)).unwrap() {
        captures.push(object(3, [1, 0, octet, 8, 0, 255], 2));
        if rng.permille(100) {
            captures.push(object(4, [1, 0, octet, 6, 0, 255], 5));
        }
    }
    let place = if rng.permille(800) { 0 } else { rng.index(captures.len() + 1) };
    captures.insert(place, object(8, [0, 0, 1, 0, 0, 255], 2));
    captures
}

/// The times of the rows around a change of the clocks. A meter whose rows do not say which of two equal hours is meant
/// can be understood only when it has all of them.
fn instants(
    rng: &mut Rng,
    change: Timestamp,
    (period_s, zone): (u32, &TimeZone),
    may_miss: bool,
) -> Vec<Timestamp> {
    let days = rng.pick(&[0, 1, 2, 3, 8]);
    let start =
        change.to_zoned(zone.clone()).start_of_day().unwrap().checked_sub(rng.between(1, 2).days()).unwrap();
    let all: Vec<Timestamp> = match period_s {
        0 => {
            let mut at = start.timestamp();
            let count = if days == 0 { 0 } else { rng.between(1, 40) };
            let step = |_| {
                at += SignedDuration::from_secs(rng.between(3 * 3600, 40 * 3600));
                at
            };
            (0..count).map(step).collect()
        }
        DAY => (1..=days * 4).map(|day| start.checked_add(day.days()).unwrap().timestamp()).collect(),
        period => {
            let count = days * i64::from(DAY / period);
            let at = |row| start.timestamp() + SignedDuration::from_secs(row * i64::from(period));
            (1..=count).map(at).collect()
        }
    };
    let missing = if may_miss && rng.permille(500) { 150 } else { 0 };
    let is_ambiguous = |at: Timestamp| {
        let is_near = (at - change).get_seconds().abs() < 2 * 3600;
        period_s == 0 && !may_miss && is_near
    };
    all.into_iter().filter(|at| !is_ambiguous(*at) && !rng.permille(missing)).collect()
}

fn row(
    rng: &mut Rng,
    at: Timestamp,
    captures: &[CaptureObject],
    rule: NullRule,
    before: Option<&Row>,
) -> Row {
    let absent = if rule == NullRule::Absent { 150 } else { 0 };
    let count = |kind| captures.iter().filter(|capture| Column::of(capture) == kind).count();
    let status = (count(Column::Status) > 0 && !rng.permille(absent))
        .then(|| u32::try_from(rng.pick(&[0, 1, 0x8000_0000, 0xFFFF_FFFF_i64])).unwrap())
        .map(|bits| if bits > 0x7FFF_FFFF { bits } else { bits & 1 });
    let value = |column: usize| {
        let same = before.and_then(|before| before.values[column]);
        match rng.between(0, 3) {
            _ if rng.permille(absent) => None,
            0 if same.is_some() => same,
            1 => Some(rng.between(0, 65_535)),
            2 => Some(rng.between(-70_000, 2_000_000)),
            _ => Some(rng.between(0, i64::from(u32::MAX)) * 7),
        }
    };
    let values = (0..count(Column::Value)).map(value).collect();
    Row { at, status, values }
}

fn order(rng: &mut Rng, meter: &Meter, job: i64) -> Order {
    let (task, is_stale) = match rng.between(0, 9) {
        0 => (Task::Identify, false),
        1 => (Task::ReadClock, false),
        2 => (Task::ReadRegisters(registers(rng)), false),
        _ => range(rng, meter),
    };
    Order {
        job,
        pause: Duration::from_millis(u64::try_from(rng.pick(&[0, 0, 1000, 4999, 5001, 20_000])).unwrap()),
        priority: i16::try_from(rng.between(-2, 2)).unwrap(),
        counters: u32::try_from(rng.pick(&[12, 200, 4000, 20_000])).unwrap(),
        task,
        is_stale,
    }
}

fn registers(rng: &mut Rng) -> Vec<RegisterRequest> {
    let request = |obis| RegisterRequest { obis, class_id: 3, attribute: 2 };
    let one = |_| match rng.permille(100) {
        true => request(ABSENT),
        false => request(Obis::new([1, 0, u8::try_from(rng.between(1, 60)).unwrap(), 8, 0, 255])),
    };
    (0..4).map(one).collect()
}

fn range(rng: &mut Rng, meter: &Meter) -> (Task, bool) {
    let second = SignedDuration::from_secs(1);
    let at = |row: usize| meter.rows.get(row).map_or(meter.wall.start, |row| row.at);
    let (one, other) = (rng.index(meter.rows.len().max(1)), rng.index(meter.rows.len().max(1)));
    let (from, to) = match rng.between(0, 4) {
        0 => (at(0) - second * 4000, at(0) - second),
        1 => (at(one) + second, (at(one + 1) - second).max(at(one) + second)),
        2 => (at(one), at(one)),
        3 => (at(0) - second * 100_000, at(meter.rows.len()) + second * 50),
        _ => (at(one.min(other)) - second * i32::try_from(rng.between(0, 400)).unwrap(), at(one.max(other))),
    };
    let is_stale = rng.permille(60);
    let mut layout = layout(meter);
    if is_stale {
        let last = layout.columns.last().unwrap().clone();
        layout.columns.push(last);
    }
    let layout = (is_stale || rng.permille(600)).then(|| Arc::new(layout));
    (Task::ReadProfile(ProfileRange { obis: PROFILE, from, to, layout, last: None }), is_stale)
}

/// The layout that the meter has.
pub(crate) fn layout(meter: &Meter) -> Layout {
    let column = |(index, capture): (usize, &CaptureObject)| {
        let column = meter.column(index);
        let ScalerUnit { scaler, unit } = match column {
            Column::Value => Meter::scaler(capture.instance),
            Column::Time => ScalerUnit { scaler: 0, unit: Unit(7) },
            _ => ScalerUnit { scaler: 0, unit: Unit::NONE },
        };
        LayoutColumn { capture: *capture, column, scaler, unit }
    };
    let columns = meter.captures.iter().enumerate().map(column).collect();
    Layout { obis: PROFILE, period_s: meter.period_s, columns }
}

pub(crate) fn station(plan: &Plan, meter: &Meter) -> Station {
    let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
    model.association.max_pdu = plan.pdu;
    model.quirks.max_rows_per_read = plan.max_rows;
    model.quirks.range_deviation = plan.range_deviation;
    model.quirks.null_rule = meter.null_rule;
    model.quirks.deviation_sign = meter.sign;
    model.quirks.range_dates = meter.range_dates;
    Station {
        meter: 7,
        address: "memory:1".parse().unwrap(),
        device_address: None,
        subunit: None,
        via: None,
        server_sap: 1,
        client_sap: 16,
        credentials: match meter.level {
            Level::None => Credentials::none(),
            Level::Lls => Credentials::lls(Password::new(PASSWORD.as_bytes())),
            Level::Gmac => Credentials::gmac(
                SystemTitle::new(*b"HES\0\0\0\0\x01"),
                GlobalKeys::of_suite_0(Key::new([0xE1; 16]), Key::new([0xA1; 16])),
            ),
        },
        model: Arc::new(model),
        serial: Some(SERIAL.into()),
        zone: meter.zone.clone(),
    }
}
