//! ACTION: invoking methods (Green Book, 9.3.8).

use super::get::{DATA, RESULT, encode_result, read_result};
use super::{DataBlock, InvokeId, begin, list, no_choice, tag, value};
use crate::axdr::{Reader, write_length};
use crate::{ActionResult, DataAccessResult, Error, MethodDescriptor};

const NORMAL: u8 = 1;
const NEXT_BLOCK: u8 = 2;
const WITH_LIST: u8 = 3;
const FIRST_BLOCK: u8 = 4;
const WITH_LIST_FIRST_BLOCK: u8 = 5;
const BLOCK: u8 = 6;
const RESPONSE_BLOCK: u8 = 2;
const RESPONSE_WITH_LIST: u8 = 3;
const RESPONSE_NEXT_BLOCK: u8 = 4;

/// Action-Request. Parameters are one encoded `Data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionRequest<'a> {
    /// One method.
    Normal {
        /// Which request.
        invoke: InvokeId,
        /// What to invoke.
        method: MethodDescriptor,
        /// Its parameters.
        parameters: Option<&'a [u8]>,
    },
    /// The next block of a long answer.
    NextBlock {
        /// The request that began it.
        invoke: InvokeId,
        /// Number of the block received last.
        block: u32,
    },
    /// Several methods.
    WithList {
        /// Which request.
        invoke: InvokeId,
        /// What to invoke.
        methods: Vec<MethodDescriptor>,
        /// Their parameters; null-data where there are none.
        parameters: Vec<&'a [u8]>,
    },
    /// One method, the first block of its long parameters.
    FirstBlock {
        /// Which request.
        invoke: InvokeId,
        /// What to invoke.
        method: MethodDescriptor,
        /// The first piece of the parameters.
        block: DataBlock<'a>,
    },
    /// Several methods, the first block of their long parameters.
    WithListFirstBlock {
        /// Which request.
        invoke: InvokeId,
        /// What to invoke.
        methods: Vec<MethodDescriptor>,
        /// The first piece of the parameters.
        block: DataBlock<'a>,
    },
    /// A further block of long parameters.
    Block {
        /// The request that began it.
        invoke: InvokeId,
        /// A piece of the parameters.
        block: DataBlock<'a>,
    },
}

impl<'a> ActionRequest<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::ACTION_REQUEST);
        match self {
            Self::Normal { invoke, method, parameters } => {
                out.extend_from_slice(&[NORMAL, invoke.octet()]);
                method.encode(out);
                out.push(u8::from(parameters.is_some()));
                out.extend_from_slice(parameters.unwrap_or_default());
            }
            Self::NextBlock { invoke, block } => {
                out.extend_from_slice(&[NEXT_BLOCK, invoke.octet()]);
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::WithList { invoke, methods, parameters } => {
                out.extend_from_slice(&[WITH_LIST, invoke.octet()]);
                encode_methods(methods, out);
                write_length(parameters.len(), out);
                parameters.iter().for_each(|value| out.extend_from_slice(value));
            }
            Self::FirstBlock { invoke, method, block } => {
                out.extend_from_slice(&[FIRST_BLOCK, invoke.octet()]);
                method.encode(out);
                block.encode(out);
            }
            Self::WithListFirstBlock { invoke, methods, block } => {
                out.extend_from_slice(&[WITH_LIST_FIRST_BLOCK, invoke.octet()]);
                encode_methods(methods, out);
                block.encode(out);
            }
            Self::Block { invoke, block } => {
                out.extend_from_slice(&[BLOCK, invoke.octet()]);
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
        let request = match begin(tag::ACTION_REQUEST, &mut reader)? {
            (NORMAL, invoke) => {
                let method = MethodDescriptor::read(&mut reader)?;
                let parameters = if reader.flag()? { Some(value(&mut reader)?) } else { None };
                Self::Normal { invoke, method, parameters }
            }
            (NEXT_BLOCK, invoke) => Self::NextBlock { invoke, block: reader.u32()? },
            (WITH_LIST, invoke) => {
                let methods = list(&mut reader, MethodDescriptor::read)?;
                Self::WithList { invoke, methods, parameters: list(&mut reader, value)? }
            }
            (FIRST_BLOCK, invoke) => {
                let method = MethodDescriptor::read(&mut reader)?;
                Self::FirstBlock { invoke, method, block: DataBlock::read(&mut reader)? }
            }
            (WITH_LIST_FIRST_BLOCK, invoke) => {
                let methods = list(&mut reader, MethodDescriptor::read)?;
                Self::WithListFirstBlock { invoke, methods, block: DataBlock::read(&mut reader)? }
            }
            (BLOCK, invoke) => Self::Block { invoke, block: DataBlock::read(&mut reader)? },
            (choice, _) => return Err(no_choice("choice of ACTION request", choice)),
        };
        reader.finish()?;
        Ok(request)
    }
}

/// What a method returned: its result, and a value or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionReturn<'a> {
    /// What came of the method.
    pub result: ActionResult,
    /// What it returned: one encoded `Data`, or why there is none; `None` when it returns nothing.
    pub returned: Option<Result<&'a [u8], DataAccessResult>>,
}

/// Action-Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionResponse<'a> {
    /// What came of one method.
    Normal {
        /// The request that it answers.
        invoke: InvokeId,
        /// What it returned.
        returned: ActionReturn<'a>,
    },
    /// A block of a long answer.
    Block {
        /// The request that it answers.
        invoke: InvokeId,
        /// A piece of the answer.
        block: DataBlock<'a>,
    },
    /// What came of several methods.
    WithList {
        /// The request that it answers.
        invoke: InvokeId,
        /// What they returned.
        returned: Vec<ActionReturn<'a>>,
    },
    /// A block of parameters was taken; the next one may come.
    NextBlock {
        /// The request that it answers.
        invoke: InvokeId,
        /// Number of the block.
        block: u32,
    },
}

impl<'a> ActionResponse<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::ACTION_RESPONSE);
        match self {
            Self::Normal { invoke, returned } => {
                out.extend_from_slice(&[NORMAL, invoke.octet()]);
                returned.encode(out);
            }
            Self::Block { invoke, block } => {
                out.extend_from_slice(&[RESPONSE_BLOCK, invoke.octet()]);
                block.encode(out);
            }
            Self::WithList { invoke, returned } => {
                out.extend_from_slice(&[RESPONSE_WITH_LIST, invoke.octet()]);
                write_length(returned.len(), out);
                returned.iter().for_each(|returned| returned.encode(out));
            }
            Self::NextBlock { invoke, block } => {
                out.extend_from_slice(&[RESPONSE_NEXT_BLOCK, invoke.octet()]);
                out.extend_from_slice(&block.to_be_bytes());
            }
        }
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let response = match begin(tag::ACTION_RESPONSE, &mut reader)? {
            (NORMAL, invoke) => Self::Normal { invoke, returned: ActionReturn::read(&mut reader)? },
            (RESPONSE_BLOCK, invoke) => Self::Block { invoke, block: DataBlock::read(&mut reader)? },
            (RESPONSE_WITH_LIST, invoke) => {
                Self::WithList { invoke, returned: list(&mut reader, ActionReturn::read)? }
            }
            (RESPONSE_NEXT_BLOCK, invoke) => Self::NextBlock { invoke, block: reader.u32()? },
            (choice, _) => return Err(no_choice("choice of ACTION response", choice)),
        };
        reader.finish()?;
        Ok(response)
    }
}

/// What several methods returned: the octets of an [`ActionResponse::WithList`] behind its header, or what the blocks of a long one
/// make together.
///
/// # Errors
/// [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
pub fn read_returns(octets: &[u8]) -> Result<Vec<ActionReturn<'_>>, Error> {
    let mut reader = Reader::new(octets);
    let returned = list(&mut reader, ActionReturn::read)?;
    reader.finish()?;
    Ok(returned)
}

impl<'a> ActionReturn<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.result.code(), u8::from(self.returned.is_some())]);
        if let Some(returned) = &self.returned {
            encode_result(returned, out);
        }
    }

    /// Some meters leave out that nothing is returned when nothing follows.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let result = reader.u8()?.into();
        let is_there = reader.remaining() > 0 && reader.flag()?;
        let returned = if is_there { Some(read_returned(reader)?) } else { None };
        Ok(Self { result, returned })
    }
}

/// What a method returned. Some meters leave out the choice in front of a value: what is no choice is the type of the value.
fn read_returned<'a>(reader: &mut Reader<'a>) -> Result<Result<&'a [u8], DataAccessResult>, Error> {
    match reader.peek()? {
        DATA | RESULT => read_result(reader),
        _ => value(reader).map(Ok),
    }
}

fn encode_methods(methods: &[MethodDescriptor], out: &mut Vec<u8>) {
    write_length(methods.len(), out);
    methods.iter().for_each(|method| method.encode(out));
}
