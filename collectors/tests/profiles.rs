//! Reading profiles from a small meter on a memory line. Time is tokio's, paused: waits cost nothing and are exact.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::sync::Arc;

use collectors::{Event, Layout, MAX_VALUES, Oddity, ProfileRange, Reason, Report, Station, Task};
use common::*;
use dlms::{
    Conformance, DataAccessResult, Obis, Unit,
    axdr::Data,
    profile::{CaptureObject, Column},
};
use models::{ColumnSpec, Model, StatedScaler};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_profile_is_read_with_each_security() {
    for level in [Level::None, Level::Lls, Level::Gmac] {
        let meter = Meter::new(level).share();
        let station = Arc::new(station(level));
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
        assert_eq!(captured(&reports), expected(&meter), "{level:?}");
        let covered = ended(&reports, 1).unwrap();
        assert_eq!(covered.range, Some((whole_day().from, whole_day().to)));
        assert!(covered.bytes_on_wire > 96 * 20, "{covered:?}");
        let layout = layout(&reports);
        assert_eq!((layout.obis, layout.period_s), (PROFILE, 900));
        let columns: Vec<_> = layout.columns.iter().map(|c| (c.column, c.scaler, c.unit.0)).collect();
        assert_eq!(columns, [(Column::Clock, 0, 255), (Column::Value, 0, 30), (Column::Value, -1, 35)]);
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!((seen.connections, seen.aarqs, seen.releases), (1, 1, 1), "{level:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_read_costs_one_exchange_per_block() {
    for (level, blocks) in [(Level::None, 13), (Level::Gmac, 15)] {
        let range = warm_range(level).await;
        let meter = Meter::new(level).share();
        let station = Arc::new(station(level));
        let warm = |job| work(job, &station, Task::ReadProfile(range.clone()));
        let reports = collect(&meter, vec![warm(1), warm(2)]).await;
        let (cold, warm) = (ended(&reports, 1).unwrap(), ended(&reports, 2).unwrap());
        assert_eq!(warm.exchanges, blocks, "{level:?}");
        // The first read also opens the association (GMAC: two exchanges) and verifies the serial number.
        let opening = if level == Level::Gmac { 2 } else { 1 };
        assert_eq!(cold.exchanges, blocks + opening + 1, "{level:?}");
        let per_block = reports.iter().filter(|report| report.job == 2).count() - 1;
        assert!(
            per_block > 10 && per_block <= blocks as usize,
            "captures leave with their block: {per_block}"
        );
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!(seen.gets.iter().filter(|get| **get == (PROFILE, 3)).count(), 0, "the layout was known");
        assert_eq!(captured(&reports).len(), 2 * 96);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_read_goes_on_from_the_last_capture() {
    for level in [Level::None, Level::Gmac] {
        let range = warm_range(level).await;
        let meter = Meter::new(level).share();
        meter.lock().unwrap().mischief.cut_after = [(1, 6), (2, 6), (3, 5)].into();
        let station = Arc::new(station(level));
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
        assert_eq!(captured(&reports), expected(&meter), "{level:?}: nothing twice, nothing missing");
        assert!(ended(&reports, 1).is_ok());
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!((seen.connections, seen.ranges.len()), (4, 4), "{level:?}");
        let starts: Vec<_> = seen.ranges.iter().map(|range| range.0.unwrap()).collect();
        assert!(starts.is_sorted_by(|a, b| a < b), "each attempt asks for less: {starts:?}");
        assert_eq!(starts[1] % QUARTER, 1, "it goes on just behind the last capture");
    }
}

#[tokio::test(start_paused = true)]
async fn without_progress_the_work_fails_after_the_retries() {
    let range = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    // The association and the serial number arrive, the first block never does.
    meter.lock().unwrap().mischief.cut_after = (1..100).map(|connection| (connection, 2)).collect();
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
    assert_eq!(reason(&reports, 1), Reason::LineCut);
    assert_eq!(meter.lock().unwrap().seen.connections, 1 + limits().line_retries);
}

#[tokio::test(start_paused = true)]
async fn a_silent_meter_times_out_and_says_so() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.silent_after = Some(0);
    let station = Arc::new(station(Level::Gmac));
    let began = Instant::now();
    let reports = collect(&meter, vec![work(1, &station, Task::ReadClock)]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.detail.contains("keys"), "{}", failure.detail);
    // Twice with its keys, and once in the clear.
    let waits = limits().response_timeout * 3 + limits().retry_pause;
    assert_eq!(began.elapsed().as_secs(), waits.as_secs());
}

/// C-01: a meter that stops in the middle of a value is given up after the time for one answer, and the value goes on where it stopped.
#[tokio::test(start_paused = true)]
async fn c_01_a_meter_that_stops_mid_block_is_read_on() {
    for level in [Level::None, Level::Gmac] {
        let range = warm_range(level).await;
        let meter = Meter::new(level).share();
        meter.lock().unwrap().mischief.silent_in = [(1, 6), (2, 6), (3, 6)].into();
        let station = Arc::new(station(level));
        let began = Instant::now();
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
        assert_eq!(captured(&reports), expected(&meter), "{level:?}: nothing twice, nothing missing");
        let covered = ended(&reports, 1).unwrap();
        assert_eq!(covered.range, Some((whole_day().from, whole_day().to)));
        // Progress starts the count of setbacks anew, and with it the pauses.
        let waits = (limits().response_timeout + limits().retry_pause) * 3;
        assert_eq!(began.elapsed().as_secs(), waits.as_secs());
        assert_eq!(meter.lock().unwrap().seen.connections, 4);
    }
}

/// C-01: a meter that never comes back fails by that name. What it had sent is kept, and nothing says that it was all.
#[tokio::test(start_paused = true)]
async fn c_01_blocks_of_a_meter_that_never_comes_back_are_no_whole_day() {
    let range = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.silent_in = [(1, 6), (2, 2), (3, 2), (4, 2)].into();
    let station = Arc::new(station(Level::None));
    let began = Instant::now();
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range.clone()))]).await;
    assert_eq!(reason(&reports, 1), Reason::Timeout);
    let waits = limits().response_timeout * 3 + limits().retry_pause * 3;
    assert_eq!(began.elapsed().as_secs(), waits.as_secs());
    let (kept, all) = (captured(&reports), expected(&meter));
    assert!(kept.len() > 10 && kept.len() < 60, "{} captures", kept.len());
    assert_eq!(kept, all[..kept.len()]);
    // The next job goes on from there.
    meter.lock().unwrap().mischief.silent_in.clear();
    let rest = ProfileRange { from: all[kept.len()].0, ..range };
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(rest))]).await;
    assert_eq!([kept, captured(&reports)].concat(), all);
}

#[tokio::test(start_paused = true)]
async fn late_answers_and_frames_for_others_are_ignored() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.chatty = true;
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    assert_eq!(meter.lock().unwrap().seen.connections, 1);
}

#[tokio::test(start_paused = true)]
async fn rows_outside_the_range_are_dropped() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.ignores_range = true;
    let station = Arc::new(station(Level::None));
    let range =
        ProfileRange { from: at("2026-06-01T10:00:00Z"), to: at("2026-06-01T11:00:00Z"), ..whole_day() };
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
    let times: Vec<_> = captured(&reports).into_iter().map(|(at, _)| at.to_string()).collect();
    assert_eq!(times.len(), 5, "{times:?}");
    assert_eq!((times[0].as_str(), times[4].as_str()), ("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z"));
    assert_eq!(odd(&reports), [Oddity::RowsOutside { profile: PROFILE, rows: 91 }]);
}

#[tokio::test(start_paused = true)]
async fn a_second_that_no_clock_shows_costs_no_capture_and_is_told() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.wrong_second = Some((7, 65));
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter), "it stands at the full minute");
    let (layout, at) = (layout(&reports), at("2026-06-01T02:00:00Z"));
    assert_eq!(odd(&reports), [Oddity::Second { layout, at, second: 65 }]);
}

/// C-29: the last capture of a day is at 24:00 for some meters.
#[tokio::test(start_paused = true)]
async fn the_hour_24_of_a_day_is_the_midnight_behind_it() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.counts_to_24 = true;
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert!(captured(&reports).iter().any(|(at, _)| at.to_string() == "2026-06-02T00:00:00Z"));
    assert_eq!((captured(&reports), odd(&reports)), (expected(&meter), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_clock_in_another_column_than_the_first_is_found_and_told() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().captures.rotate_left(1);
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    assert_eq!(odd(&reports), [Oddity::ClockNotFirst { profile: PROFILE, place: 2 }]);
}

#[tokio::test(start_paused = true)]
async fn long_ranges_are_asked_for_in_parts_of_what_the_meter_can_answer() {
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(with_short_parts(station(Level::None)));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    let ranges = meter.lock().unwrap().seen.ranges.clone();
    assert_eq!(ranges.len(), 3);
    assert!(ranges.iter().all(|(from, to)| to.unwrap() - from.unwrap() <= 39 * QUARTER), "{ranges:?}");
}

/// The same station, which answers 40 rows at once.
fn with_short_parts(station: Station) -> Station {
    let mut model = (*station.model).clone();
    model.quirks.max_rows_per_read = 40;
    Station { model: Arc::new(model), ..station }
}

#[tokio::test(start_paused = true)]
async fn times_without_deviation_are_local_and_limits_can_be_sent_without_one() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.without_deviation = true;
    let mut local = station(Level::None);
    let mut model = (*local.model).clone();
    model.quirks.range_deviation = models::RangeDeviation::Unspecified;
    local.model = Arc::new(model);
    let range =
        ProfileRange { from: at("2026-05-31T22:15:00Z"), to: at("2026-06-01T22:00:00Z"), ..whole_day() };
    let reports = collect(&meter, vec![work(1, &Arc::new(local), Task::ReadProfile(range))]).await;
    let times: Vec<_> = captured(&reports).into_iter().map(|(at, _)| at).collect();
    // The meter's 00:15 is 22:15 UTC of the day before: Berlin has summer time.
    assert_eq!((times.len(), times[0]), (96, range_start(&meter)));
    assert_eq!(meter.lock().unwrap().seen.ranges, [(None, None)]);
}

fn range_start(meter: &std::sync::Mutex<Meter>) -> jiff::Timestamp {
    meter.lock().unwrap().rows[0] - jiff::SignedDuration::from_hours(2)
}

#[tokio::test(start_paused = true)]
async fn another_layout_is_reported_and_the_next_attempt_uses_it() {
    let old = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().captures.truncate(2);
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(old))]).await;
    assert_eq!(reason(&reports, 1), Reason::LayoutChanged);
    let new = layout(&reports);
    assert_eq!(new.values().count(), 1);
    assert!(captured(&reports).is_empty());
    let again = ProfileRange { layout: Some(new), ..whole_day() };
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(again))]).await;
    assert_eq!(captured(&reports).len(), 96);
}

/// C-09: an answer whose last block never comes is given up after so many blocks, and nothing of it is taken for a day.
#[tokio::test(start_paused = true)]
async fn c_09_an_answer_without_end_is_given_up() {
    give_up_endless(false).await;
}

/// C-09: an empty block is none that ends an answer, and does not go on for ever either.
#[tokio::test(start_paused = true)]
async fn c_09_empty_blocks_without_end_are_given_up() {
    give_up_endless(true).await;
}

async fn give_up_endless(empty_blocks: bool) {
    let range = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    {
        let mischief = &mut meter.lock().unwrap().mischief;
        (mischief.endless, mischief.empty_blocks) = (true, empty_blocks);
    }
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
    assert_eq!(reason(&reports, 1), Reason::MeterBrokeRules);
    assert!(captured(&reports).is_empty());
    let requests = meter.lock().unwrap().seen.requests;
    assert!(
        requests <= (limits().blocks_per_answer + 5) * (1 + limits().line_retries),
        "{requests} requests"
    );
}

/// C-10: columns that change between two parts of a read end it by that name; every value is under the column that it had.
#[tokio::test(start_paused = true)]
async fn c_10_a_layout_that_changes_mid_read_is_noticed() {
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(with_short_parts(station(Level::None)));
    let fewer = meter.lock().unwrap().captures[..2].to_vec();
    meter.lock().unwrap().mischief.captures_after = Some((1, fewer.clone()));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::LayoutChanged);
    assert_eq!(captured(&reports), expected(&meter)[..40]);
    let columns: Vec<_> = layout(&reports).columns.iter().map(|column| column.capture).collect();
    assert_eq!(columns, fewer);
}

/// C-10: rows with a column less than the meter says.
#[tokio::test(start_paused = true)]
async fn rows_that_contradict_the_meters_own_layout_break_the_rules() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.short_rows = true;
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::MeterBrokeRules);
    let layouts = reports.iter().filter(|report| matches!(report.event, Event::Layout(_))).count();
    assert_eq!(layouts, 1, "the same layout is not reported twice");
}

#[tokio::test(start_paused = true)]
async fn a_profile_says_with_its_columns_how_many_rows_it_keeps() {
    let capacities = |reports: &[Report]| -> Vec<(Obis, u32)> {
        let said = reports.iter().filter_map(|report| match report.event {
            Event::Capacity { profile, rows } => Some((profile, rows)),
            _ => None,
        });
        said.collect()
    };
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(station(Level::None));
    for said in [None, Some(0)] {
        meter.lock().unwrap().mischief.profile_entries = said;
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
        assert!(ended(&reports, 1).is_ok() && capacities(&reports).is_empty(), "{said:?}");
    }
    meter.lock().unwrap().mischief.profile_entries = Some(240);
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(capacities(&reports), [(whole_day().obis, 240)]);
    let known = ProfileRange { layout: Some(layout(&reports)), ..whole_day() };
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(known))]).await;
    assert_eq!(capacities(&reports), [], "what is known costs no exchange");
}

#[tokio::test(start_paused = true)]
async fn a_profile_whose_rows_have_no_time_is_refused_by_name() {
    let meter = Meter::new(Level::None).share();
    let value = meter.lock().unwrap().captures[1];
    let station = Arc::new(station(Level::None));
    meter.lock().unwrap().captures = vec![CaptureObject { class_id: 3, ..value }];
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn refused_selective_access_is_final_and_keeps_the_association() {
    let range = warm_range(Level::None).await;
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.denied = vec![(PROFILE, 2)];
    let station = Arc::new(station(Level::None));
    let works = vec![work(1, &station, Task::ReadProfile(range)), work(2, &station, Task::ReadClock)];
    let reports = collect(&meter, works).await;
    assert_eq!(reason(&reports, 1), Reason::MeterRefused);
    assert!(ended(&reports, 2).is_ok());
    let seen = meter.lock().unwrap().seen.clone();
    assert_eq!((seen.connections, seen.aarqs), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_profile_whose_scaler_is_refused_has_no_layout_and_is_named() {
    let refused = DataAccessResult::ObjectUnavailable;
    let station = Arc::new(station(Level::None));
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.refusals = vec![(VOLTAGE, 3, refused)];
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    let failure = ended(&reports, 1).unwrap_err();
    assert_eq!((failure.reason, reports.len()), (Reason::MeterRefused, 1), "nothing is remembered");
    for hint in ["profile 1.0.99.1.0.255", "column 1.0.32.7.0.255", "attribute 3", &refused.to_string()] {
        assert!(failure.detail.contains(hint), "{}", failure.detail);
    }
    // The datasheet states it. What the meter shows itself goes before that.
    let mut model = Model::clone(&station.model);
    let stated = |obis, scaler| StatedScaler { obis, scaler, unit: Unit(35) };
    model.scalers = vec![stated(VOLTAGE, -2), stated(ENERGY, 7)];
    let informed = Arc::new(Station { model: Arc::new(model), ..Station::clone(&station) });
    let reports = collect(&meter, vec![work(3, &informed, Task::ReadProfile(whole_day()))]).await;
    let columns = layout(&reports).columns.clone();
    let scaled = columns[1..].iter().map(|column| (column.scaler, column.unit.0)).collect::<Vec<_>>();
    assert_eq!((scaled, captured(&reports).len()), (vec![(0, 30), (-2, 35)], 96));
    // A moment later it shows it.
    meter.lock().unwrap().mischief.refusals.clear();
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!((layout(&reports).columns[2].scaler, captured(&reports).len()), (-1, 96));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_says_it_has_no_scaler_has_none() {
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.odd_values = vec![(VOLTAGE, 3, Data::NullData)];
    let station = Arc::new(station(Level::None));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    let last = layout(&reports).columns[2].clone();
    assert_eq!((last.scaler, last.unit.0), (0, 255));
    assert_eq!(captured(&reports).len(), 96);
}

/// C-10, C-29: a row without a time, a row of another shape, and a cell that is no number stand aside with their octets; everything else is stored.
#[tokio::test(start_paused = true)]
async fn c_10_what_cannot_be_read_costs_nothing_else_and_is_told_with_its_octets() {
    let station = Arc::new(station(Level::None));
    let meter = Meter::new(Level::None).share();
    let mut mischief = Mischief { entries_in_use: Some(96), ..Mischief::default() };
    mischief.wrong_months.insert(5);
    mischief.shorter.insert(11);
    mischief.odd_cells.insert(20, Data::Long64Unsigned(u64::MAX));
    mischief.odd_cells.extend((40..50).map(|row| (row, Data::OctetString(b"no number".to_vec()))));
    meter.lock().unwrap().mischief = mischief;
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(ended(&reports, 1).unwrap().range, Some((whole_day().from, whole_day().to)));
    let mut whole = expected(&meter);
    let lacks = |row: &usize| *row == 20 || (40..50).contains(row);
    (0..96).filter(lacks).for_each(|row| whole[row].1[0] = None);
    let (at_20, at_40) = (whole[20].0, whole[40].0);
    whole.remove(11);
    whole.remove(5);
    assert_eq!(captured(&reports), whole);

    let layout = layout(&reports);
    let odd = odd(&reports);
    let cell = |at, octets: &[u8]| Oddity::Cell {
        layout: Arc::clone(&layout),
        at,
        column: 1,
        octets: octets.to_vec(),
    };
    let rows = odd.iter().filter_map(|odd| match odd {
        Oddity::Row { profile: PROFILE, octets } => Some(octets.clone()),
        _ => None,
    });
    let rows: Vec<Vec<u8>> = rows.collect();
    assert_eq!(rows.len(), 2, "{odd:?}");
    assert_eq!((&rows[0][..5], rows[0][6]), (&[2, 3, 9, 12, 7][..], 13), "the month is the thirteenth");
    assert_eq!(rows[1][..2], [2, 2], "two columns");
    assert!(odd.contains(&cell(at_20, &[21, 255, 255, 255, 255, 255, 255, 255, 255])), "{odd:?}");
    let told = [cell(at_40, &[&[9, 9][..], b"no number"].concat())];
    assert!(odd.contains(&told[0]), "{odd:?}");
    assert_eq!(odd.len(), 4, "a column of another type is told once: {odd:?}");
}

/// Power quality is measured in floats by some meters. The decimal that stands for each is stored, in billionths, and a read that knows so asks for nothing twice.
#[tokio::test(start_paused = true)]
async fn floats_are_stored_as_the_decimals_that_they_stand_for() {
    let station = Arc::new(station(Level::None));
    let meter = Meter::new(Level::None).share();
    let quarters = |row: usize| Data::Float32((row as f32 / 4.0).to_be_bytes());
    meter.lock().unwrap().mischief.odd_cells = (0..96).map(|row| (row, quarters(row))).collect();
    let mut exact = expected(&meter);
    (0..).zip(&mut exact).for_each(|(row, (_, values))| values[0] = Some(row * 250_000_000));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!((captured(&reports), odd(&reports)), (exact.clone(), vec![]));
    let layouts = reports.iter().filter_map(|report| match &report.event {
        Event::Captures(captures) => Some(Arc::clone(&captures.layout)),
        _ => None,
    });
    let layouts: Vec<Arc<Layout>> = layouts.collect();
    let columns: Vec<_> = layouts[0].columns.iter().map(|c| (c.column, c.scaler, c.unit.0)).collect();
    assert_eq!(columns, [(Column::Clock, 0, 255), (Column::Float, -9, 30), (Column::Value, -1, 35)]);
    assert!(layouts.iter().all(|layout| *layout == layouts[0]));

    // Rows that do not fit are no reason to think that the columns are others, nor are whole numbers among floats.
    let range = ProfileRange { layout: Some(Arc::clone(&layouts[0])), ..whole_day() };
    meter.lock().unwrap().mischief.odd_cells.insert(0, Data::Unsigned(0));
    meter.lock().unwrap().mischief.odd_cells.insert(9, Data::Float32([0x7F, 0xC0, 0, 0]));
    meter.lock().unwrap().mischief.shorter.insert(11);
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(range))]).await;
    assert!(ended(&reports, 2).is_ok(), "{reports:?}");
    exact[9].1[0] = None;
    exact.remove(11);
    assert_eq!(captured(&reports), exact);
    assert_eq!(odd(&reports).len(), 2, "a number that is none and a row: {:?}", odd(&reports));
}

/// C-10: what cannot be read is told one by one up to a limit, and counted beyond it.
#[tokio::test(start_paused = true)]
async fn rows_without_end_that_cannot_be_read_are_counted() {
    let station = Arc::new(station(Level::None));
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.wrong_months = (0..96).collect();
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert!(captured(&reports).is_empty());
    let odd = odd(&reports);
    assert_eq!(odd.len(), 65);
    assert_eq!(odd[64], Oddity::More { profile: PROFILE, more: 32 });
}

/// C-10: a profile of which nothing can be read takes a person; a hole that cannot is told, and no more.
#[tokio::test(start_paused = true)]
async fn a_read_of_new_rows_that_brings_none_that_can_be_read_fails() {
    let station = Arc::new(station(Level::None));
    let known = warm_range(Level::None).await;
    let text = |row| (row, Data::OctetString(b"no number".to_vec()));
    let no_times = Mischief { wrong_months: (0..96).collect(), ..Mischief::default() };
    let no_values = Mischief { odd_cells: (0..96).map(text).collect(), ..Mischief::default() };
    let all_but_one = Mischief { wrong_months: (1..96).collect(), ..Mischief::default() };
    let hole = ProfileRange { last: Some(known.to), ..known.clone() };
    let follows = ProfileRange { last: Some(at("2026-06-01T00:00:00Z")), ..known.clone() };
    for (mischief, range, is_done) in [
        (&no_times, &known, false),
        (&no_times, &follows, false),
        (&no_times, &hole, true),
        (&no_values, &known, true),
        (&all_but_one, &known, true),
    ] {
        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().mischief = mischief.clone();
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range.clone()))]).await;
        let reason = ended(&reports, 1).err().map(|failure| failure.reason);
        assert_eq!(reason, (!is_done).then_some(Reason::Unsupported), "{mischief:?} {range:?}");
    }
    // Of a meter without other columns, no value is nothing.
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief = no_values;
    meter.lock().unwrap().captures.truncate(2);
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(reason(&reports, 1), Reason::Unsupported);
}

/// Some meters refuse a range where others answer with no rows; one that refuses all of a profile is none of them.
#[tokio::test(start_paused = true)]
async fn a_refused_range_is_empty_only_where_the_meter_answers_others() {
    let station = Arc::new(station(Level::None));
    let known = warm_range(Level::None).await;
    let before = ProfileRange { from: at("2026-05-01T00:15:00Z"), to: at("2026-05-02T00:00:00Z"), ..known };
    for refusal in [DataAccessResult::ObjectUnavailable, DataAccessResult::OtherReason] {
        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().mischief =
            Mischief { refuses_nothing: Some(refusal), entries_in_use: Some(96), ..Mischief::default() };
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(before.clone()))]).await;
        assert_eq!(ended(&reports, 1).unwrap().range, Some((before.from, before.to)), "{refusal:?}");
        assert!(captured(&reports).is_empty());

        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().mischief = Mischief {
            refuses_ranges: Some(refusal),
            refuses_entries: true,
            entries_in_use: Some(96),
            ..Mischief::default()
        };
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(before.clone()))]).await;
        assert_eq!(reason(&reports, 1), Reason::MeterRefused, "{refusal:?}");
    }
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().rows.clear();
    meter.lock().unwrap().mischief = Mischief {
        refuses_nothing: Some(DataAccessResult::ObjectUnavailable),
        refuses_entries: true,
        entries_in_use: Some(0),
        ..Mischief::default()
    };
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(before))]).await;
    assert!(ended(&reports, 1).is_ok(), "it says that it holds none");
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_selects_no_rows_by_time_is_read_by_number_or_whole() {
    let station = Arc::new(station(Level::None));
    let range = ProfileRange {
        from: at("2026-06-01T10:00:00Z"),
        to: at("2026-06-01T11:00:00Z"),
        ..warm_range(Level::None).await
    };
    let by_number = Mischief {
        refuses_ranges: Some(DataAccessResult::TypeUnmatched),
        entries_in_use: Some(96),
        ..Mischief::default()
    };
    let whole = Mischief {
        refuses_ranges: Some(DataAccessResult::ReadWriteDenied),
        services: Some(Conformance::GET.union(Conformance::BLOCK_GET)),
        gives_whole: true,
        ..Mischief::default()
    };
    for mischief in [by_number, whole] {
        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().mischief = mischief.clone();
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range.clone()))]).await;
        let inside: Vec<_> =
            expected(&meter).into_iter().filter(|(at, _)| (range.from..=range.to).contains(at)).collect();
        assert_eq!(captured(&reports), inside, "{mischief:?}");
        assert_eq!(inside.len(), 5);
        assert_eq!(odd(&reports), [], "all rows were asked for");
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_without_a_clock_goes_by_the_end_of_its_billing_periods() {
    let station = Arc::new(station(Level::None));
    let meter = Meter::new(Level::None).share();
    let end = CaptureObject { class_id: 3, instance: END_OF_BILLING, attribute: 2, data_index: 0 };
    meter.lock().unwrap().captures[0] = end;
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    let clock = layout(&reports).clock().cloned().unwrap();
    assert_eq!((clock.capture, clock.column), (end, Column::Clock));
}

#[tokio::test(start_paused = true)]
async fn times_for_which_a_capture_has_no_room_are_told() {
    let station = Arc::new(station(Level::None));
    let meter = Meter::new(Level::None).share();
    let value = meter.lock().unwrap().captures[1];
    let time = CaptureObject { class_id: 4, attribute: 5, ..meter.lock().unwrap().captures[2] };
    meter.lock().unwrap().captures.extend([value; MAX_VALUES - 3]);
    meter.lock().unwrap().captures.extend([time; 4]);
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert!(
        odd(&reports).contains(&Oddity::TimesLeftOut { profile: PROFILE, times: 3 }),
        "{:?}",
        odd(&reports)
    );
    assert_eq!(layout(&reports).values().count(), MAX_VALUES);
}

/// A foreign meter with 24 values of which a capture has room for 16: what its model names comes first, and what is left out is told.
#[tokio::test(start_paused = true)]
async fn of_more_values_than_there_is_room_for_the_model_says_which_are_stored() {
    let meter = Meter::new(Level::None).share();
    let value = |c: u8| CaptureObject {
        class_id: 1,
        instance: Obis::new([1, 0, c, 7, 0, 255]),
        attribute: 2,
        data_index: 0,
    };
    meter.lock().unwrap().captures.extend((1..=22).map(value));
    let named = |places: &[u8]| {
        let mut station = station(Level::None);
        let mut model = Model::clone(&station.model);
        let profile = model.profiles.iter_mut().find(|profile| profile.obis == PROFILE).unwrap();
        let like = profile.columns[1].clone();
        let column = |c: &u8| ColumnSpec { class_id: 1, obis: value(*c).instance, ..like.clone() };
        profile.columns.extend(places.iter().map(column));
        station.model = Arc::new(model);
        Arc::new(station)
    };
    let stored = |reports: &[Report]| {
        let layout = layout(reports);
        let names: Vec<Obis> = layout.values().map(|column| column.capture.instance).collect();
        (names, layout)
    };
    let of = |places: &mut dyn Iterator<Item = u8>| {
        let values = places.map(|c| value(c).instance);
        [ENERGY, VOLTAGE].into_iter().chain(values).collect::<Vec<_>>()
    };
    let station = named(&[21, 22]);
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    let (names, layout) = stored(&reports);
    assert_eq!(names, of(&mut (1..=12).chain([21, 22])));
    let left_out = |column| Oddity::ValueLeftOut { layout: Arc::clone(&layout), column };
    assert_eq!(odd(&reports), (15..23).map(left_out).collect::<Vec<_>>());
    let rows = captured(&reports);
    assert_eq!((rows.len(), rows[0].1.len()), (96, MAX_VALUES));
    assert_eq!(rows[0].1[..2], expected(&meter)[0].1);

    // The same read again asks for no columns, and one of a model that names others does.
    let range = ProfileRange { layout: Some(Arc::clone(&layout)), ..whole_day() };
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(range.clone()))]).await;
    assert_eq!((captured(&reports), odd(&reports)), (rows, vec![]));
    let reports = collect(&meter, vec![work(3, &named(&[20]), Task::ReadProfile(range))]).await;
    assert_eq!(stored(&reports).0, of(&mut (1..=13).chain([20])));
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_captures_at_another_rate_has_another_layout_before_a_row_is_reported() {
    let meter = Meter::new(Level::None).share();
    let station = Arc::new(station(Level::None));
    let known = warm_range(Level::None).await.layout.unwrap();
    let slower = Arc::new(Layout { period_s: 1800, ..Layout::clone(&known) });
    let stale = ProfileRange { layout: Some(slower), ..whole_day() };
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(stale))]).await;
    assert_eq!(reason(&reports, 1), Reason::LayoutChanged);
    assert_eq!(captured(&reports), []);
    assert_eq!(layout(&reports).period_s, 900);

    // Where one capture comes at a time, it is that which it follows that shows it.
    let faster = Arc::new(Layout { period_s: 450, ..Layout::clone(&known) });
    let (last, next) = (at("2026-06-01T10:00:00Z"), at("2026-06-01T10:15:00Z"));
    let one = ProfileRange { from: at("2026-06-01T10:07:30Z"), to: next, layout: None, ..whole_day() };
    let stale = ProfileRange { layout: Some(faster), last: Some(last), ..one.clone() };
    // Of several, the first may stand one period behind it by chance.
    let by_chance = ProfileRange {
        to: at("2026-06-01T11:00:00Z"),
        last: Some(next - jiff::SignedDuration::from_secs(450)),
        from: next,
        ..stale.clone()
    };
    for range in [&stale, &by_chance] {
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range.clone()))]).await;
        assert_eq!((reason(&reports, 1), captured(&reports).len()), (Reason::LayoutChanged, 0), "{range:?}");
        assert_eq!(layout(&reports).period_s, 900);
    }
    let right = ProfileRange { layout: Some(Arc::clone(&known)), last: Some(last), ..one };
    let before = ProfileRange { last: Some(next + jiff::SignedDuration::from_secs(450)), ..stale };
    for range in [right, before] {
        let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(range))]).await;
        assert_eq!(captured(&reports).iter().map(|(at, _)| *at).collect::<Vec<_>>(), [next]);
    }

    // Rows that are missing look the same, and are none of that.
    meter.lock().unwrap().rows.retain(|at| at.as_second() % 1800 == 0);
    let range = ProfileRange { layout: Some(known), ..whole_day() };
    let reports = collect(&meter, vec![work(2, &station, Task::ReadProfile(range))]).await;
    assert!(ended(&reports, 2).is_ok(), "{reports:?}");
    assert_eq!(captured(&reports), expected(&meter));
}
