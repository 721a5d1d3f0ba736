//! Answers of the meter: what they are and whether they belong to the request under way.

use super::association::{Association, Protection};
use super::dialogue::{Awaiting, Dialogue, Reply, Service, in_turn, same};
use crate::acse::tag::RLRE;
use crate::acse::{Release, ReleaseKind};
use crate::apdu::{AccessResponse, ActionResponse, ActionReturn, DataBlock, GetResponse, SetResponse, tag};
use crate::initiate::InitiateResponse;
use crate::{ActionResult, DataAccessResult, Error, ExceptionResponse};

/// Reason of a release response: the meter is not finished.
const NOT_FINISHED: u8 = 1;
/// Tag, choice and invoke-id in front of a list.
const LIST_HEADER: usize = 3;
/// Octets of the number behind a list whose last block was taken.
const LIST_NUMBER: usize = 4;

impl Association {
    /// Takes an answer, which is deciphered in place.
    ///
    /// # Errors
    /// What the meter refused: [`Error::Access`], [`Error::Action`], [`Error::Exception`],
    /// [`Error::Confirmed`]. Protection that does not hold: [`Error::TagMismatch`],
    /// [`Error::CounterReplayed`], [`Error::Protection`], [`Error::WrongTitle`], and
    /// [`Error::Downgrade`] for an answer with less of it than agreed. Rules that the meter
    /// broke: [`Error::BlockNumber`], [`Error::Malformed`] and those of the codec. What [`gbt::Transfer::handle`](crate::gbt::Transfer::handle) says of a block.
    pub fn handle<'a>(&'a mut self, apdu: &'a mut [u8]) -> Result<Reply<'a>, Error> {
        if apdu.first() == Some(&tag::GENERAL_BLOCK_TRANSFER) {
            return self.general_block(apdu);
        }
        take(&mut self.protection, &mut self.dialogue, apdu)
    }
}

/// Takes an answer that is whole.
pub(super) fn take<'a>(
    protection: &mut Option<Protection>,
    dialogue: &mut Dialogue,
    apdu: &'a mut [u8],
) -> Result<Reply<'a>, Error> {
    let outside = *apdu.first().ok_or(Error::Truncated)?;
    if outside == RLRE {
        return released(protection, dialogue, apdu).map_err(|error| error.placed(apdu));
    }
    let plain: &'a [u8] = match protection {
        Some(protection) if !goes_in_the_clear(outside) => protection.shield.open(apdu)?.0,
        _ => apdu,
    };
    dialogue.answered(plain).map_err(|error| error.placed(plain))
}

/// Whether an APDU may come without the protection that was agreed: it answers nothing, as what is sent unasked, or comes from a meter that
/// has given up the association, and its keys with it.
const fn goes_in_the_clear(outside: u8) -> bool {
    matches!(
        outside,
        tag::EXCEPTION_RESPONSE
            | tag::CONFIRMED_SERVICE_ERROR
            | tag::EVENT_NOTIFICATION
            | tag::DATA_NOTIFICATION
            | tag::INFORMATION_REPORT
    )
}

fn released<'a>(
    protection: &mut Option<Protection>,
    dialogue: &mut Dialogue,
    apdu: &[u8],
) -> Result<Reply<'a>, Error> {
    if dialogue.awaiting != Awaiting::Release {
        return Err(Error::Unexpected { tag: RLRE });
    }
    dialogue.awaiting = Awaiting::Nothing;
    let release = Release::decode(ReleaseKind::Response, apdu)?;
    if let (Some(protection), Some(information)) = (protection, release.user_information) {
        InitiateResponse::decode(protection.shield.open(&mut information.to_vec())?.0)?;
    }
    match release.reason {
        Some(NOT_FINISHED) => {
            Err(Error::Value { what: "reason of the release response", got: u32::from(NOT_FINISHED) })
        }
        _ => Ok(Reply::Released),
    }
}

impl Dialogue {
    fn answered<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        match *plain.first().ok_or(Error::Truncated)? {
            tag::GET_RESPONSE => self.value(plain),
            tag::SET_RESPONSE => self.set_done(plain),
            tag::ACTION_RESPONSE => self.action_done(plain),
            tag::ACCESS_RESPONSE => self.access_done(plain),
            tag::READ_RESPONSE => self.read_done(plain),
            tag::WRITE_RESPONSE => self.write_done(plain),
            tag::EXCEPTION_RESPONSE => self.refused(plain),
            tag::EVENT_NOTIFICATION | tag::DATA_NOTIFICATION | tag::INFORMATION_REPORT => Ok(Reply::Stale),
            tag::CONFIRMED_SERVICE_ERROR => {
                self.awaiting = Awaiting::Nothing;
                InitiateResponse::decode(plain)
                    .and(Err(Error::Unexpected { tag: tag::CONFIRMED_SERVICE_ERROR }))
            }
            tag => Err(Error::Unexpected { tag }),
        }
    }

    fn refused<'a>(&mut self, apdu: &[u8]) -> Result<Reply<'a>, Error> {
        let exception = ExceptionResponse::decode(apdu)?;
        self.awaiting = Awaiting::Nothing;
        Err(Error::Exception(exception))
    }

    fn value<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        let response = GetResponse::decode(plain)?;
        let (GetResponse::Normal { invoke, .. }
        | GetResponse::Block { invoke, .. }
        | GetResponse::WithList { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        let awaiting = self.take_awaiting();
        match (awaiting, response) {
            (Awaiting::Answer(Service::Get), GetResponse::Normal { result: Ok(data), .. }) => {
                Ok(Reply::Data(data))
            }
            (Awaiting::Answer(Service::GetList), GetResponse::WithList { .. }) => {
                Ok(Reply::List(&plain[LIST_HEADER..]))
            }
            (
                Awaiting::Answer(Service::Get | Service::GetList)
                | Awaiting::Block(Service::Get | Service::GetList, _),
                GetResponse::Normal { result: Err(refusal), .. }
                | GetResponse::Block { result: Err(refusal), .. },
            ) => Err(Error::Access(refusal)),
            (
                Awaiting::Answer(service @ (Service::Get | Service::GetList))
                | Awaiting::Block(service @ (Service::Get | Service::GetList), _),
                GetResponse::Block { last, number, result: Ok(octets), .. },
            ) => {
                in_turn(awaiting, number)?;
                match (last, service) {
                    (true, Service::Get) => Ok(Reply::Data(octets)),
                    (true, _) => Ok(Reply::List(octets)),
                    (false, _) => Ok(self.block(service, number, octets)),
                }
            }
            _ => Err(Error::Unexpected { tag: tag::GET_RESPONSE }),
        }
    }

    fn set_done<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        let response = SetResponse::decode(plain)?;
        let (SetResponse::Normal { invoke, .. }
        | SetResponse::Block { invoke, .. }
        | SetResponse::LastBlock { invoke, .. }
        | SetResponse::LastBlockWithList { invoke, .. }
        | SetResponse::WithList { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        match (self.take_awaiting(), response) {
            (
                Awaiting::Answer(Service::Set),
                SetResponse::Normal { result: DataAccessResult::Success, .. },
            ) => Ok(Reply::Set),
            (Awaiting::Answer(Service::SetList), SetResponse::WithList { .. }) => {
                Ok(Reply::List(&plain[LIST_HEADER..]))
            }
            (
                Awaiting::LastTaken(Service::Set, sent),
                SetResponse::LastBlock { result: DataAccessResult::Success, number, .. },
            ) => {
                same(sent, number)?;
                Ok(Reply::Set)
            }
            (Awaiting::LastTaken(Service::SetList, sent), SetResponse::LastBlockWithList { number, .. }) => {
                same(sent, number)?;
                Ok(Reply::List(&plain[LIST_HEADER..plain.len() - LIST_NUMBER]))
            }
            (
                Awaiting::Taken(service @ (Service::Set | Service::SetList)),
                SetResponse::Block { number, .. },
            ) => self.taken(service, number),
            (
                Awaiting::Answer(Service::Set | Service::SetList)
                | Awaiting::Taken(Service::Set | Service::SetList)
                | Awaiting::LastTaken(..),
                SetResponse::Normal { result, .. } | SetResponse::LastBlock { result, .. },
            ) if result != DataAccessResult::Success => Err(Error::Access(result)),
            _ => Err(Error::Unexpected { tag: tag::SET_RESPONSE }),
        }
    }

    fn action_done<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        let response = ActionResponse::decode(plain)?;
        let (ActionResponse::Normal { invoke, .. }
        | ActionResponse::Block { invoke, .. }
        | ActionResponse::WithList { invoke, .. }
        | ActionResponse::NextBlock { invoke, .. }) = response;
        if self.is_stale(invoke) {
            return Ok(Reply::Stale);
        }
        let awaiting = self.take_awaiting();
        let unexpected = Err(Error::Unexpected { tag: tag::ACTION_RESPONSE });
        match (awaiting, response) {
            (Awaiting::Answer(Service::Action), ActionResponse::Normal { returned, .. }) => {
                returned_value(&returned)
            }
            (Awaiting::Answer(Service::ActionList), ActionResponse::WithList { .. }) => {
                Ok(Reply::List(&plain[LIST_HEADER..]))
            }
            // One answer to a list, or an answer while parameters or blocks are still to come, can only be a refusal.
            (
                Awaiting::Answer(Service::ActionList)
                | Awaiting::Taken(Service::Action | Service::ActionList)
                | Awaiting::Block(Service::Action | Service::ActionList, _),
                ActionResponse::Normal { returned, .. },
            ) => returned_value(&returned).and(unexpected),
            (
                Awaiting::Taken(service @ (Service::Action | Service::ActionList)),
                ActionResponse::NextBlock { block, .. },
            ) => self.taken(service, block),
            (
                Awaiting::Answer(service @ (Service::Action | Service::ActionList))
                | Awaiting::Block(service @ (Service::Action | Service::ActionList), _),
                ActionResponse::Block { block: DataBlock { last, number, octets }, .. },
            ) => {
                in_turn(awaiting, number)?;
                let is_first = awaiting == Awaiting::Answer(Service::Action);
                let octets = if is_first { without_result(octets) } else { octets };
                match (last, service) {
                    (true, Service::Action) => Ok(Reply::Action(Some(octets))),
                    (true, _) => Ok(Reply::List(octets)),
                    (false, _) => Ok(self.block(service, number, octets)),
                }
            }
            _ => unexpected,
        }
    }

    fn access_done<'a>(&mut self, plain: &'a [u8]) -> Result<Reply<'a>, Error> {
        let response = AccessResponse::decode(plain)?;
        if self.is_ours() || response.invoke.id() != self.long_invoke.id() {
            return Ok(Reply::Stale);
        }
        match self.take_awaiting() {
            Awaiting::Answer(Service::Access) => Ok(Reply::Access(response)),
            _ => Err(Error::Unexpected { tag: tag::ACCESS_RESPONSE }),
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
