use super::{CompactArray, DEPTH_MAX, Reader, VALUES_MAX, tag};
use crate::{DateTime, Error};

/// A value of any type (Blue Book, 4.1.5; the names are the standard's).
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// No value, or the value of the row before.
    NullData,
    /// Elements of one type.
    Array(Vec<Data>),
    /// Elements of their own types.
    Structure(Vec<Data>),
    /// A truth value.
    Boolean(bool),
    /// Bits.
    BitString(BitString),
    /// 32 bits with sign.
    DoubleLong(i32),
    /// 32 bits.
    DoubleLongUnsigned(u32),
    /// Octets.
    OctetString(Vec<u8>),
    /// Visible characters; kept as octets, as meters send others, too.
    VisibleString(Vec<u8>),
    /// UTF-8; kept as octets, as meters send others, too.
    Utf8String(Vec<u8>),
    /// Two decimal digits.
    Bcd(u8),
    /// 8 bits with sign.
    Integer(i8),
    /// 16 bits with sign.
    Long(i16),
    /// 8 bits.
    Unsigned(u8),
    /// 16 bits.
    LongUnsigned(u16),
    /// Elements of one type whose type stands in front once.
    CompactArray(CompactArray),
    /// 64 bits with sign.
    Long64(i64),
    /// 64 bits.
    Long64Unsigned(u64),
    /// An enumeration.
    Enum(u8),
    /// IEEE 754 single, as its four octets: nothing here calculates with it.
    Float32([u8; 4]),
    /// IEEE 754 double, as its eight octets.
    Float64([u8; 8]),
    /// Date and time.
    DateTime(DateTime),
    /// Date: year (two octets), month, day, day of week.
    Date([u8; 5]),
    /// Time: hour, minute, second, hundredths.
    Time([u8; 4]),
    /// Difference to the value before, 8 bits with sign.
    DeltaInteger(i8),
    /// Difference to the value before, 16 bits with sign.
    DeltaLong(i16),
    /// Difference to the value before, 32 bits with sign.
    DeltaDoubleLong(i32),
    /// Difference to the value before, 8 bits.
    DeltaUnsigned(u8),
    /// Difference to the value before, 16 bits.
    DeltaLongUnsigned(u16),
    /// Difference to the value before, 32 bits.
    DeltaDoubleLongUnsigned(u32),
    /// A place in a filter that fits any value.
    DontCare,
}

/// Bits, the first one in the most significant position of the first octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitString {
    bits: usize,
    octets: Vec<u8>,
}

impl BitString {
    /// The first `bits` bits of `octets`; `None` when there are not exactly as many octets as they need.
    pub fn new(bits: usize, octets: Vec<u8>) -> Option<Self> {
        (octets.len() == bits.div_ceil(8)).then_some(Self { bits, octets })
    }

    /// Number of bits.
    pub const fn len(&self) -> usize {
        self.bits
    }

    /// Whether there is no bit.
    pub const fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// The octets; bits behind the last one are as they came.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> {
        (0..self.bits).map(|bit| self.octets[bit / 8] & (0x80 >> (bit % 8)) != 0)
    }
}

impl Data {
    /// Decodes one value that fills `octets`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); [`Error::Trailing`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let data = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(data)
    }

    /// Reads one value. What it allocates is bounded by the octets that are there.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::DataType`] for a type that the standard does not define, [`Error::TooDeep`], [`Error::TooLong`] for more than
    /// [`VALUES_MAX`] values, [`Error::Value`] for a compact array whose items could be more than their octets pay for.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Self::read_nested(reader, 0, &mut Budget(VALUES_MAX))
    }

    fn read_nested(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<Self, Error> {
        budget.spend()?;
        let data_type = reader.u8()?;
        Ok(match data_type {
            tag::ARRAY => Self::Array(Self::elements(reader, depth, budget)?),
            tag::STRUCTURE => Self::Structure(Self::elements(reader, depth, budget)?),
            tag::COMPACT_ARRAY => Self::CompactArray(CompactArray::read(reader, depth, budget)?),
            _ => Self::read_simple(data_type, reader)?,
        })
    }

    /// Reads the contents of a type that holds no other values.
    pub(crate) fn read_simple(data_type: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(match data_type {
            tag::NULL_DATA => Self::NullData,
            tag::BOOLEAN => Self::Boolean(reader.u8()? != 0),
            tag::BIT_STRING => Self::BitString(Self::bits(reader)?),
            tag::DOUBLE_LONG => Self::DoubleLong(reader.u32()?.cast_signed()),
            tag::DOUBLE_LONG_UNSIGNED => Self::DoubleLongUnsigned(reader.u32()?),
            tag::OCTET_STRING => Self::OctetString(reader.octets()?.to_vec()),
            tag::VISIBLE_STRING => Self::VisibleString(reader.octets()?.to_vec()),
            tag::UTF8_STRING => Self::Utf8String(reader.octets()?.to_vec()),
            tag::BCD => Self::Bcd(reader.u8()?),
            tag::INTEGER => Self::Integer(reader.u8()?.cast_signed()),
            tag::LONG => Self::Long(reader.u16()?.cast_signed()),
            tag::UNSIGNED => Self::Unsigned(reader.u8()?),
            tag::LONG_UNSIGNED => Self::LongUnsigned(reader.u16()?),
            tag::LONG64 => Self::Long64(reader.u64()?.cast_signed()),
            tag::LONG64_UNSIGNED => Self::Long64Unsigned(reader.u64()?),
            tag::ENUM => Self::Enum(reader.u8()?),
            tag::FLOAT32 => Self::Float32(reader.array()?),
            tag::FLOAT64 => Self::Float64(reader.array()?),
            tag::DATE_TIME => Self::DateTime(DateTime::new(reader.array()?)),
            tag::DATE => Self::Date(reader.array()?),
            tag::TIME => Self::Time(reader.array()?),
            tag::DELTA_INTEGER => Self::DeltaInteger(reader.u8()?.cast_signed()),
            tag::DELTA_LONG => Self::DeltaLong(reader.u16()?.cast_signed()),
            tag::DELTA_DOUBLE_LONG => Self::DeltaDoubleLong(reader.u32()?.cast_signed()),
            tag::DELTA_UNSIGNED => Self::DeltaUnsigned(reader.u8()?),
            tag::DELTA_LONG_UNSIGNED => Self::DeltaLongUnsigned(reader.u16()?),
            tag::DELTA_DOUBLE_LONG_UNSIGNED => Self::DeltaDoubleLongUnsigned(reader.u32()?),
            tag::DONT_CARE => Self::DontCare,
            got => return Err(Error::DataType { expected: "a value", got }),
        })
    }

    fn elements(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<Vec<Self>, Error> {
        if depth >= DEPTH_MAX {
            return Err(Error::TooDeep { limit: DEPTH_MAX });
        }
        let count = reader.length()?;
        // Every element has at least its type's octet, so a count above the octets that are left is a lie.
        if count > reader.remaining() {
            return Err(Error::Truncated);
        }
        (0..count).map(|_| Self::read_nested(reader, depth + 1, budget)).collect()
    }

    fn bits(reader: &mut Reader<'_>) -> Result<BitString, Error> {
        let bits = reader.length()?;
        let octets = reader.take(bits.div_ceil(8))?.to_vec();
        Ok(BitString { bits, octets })
    }
}

/// Values that a tree may still get.
pub(super) struct Budget(usize);

impl Budget {
    /// Takes one value out of it.
    pub(super) fn spend(&mut self) -> Result<(), Error> {
        self.0 =
            self.0.checked_sub(1).ok_or(Error::TooLong { what: "number of values", limit: VALUES_MAX })?;
        Ok(())
    }
}
