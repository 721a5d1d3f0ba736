use super::{DEPTH_MAX, Data, Reader, fixed_length, tag, write_length};
use crate::Error;

/// Levels of a type description that are accepted. One octet of contents may stand for a value in every level, so this is also what
/// bounds the memory that a compact array takes.
const TYPE_DEPTH_MAX: usize = 4;

/// A compact array: the type of its items once, then their contents (Blue Book, 4.1.5).
#[derive(Clone, Debug, PartialEq)]
pub struct CompactArray {
    /// Type of every item.
    pub item: TypeDescription,
    /// The items, all of that type.
    pub items: Vec<Data>,
}

/// The type of the items of a compact array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeDescription {
    /// As many elements of one type.
    Array(u16, Box<TypeDescription>),
    /// Elements of their own types.
    Structure(Vec<TypeDescription>),
    /// A type that holds no other values, by its tag.
    Simple(u8),
}

impl CompactArray {
    pub(super) fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Self, Error> {
        check_depth(depth)?;
        let item = TypeDescription::read(reader, 0)?;
        let mut contents = Reader::new(reader.octets()?);
        let mut items = Vec::new();
        while contents.remaining() > 0 {
            items.push(item.read_item(&mut contents)?);
        }
        Ok(Self { item, items })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.item.encode(out);
        let mut contents = Vec::new();
        self.items.iter().for_each(|item| encode_item(item, &mut contents));
        super::write_octets(&contents, out);
    }
}

impl TypeDescription {
    fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Self, Error> {
        check_type_depth(depth)?;
        match reader.u8()? {
            // Items without octets would make much out of nothing: types of no length are refused.
            tag::ARRAY => {
                let count = reader.u16()?;
                if count == 0 {
                    return Err(Error::Value { what: "number of elements of a compact-array item", got: 0 });
                }
                Ok(Self::Array(count, Box::new(Self::read(reader, depth + 1)?)))
            }
            tag::STRUCTURE => {
                let count = reader.length()?;
                if count == 0 {
                    return Err(Error::Value { what: "number of elements of a compact-array item", got: 0 });
                }
                if count > reader.remaining() {
                    return Err(Error::Truncated);
                }
                let elements = (0..count).map(|_| Self::read(reader, depth + 1));
                Ok(Self::Structure(elements.collect::<Result<_, _>>()?))
            }
            simple if fixed_length(simple).is_some_and(|length| length > 0) || is_string(simple) => {
                Ok(Self::Simple(simple))
            }
            got => Err(Error::DataType { expected: "a type of compact-array items", got }),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(count, element) => {
                out.push(tag::ARRAY);
                out.extend_from_slice(&count.to_be_bytes());
                element.encode(out);
            }
            Self::Structure(elements) => {
                out.push(tag::STRUCTURE);
                write_length(elements.len(), out);
                elements.iter().for_each(|element| element.encode(out));
            }
            Self::Simple(data_type) => out.push(*data_type),
        }
    }

    fn read_item(&self, contents: &mut Reader<'_>) -> Result<Data, Error> {
        match self {
            Self::Array(count, element) => {
                let mut elements = elements_of(usize::from(*count), contents)?;
                for _ in 0..*count {
                    elements.push(element.read_item(contents)?);
                }
                Ok(Data::Array(elements))
            }
            Self::Structure(types) => {
                let mut elements = elements_of(types.len(), contents)?;
                for element in types {
                    elements.push(element.read_item(contents)?);
                }
                Ok(Data::Structure(elements))
            }
            Self::Simple(data_type) => Data::read_simple(*data_type, contents),
        }
    }
}

/// Refuses a compact array whose items could reach below the deepest level. `depth` is the level of the array.
pub(super) const fn check_depth(depth: usize) -> Result<(), Error> {
    match depth + TYPE_DEPTH_MAX {
        0..=DEPTH_MAX => Ok(()),
        _ => Err(Error::TooDeep { limit: DEPTH_MAX }),
    }
}

/// Refuses a type description that is too deep; the type of the items themselves has level 0.
pub(super) const fn check_type_depth(depth: usize) -> Result<(), Error> {
    match depth {
        0..TYPE_DEPTH_MAX => Ok(()),
        _ => Err(Error::TooDeep { limit: TYPE_DEPTH_MAX }),
    }
}

/// Room for exactly `count` elements, each of which has at least one octet.
fn elements_of(count: usize, contents: &Reader<'_>) -> Result<Vec<Data>, Error> {
    if count > contents.remaining() {
        return Err(Error::Truncated);
    }
    Ok(Vec::with_capacity(count))
}

/// Whether the contents of a type are a length and as many octets or bits.
pub(super) const fn is_string(data_type: u8) -> bool {
    matches!(data_type, tag::BIT_STRING | tag::OCTET_STRING | tag::VISIBLE_STRING | tag::UTF8_STRING)
}

fn encode_item(item: &Data, out: &mut Vec<u8>) {
    match item {
        Data::Array(elements) | Data::Structure(elements) => {
            elements.iter().for_each(|element| encode_item(element, out));
        }
        simple => simple.encode_contents(out),
    }
}
