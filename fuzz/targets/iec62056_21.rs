//! See `fuzz::iec62056_21`.
#![no_main]
#![allow(missing_docs, reason = "the entry point that the fuzzer calls")]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::iec62056_21::run(octets));
