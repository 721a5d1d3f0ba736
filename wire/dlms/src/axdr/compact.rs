use super::data::Budget;
use super::{DEPTH_MAX, Data, Reader, fixed_length, tag, write_length};
use crate::Error;

/// Levels of a type description that are accepted.
const TYPE_DEPTH_MAX: usize = 4;
/// Values that one octet of contents may stand for: one in every level. More would make much out of nothing.
const VALUES_PER_OCTET: u64 = 4;

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
    pub(super) fn read(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<Self, Error> {
        check_depth(depth)?;
        let item = TypeDescription::read(reader)?;
        let mut contents = Reader::new(reader.octets()?);
        let mut items = Vec::new();
        while contents.remaining() > 0 {
            items.push(item.read_item(&mut contents, budget)?);
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
    /// Reads the type of the items.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::TooDeep`]; [`Error::DataType`] for a type that the standard does not define; [`Error::Value`] for items
    /// that could be more than their octets pay for, those without any among them.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Self::check(&mut reader.clone())?;
        Self::nested(reader)
    }

    /// Steps over a type description, builds nothing, and refuses what [`read`](Self::read) refuses.
    pub(super) fn check(reader: &mut Reader<'_>) -> Result<(), Error> {
        Extent::read(reader, 0)?.check()
    }

    /// Reads what [`check`](Self::check) has accepted.
    fn nested(reader: &mut Reader<'_>) -> Result<Self, Error> {
        match reader.u8()? {
            tag::ARRAY => Ok(Self::Array(reader.u16()?, Box::new(Self::nested(reader)?))),
            tag::STRUCTURE => {
                let elements = (0..reader.length()?).map(|_| Self::nested(reader));
                Ok(Self::Structure(elements.collect::<Result<_, _>>()?))
            }
            simple => Ok(Self::Simple(simple)),
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

    fn read_item(&self, contents: &mut Reader<'_>, budget: &mut Budget) -> Result<Data, Error> {
        budget.spend()?;
        Ok(match self {
            Self::Array(count, element) => {
                let elements = (0..*count).map(|_| element.read_item(contents, budget));
                Data::Array(elements.collect::<Result<_, _>>()?)
            }
            Self::Structure(types) => {
                let elements = types.iter().map(|element| element.read_item(contents, budget));
                Data::Structure(elements.collect::<Result<_, _>>()?)
            }
            Self::Simple(data_type) => Data::read_simple(*data_type, contents)?,
        })
    }

    /// Steps over the contents of one item.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub(crate) fn skip_item(&self, contents: &mut Reader<'_>) -> Result<(), Error> {
        match self {
            Self::Array(count, element) => (0..*count).try_for_each(|_| element.skip_item(contents)),
            Self::Structure(types) => types.iter().try_for_each(|element| element.skip_item(contents)),
            Self::Simple(data_type) => skip_contents(*data_type, contents),
        }
    }
}

/// What one item of a type is made of.
#[derive(Clone, Copy)]
struct Extent {
    /// Values, those that hold others included.
    values: u64,
    /// Octets when all strings in it are empty.
    octets: u64,
}

impl Extent {
    /// Reads a type description; the type of the items themselves has level 0.
    fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Self, Error> {
        if depth >= TYPE_DEPTH_MAX {
            return Err(Error::TooDeep { limit: TYPE_DEPTH_MAX });
        }
        match reader.u8()? {
            tag::ARRAY => {
                let count = u64::from(reader.u16()?);
                let element = Self::read(reader, depth + 1)?;
                // Four levels of 16 bits each can be more than 64 bits hold.
                let values = element.values.saturating_mul(count).saturating_add(1);
                Ok(Self { values, octets: element.octets.saturating_mul(count) })
            }
            tag::STRUCTURE => {
                let mut whole = Self { values: 1, octets: 0 };
                for _ in 0..reader.length()? {
                    let element = Self::read(reader, depth + 1)?;
                    whole.values = whole.values.saturating_add(element.values);
                    whole.octets = whole.octets.saturating_add(element.octets);
                }
                Ok(whole)
            }
            simple if is_string(simple) => Ok(Self { values: 1, octets: 1 }),
            simple => {
                let wrong = Error::DataType { expected: "a type of compact-array items", got: simple };
                Ok(Self { values: 1, octets: fixed_length(simple).ok_or(wrong)? as u64 })
            }
        }
    }

    /// Refuses items of which a few octets would make many values.
    fn check(self) -> Result<(), Error> {
        if self.values <= self.octets.saturating_mul(VALUES_PER_OCTET) {
            return Ok(());
        }
        let got = u32::try_from(self.octets).unwrap_or(u32::MAX);
        Err(Error::Value { what: "number of octets of a compact-array item", got })
    }
}

/// Refuses a compact array whose items could reach below the deepest level. `depth` is the level of the array.
pub(super) const fn check_depth(depth: usize) -> Result<(), Error> {
    match depth + TYPE_DEPTH_MAX {
        0..=DEPTH_MAX => Ok(()),
        _ => Err(Error::TooDeep { limit: DEPTH_MAX }),
    }
}

/// Whether the contents of a type are a length and as many octets or bits.
pub(super) const fn is_string(data_type: u8) -> bool {
    matches!(data_type, tag::BIT_STRING | tag::OCTET_STRING | tag::VISIBLE_STRING | tag::UTF8_STRING)
}

/// Steps over the contents of a type that holds no other values.
pub(super) fn skip_contents(data_type: u8, reader: &mut Reader<'_>) -> Result<(), Error> {
    let length = match (fixed_length(data_type), data_type) {
        (Some(length), _) => length,
        (None, tag::BIT_STRING) => reader.length()?.div_ceil(8),
        (None, tag::OCTET_STRING | tag::VISIBLE_STRING | tag::UTF8_STRING) => reader.length()?,
        (None, got) => return Err(Error::DataType { expected: "a value", got }),
    };
    reader.take(length).map(drop)
}

fn encode_item(item: &Data, out: &mut Vec<u8>) {
    match item {
        Data::Array(elements) | Data::Structure(elements) => {
            elements.iter().for_each(|element| encode_item(element, out));
        }
        simple => simple.encode_contents(out),
    }
}
