//! Meters that open the connection themselves, against the program as a process of its own: simulated modems, and hand-made octets.
//!
//! What counts as failure: a meter that is connected and not read, work of one that is not connected that is tried, a name that drives out who has
//! proved itself, and a peer that keeps others from being heard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod flood;
mod hall;
mod presence;
#[path = "../program/mod.rs"]
mod program;
mod reading;
mod silent;
#[path = "../template/mod.rs"]
mod template;
mod words;
