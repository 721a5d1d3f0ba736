//! Security suite 0 of IEC 62056-5-3 (DLMS UA Green Book, 9.2): AES-GCM-128 with tags of 12 octets.
//!
//! From the outside in: [`envelope`] takes a `glo-`, `ded-` or `general-glo-ciphering` APDU apart,
//! [`tags`] knows which APDU hides behind which ciphering tag, [`control`] is the security control
//! octet, [`cipher`] protects and unprotects in place, and [`keys`] and [`counters`] hold what a
//! session is handed in. The proof of HLS mechanism 5 (GMAC) is a method of [`Cipher`].
//!
//! Absent on purpose: suites 1 and 2, compression, `general-ciphering`, HLS mechanisms 2 to 4, 6 and 7.

mod cipher;
mod control;
mod counters;
mod envelope;
mod keys;
mod shield;
mod tags;

pub use cipher::{Cipher, PROOF_LENGTH, TAG_LENGTH};
pub use control::SecurityControl;
pub use counters::Counters;
pub(crate) use envelope::GENERAL_GLOBAL;
pub use envelope::{Envelope, Wrapping};
pub use keys::{Key, Password, SystemTitle};
pub(crate) use shield::{SealAs, Shield, seal};
pub use tags::{dedicated_tag, global_tag, plain_tag};

/// Shortest challenge that HLS allows, in octets (Green Book, 9.2.2.2.2).
pub const CHALLENGE_MIN: usize = 8;
/// Longest challenge that HLS allows, in octets (Green Book, 9.2.2.2.2).
pub const CHALLENGE_MAX: usize = 64;
