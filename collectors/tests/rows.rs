//! Rows of profiles that are not as many, not in the order, or not at the times that they should be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use collectors::{Captures, Event, Oddity, ProfileRange, Reason, Report, Task};
use common::*;
use dlms::DataAccessResult;
use jiff::{SignedDuration, Timestamp};

async fn read(meter: &Arc<Mutex<Meter>>, range: ProfileRange) -> Vec<Report> {
    collect(meter, vec![work(1, &Arc::new(station(Level::None)), Task::ReadProfile(range))]).await
}

/// An hour with a capture at its begin and four more.
fn an_hour() -> ProfileRange {
    ProfileRange { from: at("2026-06-01T10:00:00Z"), to: at("2026-06-01T11:00:00Z"), ..whole_day() }
}

/// Captures in the order of time, each once: what was asked for again may come again.
fn sorted(reports: &[Report]) -> Vec<(Timestamp, Vec<Option<i64>>)> {
    BTreeSet::from_iter(captured(reports)).into_iter().collect()
}

/// The meter holds 96 rows. More than it gave, than the last of them, or less than there are of them are noticed.
#[tokio::test(start_paused = true)]
async fn a_profile_that_holds_other_rows_than_it_says_is_told_when_its_columns_are_read() {
    for (range, said, holds) in [
        (whole_day(), 96, None),
        (whole_day(), 95, Some(96)),
        (whole_day(), 0, Some(96)),
        (whole_day(), 97, Some(96)),
        (whole_day(), 9000, Some(8999)),
        (an_hour(), 96, None),
        (an_hour(), 50, Some(51)),
        (an_hour(), 97, Some(96)),
    ] {
        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().mischief.entries_in_use = Some(said);
        let rows = if range == whole_day() { 96 } else { 5 };
        let reports = read(&meter, range).await;
        assert_eq!(captured(&reports).len(), rows, "it is read whatever it says");
        let told = holds.map(|holds| Oddity::EntriesInUse { profile: PROFILE, said: said.into(), holds });
        assert_eq!(odd(&reports), Vec::from_iter(told));
    }
}

/// Whoever cannot be asked for rows by their number is believed that they are more than it gave.
#[tokio::test(start_paused = true)]
async fn a_profile_whose_rows_have_no_numbers_is_read_as_well() {
    for (said, holds) in [(9000, None), (4, Some(5))] {
        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().mischief.entries_in_use = Some(said);
        meter.lock().unwrap().mischief.refuses_entries = true;
        let reports = read(&meter, an_hour()).await;
        assert!(ended(&reports, 1).is_ok());
        let told = holds.map(|holds| Oddity::EntriesInUse { profile: PROFILE, said: said.into(), holds });
        assert_eq!(odd(&reports), Vec::from_iter(told));
    }
}

/// Rows in no order are all asked for again when the line is cut, and counted once.
#[tokio::test(start_paused = true)]
async fn rows_that_come_again_are_counted_once() {
    let meter = Meter::new(Level::None).share();
    {
        let mut meter = meter.lock().unwrap();
        meter.rows.reverse();
        meter.mischief.entries_in_use = Some(96);
        meter.mischief.cut_after = [(1, 12), (2, 6)].into();
    }
    let reports = read(&meter, whole_day()).await;
    assert_eq!(meter.lock().unwrap().seen.connections, 3);
    assert!(captured(&reports).len() > 96, "some came again");
    assert_eq!(sorted(&reports).len(), 96);
    assert_eq!(odd(&reports), []);
}

/// A cut behind the first row of a buffer whose newest row comes first: nothing before that row counts as read.
#[tokio::test(start_paused = true)]
async fn a_single_row_proves_nothing_about_those_before_it() {
    let range = warm_range(Level::None).await;
    for blocks in 2..8 {
        let meter = Meter::new(Level::None).share();
        meter.lock().unwrap().rows.reverse();
        meter.lock().unwrap().mischief.cut_after = [(1, blocks)].into();
        // An answer holds one row.
        let mut station = station(Level::None);
        let mut model = (*station.model).clone();
        model.association.max_pdu = 64;
        station.model = Arc::new(model);
        let works = vec![work(1, &Arc::new(station), Task::ReadProfile(range.clone()))];
        let reports = collect(&meter, works).await;
        assert_eq!(sorted(&reports).len(), 96, "{blocks} blocks");
        assert!(ended(&reports, 1).is_ok());
    }
}

/// Times that are left out are counted the way in which rows stand. Where neither rows nor the range show it, the meter is asked, once; and where it does
/// not say it either, nothing is guessed.
#[tokio::test(start_paused = true)]
async fn times_that_are_left_out_are_counted_the_way_in_which_rows_stand() {
    let range = warm_range(Level::None).await;
    let day = SignedDuration::from_hours(24);
    let wider = ProfileRange { from: range.from - day, to: range.to + day, ..range.clone() };
    for newest_first in [false, true] {
        for (range, method, asks, reason) in [
            (&range, None, 0, None),
            (&wider, Some(if newest_first { 2 } else { 1 }), 1, None),
            // The largest time, or the smallest, comes first.
            (&wider, Some(if newest_first { 3 } else { 4 }), 1, None),
            (&wider, Some(5), 1, Some(Reason::Unsupported)),
            (&wider, None, 1, Some(Reason::Unsupported)),
        ] {
            let meter = Meter::new(Level::None).share();
            let all = expected(&meter);
            {
                let mut meter = meter.lock().unwrap();
                meter.mischief.implied = true;
                meter.mischief.sort_method = method;
                if newest_first {
                    meter.rows.reverse();
                }
            }
            let reports = read(&meter, range.clone()).await;
            let asked = meter.lock().unwrap().seen.gets.iter().filter(|get| **get == (PROFILE, 5)).count();
            assert_eq!(asked, asks, "{newest_first} {method:?}");
            match reason {
                None => assert_eq!(sorted(&reports), all, "{newest_first} {method:?}"),
                Some(reason) => {
                    let failure = ended(&reports, 1).unwrap_err();
                    assert_eq!(failure.reason, reason);
                    assert!(failure.detail.contains("attribute"), "{}", failure.detail);
                    assert!(captured(&reports).iter().all(|capture| all.contains(capture)));
                }
            }
        }
    }
    // The first row lies where the range begins.
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.implied = true;
    let late = ProfileRange { to: wider.to, ..range.clone() };
    assert_eq!(captured(&read(&meter, late).await), expected(&meter));
}

/// A row whose time the meter itself does not believe in is kept wherever it lies before the range: only its time is wrong.
#[tokio::test(start_paused = true)]
async fn rows_of_a_clock_that_began_anew_are_kept() {
    let meter = Meter::new(Level::None).share();
    let early = ["2000-01-01T00:00:00Z", "2000-01-01T00:15:00Z"].map(at);
    {
        let mut meter = meter.lock().unwrap();
        meter.rows.splice(50..50, early);
        meter.mischief.invalid_before = Some(at("2001-01-01T00:00:00Z"));
        meter.mischief.implied = true;
        meter.mischief.sort_method = Some(1);
    }
    let reports = read(&meter, whole_day()).await;
    let rows = reports.iter().filter_map(|report| match &report.event {
        Event::Captures(Captures { at, clock_status, .. }) => {
            Some(at.iter().copied().zip(clock_status.iter().copied()).collect::<Vec<_>>())
        }
        _ => None,
    });
    let rows: BTreeSet<_> = rows.flatten().collect();
    let is_invalid = |(at, status): &&(Timestamp, u8)| early.contains(at) && *status == 1;
    assert_eq!(rows.iter().filter(is_invalid).count(), 2, "{rows:?}");
    assert_eq!(rows.len(), 98);
    assert_eq!(odd(&reports), [], "none of them is a row that nobody asked for");
}

/// A request for a range has 64 octets in the clear. Where a meter does not take so many, rows are asked for by their number, or all of them; the meter
/// itself refuses whatever is longer than it says.
#[tokio::test(start_paused = true)]
async fn meters_that_take_short_requests_only_are_read_by_number_or_whole() {
    let whole = || Mischief { refuses_entries: true, gives_whole: true, ..Mischief::default() };
    let by_number = || Mischief { entries_in_use: Some(96), ..Mischief::default() };
    for (level, max_pdu, mischief, by_range) in [
        (Level::None, 64, by_number(), true),
        (Level::Gmac, 64, by_number(), false),
        (Level::Gmac, 82, by_number(), false),
        (Level::Gmac, 83, by_number(), true),
        (Level::Gmac, 64, whole(), false),
    ] {
        let meter = Meter::new(level).share();
        meter.lock().unwrap().mischief = Mischief { max_pdu: Some(max_pdu), ..mischief };
        let works = vec![work(1, &Arc::new(station(level)), Task::ReadProfile(whole_day()))];
        let reports = collect(&meter, works).await;
        assert!(ended(&reports, 1).is_ok(), "{level:?} {max_pdu}: {:?}", ended(&reports, 1));
        assert_eq!(captured(&reports), expected(&meter), "{level:?} {max_pdu}");
        let seen = meter.lock().unwrap().seen.clone();
        assert_eq!((!seen.ranges.is_empty(), seen.aarqs), (by_range, 1), "{level:?} {max_pdu}");
    }
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief = Mischief { max_pdu: Some(64), ..Mischief::default() };
    meter.lock().unwrap().mischief.refuses_entries = true;
    let works = vec![work(1, &Arc::new(station(Level::Gmac)), Task::ReadProfile(whole_day()))];
    let reports = collect(&meter, works).await;
    assert_eq!(reason(&reports, 1), Reason::MeterRefused, "it gives its rows in no way");
}

/// Rows that are asked for by their number are found without reading all that came since, and a line that breaks costs none of those that came.
#[tokio::test(start_paused = true)]
async fn rows_by_their_number_are_found_and_gone_on_with() {
    let range = warm_range(Level::None).await;
    for (from, to, cut) in [
        ("2026-06-05T00:00:00Z", "2026-06-06T12:00:00Z", None),
        ("2026-06-01T00:15:00Z", "2026-06-02T12:00:00Z", Some(14)),
        ("2026-06-30T00:00:00Z", "2026-07-01T12:00:00Z", Some(9)),
    ] {
        let meter = Meter::new(Level::None).share();
        let wanted = ProfileRange { from: at(from), to: at(to), ..range.clone() };
        {
            let mut meter = meter.lock().unwrap();
            let first = meter.rows[0];
            meter.rows = (0..30 * 96).map(|row| first + SignedDuration::from_secs(row * QUARTER)).collect();
            meter.mischief.entries_in_use = Some(30 * 96);
            meter.mischief.refuses_ranges = Some(DataAccessResult::TypeUnmatched);
            // The association goes with the cut, in the middle of blocks.
            meter.mischief.cut_after = cut.map(|answers| (1, answers)).into_iter().collect();
        }
        let reports = read(&meter, wanted.clone()).await;
        assert_eq!(ended(&reports, 1).unwrap().range, Some((wanted.from, wanted.to)));
        let inside = |(at, _): &(Timestamp, Vec<_>)| (wanted.from..=wanted.to).contains(at);
        let expected: Vec<_> = expected(&meter).into_iter().filter(inside).collect();
        assert!(!expected.is_empty());
        assert_eq!(sorted(&reports), expected, "{from}");
        let reads = meter.lock().unwrap().seen.gets.iter().filter(|get| **get == (PROFILE, 2)).count();
        assert!(reads < 30, "{reads} for {} rows", expected.len());
    }
}
