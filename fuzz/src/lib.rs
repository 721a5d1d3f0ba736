//! The protocols against octets that nobody meant: what has to hold for any input, one file for each subject.
//!
//! A panic is a finding. So is an input that takes longer than a second or more memory than `cargo xtask fuzz` allows.
//! Inputs to begin with are the octets of the vectors in `wire/*/tests`.

pub mod apdus;
pub mod ciphered;
pub mod decode;
pub mod dlt645;
pub mod frames;
pub mod gdw376;
pub mod heartbeat;
pub mod iec62056_21;
pub mod modbus;
pub mod p2lpc;
pub mod pcapng;
pub mod sequences;
pub mod stations;
