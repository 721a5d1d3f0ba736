//! What meters have measured: the same every time, never falling, and in agreement with itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use models::Model;
use simulator::{Affected, Capture, Clock, Error, Fault, FaultRule, FleetConfig, Meter};

fn model(name: &str) -> Arc<Model> {
    Arc::clone(&models::builtin().unwrap()[name])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn config(name: &str) -> FleetConfig {
    FleetConfig {
        count: 10,
        seed: 7,
        clock: Clock::starting_at(at("2026-04-15T12:07:00Z")),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        history_days: 100,
        ..FleetConfig::new(model(name))
    }
}

fn rows(config: FleetConfig, number: u32, profile: &str) -> Vec<Capture> {
    let meter = Meter::offline(config, number).unwrap();
    meter.expected(profile, at("2000-01-01T00:00:00Z"), at("2100-01-01T00:00:00Z")).unwrap()
}

/// The values of one column.
fn column(rows: &[Capture], index: usize) -> Vec<i64> {
    rows.iter().map(|row| row.values[index]).collect()
}

#[test]
fn two_runs_give_the_same_and_other_seeds_or_meters_do_not() {
    let first = rows(config("sed302"), 3, "energy");
    assert_eq!(first.len(), 9600);
    assert_eq!(first, rows(config("sed302"), 3, "energy"));
    assert_ne!(first, rows(config("sed302"), 4, "energy"));
    assert_ne!(first, rows(FleetConfig { seed: 8, ..config("sed302") }, 3, "energy"));
}

#[test]
fn a_row_depends_on_its_time_alone() {
    let early = rows(config("sed302"), 0, "energy");
    let later = FleetConfig { clock: Clock::starting_at(at("2026-04-20T00:00:00Z")), ..config("sed302") };
    let late = rows(later, 0, "energy");
    let both: Vec<_> = early.iter().filter(|row| row.at >= late[0].at).collect();
    assert!(both.len() > 8000);
    assert!(both.iter().zip(&late).all(|(one, other)| *one == other));
    let meter = Meter::offline(config("sed302"), 0).unwrap();
    assert_eq!(meter.capture("energy", both[17].at).unwrap(), both[17].values);
}

#[test]
fn energy_columns_agree_with_each_other() {
    // Active demand, reactive demand, import of the interval twice, totals twice: the order of the datasheet.
    let rows = rows(config("sed302"), 1, "energy");
    for (interval, total) in [(2, 4), (3, 5)] {
        let intervals = column(&rows, interval);
        let totals = column(&rows, total);
        let mut sum = totals[0];
        for row in 1..rows.len() {
            sum += intervals[row];
            assert_eq!(sum, totals[row], "row {row}");
        }
        assert!(totals.windows(2).all(|pair| pair[0] <= pair[1]));
    }
    let totals = column(&rows, 4);
    let demand = column(&rows, 0);
    // Three quarter-hours of Wh, times four thirds, are the W of the sliding window.
    assert!((3..rows.len()).all(|row| demand[row] == (totals[row] - totals[row - 3]) * 4 / 3));
}

#[test]
fn quality_values_are_those_of_a_grid() {
    let rows = rows(config("sed302"), 2, "quality");
    assert_eq!(rows[0].status, None);
    let within = |index: usize, least: i64, most: i64| {
        let values = column(&rows, index);
        assert!(values.iter().all(|value| (least..=most).contains(value)), "column {index}");
        assert!(values.iter().any(|value| *value != values[0]), "column {index} never changes");
    };
    within(0, 0, 15_000);
    (2..5).for_each(|phase| within(phase, 2200, 2400));
    (5..8).for_each(|phase| within(phase, 0, 10_000));
    (8..11).for_each(|phase| within(phase, 900, 1000));
    within(11, 4950, 5050);
}

#[test]
fn daily_rows_lie_at_local_midnight_and_match_the_load_profile() {
    let daily = rows(config("sed302"), 5, "daily");
    assert_eq!(daily.len(), 62);
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    assert!(daily.iter().all(|row| row.at.to_zoned(berlin.clone()).time() == jiff::civil::Time::midnight()));
    let hours: Vec<i64> =
        daily.windows(2).map(|pair| (pair[1].at.as_second() - pair[0].at.as_second()) / 3600).collect();
    assert_eq!(hours.iter().filter(|&&hours| hours == 23).count(), 1, "the day on which summer time begins");
    let energy = rows(config("sed302"), 5, "energy");
    for row in &daily {
        let same = energy.iter().find(|other| other.at == row.at).unwrap();
        assert_eq!(row.values[0], same.values[4]);
    }
}

#[test]
fn monthly_rows_sum_up_the_month_before() {
    let monthly = rows(FleetConfig { history_days: 100, ..config("sed302") }, 6, "monthly");
    let starts: Vec<String> = monthly.iter().map(|row| row.at.to_string()).collect();
    assert_eq!(starts, ["2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"]);
    let energy = rows(config("sed302"), 6, "energy");
    for pair in monthly.windows(2) {
        let [before, after] = pair else { panic!("a window of two") };
        assert_eq!(after.values[4], after.values[0] - before.values[0], "active energy of the month");
        let month = energy.iter().filter(|row| row.at > before.at && row.at <= after.at);
        assert_eq!(after.values[9], month.map(|row| row.values[0]).max().unwrap(), "highest active demand");
    }
}

#[test]
fn summer_time_shows_in_the_status_column_and_loses_no_row() {
    let rows = rows(config("sed302"), 0, "energy");
    let change = at("2026-03-29T01:00:00Z");
    assert!(rows.iter().all(|row| row.status == Some(if row.at >= change { 0x08 } else { 0 })));
    assert!(rows.windows(2).all(|pair| pair[1].at == pair[0].at + 15.minutes()));
}

#[test]
fn only_what_is_kept_is_expected() {
    let kept = rows(FleetConfig { history_days: 2, ..config("sed302") }, 0, "energy");
    assert_eq!(kept.first().unwrap().at, at("2026-04-13T12:15:00Z"));
    assert_eq!(kept.last().unwrap().at, at("2026-04-15T12:00:00Z"));
    let kept = rows(FleetConfig { history_days: 1000, ..config("sed302") }, 0, "energy");
    assert_eq!(kept.len(), 9600, "the depth of the profile");
    let meter = Meter::offline(config("sed302"), 0).unwrap();
    let some = meter.expected("energy", at("2026-04-01T00:00:00Z"), at("2026-04-01T00:30:00Z")).unwrap();
    assert_eq!(some.len(), 3, "both ends included");
    let none = meter.expected("energy", at("2026-04-01T00:00:01Z"), at("2026-04-01T00:14:59Z")).unwrap();
    assert_eq!(none, []);
    assert!(matches!(
        meter.expected("yearly", at("2026-04-01T00:00:00Z"), at("2026-04-02T00:00:00Z")),
        Err(Error::NoProfile { .. })
    ));
}

#[test]
fn another_layout_drops_a_column_and_the_rows_before_it() {
    let from = at("2026-04-15T12:30:00Z");
    let rule = FaultRule { fault: Fault::OtherLayout { from }, meters: Affected::Numbers(vec![1]) };
    let config = FleetConfig { faults: vec![rule], ..config("sed302") };
    let meter = Meter::offline(config.clone(), 1).unwrap();
    let all = || meter.expected("energy", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")).unwrap();
    assert_eq!((all().len(), meter.columns("energy").unwrap().len()), (9600, 6));
    config.clock.advance(3600);
    assert_eq!((all().len(), meter.columns("energy").unwrap().len()), (3, 5));
    assert_eq!(all()[0].at, from);
    assert_eq!(all()[0].values[..], meter.capture("energy", from).unwrap()[..5]);
}

#[test]
fn secrets_are_stable_and_each_meters_own() {
    let secrets = |number| Meter::offline(config("sed302"), number).unwrap().secrets();
    assert_eq!(secrets(1), secrets(1));
    assert_ne!(secrets(1), secrets(2));
    assert_eq!(secrets(1).password.len(), 8);
    assert_ne!(secrets(1).encryption_key, secrets(1).authentication_key);
}

#[test]
fn limits_are_named() {
    let refused = |config: FleetConfig, number| Meter::offline(config, number).unwrap_err();
    assert_eq!(refused(config("sed302"), 10), Error::NoMeter { number: 10, count: 10 });
    assert_eq!(refused(FleetConfig { count: 0, ..config("sed302") }, 0), Error::Empty);
    let many = FleetConfig { count: 60_001, ..config("sed302") };
    assert_eq!(refused(many, 0), Error::Limit { what: "meters", got: 60_001, limit: 60_000 });
    let ports = FleetConfig { base_port: 65_530, ..config("sed302") };
    assert_eq!(refused(ports, 0), Error::Limit { what: "the last port", got: 65_539, limit: 65_535 });
}
