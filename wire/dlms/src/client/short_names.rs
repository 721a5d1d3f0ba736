//! Requests with short names, and their answers (Green Book, 9.3.14 to 9.3.16).

use super::association::Association;
use super::dialogue::{Awaiting, Dialogue, Reply, Service, in_turn};
use crate::Error;
use crate::apdu::{ReadRequest, ReadResponse, ReadResult, Variable, WriteRequest, WriteResponse, tag};
use crate::axdr::Data;

impl Association {
    /// Asks for variables. The answer is a [`Reply::List`].
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter would not accept the request.
    pub fn read(&mut self, variables: &[Variable<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
        let variables = variables.to_vec();
        self.request(Awaiting::Answer(Service::Read), out, |_, plain| {
            ReadRequest { variables }.encode(plain);
        })
    }

    /// Writes variables. The answer is a [`Reply::List`].
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter would not accept the request.
    pub fn write(&mut self, values: &[(Variable<'_>, &Data)], out: &mut Vec<u8>) -> Result<(), Error> {
        self.write_request(true, values, out)
    }

    /// Writes variables without being told what came of it.
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter would not accept the request.
    pub fn write_unconfirmed(
        &mut self,
        values: &[(Variable<'_>, &Data)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.write_request(false, values, out)
    }

    fn write_request(
        &mut self,
        confirmed: bool,
        values: &[(Variable<'_>, &Data)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
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
        let awaiting = if confirmed { Awaiting::Answer(Service::Write) } else { Awaiting::Nothing };
        self.request(awaiting, out, |_, plain| {
            WriteRequest { confirmed, variables, data }.encode(plain);
        })
    }
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
                    false => self.block(Service::Read, u32::from(block.number), block.octets),
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
        WriteResponse::decode(plain)?;
        match self.take_awaiting() {
            Awaiting::Answer(Service::Write) => Ok(Reply::List(&plain[1..])),
            Awaiting::Nothing => Ok(Reply::Stale),
            _ => Err(Error::Unexpected { tag: tag::WRITE_RESPONSE }),
        }
    }
}
