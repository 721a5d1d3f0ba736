//! Rows cost no memory of their own: taking an answer with a profile apart allocates as often for two days as for one.
//!
//! One test only, so that no other allocates at the same time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use std::alloc::System;

use common::{LEVELS, Level, Pair, attribute};
use dlms::axdr::Data;
use dlms::client::Reply;
use dlms::profile::{Column, NullRule, RowDecoder, Rows};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations from the answer of a meter to rows, in memory that has held as many rows before.
fn allocations(level: Level, count: u32) -> usize {
    let profile = attribute(7, "1.0.99.1.0.255", 2);
    let row = |row: u32| {
        let clock = Data::OctetString(vec![0x07, 0xEA, 3, 1, 7, 0, 0, 0, 0, 0xFF, 0xC4, 0]);
        let registers = (0..4).map(|register| Data::DoubleLongUnsigned(row * 100 + register));
        Data::Structure([clock, Data::Unsigned(0)].into_iter().chain(registers).collect())
    };
    let mut buffer = Vec::new();
    Data::Array((0..count).map(row).collect()).encode(&mut buffer);
    let mut pair = Pair::new(level, 16_000, 16_000);
    pair.meter.values.insert((7, profile.instance, 2), buffer);

    let mut rows = Rows::default();
    // The least of some: the thread that runs the test may allocate as well.
    let mut allocations = usize::MAX;
    for _ in 0..8 {
        let mut request = Vec::new();
        pair.client.get(&profile, None, &mut request).unwrap();
        let mut answer = pair.answer(&request);
        let columns = [Column::Clock, Column::Status].into_iter().chain([Column::Value; 4]).collect();
        rows.clear();
        let region = Region::new(ALLOCATOR);
        let Reply::Data(octets) = pair.client.handle(&mut answer).unwrap() else { panic!("no data") };
        let mut decoder = RowDecoder::new(columns, NullRule::Absent);
        decoder.push(octets, &mut rows).unwrap();
        allocations = allocations.min(region.change().allocations);
        assert_eq!(decoder.finish(), Ok(u64::from(count)));
    }
    allocations
}

#[test]
fn rows_that_are_decoded_allocate_nothing() {
    for level in LEVELS {
        let (one, two) = (allocations(level, 96), allocations(level, 192));
        assert_eq!(one, two, "{level:?}");
        assert!(one <= 1, "{level:?}: {one} allocations, where the decoder itself needs one");
    }
}
