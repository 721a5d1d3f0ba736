//! Reading a long value costs no memory per block: neither taking a block nor asking for the next one allocates.
//!
//! One test only, so that no other allocates at the same time. The harness itself may, a few times while the test begins: what happens once
//! for each block happens more often than that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;

use std::alloc::System;

use common::{LEVELS, Pair, attribute};
use dlms::client::Reply;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_block_is_taken_and_the_next_one_asked_for_without_allocating() {
    let buffer = attribute(7, "1.0.99.1.0.255", 2);
    for level in LEVELS {
        let mut pair = Pair::new(level, 512, 1024);
        pair.meter
            .values
            .insert((7, buffer.instance, 2), [&[9, 0x82, 0x4E, 0x20][..], &[5; 20_000]].concat());
        let (mut request, mut answer) = (Vec::with_capacity(256), Vec::with_capacity(1024));
        pair.client.get(&buffer, None, &mut request).unwrap();
        let (mut blocks, mut allocated_by_client, mut allocated_by_meter) = (0, 0, 0);
        loop {
            answer.clear();
            let meter = Region::new(ALLOCATOR);
            pair.session.handle(&mut request, &mut pair.meter, &mut answer);
            // The first answer fetches the value.
            allocated_by_meter += if blocks > 0 { meter.change().allocations } else { 0 };
            request.clear();
            let client = Region::new(ALLOCATOR);
            let reply = pair.client.handle(&mut answer).unwrap();
            if matches!(reply, Reply::Data(_)) {
                break;
            }
            pair.client.next_block(&mut request).unwrap();
            allocated_by_client += client.change().allocations;
            blocks += 1;
        }
        assert!(blocks > 30, "{blocks} blocks");
        for (who, allocated) in [("client", allocated_by_client), ("meter", allocated_by_meter)] {
            assert!(
                allocated < blocks / 3,
                "{level:?}: the {who} allocated {allocated} times for {blocks} blocks"
            );
        }
    }
}
