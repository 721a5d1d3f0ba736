//! Answers of the meter: what they are and whether they belong to the request under way.

use super::association::{Association, Awaiting, Reply};
use crate::acse::tag::RLRE;
use crate::acse::{Release, ReleaseKind};
use crate::apdu::{ActionResponse, GetResponse, InvokeId, SetResponse, tag};
use crate::initiate::InitiateResponse;
use crate::security::Envelope;
use crate::{ActionResult, DataAccessResult, Error, ExceptionResponse};

const SERVICE_ERROR: u8 = 0x0E;
const DATA_NOTIFICATION: u8 = 0x0F;
const EVENT_NOTIFICATION: u8 = 0xC2;
/// Reason of a release response: the meter is not finished.
const NOT_FINISHED: u8 = 1;

impl Association {
    /// Takes an answer, which is deciphered in place.
    ///
    /// # Errors
    /// What the meter refused: [`Error::Access`], [`Error::Action`], [`Error::Exception`],
    /// [`Error::Confirmed`]. Protection that does not hold: [`Error::TagMismatch`],
    /// [`Error::CounterReplayed`], [`Error::Protection`], [`Error::WrongTitle`], and
    /// [`Error::Unexpected`] for a plain answer in a ciphered association. Rules that the meter
    /// broke: [`Error::BlockNumber`] and those of the codec.
    pub fn handle<'a>(&mut self, apdu: &'a mut [u8]) -> Result<Reply<'a>, Error> {
        let outside = *apdu.first().ok_or(Error::Truncated)?;
        match outside {
            tag::EXCEPTION_RESPONSE => return self.refused(apdu),
            RLRE => return self.released(apdu),
            _ => {}
        }
        let plain: &'a [u8] = match &mut self.protection {
            None => apdu,
            Some(protection) if Envelope::is_tag(outside) => protection.shield.open(apdu)?,
            Some(_) => return Err(Error::Unexpected { tag: outside }),
        };
        match *plain.first().ok_or(Error::Truncated)? {
            tag::GET_RESPONSE => self.value(GetResponse::decode(plain)?),
            tag::SET_RESPONSE => self.set_done(SetResponse::decode(plain)?),
            tag::ACTION_RESPONSE => self.action_done(ActionResponse::decode(plain)?),
            tag::EXCEPTION_RESPONSE => self.refused(plain),
            EVENT_NOTIFICATION | DATA_NOTIFICATION => Ok(Reply::Stale),
            SERVICE_ERROR => {
                self.awaiting = Awaiting::Nothing;
                InitiateResponse::decode(plain).and(Err(Error::Unexpected { tag: SERVICE_ERROR }))
            }
            tag => Err(Error::Unexpected { tag }),
        }
    }

    fn refused<'a>(&mut self, apdu: &[u8]) -> Result<Reply<'a>, Error> {
        let exception = ExceptionResponse::decode(apdu)?;
        self.awaiting = Awaiting::Nothing;
        Err(Error::Exception(exception))
    }

    fn released<'a>(&mut self, apdu: &[u8]) -> Result<Reply<'a>, Error> {
        if self.awaiting != Awaiting::Release {
            return Err(Error::Unexpected { tag: RLRE });
        }
        self.awaiting = Awaiting::Nothing;
        let release = Release::decode(ReleaseKind::Response, apdu)?;
        if let (Some(protection), Some(information)) = (&mut self.protection, release.user_information) {
            InitiateResponse::decode(protection.shield.open(&mut information.to_vec())?)?;
        }
        match release.reason {
            Some(NOT_FINISHED) => {
                Err(Error::Value { what: "reason of the release response", got: u32::from(NOT_FINISHED) })
            }
            _ => Ok(Reply::Released),
        }
    }

    /// Whether an answer with this invoke-id belongs to an earlier request.
    fn is_stale(&self, invoke: InvokeId) -> bool {
        let nothing = matches!(self.awaiting, Awaiting::Nothing | Awaiting::NextBlock(_));
        nothing || invoke.id() != self.invoke.id()
    }

    fn value<'a>(&mut self, response: GetResponse<'a>) -> Result<Reply<'a>, Error> {
        let unexpected = Err(Error::Unexpected { tag: tag::GET_RESPONSE });
        let (GetResponse::Normal { invoke, .. }
        | GetResponse::Block { invoke, .. }
        | GetResponse::WithList { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        let awaiting = std::mem::replace(&mut self.awaiting, Awaiting::Nothing);
        match (awaiting, response) {
            (Awaiting::Value, GetResponse::Normal { result: Ok(data), .. }) => Ok(Reply::Data(data)),
            (
                Awaiting::Value | Awaiting::Block(_),
                GetResponse::Normal { result: Err(refusal), .. }
                | GetResponse::Block { result: Err(refusal), .. },
            ) => Err(Error::Access(refusal)),
            (Awaiting::Value, GetResponse::Block { last, number, result: Ok(octets), .. }) => {
                // The first block is 1 by the standard; some meters begin with 0.
                if number > 1 {
                    return Err(Error::BlockNumber { expected: 1, got: number });
                }
                self.block(last, number, octets)
            }
            (Awaiting::Block(before), GetResponse::Block { last, number, result: Ok(octets), .. }) => {
                let expected = before.wrapping_add(1);
                if number != expected {
                    return Err(Error::BlockNumber { expected, got: number });
                }
                self.block(last, number, octets)
            }
            _ => unexpected,
        }
    }

    fn block<'a>(&mut self, last: bool, number: u32, octets: &'a [u8]) -> Result<Reply<'a>, Error> {
        if last {
            return Ok(Reply::Data(octets));
        }
        if octets.is_empty() {
            // A transfer that does not get on would never end.
            return Err(Error::Value { what: "length of a block that is not the last", got: 0 });
        }
        self.awaiting = Awaiting::NextBlock(number);
        Ok(Reply::Block(octets))
    }

    fn set_done<'a>(&mut self, response: SetResponse) -> Result<Reply<'a>, Error> {
        let (SetResponse::Normal { invoke, .. }
        | SetResponse::Block { invoke, .. }
        | SetResponse::LastBlock { invoke, .. }
        | SetResponse::WithList { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        let awaiting = std::mem::replace(&mut self.awaiting, Awaiting::Nothing);
        match (awaiting, response) {
            (Awaiting::Set, SetResponse::Normal { result: DataAccessResult::Success, .. }) => Ok(Reply::Set),
            (Awaiting::Set, SetResponse::Normal { result, .. }) => Err(Error::Access(result)),
            _ => Err(Error::Unexpected { tag: tag::SET_RESPONSE }),
        }
    }

    fn action_done<'a>(&mut self, response: ActionResponse<'a>) -> Result<Reply<'a>, Error> {
        let (ActionResponse::Normal { invoke, .. }
        | ActionResponse::Block { invoke, .. }
        | ActionResponse::WithList { invoke, .. }
        | ActionResponse::NextBlock { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        let awaiting = std::mem::replace(&mut self.awaiting, Awaiting::Nothing);
        let (Awaiting::Action, ActionResponse::Normal { returned, .. }) = (awaiting, response) else {
            return Err(Error::Unexpected { tag: tag::ACTION_RESPONSE });
        };
        if returned.result != ActionResult::Success {
            return Err(Error::Action(returned.result));
        }
        match returned.returned {
            None | Some(Err(DataAccessResult::Success)) => Ok(Reply::Action(None)),
            Some(Ok(data)) => Ok(Reply::Action(Some(data))),
            Some(Err(refusal)) => Err(Error::Access(refusal)),
        }
    }
}
