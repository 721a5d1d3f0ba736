//! Opening and releasing an association: ACSE in BER (Green Book, 9.4.2 and 9.5; ISO/IEC 15954).
//!
//! `aarq` and `aare` open, `release` closes, `names` are the object identifiers, `ber` the few rules of BER that these need.

mod aare;
mod aarq;
mod ber;
mod names;
mod release;

pub use aare::Aare;
pub use aarq::Aarq;
pub use names::{ApplicationContext, Mechanism};
pub use release::{Release, ReleaseKind};

/// Tags of the APDUs.
pub mod tag {
    /// Association request.
    pub const AARQ: u8 = 0x60;
    /// Association response.
    pub const AARE: u8 = 0x61;
    /// Release request.
    pub const RLRQ: u8 = 0x62;
    /// Release response.
    pub const RLRE: u8 = 0x63;
}
