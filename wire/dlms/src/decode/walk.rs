use std::mem;

use super::node::{Node, Value};
use crate::Error;
use crate::axdr::Reader;

/// Where a message stops making sense, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped at offset {offset:#06x}{within} in {field}: {error}")]
pub struct Stop {
    /// Octet at which the element starts that could not be read, counted in its section.
    pub offset: usize,
    /// The section: empty for the octets that came, else ` of` and its name.
    pub within: &'static str,
    /// The element.
    pub field: &'static str,
    /// What is wrong.
    pub error: Error,
}

/// Reads elements one after the other and keeps a [`Node`] of each, so that what was understood remains when it comes to a stop.
pub(super) struct Walk<'a> {
    reader: Reader<'a>,
    /// Offset in the section behind the last octet.
    end: usize,
    nodes: Vec<Node>,
}

impl<'a> Walk<'a> {
    /// Starts in front of `octets`, whose first one has this offset in the section.
    pub(super) const fn new(octets: &'a [u8], offset: usize) -> Self {
        Self { reader: Reader::new(octets), end: offset + octets.len(), nodes: Vec::new() }
    }

    /// What was found.
    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// Offset of the next octet.
    pub(super) const fn at(&self) -> usize {
        self.end - self.reader.remaining()
    }

    /// The octets that are left.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// Reads one element and keeps nothing of it.
    pub(super) fn read<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        let offset = self.at();
        read(&mut self.reader).map_err(|error| Stop { offset, within: "", field, error })
    }

    /// Reads one element and keeps it as it is.
    pub(super) fn keep<T: Copy + Into<Value>>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        let from = self.at();
        let value = self.read(field, read)?;
        self.add(field, from, value);
        Ok(value)
    }

    /// Keeps an element that reaches from `from` to here.
    pub(super) fn add(&mut self, name: &'static str, from: usize, value: impl Into<Value>) -> &mut Node {
        self.push(Node { name, place: Some(from..self.at()), value: value.into(), note: String::new() })
    }

    /// Keeps an element that says in other words what another one says.
    pub(super) fn derive(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Node {
        self.push(Node { name, place: None, value: value.into(), note: String::new() })
    }

    /// The element that was kept last.
    pub(super) fn last(&self) -> Option<&Node> {
        self.nodes.last()
    }

    /// The element that was kept last, to complete it.
    pub(super) fn last_mut(&mut self) -> Option<&mut Node> {
        self.nodes.last_mut()
    }

    /// Reads elements that belong together under one name.
    pub(super) fn group(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.collect(name, Value::Fields, read)
    }

    /// Reads elements in a row.
    pub(super) fn list(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.collect(name, Value::List, read)
    }

    /// Reads the next `length` octets by themselves; what is left of them is an error.
    pub(super) fn within(
        &mut self,
        field: &'static str,
        length: usize,
        read: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let offset = self.at();
        // A length that is too long still lets the octets be looked at that are there.
        let there = length.min(self.reader.remaining());
        let octets = self.read(field, |reader| reader.take(there))?;
        let mut inside = Self::new(octets, offset);
        let done = read(&mut inside).and_then(|()| match there < length {
            true => Err(inside.stop(field, Error::Truncated)),
            false => inside.finish(field),
        });
        self.nodes.append(&mut inside.nodes);
        done
    }

    /// Ends the walk: nothing may be left.
    pub(super) fn finish(&self, field: &'static str) -> Result<(), Stop> {
        match self.reader.remaining() {
            0 => Ok(()),
            left => Err(self.stop(field, Error::Trailing { left })),
        }
    }

    /// An error at this place.
    pub(super) const fn stop(&self, field: &'static str, error: Error) -> Stop {
        Stop { offset: self.at(), within: "", field, error }
    }

    /// Reads elements into a node of their own, which stays when it comes to a stop.
    fn collect(
        &mut self,
        name: &'static str,
        value: impl FnOnce(Vec<Node>) -> Value,
        read: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let from = self.at();
        let before = mem::take(&mut self.nodes);
        let done = read(self);
        let mut inside = mem::replace(&mut self.nodes, before);
        // Most nodes have one child, and a vector makes room for four.
        inside.shrink_to_fit();
        self.add(name, from, value(inside));
        done
    }

    /// Keeps a node.
    fn push(&mut self, node: Node) -> &mut Node {
        let at = self.nodes.len();
        self.nodes.push(node);
        &mut self.nodes[at]
    }
}
