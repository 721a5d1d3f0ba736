//! See `fuzz::gdw376`.
#![no_main]
#![allow(missing_docs, reason = "the entry point that the fuzzer calls")]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::gdw376::run(octets));
