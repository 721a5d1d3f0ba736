//! SET: writing attributes (Green Book, 9.3.7).

use super::get::{Selected, encode_attributes, read_selected};
use super::{DataBlock, InvokeId, begin, encode_selection, list, no_choice, selection, tag, value};
use crate::axdr::{Reader, write_length};
use crate::{AttributeDescriptor, DataAccessResult, Error};

const NORMAL: u8 = 1;
const FIRST_BLOCK: u8 = 2;
const BLOCK: u8 = 3;
const WITH_LIST: u8 = 4;
const WITH_LIST_FIRST_BLOCK: u8 = 5;
const RESPONSE_BLOCK: u8 = 2;
const RESPONSE_LAST_BLOCK: u8 = 3;
const RESPONSE_LAST_WITH_LIST: u8 = 4;
const RESPONSE_WITH_LIST: u8 = 5;

/// Set-Request. A value is one encoded `Data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetRequest<'a> {
    /// One attribute.
    Normal {
        /// Which request.
        invoke: InvokeId,
        /// What to write.
        attribute: AttributeDescriptor,
        /// Which part of it: selector and parameters, encoded.
        selection: Option<&'a [u8]>,
        /// The value.
        value: &'a [u8],
    },
    /// The first block of a long value.
    FirstBlock {
        /// Which request.
        invoke: InvokeId,
        /// What to write.
        attribute: AttributeDescriptor,
        /// Which part of it: selector and parameters, encoded.
        selection: Option<&'a [u8]>,
        /// The first piece of the value.
        block: DataBlock<'a>,
    },
    /// A further block.
    Block {
        /// The request that began it.
        invoke: InvokeId,
        /// A piece of the value.
        block: DataBlock<'a>,
    },
    /// Several attributes.
    WithList {
        /// Which request.
        invoke: InvokeId,
        /// What to write.
        attributes: Vec<Selected<'a>>,
        /// The values in the same order.
        values: Vec<&'a [u8]>,
    },
    /// Several attributes, the first block of their long values.
    WithListFirstBlock {
        /// Which request.
        invoke: InvokeId,
        /// What to write.
        attributes: Vec<Selected<'a>>,
        /// The first piece of the values: their count and each of them.
        block: DataBlock<'a>,
    },
}

impl<'a> SetRequest<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::SET_REQUEST);
        match self {
            Self::Normal { invoke, attribute, selection, value } => {
                out.extend_from_slice(&[NORMAL, invoke.octet()]);
                attribute.encode(out);
                encode_selection(*selection, out);
                out.extend_from_slice(value);
            }
            Self::FirstBlock { invoke, attribute, selection, block } => {
                out.extend_from_slice(&[FIRST_BLOCK, invoke.octet()]);
                attribute.encode(out);
                encode_selection(*selection, out);
                block.encode(out);
            }
            Self::Block { invoke, block } => {
                out.extend_from_slice(&[BLOCK, invoke.octet()]);
                block.encode(out);
            }
            Self::WithList { invoke, attributes, values } => {
                out.extend_from_slice(&[WITH_LIST, invoke.octet()]);
                encode_attributes(attributes, out);
                write_length(values.len(), out);
                values.iter().for_each(|value| out.extend_from_slice(value));
            }
            Self::WithListFirstBlock { invoke, attributes, block } => {
                out.extend_from_slice(&[WITH_LIST_FIRST_BLOCK, invoke.octet()]);
                encode_attributes(attributes, out);
                block.encode(out);
            }
        }
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let request = match begin(tag::SET_REQUEST, &mut reader)? {
            (NORMAL, invoke) => {
                let attribute = AttributeDescriptor::read(&mut reader)?;
                let selection = selection(&mut reader)?;
                Self::Normal { invoke, attribute, selection, value: value(&mut reader)? }
            }
            (FIRST_BLOCK, invoke) => {
                let attribute = AttributeDescriptor::read(&mut reader)?;
                let selection = selection(&mut reader)?;
                Self::FirstBlock { invoke, attribute, selection, block: DataBlock::read(&mut reader)? }
            }
            (BLOCK, invoke) => Self::Block { invoke, block: DataBlock::read(&mut reader)? },
            (WITH_LIST, invoke) => {
                let attributes = list(&mut reader, read_selected)?;
                Self::WithList { invoke, attributes, values: list(&mut reader, value)? }
            }
            (WITH_LIST_FIRST_BLOCK, invoke) => {
                let attributes = list(&mut reader, read_selected)?;
                Self::WithListFirstBlock { invoke, attributes, block: DataBlock::read(&mut reader)? }
            }
            (choice, _) => return Err(no_choice("choice of SET request", choice)),
        };
        reader.finish()?;
        Ok(request)
    }
}

/// Set-Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetResponse {
    /// What came of one attribute.
    Normal {
        /// The request that it answers.
        invoke: InvokeId,
        /// What came of it.
        result: DataAccessResult,
    },
    /// A block was taken; the next one may come.
    Block {
        /// The request that it answers.
        invoke: InvokeId,
        /// Number of the block.
        number: u32,
    },
    /// The last block was taken.
    LastBlock {
        /// The request that it answers.
        invoke: InvokeId,
        /// What came of the attribute.
        result: DataAccessResult,
        /// Number of the block.
        number: u32,
    },
    /// The last block of several values was taken.
    LastBlockWithList {
        /// The request that it answers.
        invoke: InvokeId,
        /// What came of each attribute.
        results: Vec<DataAccessResult>,
        /// Number of the block.
        number: u32,
    },
    /// What came of several attributes.
    WithList {
        /// The request that it answers.
        invoke: InvokeId,
        /// What came of each.
        results: Vec<DataAccessResult>,
    },
}

impl SetResponse {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::SET_RESPONSE);
        match self {
            Self::Normal { invoke, result } => {
                out.extend_from_slice(&[NORMAL, invoke.octet(), result.code()]);
            }
            Self::Block { invoke, number } => {
                out.extend_from_slice(&[RESPONSE_BLOCK, invoke.octet()]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::LastBlock { invoke, result, number } => {
                out.extend_from_slice(&[RESPONSE_LAST_BLOCK, invoke.octet(), result.code()]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::LastBlockWithList { invoke, results, number } => {
                out.extend_from_slice(&[RESPONSE_LAST_WITH_LIST, invoke.octet()]);
                encode_results(results, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::WithList { invoke, results } => {
                out.extend_from_slice(&[RESPONSE_WITH_LIST, invoke.octet()]);
                encode_results(results, out);
            }
        }
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let response = match begin(tag::SET_RESPONSE, &mut reader)? {
            (NORMAL, invoke) => Self::Normal { invoke, result: reader.u8()?.into() },
            (RESPONSE_BLOCK, invoke) => Self::Block { invoke, number: reader.u32()? },
            (RESPONSE_LAST_BLOCK, invoke) => {
                Self::LastBlock { invoke, result: reader.u8()?.into(), number: reader.u32()? }
            }
            (RESPONSE_LAST_WITH_LIST, invoke) => {
                let results = list(&mut reader, read_result)?;
                Self::LastBlockWithList { invoke, results, number: reader.u32()? }
            }
            (RESPONSE_WITH_LIST, invoke) => {
                Self::WithList { invoke, results: list(&mut reader, read_result)? }
            }
            (choice, _) => return Err(no_choice("choice of SET response", choice)),
        };
        reader.finish()?;
        Ok(response)
    }
}

/// The results of a request with list: the octets of a [`SetResponse::WithList`] behind its header.
///
/// # Errors
/// [`Error::Truncated`], [`Error::Trailing`].
pub fn read_results(octets: &[u8]) -> Result<Vec<DataAccessResult>, Error> {
    let mut reader = Reader::new(octets);
    let results = list(&mut reader, read_result)?;
    reader.finish()?;
    Ok(results)
}

fn encode_results(results: &[DataAccessResult], out: &mut Vec<u8>) {
    write_length(results.len(), out);
    out.extend(results.iter().map(|result| result.code()));
}

fn read_result(reader: &mut Reader<'_>) -> Result<DataAccessResult, Error> {
    reader.u8().map(Into::into)
}
