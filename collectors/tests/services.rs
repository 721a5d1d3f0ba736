//! What is gained where a meter takes several things in one request, or sends several blocks for one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::sync::{Arc, Mutex};

use collectors::{Event, RegisterRequest, Report, Station, Task};
use common::*;
use dlms::Conformance;

/// The values of both registers of the meter.
fn registers() -> Task {
    let register = |obis| RegisterRequest { obis, class_id: 3, attribute: 2 };
    Task::ReadRegisters(vec![register(ENERGY), register(VOLTAGE)])
}

/// What was reported of registers, and what the last read cost in exchanges.
fn outcome(reports: &[Report], job: i64) -> (Vec<(i64, i8, u8)>, u32) {
    let values = reports.iter().filter(|report| report.job == job).find_map(|report| match &report.event {
        Event::Registers(values) => Some(values),
        _ => None,
    });
    let values = values.unwrap().iter().map(|value| (value.value, value.scaler, value.unit.0)).collect();
    (values, ended(reports, job).unwrap().exchanges)
}

/// Reads the registers twice; the second read finds the association open.
async fn read_twice(meter: &Arc<Mutex<Meter>>, level: Level) -> (Vec<(i64, i8, u8)>, u32) {
    let station = Arc::new(station(level));
    let reports = collect(meter, vec![work(1, &station, registers()), work(2, &station, registers())]).await;
    assert_eq!(outcome(&reports, 1).0, outcome(&reports, 2).0);
    outcome(&reports, 2)
}

const EXPECTED: [(i64, i8, u8); 2] = [(4711, 0, 30), (2301, -1, 35)];

#[tokio::test(start_paused = true)]
async fn registers_take_two_requests_where_lists_are_granted() {
    for level in [Level::None, Level::Gmac] {
        let meter = Meter::new(level).share();
        assert_eq!(read_twice(&meter, level).await, (EXPECTED.to_vec(), 2), "{level:?}: values, scalers");
    }
}

#[tokio::test(start_paused = true)]
async fn registers_are_read_one_by_one_where_lists_are_not_granted_or_refused_all_the_same() {
    let without = Conformance::GET.union(Conformance::BLOCK_GET).union(Conformance::SELECTIVE_ACCESS);
    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.services = Some(without);
    assert_eq!(read_twice(&meter, Level::None).await, (EXPECTED.to_vec(), 4), "not granted");

    let meter = Meter::new(Level::None).share();
    meter.lock().unwrap().mischief.refuses_lists = true;
    assert_eq!(
        read_twice(&meter, Level::None).await,
        (EXPECTED.to_vec(), 4),
        "refused once, not asked again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_list_of_registers_is_cut_and_comes_in_blocks_when_it_has_to() {
    let meter = Meter::new(Level::Gmac).share();
    let station = Arc::new(station(Level::Gmac));
    let register = |obis| RegisterRequest { obis, class_id: 3, attribute: 2 };
    let many = (0..24).map(|number| register(if number % 2 == 0 { ENERGY } else { VOLTAGE })).collect();
    let reports =
        collect(&meter, vec![work(1, &station, registers()), work(2, &station, Task::ReadRegisters(many))])
            .await;
    let (values, exchanges) = outcome(&reports, 2);
    assert_eq!(values, EXPECTED.repeat(12));
    assert_eq!(exchanges, 6, "three lists of values, three of scalers");
}

/// A station whose model wants general block transfer.
fn streaming(level: Level, window: u8) -> Station {
    let mut station = station(level);
    let mut model = (*station.model).clone();
    model.association.general_block_window = window;
    station.model = Arc::new(model);
    station
}

#[tokio::test(start_paused = true)]
async fn a_profile_in_general_blocks_costs_one_exchange_per_window() {
    for (level, windows) in [(Level::None, 3), (Level::Gmac, 3)] {
        let meter = Meter::new(level).share();
        let station = Arc::new(streaming(level, 5));
        let read = |job| work(job, &station, Task::ReadProfile(whole_day()));
        let reports = collect(&meter, vec![read(1)]).await;
        assert_eq!(captured(&reports), expected(&meter), "{level:?}");
        let covered = ended(&reports, 1).unwrap();
        let opening = if level == Level::Gmac { 2 } else { 1 };
        // Serial number, capture objects, period, scalers, rows that it keeps, entries in use.
        assert_eq!(covered.exchanges, windows + opening + 6, "{level:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn general_blocks_that_get_lost_are_sent_again() {
    // In the middle of a window, at its end, and a whole window; the first blocks are the answers before the profile.
    for lost in [vec![8], vec![11], vec![7, 8, 9, 10, 11, 13, 14], vec![20]] {
        for level in [Level::None, Level::Gmac] {
            let meter = Meter::new(level).share();
            meter.lock().unwrap().mischief.lost_blocks = lost.iter().copied().collect();
            let station = Arc::new(streaming(level, 5));
            let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
            assert_eq!(captured(&reports), expected(&meter), "{level:?}, {lost:?}");
            assert!(ended(&reports, 1).is_ok());
            let seen = meter.lock().unwrap().seen.clone();
            assert_eq!(
                (seen.connections, seen.aarqs),
                (1, 1),
                "{level:?}, {lost:?}: on the same association"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_does_not_grant_general_blocks_is_read_without() {
    let meter = Meter::new(Level::Gmac).share();
    meter.lock().unwrap().mischief.services = Some(Conformance::CLIENT);
    let station = Arc::new(streaming(Level::Gmac, 5));
    let reports = collect(&meter, vec![work(1, &station, Task::ReadProfile(whole_day()))]).await;
    assert_eq!(captured(&reports), expected(&meter));
    assert_eq!(meter.lock().unwrap().seen.blocks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_has_given_up_the_association_is_asked_again_on_a_new_one() {
    for (level, opening) in [(Level::None, 1), (Level::Gmac, 2)] {
        for words in [&[0xD8, 1, 1][..], &[0x0E, 1, 3, 2]] {
            let meter = Meter::new(level).share();
            // Opening, serial number, values and scalers are what the first read takes.
            meter.lock().unwrap().mischief.answers.insert(opening + 4, words.to_vec());
            assert_eq!(
                read_twice(&meter, level).await,
                (EXPECTED.to_vec(), 1 + opening + 3),
                "{level:?} {words:02X?}: refused, opened anew, and lists are taken as before"
            );
            assert_eq!(meter.lock().unwrap().seen.aarqs, 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_meter_sends_unasked_in_between_disturbs_nothing() {
    for level in [Level::None, Level::Gmac] {
        let meter = Meter::new(level).share();
        let event = [0xC2, 0, 0, 1, 0, 0, 97, 98, 0, 255, 2, 6, 0, 0, 0, 1];
        meter.lock().unwrap().mischief.unasked = Some(event.to_vec());
        assert_eq!(read_twice(&meter, level).await, (EXPECTED.to_vec(), 2), "{level:?}");
        assert_eq!(meter.lock().unwrap().seen.aarqs, 1);
    }
}
