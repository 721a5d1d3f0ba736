//! Tariffs that others sent and meters answered: what they say, and that they are written again octet by octet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use dlms::apdu::{GetResponse, SetRequest};
use dlms::axdr::Data;
use dlms::cosem::activity_calendar::{self, Action, Calendar, Day, Forms, Season, Week};
use dlms::cosem::special_days::{self, SpecialDay};
use dlms::cosem::{Difference, Form};
use dlms::{DateTime, Error, Obis};

const SCRIPTS: Obis = Obis::new([0, 0, 10, 0, 100, 255]);

/// The value of a recorded transfer, put together from its blocks, as it was on the wire.
fn recorded(id: &str) -> Vec<u8> {
    let vector = store::all().into_iter().find(|vector| vector.id == id).unwrap();
    if vector.kind == "apdu" {
        let SetRequest::Normal { value, .. } = SetRequest::decode(&vector.octets).unwrap() else {
            panic!("{id} sets nothing")
        };
        return value.to_vec();
    }
    let apdus = vector.context["apdus"].as_array().unwrap();
    let mut whole = Vec::new();
    for apdu in apdus.iter().map(|apdu| store::octets(apdu.as_str().unwrap())) {
        match (SetRequest::decode(&apdu), GetResponse::decode(&apdu)) {
            (Ok(SetRequest::FirstBlock { block, .. } | SetRequest::Block { block, .. }), _) => {
                whole.extend_from_slice(block.octets);
            }
            (_, Ok(GetResponse::Block { result: Ok(octets), .. })) => whole.extend_from_slice(octets),
            _ => {}
        }
    }
    whole
}

fn data(id: &str) -> Data {
    Data::decode(&recorded(id)).unwrap()
}

fn encoded(data: &Data) -> Vec<u8> {
    let mut octets = Vec::new();
    data.encode(&mut octets);
    octets
}

/// A calendar of which one attribute was recorded.
fn with(at: usize, recorded: Data) -> (Calendar, Forms) {
    let mut values = Calendar::default().encode(Forms::default());
    values[at] = recorded;
    Calendar::decode(&values, Form::Octets).unwrap()
}

fn small() -> Calendar {
    let start = [0xFF, 0xFF, 3, 1, 0xFF, 0, 0, 0, 0, 0x80, 0, 0xFF];
    Calendar {
        name: b"TOU".to_vec(),
        seasons: vec![Season { name: b"S".to_vec(), start: DateTime::new(start), week: b"W".to_vec() }],
        weeks: vec![Week { name: b"W".to_vec(), days: [1, 1, 1, 1, 1, 2, 2] }],
        days: vec![
            Day { id: 1, actions: vec![action(0, 1), action(6, 2)] },
            Day { id: 2, actions: vec![action(0, 1)] },
        ],
    }
}

fn action(hour: u8, selector: u16) -> Action {
    Action { start: [hour, 0, 0, 0], script: SCRIPTS, selector }
}

#[test]
fn recorded_special_days_read_and_set() {
    for id in ["DV204", "DV205"] {
        let (days, form) = special_days::decode(&data(id), Form::Typed).unwrap();
        assert_eq!((days.len(), form), (36, Form::Octets), "{id}");
        assert_eq!(days[0], SpecialDay { index: 0, date: [0xFF, 0xFF, 1, 1, 3], day: 7 });
        assert_eq!(days[35], SpecialDay { index: 35, date: [0xFF, 0xFF, 12, 31, 4], day: 7 });
        assert_eq!(encoded(&special_days::encode(&days, form)), recorded(id), "{id}");
    }
}

#[test]
fn recorded_days_in_blocks() {
    let (calendar, forms) = with(3, data("DV207"));
    assert_eq!(forms.days, Form::Octets);
    let shape: Vec<_> = calendar.days.iter().map(|day| (day.id, day.actions.len())).collect();
    assert_eq!(shape, [1, 2, 3, 4, 5, 6, 7, 8].map(|id| (id, 2)));
    assert_eq!(
        calendar.days[3].actions,
        [
            Action { start: [0, 0, 0, 0], script: SCRIPTS, selector: 1 },
            Action { start: [1, 0, 0, 0], script: SCRIPTS, selector: 1 }
        ]
    );
    assert_eq!(encoded(&calendar.encode(forms)[3]), recorded("DV207"));
}

#[test]
fn recorded_seasons_name_and_activation_time() {
    let (calendar, forms) = with(1, data("DV208"));
    assert_eq!(calendar.seasons.len(), 4);
    let second = &calendar.seasons[1];
    assert_eq!((second.name.as_slice(), second.week.as_slice()), (&[2_u8][..], &[2_u8][..]));
    let parts = second.start.parts();
    assert_eq!((parts.year, parts.month, parts.day, parts.deviation), (Some(2020), 1, 31, Some(-180)));
    assert_eq!(encoded(&calendar.encode(forms)[1]), recorded("DV208"));

    let (calendar, forms) = with(0, data("DV209"));
    assert_eq!(calendar.name, b"00");
    assert_eq!(encoded(&calendar.encode(forms)[0]), recorded("DV209"));

    let (time, form) = activity_calendar::date_time(&data("DV210")).unwrap();
    assert_eq!(time.unix_seconds(), Some(1_577_826_000));
    assert_eq!(encoded(&form.date_time(time)), recorded("DV210"));
}

#[test]
fn typed_times_stay_typed() {
    let sent = small().encode(Forms { seasons: Form::Typed, days: Form::Typed });
    let Data::Array(seasons) = &sent[1] else { panic!("seasons are no array") };
    let Data::Structure(season) = &seasons[0] else { panic!("a season is no structure") };
    assert!(matches!(season[1], Data::DateTime(_)));
    let (back, forms) = Calendar::decode(&sent, Form::Octets).unwrap();
    assert_eq!((back, forms), (small(), Forms { seasons: Form::Typed, days: Form::Typed }));
}

#[test]
fn where_nothing_shows_it_the_model_says_how_times_are_written() {
    let empty = Calendar::default().encode(Forms::default());
    let (_, forms) = Calendar::decode(&empty, Form::Typed).unwrap();
    assert_eq!(forms, Forms { seasons: Form::Typed, days: Form::Typed });
    assert_eq!(special_days::decode(&Data::Array(Vec::new()), Form::Typed), Ok((Vec::new(), Form::Typed)));
}

#[test]
fn a_calendar_that_was_never_written_is_empty() {
    let nothing = [Data::NullData, Data::NullData, Data::NullData, Data::NullData];
    assert_eq!(Calendar::decode(&nothing, Form::Octets).unwrap().0, Calendar::default());
}

#[test]
fn long_lengths_other_strings_and_wider_numbers_are_understood() {
    // One special day: array and octet-string with lengths in three octets, day number as long-unsigned.
    let octets = [
        0x01, 0x82, 0x00, 0x01, 0x02, 0x03, 0x12, 0x00, 0x01, 0x09, 0x82, 0x00, 0x05, 0x07, 0xEB, 0x0C, 0x19,
        0xFF, 0x12, 0x00, 0x02,
    ];
    let (days, _) = special_days::decode(&Data::decode(&octets).unwrap(), Form::Octets).unwrap();
    assert_eq!(days, [SpecialDay { index: 1, date: [0x07, 0xEB, 12, 25, 0xFF], day: 2 }]);
    let (calendar, _) = with(0, Data::VisibleString(b"TOU".to_vec()));
    assert_eq!(calendar.name, b"TOU");
}

#[test]
fn what_is_no_tariff_is_refused() {
    let decode = |at: usize, wrong: Data| {
        let mut values = small().encode(Forms::default());
        values[at] = wrong;
        Calendar::decode(&values, Form::Octets).unwrap_err()
    };
    assert_eq!(decode(0, Data::Unsigned(1)), Error::DataType { expected: "calendar name", got: 17 });
    assert_eq!(decode(1, Data::Unsigned(1)), Error::DataType { expected: "seasons", got: 17 });
    let short = Data::Array(vec![Data::Structure(vec![Data::OctetString(b"W".to_vec())])]);
    assert_eq!(decode(2, short), Error::Length { what: "week", expected: 8, got: 1 });
    let day = Data::Structure(vec![Data::LongUnsigned(256), Data::Array(Vec::new())]);
    assert_eq!(decode(3, Data::Array(vec![day])), Error::Value { what: "day number", got: 256 });
}

#[test]
fn what_meters_do_to_a_calendar_is_no_difference() {
    let mut held = small();
    held.name = b"TOU\0\0\0".to_vec();
    held.days.reverse();
    held.days[1].actions.reverse();
    held.days[1].actions[0].start = [6, 0, 0xFF, 0xFF];
    held.seasons[0].start = DateTime::new([0xFF, 0xFF, 3, 1, 0, 0, 0, 0xFF, 0, 0xFF, 0x88, 0]);
    assert_eq!(Difference::of_calendars(&held, &small()), []);
}

#[test]
fn differences_read_in_order() {
    let mut held = small();
    held.name = b"OLD".to_vec();
    held.seasons[0].start = DateTime::new([0xFF, 0xFF, 0xFE, 0xFE, 7, 2, 30, 0, 0, 0x80, 0, 0xFF]);
    held.weeks[0].name = vec![1];
    held.days.remove(1);
    held.days[0].actions[1].selector = 3;
    let lines: Vec<_> = Difference::of_calendars(&held, &small()).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "calendar name: the meter holds OLD, wanted is TOU",
            "season S: the meter holds from *-begin of summer time-last on day 7 of the week 02:30, week W, \
             wanted is from *-03-01 00:00, week W",
            "week 0x01: the meter holds days 1 1 1 1 1 2 2, none is wanted",
            "week W: the meter holds none, wanted is days 1 1 1 1 1 2 2",
            "day 1: the meter holds 00:00 script 1 of 0.0.10.0.100.255, 06:00 script 3 of 0.0.10.0.100.255, \
             wanted is 00:00 script 1 of 0.0.10.0.100.255, 06:00 script 2 of 0.0.10.0.100.255",
            "day 2: the meter holds none, wanted is 00:00 script 1 of 0.0.10.0.100.255",
        ]
    );
}

#[test]
fn special_days_differ_by_date() {
    let day = |index, date, day| SpecialDay { index, date, day };
    let wanted = [day(1, [0xFF, 0xFF, 12, 25, 0xFF], 2), day(2, [0x07, 0xEB, 4, 2, 0xFF], 2)];
    // The meter numbers entries itself and fills in the day of the week.
    let held = [day(7, [0x07, 0xEB, 4, 2, 5], 2), day(8, [0xFF, 0xFF, 12, 25, 0], 2)];
    assert_eq!(Difference::of_special_days(&held, &wanted), []);
    let held = [day(1, [0xFF, 0xFF, 12, 25, 0xFF], 1)];
    let lines: Vec<_> = Difference::of_special_days(&held, &wanted).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "special day *-12-25: the meter holds day 1, wanted is day 2",
            "special day 2027-04-02: the meter holds none, wanted is day 2",
        ]
    );
}
