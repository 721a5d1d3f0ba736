//! The whole head-end against a meter that this project did not write: `pymeter.py`, a separate program over TCP.
//!
//! Each test starts the meter and the real program `headend` with a private database, registers the meter over gRPC, orders reads over
//! gRPC, and compares what `psql` finds in the table with what `pymeter.py --expect` prints: instant by instant, value by value.
//! What counts as failure: a row too few, too many or different, or a failure under another name than the one asserted.
//!
//! `PYMETER` names the script, `INTEROP_PYTHON` a Python with its requirements; `./test` sets both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod alarms;
mod bad_input;
mod billing;
mod buses;
mod clocks;
mod corrected;
mod discover;
mod events;
mod firmware;
mod hdlc;
mod head;
#[path = "../image/mod.rs"]
mod image;
mod kill;
mod meter;
mod planned;
mod profiles;
mod security;
mod switch;
mod tariff;
#[path = "../template/mod.rs"]
mod template;
mod times;
