//! The protocol against octets that nobody meant: what has to hold for any input, one file for each subject.
//!
//! A panic is a finding. So is an input that takes longer than a second or more memory than `cargo xtask fuzz` allows.
//! Inputs to begin with are the octets of the vectors in `wire/dlms/tests/vectors`.

pub mod apdus;
pub mod ciphered;
pub mod decode;
pub mod frames;
pub mod sequences;
pub mod stations;
