//! ACCESS: reading, writing and invoking in one request (Green Book, 9.3.5).

use super::notification::{begin, time_or_none, write_time};
use super::{LongInvokeId, list, no_choice, selector, tag, value};
use crate::axdr::{Reader, write_length};
use crate::{ActionResult, AttributeDescriptor, DataAccessResult, DateTime, Error, MethodDescriptor};

const GET: u8 = 1;
const SET: u8 = 2;
const ACTION: u8 = 3;
const GET_SELECTED: u8 = 4;
const SET_SELECTED: u8 = 5;

/// One thing that an ACCESS request asks for. A selection is a selector and its parameters, encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessSpecification<'a> {
    /// Read an attribute, or a part of it.
    Get(AttributeDescriptor, Option<&'a [u8]>),
    /// Write an attribute, or a part of it.
    Set(AttributeDescriptor, Option<&'a [u8]>),
    /// Invoke a method.
    Action(MethodDescriptor),
}

/// What came of one thing that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessResult {
    /// Of reading.
    Get(DataAccessResult),
    /// Of writing.
    Set(DataAccessResult),
    /// Of invoking.
    Action(ActionResult),
}

/// Access-Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest<'a> {
    /// Which request.
    pub invoke: LongInvokeId,
    /// When it was made, if that is said.
    pub time: Option<DateTime>,
    /// What is asked for.
    pub specifications: Vec<AccessSpecification<'a>>,
    /// For each of them one encoded `Data`: the value to write, the parameters; null-data where there are none.
    pub data: Vec<&'a [u8]>,
}

/// Access-Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessResponse<'a> {
    /// The request that it answers.
    pub invoke: LongInvokeId,
    /// When it was made, if that is said.
    pub time: Option<DateTime>,
    /// What was asked for, if the answer repeats it.
    pub specifications: Option<Vec<AccessSpecification<'a>>>,
    /// For each specification one encoded `Data`: what was read or returned; null-data where there is nothing.
    pub data: Vec<&'a [u8]>,
    /// What came of each of them.
    pub results: Vec<AccessResult>,
}

impl<'a> AccessRequest<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::ACCESS_REQUEST);
        out.extend_from_slice(&self.invoke.number().to_be_bytes());
        write_time(self.time.as_ref(), out);
        write_specifications(&self.specifications, out);
        write_data(&self.data, out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Value`] for an unknown choice; [`Error::Length`] when there are more or fewer data than
    /// specifications; those of the elements; [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::ACCESS_REQUEST, octets)?;
        let (invoke, time) = (LongInvokeId::new(reader.u32()?), time_or_none(&mut reader)?);
        let specifications = list(&mut reader, AccessSpecification::read)?;
        let data = list(&mut reader, value)?;
        reader.finish()?;
        same_length("data of an ACCESS request", specifications.len(), data.len())?;
        Ok(Self { invoke, time, specifications, data })
    }
}

impl<'a> AccessResponse<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::ACCESS_RESPONSE);
        out.extend_from_slice(&self.invoke.number().to_be_bytes());
        write_time(self.time.as_ref(), out);
        out.push(u8::from(self.specifications.is_some()));
        if let Some(specifications) = &self.specifications {
            write_specifications(specifications, out);
        }
        write_data(&self.data, out);
        write_length(self.results.len(), out);
        self.results.iter().for_each(|result| result.encode(out));
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Value`] for an unknown choice; [`Error::Length`] when there are more or fewer data than
    /// results; those of the elements; [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::ACCESS_RESPONSE, octets)?;
        let (invoke, time) = (LongInvokeId::new(reader.u32()?), time_or_none(&mut reader)?);
        let specifications = match reader.flag()? {
            true => Some(list(&mut reader, AccessSpecification::read)?),
            false => None,
        };
        let data = list(&mut reader, value)?;
        let results = list(&mut reader, AccessResult::read)?;
        reader.finish()?;
        same_length("data of an ACCESS response", results.len(), data.len())?;
        Ok(Self { invoke, time, specifications, data, results })
    }
}

impl<'a> AccessSpecification<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        let (choice, attribute, selection) = match self {
            Self::Get(attribute, None) => (GET, attribute, None),
            Self::Get(attribute, selection) => (GET_SELECTED, attribute, *selection),
            Self::Set(attribute, None) => (SET, attribute, None),
            Self::Set(attribute, selection) => (SET_SELECTED, attribute, *selection),
            Self::Action(method) => {
                out.push(ACTION);
                return method.encode(out);
            }
        };
        out.push(choice);
        attribute.encode(out);
        out.extend_from_slice(selection.unwrap_or_default());
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match reader.u8()? {
            GET => Self::Get(AttributeDescriptor::read(reader)?, None),
            SET => Self::Set(AttributeDescriptor::read(reader)?, None),
            ACTION => Self::Action(MethodDescriptor::read(reader)?),
            GET_SELECTED => Self::Get(AttributeDescriptor::read(reader)?, Some(selector(reader)?)),
            SET_SELECTED => Self::Set(AttributeDescriptor::read(reader)?, Some(selector(reader)?)),
            choice => return Err(no_choice("choice of an ACCESS specification", choice)),
        })
    }
}

impl AccessResult {
    /// Whether it was done.
    pub fn is_success(self) -> bool {
        matches!(
            self,
            Self::Get(DataAccessResult::Success)
                | Self::Set(DataAccessResult::Success)
                | Self::Action(ActionResult::Success)
        )
    }

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&match self {
            Self::Get(result) => [GET, result.code()],
            Self::Set(result) => [SET, result.code()],
            Self::Action(result) => [ACTION, result.code()],
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(match reader.u8()? {
            GET => Self::Get(reader.u8()?.into()),
            SET => Self::Set(reader.u8()?.into()),
            ACTION => Self::Action(reader.u8()?.into()),
            choice => return Err(no_choice("choice of an ACCESS result", choice)),
        })
    }
}

fn write_specifications(specifications: &[AccessSpecification<'_>], out: &mut Vec<u8>) {
    write_length(specifications.len(), out);
    specifications.iter().for_each(|specification| specification.encode(out));
}

fn write_data(data: &[&[u8]], out: &mut Vec<u8>) {
    write_length(data.len(), out);
    data.iter().for_each(|value| out.extend_from_slice(value));
}

fn same_length(what: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::Length { what, expected, got }) }
}
