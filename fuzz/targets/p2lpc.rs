//! See `fuzz::p2lpc`.
#![no_main]
#![allow(missing_docs, reason = "the entry point that the fuzzer calls")]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::p2lpc::run(octets));
