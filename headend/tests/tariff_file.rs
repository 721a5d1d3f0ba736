//! Tariff files: the example is taken, and what is wrong is told all at once, each with its field.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use std::sync::Arc;

use collectors::Activation;
use dlms::cosem::activity_calendar::{Calendar, Forms};
use dlms::cosem::special_days;
use dlms::cosem::{Difference, Form};
use headend::tariff::{File, Tariff};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use models::{Model, builtin};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../deploy/tariff-example.yaml");
/// 2026-03-01T00:00:00Z.
const NOW: i64 = 1_772_323_200;

fn model(name: &str) -> Arc<Model> {
    Arc::clone(&builtin().unwrap()[name])
}

/// The model of the datasheet of another meter, with the sizes that it states.
fn sized(change: impl FnOnce(&mut models::Tariff)) -> Model {
    let mut model = Model::clone(&model("sed302"));
    change(model.tariff.as_mut().unwrap());
    model
}

fn check(text: &str, model: &Model) -> Result<Tariff, Vec<String>> {
    let now = Timestamp::from_second(NOW).unwrap();
    let file = File::parse(text).map_err(|problem| vec![problem.to_string()])?;
    file.check(model, now, &TimeZone::UTC)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The problems of the example after a change.
fn problems(from: &str, to: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(from), "`{from}` is not in the example");
    check(&EXAMPLE.replacen(from, to, 1), &model("sed302")).unwrap_err()
}

#[test]
fn the_example_is_taken_by_every_model_that_takes_tariffs_at_all() {
    for (name, model) in builtin().unwrap() {
        let taken = check(EXAMPLE, &model);
        match model.tariff {
            Some(_) => drop(taken.unwrap()),
            None => assert_eq!(taken.unwrap_err(), [format!("name: meters of model {name} take no tariffs")]),
        }
    }
}

#[test]
fn what_the_example_says_is_what_a_meter_is_sent() {
    let tariff = check(EXAMPLE, &model("sed302")).unwrap();
    let lines: Vec<_> = Difference::of_calendars(&Calendar::default(), tariff.calendar())
        .iter()
        .map(|difference| (difference.place.clone(), difference.wanted.clone().unwrap_or_default()))
        .collect();
    let script = |time, number| format!("{time} script {number} of 0.0.10.0.100.255");
    let expected = [
        ("calendar name", "TOU-2027".to_owned()),
        ("season summer", "from *-04-01 00:00, week summer".to_owned()),
        ("season winter", "from *-10-01 00:00, week winter".to_owned()),
        ("week summer", "days 2 2 2 2 2 2 1".to_owned()),
        ("week winter", "days 3 3 3 3 3 1 1".to_owned()),
        ("day 1", script("00:00", 3)),
        ("day 2", [script("00:00", 3), script("06:00", 2), script("23:00", 3)].join(", ")),
        (
            "day 3",
            [
                script("00:00", 3),
                script("06:00", 2),
                script("17:00", 1),
                script("21:00", 2),
                script("23:00", 3),
            ]
            .join(", "),
        ),
    ];
    assert_eq!(lines, expected.map(|(place, wanted)| (place.to_owned(), wanted)));
    assert_eq!(tariff.day_types(), ["holiday", "summer workday", "workday"]);
    let dates: Vec<_> = tariff.special_days().iter().map(|special| (special.date, special.day)).collect();
    assert_eq!(
        dates,
        [([0xFF, 0xFF, 1, 1, 0xFF], 1), ([0xFF, 0xFF, 12, 25, 0xFF], 1), ([0x07, 0xEB, 3, 29, 0xFF], 1)]
    );
    assert_eq!(tariff.activation(), Activation::Now);
    assert_eq!(tariff.calendar().seasons[0].name, b"summer", "seasons are in the order of the year");
}

#[test]
fn json_says_the_same() {
    let json = r#"{
        "name": "FLAT", "rates": {"all": 1}, "day_types": {"any": [{"from": "00:00", "rate": "all"}]},
        "weeks": {"W": {"weekdays": "any", "weekend": "any"}}, "seasons": {"S": {"from": "01-01", "week": "W"}},
        "activation": "2027-01-01T00:00"
    }"#;
    let tariff = check(json, &model("generic-dlms")).unwrap();
    assert_eq!(tariff.activation(), Activation::At(civil::date(2027, 1, 1).at(0, 0, 0, 0)));
    let yaml = "name: FLAT\nrates: {all: 1}\nday_types:\n  any: [{from: 00:00, rate: all}]\n\
                weeks:\n  W: {weekdays: any, weekend: any}\nseasons:\n  S: {from: 01-01, week: W}\n\
                activation: 2027-01-01T00:00\n";
    assert_eq!(check(yaml, &model("generic-dlms")), Ok(tariff), "without quotes, too");
}

#[test]
fn what_has_not_the_form_of_a_tariff_is_refused_with_its_line() {
    let unknown = problems("name: TOU-2027", "name: TOU-2027\ncolour: red");
    assert!(unknown[0].contains("colour") && unknown[0].contains("line 5"), "{unknown:?}");
    let twice = problems("  standard: 2", "  peak: 2");
    assert!(twice[0].contains("peak"), "{twice:?}");
    let missing = problems("activation: now", "");
    assert!(missing[0].contains("activation"), "{missing:?}");
    let number = problems("peak: 1", "peak: first");
    assert!(number[0].contains("line 8"), "{number:?}");
    let long = check(&format!("# {}\n{EXAMPLE}", "x".repeat(64 * 1024)), &model("sed302")).unwrap_err();
    assert!(long[0].contains("65536 are allowed"), "{long:?}");
}

#[test]
fn aliases_are_taken_and_do_not_multiply_without_end() {
    let alias = EXAMPLE.replacen("  workday:\n", "  workday: &workday\n", 1).replacen(
        "  holiday:\n    - { from: \"00:00\", rate: night }\n",
        "  holiday: *workday\n",
        1,
    );
    check(&alias, &model("sed302")).unwrap();
    let mut bomb = "name: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=9 {
        let before = format!("*a{}", level - 1);
        bomb += &format!("b{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
    }
    File::parse(&bomb).unwrap_err();
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = EXAMPLE
        .replacen("TOU-2027", "A NAME OF MANY LETTERS", 1)
        .replacen("night: 3", "night: 2", 1)
        .replacen("\"00:00\", rate: night", "\"00:30\", rate: noon", 1)
        .replacen("\"17:00\"", "\"06:00\"", 1)
        .replacen("weekend: holiday", "weekend: feast", 1)
        .replacen("sunday: holiday", "weekend: holiday", 1)
        .replacen("\"04-01\", week: summer", "\"10-01\", week: spring", 1)
        .replacen("12-25", "12-32", 1)
        .replacen("2027-03-29", "2028-01-01", 1)
        .replacen("activation: now", "activation: 2026-02-28T23:59", 1);
    assert_eq!(
        check(&text, &model("sed302")).unwrap_err(),
        [
            "name: the name must have 1 to 8 visible characters of ASCII, it has 22 octets",
            "rates.standard: another rate has number 2, too",
            "day_types.workday[0].rate: there is no rate `noon`",
            "day_types.workday[0].from: is 00:30, a day begins at 00:00",
            "day_types.workday[2].from: is 06:00, a time after 06:00, where the rate before it begins, is expected",
            "weeks.summer.saturday: has a day type twice, here and with `weekend`",
            "weeks.winter.weekend: there is no day type `feast`",
            "seasons.summer.week: there is no week `spring`",
            "seasons.winter.from: is 10-01, and season `summer` begins then, too",
            "special_days[1].date: is `12-32`, a date such as 12-25 or 2027-03-29 is expected",
            "special_days[2].date: 2028-01-01 is a special day already",
            "activation: is 2026-02-28T23:59:00, which is in the past",
        ]
    );
}

#[test]
fn single_rules() {
    assert_eq!(
        problems("weekdays: workday", "monday: workday"),
        [
            "weeks.winter.tuesday: has no day type, neither here nor with `weekdays`",
            "weeks.winter.wednesday: has no day type, neither here nor with `weekdays`",
            "weeks.winter.thursday: has no day type, neither here nor with `weekdays`",
            "weeks.winter.friday: has no day type, neither here nor with `weekdays`",
        ]
    );
    assert_eq!(
        problems("from: \"10-01\"", "from: \"02-29\""),
        ["seasons.winter.from: is `02-29`, month and day of every year such as 04-01 are expected"]
    );
    assert_eq!(problems("peak: 1", "peak: 5"), ["rates.peak: is 5, the model has rates 1 to 4"]);
    assert_eq!(
        problems("\"06:00\"", "\"6\""),
        ["day_types.workday[1].from: is `6`, a time such as 06:00 is expected"]
    );
    assert_eq!(
        problems("activation: now", "activation: later"),
        ["activation: is `later`, `now` or a time such as 2027-01-01T00:00 is expected"]
    );
    assert_eq!(
        problems("activation: now", "activation: 2036-03-02T00:00"),
        ["activation: is 2036-03-02T00:00:00, more than 10 years ahead"]
    );
    assert!(
        problems("winter: { from", "wínter: { from")[0].starts_with("seasons.wínter: the name must have")
    );
}

#[test]
fn the_sizes_of_the_model_hold_to_the_last_one() {
    // Made as large as the larger meter takes it: 12 seasons and weeks, 16 switches, 100 special days, 8 day types.
    let days: String = (1..=8)
        .map(|day| {
            let switches: String = (0..16)
                .map(|hour| format!("    - {{ from: \"{hour:02}:00\", rate: r{} }}\n", hour % 4 + 1))
                .collect();
            format!("  d{day}:\n{switches}")
        })
        .collect();
    let weeks: String =
        (1..=12).map(|week| format!("  w{week}: {{ weekdays: d1, weekend: d8 }}\n")).collect();
    let seasons: String = (1..=12)
        .map(|month| format!("  s{month}: {{ from: \"{month:02}-01\", week: w{month} }}\n"))
        .collect();
    let special: String = (0..100)
        .map(|day| format!("  - {{ date: \"{:02}-{:02}\", day_type: d1 }}\n", day / 25 + 1, day % 25 + 1))
        .collect();
    let text = format!(
        "name: FULL\nrates: {{ r1: 1, r2: 2, r3: 3, r4: 4 }}\nday_types:\n{days}weeks:\n{weeks}seasons:\n{seasons}\
         special_days:\n{special}activation: now\n"
    );
    let large = |limits: &mut models::Tariff| {
        (limits.seasons, limits.weeks, limits.day_types) = (12, 12, 8);
        (limits.switches_per_day, limits.special_days) = (16, 100);
    };
    let tariff = check(&text, &sized(large)).unwrap();
    assert_eq!(tariff.special_days().len(), 100);

    let one_less = |less: fn(&mut models::Tariff)| {
        let model = sized(|limits| {
            large(limits);
            less(limits);
        });
        check(&text, &model).unwrap_err()
    };
    assert_eq!(
        one_less(|limits| limits.seasons -= 1),
        ["seasons: has 12 entries, 1 to 11 are possible with this model"]
    );
    assert_eq!(
        one_less(|limits| limits.weeks -= 1),
        ["weeks: has 12 entries, 1 to 11 are possible with this model"]
    );
    assert_eq!(
        one_less(|limits| limits.special_days -= 1),
        ["special_days: has 100 entries, 0 to 99 are possible with this model"]
    );
    assert_eq!(
        one_less(|limits| limits.day_types -= 1),
        ["day_types: has 8 entries, 1 to 7 are possible with this model"]
    );
    assert_eq!(one_less(|limits| limits.switches_per_day -= 1).len(), 8);
    assert_eq!(one_less(|limits| limits.rates -= 1).len(), 2);

    // The meter of the smallest datasheet refuses it field by field.
    let small = check(&text, &model("sed302")).unwrap_err();
    let fields: Vec<_> = small.iter().map(|problem| problem.split(':').next().unwrap()).collect();
    let days = (1..=8).map(|day| format!("day_types.d{day}"));
    let expected: Vec<_> = ["day_types".to_owned()]
        .into_iter()
        .chain(days)
        .chain(["weeks", "seasons", "special_days"].map(ToOwned::to_owned))
        .collect();
    assert_eq!(fields, expected);
}

#[test]
fn a_model_without_tariffs_takes_none() {
    let mut model = Model::clone(&model("sed302"));
    model.tariff = None;
    assert_eq!(check(EXAMPLE, &model).unwrap_err(), ["name: meters of model sed302 take no tariffs"]);
    let without_days = sized(|limits| (limits.special_days_table, limits.special_days) = (None, 0));
    assert_eq!(check(EXAMPLE, &without_days).unwrap_err(), ["special_days: the model has none"]);
}

#[test]
fn what_is_past_depends_on_the_zone() {
    let text = EXAMPLE.replacen("activation: now", "activation: 2026-03-01T03:00", 1);
    let now = Timestamp::from_second(NOW).unwrap();
    let file = File::parse(&text).unwrap();
    let check = |hours| file.check(&model("sed302"), now, &TimeZone::fixed(jiff::tz::offset(hours)));
    assert!(check(2).is_ok());
    assert!(check(3).is_err());
}

proptest! {
    /// Whatever comes through is sent and read back without a difference.
    #[test]
    fn a_tariff_comes_back_from_the_meter(minutes in proptest::collection::btree_set(1..1440_u16, 0..7), month in 1..=12_u8) {
        let switches: String = minutes
            .iter()
            .map(|minute| format!("    - {{ from: \"{:02}:{:02}\", rate: peak }}\n", minute / 60, minute % 60))
            .collect();
        let text = EXAMPLE
            .replacen("  holiday:\n    - { from: \"00:00\", rate: night }\n", &format!("  holiday:\n    - {{ from: \"00:00\", rate: night }}\n{switches}"), 1)
            .replacen("from: \"10-01\"", &format!("from: \"{month:02}-15\""), 1);
        let tariff = check(&text, &model("sed302")).unwrap();
        for form in [Form::Octets, Form::Typed] {
            let sent = tariff.calendar().encode(Forms { seasons: form, days: form });
            let (back, _) = Calendar::decode(&sent, Form::Octets).unwrap();
            prop_assert_eq!(Difference::of_calendars(&back, tariff.calendar()), []);
            let (back, _) = special_days::decode(&special_days::encode(tariff.special_days(), form), Form::Octets).unwrap();
            prop_assert_eq!(Difference::of_special_days(&back, tariff.special_days()), []);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[a-z0-9:{}\\[\\]&*\" \\-\n]{0,200}") {
        let _ = check(&text, &model("sed302"));
    }
}
