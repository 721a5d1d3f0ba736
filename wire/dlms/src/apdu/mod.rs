//! The services (Green Book, 9.3 and 9.5): GET, SET, ACTION and ACCESS with logical names, Read and Write with short names, general
//! block transfer, the exception-response, and what a meter sends unasked.
//!
//! Requests and answers borrow what they carry; an encoded `Data` stays encoded until somebody wants it.

pub mod access;
pub mod action;
mod exception;
mod general_block;
pub mod get;
mod invoke;
mod notification;
pub mod set;
pub mod short_name;

pub use access::{AccessRequest, AccessResponse, AccessResult, AccessSpecification};
pub use action::{ActionRequest, ActionResponse, ActionReturn};
pub use general_block::GeneralBlock;
pub use get::{GetRequest, GetResponse};
pub use invoke::InvokeId;
pub use notification::{DataNotification, DataNotificationConfirm, EventNotification, LongInvokeId};
pub use set::{SetRequest, SetResponse};
pub use short_name::{
    InformationReport, ReadRequest, ReadResponse, ReadResult, ShortBlock, Variable, WriteRequest,
    WriteResponse, WriteResult,
};

use crate::Error;
use crate::axdr::{Reader, skip, write_octets};

/// Elements of a list that are accepted.
pub const LIST_MAX: usize = 1024;

/// Tags of the APDUs.
pub mod tag {
    /// Read request, with short names.
    pub const READ_REQUEST: u8 = 0x05;
    /// Write request, with short names.
    pub const WRITE_REQUEST: u8 = 0x06;
    /// Read response, with short names.
    pub const READ_RESPONSE: u8 = 0x0C;
    /// Write response, with short names.
    pub const WRITE_RESPONSE: u8 = 0x0D;
    /// Confirmed-service-error: a service with short names, or the initiation, was refused.
    pub const CONFIRMED_SERVICE_ERROR: u8 = 0x0E;
    /// Data-notification: a push.
    pub const DATA_NOTIFICATION: u8 = 0x0F;
    /// Data-notification-confirm: the answer to a push that asked for one.
    pub const DATA_NOTIFICATION_CONFIRM: u8 = 0x10;
    /// Unconfirmed write request, with short names.
    pub const UNCONFIRMED_WRITE_REQUEST: u8 = 0x16;
    /// Information-report: a push of variables with short names.
    pub const INFORMATION_REPORT: u8 = 0x18;
    /// GET request.
    pub const GET_REQUEST: u8 = 0xC0;
    /// SET request.
    pub const SET_REQUEST: u8 = 0xC1;
    /// Event-notification request: a push of one attribute.
    pub const EVENT_NOTIFICATION: u8 = 0xC2;
    /// ACTION request.
    pub const ACTION_REQUEST: u8 = 0xC3;
    /// GET response.
    pub const GET_RESPONSE: u8 = 0xC4;
    /// SET response.
    pub const SET_RESPONSE: u8 = 0xC5;
    /// ACTION response.
    pub const ACTION_RESPONSE: u8 = 0xC7;
    /// Exception-response.
    pub const EXCEPTION_RESPONSE: u8 = 0xD8;
    /// ACCESS request.
    pub const ACCESS_REQUEST: u8 = 0xD9;
    /// ACCESS response.
    pub const ACCESS_RESPONSE: u8 = 0xDA;
    /// General-block-transfer: a piece of any APDU.
    pub const GENERAL_BLOCK_TRANSFER: u8 = 0xE0;
}

/// A piece of a long value on its way to the server: DataBlock-SA (Green Book, 9.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataBlock<'a> {
    /// Whether it is the last one.
    pub last: bool,
    /// Its number, from 1.
    pub number: u32,
    /// The piece.
    pub octets: &'a [u8],
}

impl<'a> DataBlock<'a> {
    /// Whether it is the last one, and its number: what stands in front of the piece and its length.
    const HEADER: usize = 5;

    /// Octets of a value that fit into a block of at most `room` octets; no APDU has more than 65,535.
    pub(crate) const fn capacity(room: usize) -> usize {
        payload(room.saturating_sub(Self::HEADER))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last));
        out.extend_from_slice(&self.number.to_be_bytes());
        write_octets(self.octets, out);
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self { last: reader.u8()? != 0, number: reader.u32()?, octets: reader.octets()? })
    }
}

/// Octets that fit with their length into `room`, at most 65,535.
const fn payload(room: usize) -> usize {
    // The length takes one octet below 128, two below 256, then three: at an edge, one octet stays free.
    match room {
        0 => 0,
        1..=0x80 => room - 1,
        0x81..=0x101 => room - 2,
        _ => room - 3,
    }
}

/// The octets of one encoded value.
fn value<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let rest = reader.rest();
    skip(reader)?;
    Ok(&rest[..rest.len() - reader.remaining()])
}

/// The values of a request with list, as its blocks make them together: a count and as many encoded `Data`.
///
/// # Errors
/// Those of the elements; [`Error::TooLong`] for more than [`LIST_MAX`]; [`Error::Trailing`].
pub fn read_values(octets: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut reader = Reader::new(octets);
    let values = list(&mut reader, value)?;
    reader.finish()?;
    Ok(values)
}

/// An access selection behind its usage flag: selector and parameters, still encoded.
fn selection<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Error> {
    reader.flag()?.then(|| selector(reader)).transpose()
}

/// A selector and its parameters, still encoded.
fn selector<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let rest = reader.rest();
    reader.u8()?;
    skip(reader)?;
    Ok(&rest[..rest.len() - reader.remaining()])
}

fn encode_selection(selection: Option<&[u8]>, out: &mut Vec<u8>) {
    match selection {
        Some(octets) => {
            out.push(1);
            out.extend_from_slice(octets);
        }
        None => out.push(0),
    }
}

/// A list with its count, of at most [`LIST_MAX`] elements; every element has at least one octet.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = reader.length()?;
    if count > reader.remaining() {
        return Err(Error::Truncated);
    }
    if count > LIST_MAX {
        return Err(Error::TooLong { what: "list", limit: LIST_MAX });
    }
    (0..count).map(|_| read(reader)).collect()
}

/// Tag, choice and invoke-id in front of every service.
fn begin(expected: u8, reader: &mut Reader<'_>) -> Result<(u8, InvokeId), Error> {
    let tag = reader.u8()?;
    if tag != expected {
        return Err(Error::Unexpected { tag });
    }
    Ok((reader.u8()?, InvokeId::new(reader.u8()?)))
}

const fn no_choice(what: &'static str, choice: u8) -> Error {
    Error::Value { what, got: choice as u32 }
}

#[cfg(test)]
mod tests {
    use super::DataBlock;

    #[test]
    fn a_block_fills_its_room_but_for_the_octet_at_an_edge() {
        for room in 7..=usize::from(u16::MAX) {
            let octets = vec![0; DataBlock::capacity(room)];
            let mut out = Vec::new();
            DataBlock { last: true, number: 1, octets: &octets }.encode(&mut out);
            let edge = matches!(octets.len(), 0x7F | 0xFF);
            assert!(out.len() == room || (edge && out.len() + 1 == room), "{room}: {}", out.len());
        }
        assert_eq!([0, 5, 6].map(DataBlock::capacity), [0, 0, 0]);
    }
}
