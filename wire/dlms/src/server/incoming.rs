use crate::apdu::{DataBlock, read_values};
use crate::{AttributeDescriptor, MethodDescriptor};

/// Most octets of a value that are collected; longer ones are refused.
pub(super) const VALUE_MAX: usize = 64 * 1024;

/// What a value that comes in blocks is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Attribute(AttributeDescriptor),
    Attributes(Vec<AttributeDescriptor>),
    Method(MethodDescriptor),
    Methods(Vec<MethodDescriptor>),
}

/// A value that comes from the client in blocks (Green Book, 9.3.7 and 9.3.8).
#[derive(Debug)]
pub(super) struct Incoming {
    target: Target,
    invoke_id: u8,
    /// Number of the block taken last; the first one is 1.
    number: u32,
    value: Vec<u8>,
}

/// Why a block is not taken. It ends the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No value is under way to such a target.
    NotInProgress,
    /// The block is not the one that is due, or belongs to another request.
    OutOfTurn,
    /// The value is longer than [`VALUE_MAX`].
    TooLong,
}

impl Incoming {
    pub(super) fn new(target: Target, invoke_id: u8) -> Self {
        Self { target, invoke_id, number: 0, value: Vec::new() }
    }

    /// Whether it is written to attributes, not handed to methods.
    pub(super) fn is_for_attributes(&self) -> bool {
        matches!(self.target, Target::Attribute(_) | Target::Attributes(_))
    }

    /// Takes a block of the request with this invoke-id.
    pub(super) fn take(&mut self, invoke_id: u8, block: &DataBlock<'_>) -> Result<(), Refusal> {
        if invoke_id != self.invoke_id || block.number != self.number.saturating_add(1) {
            return Err(Refusal::OutOfTurn);
        }
        if self.value.len() + block.octets.len() > VALUE_MAX {
            return Err(Refusal::TooLong);
        }
        self.value.extend_from_slice(block.octets);
        self.number = block.number;
        Ok(())
    }

    /// What the blocks make together, and what it is for.
    pub(super) fn into_parts(self) -> (Target, Vec<u8>) {
        (self.target, self.value)
    }
}

/// The values of a request with list: as many as it has descriptors.
pub(super) fn values(octets: &[u8], expected: usize) -> Option<Vec<&[u8]>> {
    read_values(octets).ok().filter(|values| values.len() == expected)
}
