//! What holds for every value: encoding and decoding undo each other, a stream may be cut anywhere, and no octets break a decoder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/apdu.rs"]
mod apdu;
#[path = "properties/classes.rs"]
mod classes;
#[path = "common/decoders.rs"]
mod decoders;
#[path = "properties/more_services.rs"]
mod more_services;
#[path = "properties/octets.rs"]
mod octets;
#[path = "properties/protection.rs"]
mod protection;
#[path = "properties/services.rs"]
mod services;
#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;
#[path = "properties/tariffs.rs"]
mod tariffs;
#[path = "properties/times.rs"]
mod times;
#[path = "properties/values.rs"]
mod values;
