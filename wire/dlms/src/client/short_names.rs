//! Requests with short names, and their answers (Green Book, 9.3.14 to 9.3.16).

use super::association::Association;
use super::dialogue::{Awaiting, Dialogue, Reply, Service, in_turn};
use crate::apdu::{
    DataBlock, ReadRequest, ReadResponse, ReadResult, Variable, WriteRequest, WriteResponse, WriteResult, tag,
};
use crate::axdr::Data;
use crate::{Conformance, Error};

impl Association {
    /// Asks for variables. The answer is a [`Reply::List`].
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter would not accept the request.
    pub fn read(&mut self, variables: &[Variable<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
        let variables = variables.to_vec();
        self.request(Awaiting::Answer(Service::Read), out, |_, plain| {
            ReadRequest { variables }.encode(plain);
        })
    }

    /// Writes variables, in blocks when they do not fit into one APDU and the meter takes blocks: until they are sent, answers are
    /// [`Reply::BlockTaken`]. The answer is a [`Reply::List`].
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter accepts neither the whole request nor blocks.
    pub fn write(&mut self, values: &[(Variable<'_>, &Data)], out: &mut Vec<u8>) -> Result<(), Error> {
        let whole = written(true, values);
        if self.fits(whole.len()) || !self.offers(Conformance::BLOCK_SET) {
            return self.request(Awaiting::Answer(Service::Write), out, |_, plain| {
                plain.extend_from_slice(&whole);
            });
        }
        let content = whole[1..].to_vec();
        self.upload((Service::Write, content), BLOCK_HEADER, out, |_, block, plain| {
            write_block(&block, plain);
        })
    }

    /// Writes variables without being told what came of it.
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter would not accept the request.
    pub fn write_unconfirmed(
        &mut self,
        values: &[(Variable<'_>, &Data)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let whole = written(false, values);
        self.request(Awaiting::Nothing, out, |_, plain| plain.extend_from_slice(&whole))
    }
}

/// Octets of a request with a piece of another one around the last flag, the number, the length and the piece: tag, count and choice of
/// the variable, count and type of the data; but for the two by which the number is shorter than with logical names.
pub(super) const BLOCK_HEADER: usize = 5 - 2;

/// The whole request.
fn written(confirmed: bool, values: &[(Variable<'_>, &Data)]) -> Vec<u8> {
    let variables = values.iter().map(|(variable, _)| *variable).collect();
    let encoded: Vec<Vec<u8>> = values
        .iter()
        .map(|(_, value)| {
            let mut encoded = Vec::new();
            value.encode(&mut encoded);
            encoded
        })
        .collect();
    let data = encoded.iter().map(Vec::as_slice).collect();
    let mut whole = Vec::new();
    WriteRequest { confirmed, variables, data }.encode(&mut whole);
    whole
}

/// A request that carries a piece of a long one.
pub(super) fn write_block(block: &DataBlock<'_>, plain: &mut Vec<u8>) {
    // A value of 64 KiB in blocks of the shortest APDU has fewer.
    let number = u16::try_from(block.number).unwrap_or(u16::MAX);
    let mut piece = Vec::new();
    Data::OctetString(block.octets.to_vec()).encode(&mut piece);
    let variables = vec![Variable::WriteBlock { last: block.last, number }];
    WriteRequest { confirmed: true, variables, data: vec![&piece] }.encode(plain);
}

impl Dialogue {
    pub(super) fn read_done<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        let response = ReadResponse::decode(plain)?;
        if self.is_ours() {
            return Ok(Reply::Stale);
        }
        let awaiting = self.take_awaiting();
        if !matches!(awaiting, Awaiting::Answer(Service::Read) | Awaiting::Block(Service::Read, _)) {
            return Err(Error::Unexpected { tag: tag::READ_RESPONSE });
        }
        match *response.results.as_slice() {
            [ReadResult::Block(block)] => {
                in_turn(awaiting, u32::from(block.number))?;
                match block.last {
                    true => Ok(Reply::List(block.octets)),
                    false => Ok(self.block(Service::Read, u32::from(block.number), block.octets)),
                }
            }
            [ReadResult::Error(refusal)] if matches!(awaiting, Awaiting::Block(..)) => {
                Err(Error::Access(refusal))
            }
            _ if matches!(awaiting, Awaiting::Block(..)) => {
                Err(Error::Unexpected { tag: tag::READ_RESPONSE })
            }
            _ => Ok(Reply::List(&plain[1..])),
        }
    }

    pub(super) fn write_done<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        let response = WriteResponse::decode(plain)?;
        if self.is_ours() {
            return Ok(Reply::Stale);
        }
        match (self.take_awaiting(), response.results.as_slice()) {
            (Awaiting::Taken(Service::Write), [WriteResult::Taken(number)]) => {
                self.taken(Service::Write, u32::from(*number))
            }
            (Awaiting::Taken(Service::Write), [WriteResult::Error(refusal)]) => Err(Error::Access(*refusal)),
            (Awaiting::Answer(Service::Write) | Awaiting::LastTaken(Service::Write, _), _) => {
                Ok(Reply::List(&plain[1..]))
            }
            _ => Err(Error::Unexpected { tag: tag::WRITE_RESPONSE }),
        }
    }
}
