//! The running program and concentrators: the meters behind them, by each way to reach them, and what they are as devices of their own.
//!
//! What counts as failure: a capture that a node still holds and that is missed, an event of a concentrator that is lost or stored twice, and one that
//! calls and is not heard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod calling;
mod clocks;
mod devices;
mod files;
#[path = "../image/mod.rs"]
mod image;
#[path = "../program/mod.rs"]
mod program;
mod reading;
mod site;
#[path = "../template/mod.rs"]
mod template;
mod upgrade;
