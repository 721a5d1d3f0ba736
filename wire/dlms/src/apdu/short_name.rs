//! Services of meters with short names (Green Book, 9.3.14 to 9.3.18): Read, Write, UnconfirmedWrite and InformationReport.
//!
//! An attribute or method has a number instead of a name. A request names any number of them, and the answer is always a list.

use super::notification::begin;
use super::{list, no_choice, tag, value};
use crate::axdr::{Reader, write_length, write_octets};
use crate::{DataAccessResult, Error};

const NAME: u8 = 2;
const PARAMETERISED: u8 = 4;
const BLOCK_NUMBER: u8 = 5;
const READ_BLOCK: u8 = 6;
const WRITE_BLOCK: u8 = 7;
const DATA: u8 = 0;
const ERROR: u8 = 1;
const BLOCK: u8 = 2;
const NEXT: u8 = 3;
const WRITTEN: u8 = 0;
const TAKEN: u8 = 2;

/// A piece of a long list on its way in either direction: Data-Block-Result (Green Book, 9.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortBlock<'a> {
    /// Whether it is the last one.
    pub last: bool,
    /// Its number, from 1.
    pub number: u16,
    /// The piece.
    pub octets: &'a [u8],
}

/// Variable-Access-Specification: what to read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// An attribute or method by its short name.
    Name(u16),
    /// A part of an attribute, or a method with parameters.
    Parameterised {
        /// The short name.
        name: u16,
        /// Which kind of part.
        selector: u8,
        /// The parameters: one encoded `Data`.
        parameters: &'a [u8],
    },
    /// The next block of a long answer, behind the one with this number.
    BlockNumber(u16),
    /// A piece of a long read request.
    ReadBlock(ShortBlock<'a>),
    /// A piece of a long write request stands among the data.
    WriteBlock {
        /// Whether it is the last one.
        last: bool,
        /// Its number, from 1.
        number: u16,
    },
}

/// Read-Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest<'a> {
    /// What to read.
    pub variables: Vec<Variable<'a>>,
}

/// What came of reading one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadResult<'a> {
    /// One encoded `Data`.
    Data(&'a [u8]),
    /// Why there is none.
    Error(DataAccessResult),
    /// A piece of a long answer.
    Block(ShortBlock<'a>),
    /// A piece of the request, with this number, was taken; the next one may come.
    Taken(u16),
}

/// Read-Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadResponse<'a> {
    /// What came of each variable.
    pub results: Vec<ReadResult<'a>>,
}

/// Write-Request, and Unconfirmed-Write-Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest<'a> {
    /// Whether an answer is wanted.
    pub confirmed: bool,
    /// What to write.
    pub variables: Vec<Variable<'a>>,
    /// The values in the same order, each one encoded `Data`.
    pub data: Vec<&'a [u8]>,
}

/// What came of writing one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteResult {
    /// It is written.
    Written,
    /// Why not.
    Error(DataAccessResult),
    /// A piece of the request, with this number, was taken; the next one may come.
    Taken(u16),
}

/// Write-Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResponse {
    /// What came of each variable.
    pub results: Vec<WriteResult>,
}

/// Information-Report: what a meter with short names sends unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InformationReport<'a> {
    /// When it was made, if the meter says so: GeneralizedTime (ISO 8601, basic form) as the meter wrote it.
    pub time: Option<&'a [u8]>,
    /// What it is about.
    pub variables: Vec<Variable<'a>>,
    /// The values in the same order, each one encoded `Data`.
    pub data: Vec<&'a [u8]>,
}

impl<'a> ReadRequest<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::READ_REQUEST);
        write_variables(&self.variables, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::READ_REQUEST, octets)?;
        let variables = list(&mut reader, Variable::read)?;
        reader.finish()?;
        Ok(Self { variables })
    }
}

impl<'a> ReadResponse<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::READ_RESPONSE);
        write_length(self.results.len(), out);
        self.results.iter().for_each(|result| result.encode(out));
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let reader = begin(tag::READ_RESPONSE, octets)?;
        let results = read_results(reader.rest())?;
        Ok(Self { results })
    }
}

/// The results of a [`ReadResponse`] behind its tag, or what the blocks of a long one make together.
///
/// # Errors
/// [`Error::Value`] for an unknown choice, those of the elements, [`Error::Trailing`].
pub fn read_results(octets: &[u8]) -> Result<Vec<ReadResult<'_>>, Error> {
    let mut reader = Reader::new(octets);
    let results = list(&mut reader, ReadResult::read)?;
    reader.finish()?;
    Ok(results)
}

impl<'a> WriteRequest<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(if self.confirmed { tag::WRITE_REQUEST } else { tag::UNCONFIRMED_WRITE_REQUEST });
        write_variables(&self.variables, out);
        write_data(&self.data, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Value`] for an unknown choice; [`Error::Length`] when there are more or fewer data than
    /// variables; those of the elements; [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let confirmed = octets.first() != Some(&tag::UNCONFIRMED_WRITE_REQUEST);
        let expected = if confirmed { tag::WRITE_REQUEST } else { tag::UNCONFIRMED_WRITE_REQUEST };
        let mut reader = begin(expected, octets)?;
        let (variables, data) = variables_and_data(&mut reader)?;
        reader.finish()?;
        Ok(Self { confirmed, variables, data })
    }
}

impl WriteResponse {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::WRITE_RESPONSE);
        write_length(self.results.len(), out);
        for result in &self.results {
            match result {
                WriteResult::Written => out.push(WRITTEN),
                WriteResult::Error(result) => out.extend_from_slice(&[ERROR, result.code()]),
                WriteResult::Taken(number) => write_numbered(TAKEN, *number, out),
            }
        }
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Value`] for an unknown choice, [`Error::Truncated`], [`Error::Trailing`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let reader = begin(tag::WRITE_RESPONSE, octets)?;
        let results = write_results(reader.rest())?;
        Ok(Self { results })
    }
}

/// The results of a [`WriteResponse`] behind its tag.
///
/// # Errors
/// [`Error::Value`] for an unknown choice, [`Error::Truncated`], [`Error::Trailing`].
pub fn write_results(octets: &[u8]) -> Result<Vec<WriteResult>, Error> {
    let mut reader = Reader::new(octets);
    let results = list(&mut reader, |reader| match reader.u8()? {
        WRITTEN => Ok(WriteResult::Written),
        ERROR => Ok(WriteResult::Error(reader.u8()?.into())),
        TAKEN => Ok(WriteResult::Taken(reader.u16()?)),
        choice => Err(no_choice("choice of a Write result", choice)),
    })?;
    reader.finish()?;
    Ok(results)
}

impl<'a> InformationReport<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::INFORMATION_REPORT, u8::from(self.time.is_some())]);
        if let Some(time) = self.time {
            write_octets(time, out);
        }
        write_variables(&self.variables, out);
        write_data(&self.data, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Value`] for an unknown choice; [`Error::Length`] when there are more or fewer data than
    /// variables; those of the elements; [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::INFORMATION_REPORT, octets)?;
        let time = reader.flag()?.then(|| reader.octets()).transpose()?;
        let (variables, data) = variables_and_data(&mut reader)?;
        reader.finish()?;
        Ok(Self { time, variables, data })
    }
}

impl<'a> Variable<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => write_numbered(NAME, *name, out),
            Self::Parameterised { name, selector, parameters } => {
                write_numbered(PARAMETERISED, *name, out);
                out.push(*selector);
                out.extend_from_slice(parameters);
            }
            Self::BlockNumber(number) => write_numbered(BLOCK_NUMBER, *number, out),
            Self::ReadBlock(block) => {
                out.push(READ_BLOCK);
                block.encode(out);
            }
            Self::WriteBlock { last, number } => {
                out.extend_from_slice(&[WRITE_BLOCK, u8::from(*last)]);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match reader.u8()? {
            NAME => Self::Name(reader.u16()?),
            PARAMETERISED => {
                let (name, selector) = (reader.u16()?, reader.u8()?);
                Self::Parameterised { name, selector, parameters: value(reader)? }
            }
            BLOCK_NUMBER => Self::BlockNumber(reader.u16()?),
            READ_BLOCK => Self::ReadBlock(ShortBlock::read(reader)?),
            WRITE_BLOCK => Self::WriteBlock { last: reader.u8()? != 0, number: reader.u16()? },
            choice => return Err(no_choice("choice of a variable", choice)),
        })
    }
}

impl<'a> ReadResult<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Data(data) => {
                out.push(DATA);
                out.extend_from_slice(data);
            }
            Self::Error(result) => out.extend_from_slice(&[ERROR, result.code()]),
            Self::Block(block) => {
                out.push(BLOCK);
                block.encode(out);
            }
            Self::Taken(number) => write_numbered(NEXT, *number, out),
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match reader.u8()? {
            DATA => Self::Data(value(reader)?),
            ERROR => Self::Error(reader.u8()?.into()),
            BLOCK => Self::Block(ShortBlock::read(reader)?),
            NEXT => Self::Taken(reader.u16()?),
            choice => return Err(no_choice("choice of a Read result", choice)),
        })
    }
}

impl<'a> ShortBlock<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last));
        out.extend_from_slice(&self.number.to_be_bytes());
        write_octets(self.octets, out);
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self { last: reader.u8()? != 0, number: reader.u16()?, octets: reader.octets()? })
    }
}

fn write_numbered(choice: u8, number: u16, out: &mut Vec<u8>) {
    out.push(choice);
    out.extend_from_slice(&number.to_be_bytes());
}

fn write_variables(variables: &[Variable<'_>], out: &mut Vec<u8>) {
    write_length(variables.len(), out);
    variables.iter().for_each(|variable| variable.encode(out));
}

fn write_data(data: &[&[u8]], out: &mut Vec<u8>) {
    write_length(data.len(), out);
    data.iter().for_each(|value| out.extend_from_slice(value));
}

type VariablesAndData<'a> = (Vec<Variable<'a>>, Vec<&'a [u8]>);

fn variables_and_data<'a>(reader: &mut Reader<'a>) -> Result<VariablesAndData<'a>, Error> {
    let variables = list(reader, Variable::read)?;
    let data = list(reader, value)?;
    if data.len() != variables.len() {
        let (expected, got) = (variables.len(), data.len());
        return Err(Error::Length { what: "data of a list of variables", expected, got });
    }
    Ok((variables, data))
}
