//! GET: reading attributes (Green Book, 9.3.6).

use super::{InvokeId, begin, encode_selection, list, no_choice, selection, tag, value};
use crate::axdr::{Reader, write_length, write_octets};
use crate::{AttributeDescriptor, DataAccessResult, Error};

const NORMAL: u8 = 1;
const NEXT: u8 = 2;
const WITH_LIST: u8 = 3;
pub(super) const DATA: u8 = 0;
pub(super) const RESULT: u8 = 1;

/// An attribute and, encoded with its selector, which part of it.
pub type Selected<'a> = (AttributeDescriptor, Option<&'a [u8]>);

/// Get-Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetRequest<'a> {
    /// One attribute.
    Normal {
        /// Which request.
        invoke: InvokeId,
        /// What to read.
        attribute: AttributeDescriptor,
        /// Which part of it: selector and parameters, encoded.
        selection: Option<&'a [u8]>,
    },
    /// The next block of a long value.
    Next {
        /// The request that began it.
        invoke: InvokeId,
        /// Number of the block received last.
        block: u32,
    },
    /// Several attributes.
    WithList {
        /// Which request.
        invoke: InvokeId,
        /// What to read.
        attributes: Vec<Selected<'a>>,
    },
}

impl<'a> GetRequest<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::GET_REQUEST);
        match self {
            Self::Normal { invoke, attribute, selection } => {
                out.extend_from_slice(&[NORMAL, invoke.octet()]);
                attribute.encode(out);
                encode_selection(*selection, out);
            }
            Self::Next { invoke, block } => {
                out.extend_from_slice(&[NEXT, invoke.octet()]);
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::WithList { invoke, attributes } => {
                out.extend_from_slice(&[WITH_LIST, invoke.octet()]);
                encode_attributes(attributes, out);
            }
        }
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let request = match begin(tag::GET_REQUEST, &mut reader)? {
            (NORMAL, invoke) => {
                let attribute = AttributeDescriptor::read(&mut reader)?;
                Self::Normal { invoke, attribute, selection: selection(&mut reader)? }
            }
            (NEXT, invoke) => Self::Next { invoke, block: reader.u32()? },
            (WITH_LIST, invoke) => Self::WithList { invoke, attributes: list(&mut reader, read_selected)? },
            (choice, _) => return Err(no_choice("choice of GET request", choice)),
        };
        reader.finish()?;
        Ok(request)
    }
}

/// Get-Response. A value is one encoded `Data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetResponse<'a> {
    /// One value.
    Normal {
        /// The request that it answers.
        invoke: InvokeId,
        /// The value, or why there is none.
        result: Result<&'a [u8], DataAccessResult>,
    },
    /// A block of a long value.
    Block {
        /// The request that it answers.
        invoke: InvokeId,
        /// Whether it is the last one.
        last: bool,
        /// Its number.
        number: u32,
        /// A piece of the encoded value, cut anywhere; or why there is none.
        result: Result<&'a [u8], DataAccessResult>,
    },
    /// Several values.
    WithList {
        /// The request that it answers.
        invoke: InvokeId,
        /// The values, or why there is none.
        results: Vec<Result<&'a [u8], DataAccessResult>>,
    },
}

impl<'a> GetResponse<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::GET_RESPONSE);
        match self {
            Self::Normal { invoke, result } => {
                out.extend_from_slice(&[NORMAL, invoke.octet()]);
                encode_result(result, out);
            }
            Self::Block { invoke, last, number, result } => {
                out.extend_from_slice(&[NEXT, invoke.octet(), u8::from(*last)]);
                out.extend_from_slice(&number.to_be_bytes());
                match result {
                    Ok(octets) => {
                        out.push(DATA);
                        write_octets(octets, out);
                    }
                    Err(result) => out.extend_from_slice(&[RESULT, result.code()]),
                }
            }
            Self::WithList { invoke, results } => {
                out.extend_from_slice(&[WITH_LIST, invoke.octet()]);
                write_length(results.len(), out);
                results.iter().for_each(|result| encode_result(result, out));
            }
        }
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let response = match begin(tag::GET_RESPONSE, &mut reader)? {
            (NORMAL, invoke) => Self::Normal { invoke, result: read_result(&mut reader)? },
            (NEXT, invoke) => {
                let (last, number) = (reader.u8()? != 0, reader.u32()?);
                let result = match reader.u8()? {
                    DATA => Ok(reader.octets()?),
                    RESULT => Err(reader.u8()?.into()),
                    choice => return Err(no_choice("choice of data block", choice)),
                };
                Self::Block { invoke, last, number, result }
            }
            (WITH_LIST, invoke) => Self::WithList { invoke, results: list(&mut reader, read_result)? },
            (choice, _) => return Err(no_choice("choice of GET response", choice)),
        };
        reader.finish()?;
        Ok(response)
    }
}

/// The results of a request with list: the octets of a [`GetResponse::WithList`] behind its header, or what the blocks of a long one
/// make together.
///
/// # Errors
/// [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
pub fn read_results(octets: &[u8]) -> Result<Vec<Result<&[u8], DataAccessResult>>, Error> {
    let mut reader = Reader::new(octets);
    let results = list(&mut reader, read_result)?;
    reader.finish()?;
    Ok(results)
}

pub(super) fn encode_attributes(attributes: &[Selected<'_>], out: &mut Vec<u8>) {
    write_length(attributes.len(), out);
    for (attribute, selection) in attributes {
        attribute.encode(out);
        encode_selection(*selection, out);
    }
}

pub(super) fn read_selected<'a>(reader: &mut Reader<'a>) -> Result<Selected<'a>, Error> {
    Ok((AttributeDescriptor::read(reader)?, selection(reader)?))
}

/// Get-Data-Result: a value, or why there is none.
pub(super) fn encode_result(result: &Result<&[u8], DataAccessResult>, out: &mut Vec<u8>) {
    match result {
        Ok(data) => {
            out.push(DATA);
            out.extend_from_slice(data);
        }
        Err(result) => out.extend_from_slice(&[RESULT, result.code()]),
    }
}

pub(super) fn read_result<'a>(reader: &mut Reader<'a>) -> Result<Result<&'a [u8], DataAccessResult>, Error> {
    match reader.u8()? {
        DATA => value(reader).map(Ok),
        RESULT => Ok(Err(reader.u8()?.into())),
        choice => Err(no_choice("choice of a result", choice)),
    }
}
