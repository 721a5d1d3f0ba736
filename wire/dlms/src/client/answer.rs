//! Answers of the meter: what they are and whether they belong to the request under way.

use super::association::{Association, Awaiting, Reply, Service};
use super::upload::Upload;
use crate::acse::tag::RLRE;
use crate::acse::{Release, ReleaseKind};
use crate::apdu::{ActionResponse, ActionReturn, DataBlock, GetResponse, InvokeId, SetResponse, tag};
use crate::initiate::InitiateResponse;
use crate::security::Envelope;
use crate::{ActionResult, DataAccessResult, Error, ExceptionResponse};

const SERVICE_ERROR: u8 = 0x0E;
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
            tag::EVENT_NOTIFICATION | tag::DATA_NOTIFICATION => Ok(Reply::Stale),
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
        let nothing =
            matches!(self.awaiting, Awaiting::Nothing | Awaiting::NextBlock(..) | Awaiting::NextUpload(_));
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
            (Awaiting::Answer(Service::Get), GetResponse::Normal { result: Ok(data), .. }) => {
                Ok(Reply::Data(data))
            }
            (
                Awaiting::Answer(Service::Get) | Awaiting::Block(Service::Get, _),
                GetResponse::Normal { result: Err(refusal), .. }
                | GetResponse::Block { result: Err(refusal), .. },
            ) => Err(Error::Access(refusal)),
            (
                Awaiting::Answer(Service::Get) | Awaiting::Block(Service::Get, _),
                GetResponse::Block { last, number, result: Ok(octets), .. },
            ) => {
                in_turn(awaiting, number)?;
                if last {
                    return Ok(Reply::Data(octets));
                }
                self.block(Service::Get, number, octets)
            }
            _ => unexpected,
        }
    }

    /// Takes a block that is not the last.
    fn block<'a>(&mut self, service: Service, number: u32, octets: &'a [u8]) -> Result<Reply<'a>, Error> {
        if octets.is_empty() {
            // A transfer that does not get on would never end.
            return Err(Error::Value { what: "length of a block that is not the last", got: 0 });
        }
        self.awaiting = Awaiting::NextBlock(service, number);
        Ok(Reply::Block(octets))
    }

    /// The meter says that it took block `number`, and it is not the last.
    fn taken<'a>(&mut self, service: Service, number: u32) -> Result<Reply<'a>, Error> {
        same(self.upload.as_ref().map_or(0, Upload::number), number)?;
        self.awaiting = Awaiting::NextUpload(service);
        Ok(Reply::BlockTaken)
    }

    fn set_done<'a>(&mut self, response: SetResponse) -> Result<Reply<'a>, Error> {
        let (SetResponse::Normal { invoke, .. }
        | SetResponse::Block { invoke, .. }
        | SetResponse::LastBlock { invoke, .. }
        | SetResponse::LastBlockWithList { invoke, .. }
        | SetResponse::WithList { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        let awaiting = std::mem::replace(&mut self.awaiting, Awaiting::Nothing);
        match (awaiting, response) {
            (
                Awaiting::Answer(Service::Set),
                SetResponse::Normal { result: DataAccessResult::Success, .. },
            ) => Ok(Reply::Set),
            (
                Awaiting::LastTaken(sent),
                SetResponse::LastBlock { result: DataAccessResult::Success, number, .. },
            ) => {
                same(sent, number)?;
                Ok(Reply::Set)
            }
            (Awaiting::Taken(Service::Set), SetResponse::Block { number, .. }) => {
                self.taken(Service::Set, number)
            }
            (
                Awaiting::Answer(Service::Set) | Awaiting::Taken(Service::Set) | Awaiting::LastTaken(_),
                SetResponse::Normal { result, .. } | SetResponse::LastBlock { result, .. },
            ) if result != DataAccessResult::Success => Err(Error::Access(result)),
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
        let unexpected = Err(Error::Unexpected { tag: tag::ACTION_RESPONSE });
        match (awaiting, response) {
            (Awaiting::Answer(Service::Action), ActionResponse::Normal { returned, .. }) => {
                returned_value(&returned)
            }
            // An answer while parameters or blocks are still to come can only be a refusal.
            (
                Awaiting::Taken(Service::Action) | Awaiting::Block(Service::Action, _),
                ActionResponse::Normal { returned, .. },
            ) => returned_value(&returned).and(unexpected),
            (Awaiting::Taken(Service::Action), ActionResponse::NextBlock { block, .. }) => {
                self.taken(Service::Action, block)
            }
            (
                Awaiting::Answer(Service::Action) | Awaiting::Block(Service::Action, _),
                ActionResponse::Block { block: DataBlock { last, number, octets }, .. },
            ) => {
                in_turn(awaiting, number)?;
                let is_first = awaiting == Awaiting::Answer(Service::Action);
                let octets = if is_first { without_result(octets) } else { octets };
                if last {
                    return Ok(Reply::Action(Some(octets)));
                }
                self.block(Service::Action, number, octets)
            }
            _ => unexpected,
        }
    }
}

/// What a method returned as a whole.
fn returned_value<'a>(returned: &ActionReturn<'a>) -> Result<Reply<'a>, Error> {
    if returned.result != ActionResult::Success {
        return Err(Error::Action(returned.result));
    }
    match returned.returned {
        None | Some(Err(DataAccessResult::Success)) => Ok(Reply::Action(None)),
        Some(Ok(data)) => Ok(Reply::Action(Some(data))),
        Some(Err(refusal)) => Err(Error::Access(refusal)),
    }
}

/// Whether block `number` is the one that is due.
fn in_turn(awaiting: Awaiting, number: u32) -> Result<(), Error> {
    let expected = match awaiting {
        Awaiting::Block(_, before) => before.wrapping_add(1),
        // The first block is 1 by the standard; some meters begin with 0.
        _ if number == 0 => 0,
        _ => 1,
    };
    same(expected, number)
}

fn same(expected: u32, got: u32) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::BlockNumber { expected, got }) }
}

/// The first block of what a method returned, without the result in front of it.
///
/// Some meters put the value alone into their blocks, some with `01 00` (there is a value) in front of it, some with the
/// result, too. As the beginning of a value that has more octets, neither can be anything else: null-data and an empty
/// array end there.
fn without_result(octets: &[u8]) -> &[u8] {
    match octets {
        [0, 1, 0, rest @ ..] | [1, 0, rest @ ..] if !rest.is_empty() => rest,
        _ => octets,
    }
}
