use std::borrow::Cow;
use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One element of a message: what it is called, where it stands and what it says.
///
/// Serialized, a node is its value, and fields are an object with the names as keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name in the standard; empty for an element of a list.
    pub name: &'static str,
    /// Where it stands in the octets of its section; `None` for what was derived from other octets.
    pub place: Option<Range<usize>>,
    /// What it says.
    pub value: Value,
    /// What a person wants to know besides: the name of an object, a time, a number with its unit. Empty when there is nothing.
    pub note: String,
}

/// What an element says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, because it is absent or has no value.
    Null,
    /// A truth value.
    Flag(bool),
    /// A number.
    Number(i128),
    /// A number of IEEE 754.
    Float(f64),
    /// A text or the name of a code.
    Text(Cow<'static, str>),
    /// Octets.
    Octets(Vec<u8>),
    /// Elements with names of their own.
    Fields(Vec<Node>),
    /// Elements in a row.
    List(Vec<Node>),
    /// Fields that stand in octets of their own, which were deciphered or put together: places inside count from their start.
    Section(Vec<u8>, Vec<Node>),
}

impl Node {
    /// What is inside it; nothing for a simple value.
    pub fn children(&self) -> &[Self] {
        match &self.value {
            Value::Fields(nodes) | Value::List(nodes) | Value::Section(_, nodes) => nodes,
            _ => &[],
        }
    }

    /// The one child that holds a value by itself.
    pub(super) fn only_child_mut(&mut self) -> Option<&mut Self> {
        match &mut self.value {
            Value::Fields(nodes) => match nodes.as_mut_slice() {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        }
    }

    /// The child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children().iter().find(|child| child.name == name)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&[u8]> for Value {
    fn from(octets: &[u8]) -> Self {
        Self::Octets(octets.to_vec())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

macro_rules! numbers {
    ($($number:ty)+) => {
        $(impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        })+
    };
}

numbers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_i128(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Octets(octets) => serializer.collect_str(&Hex(octets)),
            Self::Fields(nodes) | Self::Section(_, nodes) => fields(nodes, serializer),
            Self::List(nodes) => {
                let mut list = serializer.serialize_seq(Some(nodes.len()))?;
                nodes.iter().try_for_each(|node| list.serialize_element(&node.value))?;
                list.end()
            }
        }
    }
}

/// An object of nodes.
pub(super) fn fields<S: Serializer>(nodes: &[Node], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(nodes.len()))?;
    nodes.iter().try_for_each(|node| object.serialize_entry(node.name, &node.value))?;
    object.end()
}

/// Octets as digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}
