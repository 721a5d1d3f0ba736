use super::{Data, tag, write_length, write_octets};

impl Data {
    /// Appends the value with its type.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.data_type());
        match self {
            Self::Array(elements) | Self::Structure(elements) => {
                write_length(elements.len(), out);
                elements.iter().for_each(|element| element.encode(out));
            }
            Self::CompactArray(array) => array.encode(out),
            simple => simple.encode_contents(out),
        }
    }

    /// Tag of the type.
    pub const fn data_type(&self) -> u8 {
        match self {
            Self::NullData => tag::NULL_DATA,
            Self::Array(_) => tag::ARRAY,
            Self::Structure(_) => tag::STRUCTURE,
            Self::Boolean(_) => tag::BOOLEAN,
            Self::BitString(_) => tag::BIT_STRING,
            Self::DoubleLong(_) => tag::DOUBLE_LONG,
            Self::DoubleLongUnsigned(_) => tag::DOUBLE_LONG_UNSIGNED,
            Self::OctetString(_) => tag::OCTET_STRING,
            Self::VisibleString(_) => tag::VISIBLE_STRING,
            Self::Utf8String(_) => tag::UTF8_STRING,
            Self::Bcd(_) => tag::BCD,
            Self::Integer(_) => tag::INTEGER,
            Self::Long(_) => tag::LONG,
            Self::Unsigned(_) => tag::UNSIGNED,
            Self::LongUnsigned(_) => tag::LONG_UNSIGNED,
            Self::CompactArray(_) => tag::COMPACT_ARRAY,
            Self::Long64(_) => tag::LONG64,
            Self::Long64Unsigned(_) => tag::LONG64_UNSIGNED,
            Self::Enum(_) => tag::ENUM,
            Self::Float32(_) => tag::FLOAT32,
            Self::Float64(_) => tag::FLOAT64,
            Self::DateTime(_) => tag::DATE_TIME,
            Self::Date(_) => tag::DATE,
            Self::Time(_) => tag::TIME,
            Self::DeltaInteger(_) => tag::DELTA_INTEGER,
            Self::DeltaLong(_) => tag::DELTA_LONG,
            Self::DeltaDoubleLong(_) => tag::DELTA_DOUBLE_LONG,
            Self::DeltaUnsigned(_) => tag::DELTA_UNSIGNED,
            Self::DeltaLongUnsigned(_) => tag::DELTA_LONG_UNSIGNED,
            Self::DeltaDoubleLongUnsigned(_) => tag::DELTA_DOUBLE_LONG_UNSIGNED,
            Self::DontCare => tag::DONT_CARE,
        }
    }

    /// Appends the contents of a value that holds no other values, without its type.
    pub(super) fn encode_contents(&self, out: &mut Vec<u8>) {
        match self {
            Self::NullData | Self::DontCare | Self::Array(_) | Self::Structure(_) | Self::CompactArray(_) => {
            }
            Self::Boolean(value) => out.push(u8::from(*value)),
            Self::BitString(bits) => {
                write_length(bits.len(), out);
                out.extend_from_slice(bits.octets());
            }
            Self::OctetString(octets) | Self::VisibleString(octets) | Self::Utf8String(octets) => {
                write_octets(octets, out);
            }
            Self::Bcd(value) | Self::Unsigned(value) | Self::Enum(value) | Self::DeltaUnsigned(value) => {
                out.push(*value);
            }
            Self::Integer(value) | Self::DeltaInteger(value) => out.push(value.cast_unsigned()),
            Self::Long(value) | Self::DeltaLong(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::LongUnsigned(value) | Self::DeltaLongUnsigned(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::DoubleLong(value) | Self::DeltaDoubleLong(value) => {
                out.extend_from_slice(&value.to_be_bytes())
            }
            Self::DoubleLongUnsigned(value) | Self::DeltaDoubleLongUnsigned(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Long64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::Long64Unsigned(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::Float32(octets) | Self::Time(octets) => out.extend_from_slice(octets),
            Self::Float64(octets) => out.extend_from_slice(octets),
            Self::DateTime(value) => out.extend_from_slice(&value.octets()),
            Self::Date(octets) => out.extend_from_slice(octets),
        }
    }
}
