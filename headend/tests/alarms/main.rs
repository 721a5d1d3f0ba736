//! Pushes from a socket to a subscriber: the listener and the interface as they are, over a database of their own, on loopback.
//!
//! What counts as failure: a push that is lost, comes as another alarm than asserted, changes something though it is not to be believed, or
//! is confirmed without being stored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod events;
mod follow;
mod forms;
mod hearing;
mod program;
mod refused;
#[path = "../served/mod.rs"]
mod served;
#[path = "../template/mod.rs"]
mod template;
