//! See `fuzz::pcapng`.
#![no_main]
#![allow(missing_docs, reason = "the entry point that the fuzzer calls")]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::pcapng::run(octets));
