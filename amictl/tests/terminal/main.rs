//! The program `amictl` as people and scripts use it: against the program `headend` with a database of its own, and simulated meters.
//!
//! What counts as failure: an exit code that misleads a script, an output that does not say what the meter's own ledger holds, an order that
//! nobody meant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod alarms;
mod bench;
mod collection;
mod commands;
mod discover;
mod firmware;
mod orders;
mod tariff;
#[path = "../../../headend/tests/template/mod.rs"]
mod template;
