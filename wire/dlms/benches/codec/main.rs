//! What it costs to read a day of a load profile: 96 rows of a clock, a status and four registers of 32 bits, 3.7 kB.
//!
//! Each benchmark goes from the octets on a line to columns of integers. Time is that of the processor on this thread, which a busy machine disturbs less than
//! the time of a clock on the wall. Opening the association is not part of it but in `session`, which is everything over a TCP connection.

#![allow(missing_docs, reason = "criterion makes the entry point")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails has to end")]

#[path = "../../tests/common/mod.rs"]
mod common;
mod day;
mod processor;
mod session;

use std::fs;
use std::path::PathBuf;

use common::Level;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use day::{Hdlc, Wrapped, decode};
use dlms::profile::Rows;
use processor::ProcessorTime;

/// From the octets that TCP brought.
fn wrapper(criterion: &mut Criterion<ProcessorTime>) {
    for (name, level) in [("plain", Level::None), ("ciphered", Level::Gmac)] {
        let mut rows = Rows::default();
        Wrapped::new(level).read(&mut rows);
        day::check(&rows);
        criterion.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || Wrapped::new(level),
                |line| {
                    rows.clear();
                    line.read(&mut rows);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// From the frames of 128 octets that a serial line brought, each of which is acknowledged.
fn hdlc(criterion: &mut Criterion<ProcessorTime>) {
    let mut rows = Rows::default();
    Hdlc::new(Level::Gmac).read(&mut rows);
    day::check(&rows);
    criterion.bench_function("hdlc", |bench| {
        bench.iter_batched_ref(
            || Hdlc::new(Level::Gmac),
            |line| {
                rows.clear();
                line.read(&mut rows);
            },
            BatchSize::SmallInput,
        );
    });
}

/// The buffer alone: no frame, no APDU, no key.
fn buffer(criterion: &mut Criterion<ProcessorTime>) {
    let (octets, mut rows) = (day::buffer(), Rows::default());
    decode(&octets, &mut rows);
    day::check(&rows);
    criterion.bench_function("buffer", |bench| {
        bench.iter(|| {
            rows.clear();
            decode(&octets, &mut rows);
        });
    });
}

/// Connect, AARQ, HLS with GMAC, the day in blocks of 512 octets, RLRQ: what the client costs, system calls included; and beside it what these
/// system calls cost when nothing is done with the octets.
fn whole_session(criterion: &mut Criterion<ProcessorTime>) {
    let (meter, echo) = (session::Meter::start(), session::echo());
    day::check(&session::read(meter.address));
    criterion.bench_function("session", |bench| bench.iter(|| session::read(meter.address)));
    criterion.bench_function("round_trips", |bench| bench.iter(|| session::round_trips(echo)));
}

/// Writes the two answers of a day into the folder that `CODEC_OCTETS` names, for programs that this project did not write.
fn answers(_: &mut Criterion<ProcessorTime>) {
    let Some(folder) = std::env::var_os("CODEC_OCTETS").map(PathBuf::from) else { return };
    for (name, level) in [("plain", Level::None), ("ciphered", Level::Gmac)] {
        let digits: String =
            Wrapped::new(level).octets().iter().map(|octet| format!("{octet:02X}")).collect();
        fs::write(folder.join(name), digits).unwrap();
    }
}

criterion_group! {
    name = codec;
    config = Criterion::default().with_measurement(ProcessorTime).without_plots();
    targets = answers, buffer, wrapper, hdlc, whole_session
}
criterion_main!(codec);
