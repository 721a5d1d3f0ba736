//! A-XDR (IEC 61334-6) as DLMS uses it: lengths, and the choice `Data` with its types (Blue Book, 4.1.5).
//!
//! `reader` is the cursor over received octets, `data` the tree for values of any shape, `number` the exact decimal that one of them is, `compact` the compact array, `skip` steps over a value
//! without building anything. Bulk data have a decoder of their own, see [`profile`](crate::profile).

mod compact;
mod data;
mod encode;
mod number;
mod reader;
mod skip;

pub use compact::{CompactArray, TypeDescription};
pub use data::{BitString, Data};
pub use number::Number;
pub use reader::{Reader, write_length, write_octets};
pub use skip::skip;

/// Levels of nesting that are accepted.
pub const DEPTH_MAX: usize = 16;
/// Values, those that hold others included, that one [`Data`] may consist of. What can be longer, a profile's buffer or the list of
/// a meter's objects, is never made into a tree.
pub const VALUES_MAX: usize = 65_535;

/// Tags of the data types.
pub(crate) mod tag {
    pub(crate) const NULL_DATA: u8 = 0;
    pub(crate) const ARRAY: u8 = 1;
    pub(crate) const STRUCTURE: u8 = 2;
    pub(crate) const BOOLEAN: u8 = 3;
    pub(crate) const BIT_STRING: u8 = 4;
    pub(crate) const DOUBLE_LONG: u8 = 5;
    pub(crate) const DOUBLE_LONG_UNSIGNED: u8 = 6;
    pub(crate) const OCTET_STRING: u8 = 9;
    pub(crate) const VISIBLE_STRING: u8 = 10;
    pub(crate) const UTF8_STRING: u8 = 12;
    pub(crate) const BCD: u8 = 13;
    pub(crate) const INTEGER: u8 = 15;
    pub(crate) const LONG: u8 = 16;
    pub(crate) const UNSIGNED: u8 = 17;
    pub(crate) const LONG_UNSIGNED: u8 = 18;
    pub(crate) const COMPACT_ARRAY: u8 = 19;
    pub(crate) const LONG64: u8 = 20;
    pub(crate) const LONG64_UNSIGNED: u8 = 21;
    pub(crate) const ENUM: u8 = 22;
    pub(crate) const FLOAT32: u8 = 23;
    pub(crate) const FLOAT64: u8 = 24;
    pub(crate) const DATE_TIME: u8 = 25;
    pub(crate) const DATE: u8 = 26;
    pub(crate) const TIME: u8 = 27;
    pub(crate) const DELTA_INTEGER: u8 = 28;
    pub(crate) const DELTA_LONG: u8 = 29;
    pub(crate) const DELTA_DOUBLE_LONG: u8 = 30;
    pub(crate) const DELTA_UNSIGNED: u8 = 31;
    pub(crate) const DELTA_LONG_UNSIGNED: u8 = 32;
    pub(crate) const DELTA_DOUBLE_LONG_UNSIGNED: u8 = 33;
    pub(crate) const DONT_CARE: u8 = 255;
}

/// Octets of a value whose type alone fixes its length; `None` for strings, arrays and unknown types.
pub(crate) const fn fixed_length(data_type: u8) -> Option<usize> {
    Some(match data_type {
        tag::NULL_DATA | tag::DONT_CARE => 0,
        tag::BOOLEAN
        | tag::BCD
        | tag::INTEGER
        | tag::UNSIGNED
        | tag::ENUM
        | tag::DELTA_INTEGER
        | tag::DELTA_UNSIGNED => 1,
        tag::LONG | tag::LONG_UNSIGNED | tag::DELTA_LONG | tag::DELTA_LONG_UNSIGNED => 2,
        tag::DOUBLE_LONG
        | tag::DOUBLE_LONG_UNSIGNED
        | tag::FLOAT32
        | tag::TIME
        | tag::DELTA_DOUBLE_LONG
        | tag::DELTA_DOUBLE_LONG_UNSIGNED => 4,
        tag::DATE => 5,
        tag::LONG64 | tag::LONG64_UNSIGNED | tag::FLOAT64 => 8,
        tag::DATE_TIME => 12,
        _ => return None,
    })
}
