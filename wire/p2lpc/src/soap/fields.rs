//! What stands in a message, by name.

use crate::xml::{Element, children, text};
use crate::{Error, Ident, hex, time};

/// The elements in a message, or in one of its elements.
pub(super) struct Fields<'a>(Vec<Element<'a>>);

impl<'a> Fields<'a> {
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

    pub(super) fn text(&self, name: &'static str) -> Result<String, Error> {
        text(self.find(name).ok_or(Error::Missing { what: name })?.content, name)
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, Error> {
        self.text(name)?.parse().map_err(|_| Error::Value { what: name })
    }

    pub(super) fn time(&self, name: &'static str) -> Result<i64, Error> {
        time::read(&self.text(name)?)
    }

    pub(super) fn ident(&self, name: &'static str) -> Result<Ident, Error> {
        self.text(name)?.parse()
    }

    pub(super) fn octets(&self, name: &'static str) -> Result<Vec<u8>, Error> {
        hex::decode(&self.text(name)?, name)
    }

    pub(super) fn truth(&self, name: &'static str) -> Result<bool, Error> {
        match self.text(name)?.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Error::Value { what: name }),
        }
    }
}
