//! A client gives meters a tariff: what waits on the passive side, what makes it active, and what the meter refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::sync::Arc;

use common::{Failure, Reader, config, model};
use dlms::axdr::Data;
use dlms::cosem::activity_calendar::{Action, Calendar, Day, Forms, Season, Side, Week, activation_time};
use dlms::cosem::special_days::{self, SpecialDay};
use dlms::cosem::{Form, activity_calendar};
use dlms::{ActionResult, DataAccessResult, DateTime, Error, Obis};
use jiff::Timestamp;
use models::Model;
use simulator::{Affected, Event, Fault, FaultRule, Fleet, FleetConfig, Often, Security};

const CALENDAR: &str = "0.0.13.0.0.255";
const SPECIAL_DAYS: &str = "0.0.11.0.0.255";
const SCRIPTS: Obis = Obis::new([0, 0, 10, 0, 100, 255]);

/// One meter of a model, with a password.
async fn fleet(model: Arc<Model>, fault: Option<Fault>) -> Fleet {
    let rule = |fault| FaultRule { fault, meters: Affected::Numbers(vec![0]) };
    let faults = fault.map(rule).into_iter().collect();
    let config = FleetConfig { count: 1, security: Security::Lls, faults, model, ..config("sed302") };
    Fleet::start(config).await.unwrap()
}

async fn open(fleet: &Fleet) -> Reader {
    Reader::open(fleet.addresses()[0], &fleet.meters()[0]).await.unwrap()
}

/// Two rates, with dear evenings from November to March.
fn winter() -> Calendar {
    let season = |name: &[u8], month, week: &[u8]| Season {
        name: name.to_vec(),
        start: DateTime::new([0xFF, 0xFF, month, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0xFF]),
        week: week.to_vec(),
    };
    let week = |name: &[u8], days| Week { name: name.to_vec(), days };
    let action = |hour, selector| Action { start: [hour, 0, 0, 0], script: SCRIPTS, selector };
    Calendar {
        name: b"WINTER26".to_vec(),
        seasons: vec![season(b"SUMMER", 4, b"FLAT"), season(b"WINTER", 11, b"DEAR")],
        weeks: vec![week(b"FLAT", [1; 7]), week(b"DEAR", [2, 2, 2, 2, 2, 1, 1])],
        days: vec![
            Day { id: 1, actions: vec![action(0, 1)] },
            Day { id: 2, actions: vec![action(0, 1), action(17, 2), action(21, 1)] },
        ],
    }
}

async fn write(reader: &mut Reader, calendar: &Calendar, form: Form) -> Result<(), Failure> {
    let values = calendar.encode(Forms { seasons: form, days: form });
    for (value, attribute) in values.iter().zip(6..) {
        reader.set(20, CALENDAR, attribute, value).await?;
    }
    Ok(())
}

async fn side(reader: &mut Reader, side: Side) -> [Data; 4] {
    let mut values = [const { Data::NullData }; 4];
    for (value, descriptor) in values.iter_mut().zip(side.attributes(CALENDAR.parse().unwrap())) {
        *value = reader.value(20, CALENDAR, descriptor.attribute).await.unwrap();
    }
    values
}

/// The calendar of a side as the meter tells it, and how it writes dates and times.
async fn calendar(reader: &mut Reader, of: Side) -> (Calendar, Forms) {
    Calendar::decode(&side(reader, of).await, Form::Octets).unwrap()
}

fn refused_set(result: Result<(), Failure>) -> DataAccessResult {
    match result {
        Err(Failure::Protocol(Error::Access(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_passive_side_waits_for_the_method() {
    let fleet = fleet(model("sed302"), None).await;
    let meter = &fleet.meters()[0];
    let mut reader = open(&fleet).await;
    let (first, _) = calendar(&mut reader, Side::Active).await;
    assert_eq!(
        (&first, calendar(&mut reader, Side::Passive).await.0),
        (&meter.calendar(), Calendar::default())
    );
    write(&mut reader, &winter(), Form::Octets).await.unwrap();
    let octets = Forms::default();
    assert_eq!(calendar(&mut reader, Side::Passive).await, (winter(), octets));
    assert_eq!(calendar(&mut reader, Side::Active).await.0, first);
    reader.invoke(20, CALENDAR, 1).await.unwrap();
    assert_eq!(calendar(&mut reader, Side::Active).await, (winter(), octets));
    assert_eq!((meter.calendar(), meter.counts().tariffs_activated), (winter(), 1));
    let active = reader.set(20, CALENDAR, 2, &Data::OctetString(b"NEW".to_vec())).await;
    assert_eq!(refused_set(active), DataAccessResult::ReadWriteDenied);
}

#[tokio::test]
async fn the_meters_clock_activates_it() {
    let fleet = fleet(model("sed302"), None).await;
    let meter = &fleet.meters()[0];
    let mut reader = open(&fleet).await;
    write(&mut reader, &winter(), Form::Octets).await.unwrap();
    assert_eq!(
        reader.value(20, CALENDAR, 10).await.unwrap(),
        Data::OctetString(vec![0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0, 0xFF])
    );
    // Local midnight in Berlin, which is not said to be Berlin's; it is 14:07 there, on the day before.
    let midnight = DateTime::new([0x07, 0xEA, 4, 16, 0xFF, 0, 0, 0, 0, 0x80, 0, 0xFF]);
    let descriptor = activation_time(CALENDAR.parse().unwrap());
    let time = Form::Octets.date_time(midnight);
    reader.set(20, CALENDAR, descriptor.attribute, &time).await.unwrap();
    assert_eq!(reader.value(20, CALENDAR, 10).await.unwrap(), time);
    fleet.clock().advance(9 * 3600);
    assert_eq!(meter.calendar().name, b"FIRST");
    fleet.clock().advance(3600);
    assert_eq!(calendar(&mut reader, Side::Active).await.0, winter());
    let records = meter.ledger().records;
    let at: Vec<Timestamp> = records
        .iter()
        .filter(|record| matches!(record.event, Event::TariffActivated { .. }))
        .map(|record| record.at)
        .collect();
    assert_eq!(at, ["2026-04-15T22:00:00Z".parse().unwrap()]);
}

#[tokio::test]
async fn dates_are_taken_in_either_form_and_shown_in_the_models() {
    let mut typed = Model::clone(&model("sed302"));
    if let Some(tariff) = &mut typed.tariff {
        tariff.dates = Form::Typed;
    }
    let fleet = fleet(Arc::new(typed), None).await;
    let mut reader = open(&fleet).await;
    let shown = Forms { seasons: Form::Typed, days: Form::Typed };
    for form in [Form::Octets, Form::Typed] {
        write(&mut reader, &winter(), form).await.unwrap();
        assert_eq!(calendar(&mut reader, Side::Passive).await, (winter(), shown));
    }
    let holiday = SpecialDay { index: 1, date: [0xFF, 0xFF, 12, 25, 0xFF], day: 1 };
    reader.set(11, SPECIAL_DAYS, 2, &special_days::encode(&[holiday], Form::Octets)).await.unwrap();
    let table = reader.value(11, SPECIAL_DAYS, 2).await.unwrap();
    assert_eq!(special_days::decode(&table, Form::Octets), Ok((vec![holiday], Form::Typed)));
    let time = reader.value(20, CALENDAR, 10).await.unwrap();
    assert_eq!(activity_calendar::date_time(&time).unwrap().1, Form::Typed);
}

#[tokio::test]
async fn special_days_come_as_a_table_or_one_by_one() {
    let fleet = fleet(model("sed302"), None).await;
    let mut reader = open(&fleet).await;
    let day = |index, day| SpecialDay { index, date: [0x07, 0xEA, 5, day, 0xFF], day: 1 };
    let table = |days: &[SpecialDay]| special_days::encode(days, Form::Octets);
    reader.set(11, SPECIAL_DAYS, 2, &table(&[day(1, 1), day(2, 2)])).await.unwrap();
    let Data::Array(mut entries) = table(&[day(3, 3)]) else { panic!("a table") };
    reader.invoke_with(11, SPECIAL_DAYS, 1, &entries.remove(0)).await.unwrap();
    reader.invoke_with(11, SPECIAL_DAYS, 2, &Data::LongUnsigned(1)).await.unwrap();
    assert_eq!(reader.value(11, SPECIAL_DAYS, 2).await.unwrap(), table(&[day(2, 2), day(3, 3)]));
    let many: Vec<SpecialDay> = (0..21).map(|index| day(index, 1)).collect();
    let refused = refused_set(reader.set(11, SPECIAL_DAYS, 2, &table(&many)).await);
    assert_eq!(refused, DataAccessResult::OtherReason);
}

#[tokio::test]
async fn a_long_calendar_comes_in_blocks_and_one_that_is_too_long_not_at_all() {
    let fleet = fleet(model("sed302"), None).await;
    let mut reader = open(&fleet).await;
    let action = |hour| Action { start: [hour, 0, 0, 0], script: SCRIPTS, selector: u16::from(hour % 4) + 1 };
    let day = |id| Day { id, actions: (0..8).map(action).collect() };
    let mut long = Calendar { days: (1..5).map(day).collect(), ..winter() };
    let sent = reader.exchanges;
    write(&mut reader, &long, Form::Octets).await.unwrap();
    assert_eq!(calendar(&mut reader, Side::Passive).await.0, long);
    assert!(reader.exchanges > sent + 4);
    long.days.push(day(5));
    assert_eq!(refused_set(write(&mut reader, &long, Form::Octets).await), DataAccessResult::OtherReason);
    let mut loose = winter();
    loose.weeks[1].days[0] = 9;
    write(&mut reader, &loose, Form::Octets).await.unwrap();
    let refused = reader.invoke(20, CALENDAR, 1).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Action(ActionResult::OtherReason)))));
    assert_eq!(fleet.meters()[0].counts().tariffs_activated, 0);
}

#[tokio::test]
async fn a_lost_answer_and_a_meter_that_keeps_nothing_are_found_by_reading() {
    let lost = fleet(model("sed302"), Some(Fault::Unanswered(Often::First(1)))).await;
    let failed = write(&mut open(&lost).await, &winter(), Form::Octets).await;
    assert!(matches!(failed, Err(Failure::Closed)));
    assert_eq!(calendar(&mut open(&lost).await, Side::Passive).await.0.name, b"WINTER26");

    let fleet = fleet(model("sed302"), Some(Fault::TariffNotKept)).await;
    let mut reader = open(&fleet).await;
    write(&mut reader, &winter(), Form::Octets).await.unwrap();
    assert_eq!(calendar(&mut reader, Side::Passive).await.0, Calendar::default());
}
