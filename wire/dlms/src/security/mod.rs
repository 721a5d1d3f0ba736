//! Security suites 0, 1 and 2 of IEC 62056-5-3 (DLMS UA Green Book, 9.2).
//!
//! From the outside in: [`envelope`] takes a `glo-`, `ded-` or `general-glo-ciphering` APDU apart,
//! [`tags`] knows which APDU hides behind which ciphering tag, [`control`] is the security control
//! octet, [`suite`] says which keys a suite has, [`cipher`] protects and unprotects in place, and [`keys`] and [`counters`] hold what a
//! session is handed in, and [`replay`] tells which counters of a peer are new. The proof of HLS mechanism 5 (GMAC) is a method of [`Cipher`]. [`curve`] are the keys of suites 1 and 2, which
//! [`signature`] signs and verifies with, and [`agreement`] agrees with on symmetric ones; [`key_wrap`] is how those travel, and [`certificate`] says whose a public key is.
//! [`general_ciphering`] and [`general_signing`] protect between any two parties, behind a [`header`] that names them.
//!
//! [`hls`] are the proofs of high level security, [`policy`] says what is sent and demanded, and [`shield`] holds an association to it.
//!
//! Absent on purpose: compression.

mod agreement;
mod authentication;
mod certificate;
mod cipher;
mod control;
mod counters;
mod curve;
mod envelope;
mod general_ciphering;
mod general_signing;
mod global;
mod header;
mod hls;
mod key_wrap;
mod keys;
mod policy;
mod replay;
mod shield;
mod signature;
mod suite;
mod tags;

pub use agreement::{Parties, Purpose, Scheme, SharedSecret};
pub use authentication::Authentication;
pub use certificate::{Certificate, KeyUse};
pub use cipher::{Cipher, PROOF_LENGTH, TAG_LENGTH};
pub use control::SecurityControl;
pub use counters::{Counters, Wear};
pub use curve::{PrivateKey, PublicKey};
pub use envelope::{Envelope, Wrapping};
pub use general_ciphering::{Content, GENERAL_CIPHERING, GeneralCiphering, KeyInfo};
pub use general_signing::{GENERAL_SIGNING, GeneralSigning, sign};
pub use global::GlobalKeys;
pub use header::GeneralHeader;
pub use hls::{Challenge, Dialogue, Hls};
pub use keys::{Key, Password, SystemTitle};
pub use policy::SecurityPolicy;
pub use replay::ReplayWindow;
pub use shield::SealAs;
pub(crate) use shield::{Manner, Shield, seal_first};
pub use suite::Suite;
pub use tags::{dedicated_tag, global_tag, plain_tag};

/// Shortest challenge that HLS allows, in octets (Green Book, 9.2.2.2.2).
pub const CHALLENGE_MIN: usize = 8;
/// Longest challenge that HLS allows, in octets (Green Book, 9.2.2.2.2).
pub const CHALLENGE_MAX: usize = 64;
