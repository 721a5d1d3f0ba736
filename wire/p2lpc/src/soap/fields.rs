//! What stands in a message, by name.

use crate::xml::{Element, children, text};
use crate::{Error, Ident, hex, time};

/// The elements in a message, or in one of its elements.
pub(super) struct Fields<'a>(Vec<Element<'a>>);

impl<'a> Fields<'a> {
    /// The elements of a piece of XML.
    pub(super) fn of(content: &'a str) -> Result<Self, Error> {
        Ok(Self(children(content)?))
    }

    /// All elements.
    pub(super) fn all(&self) -> &[Element<'a>] {
        &self.0
    }

    /// The element with that name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<&Element<'a>> {
        self.0.iter().find(|element| element.name == name)
    }

    /// Its text.
    pub(super) fn text(&self, name: &'static str) -> Result<String, Error> {
        text(self.find(name).ok_or(Error::Missing { what: name })?.content, name)
    }

    /// Its text as a number of the type that is asked for.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, Error> {
        self.text(name)?.parse().map_err(|_| Error::Value { what: name })
    }

    /// Its text as a time, in seconds since 1970-01-01T00:00:00Z.
    pub(super) fn time(&self, name: &'static str) -> Result<i64, Error> {
        time::read(&self.text(name)?)
    }

    /// Its text as the name of a register, profile or object.
    pub(super) fn ident(&self, name: &'static str) -> Result<Ident, Error> {
        self.text(name)?.parse()
    }

    /// The octets that its text has as hexadecimal digits.
    pub(super) fn octets(&self, name: &'static str) -> Result<Vec<u8>, Error> {
        hex::decode(&self.text(name)?, name)
    }

    /// Its text as `xsd:boolean` writes it.
    pub(super) fn truth(&self, name: &'static str) -> Result<bool, Error> {
        match self.text(name)?.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Error::Value { what: name }),
        }
    }
}
