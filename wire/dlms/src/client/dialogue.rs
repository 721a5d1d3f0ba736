use super::upload::Upload;
use crate::Error;
use crate::apdu::{AccessResponse, InvokeId, LongInvokeId};

/// An answer of the meter, as far as it concerns the request under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The value asked for, one encoded `Data`; or its end, when [`Reply::Block`] came before.
    Data(&'a [u8]),
    /// A piece of what was asked for, cut anywhere, perhaps empty; [`Association::next_block`](super::Association::next_block) asks for the
    /// next. A meter may go on for ever.
    Block(&'a [u8]),
    /// The meter took a block of what is sent to it; [`Association::next_block`](super::Association::next_block) sends the next.
    BlockTaken,
    /// A block of a general block transfer came, and more come unasked: keep waiting.
    Streamed,
    /// It is our turn in a general block transfer: [`Association::next_block`](super::Association::next_block).
    Turn,
    /// The attribute is set.
    Set,
    /// The method was invoked; the encoded `Data` that it returned, if any, or its end, when
    /// [`Reply::Block`] came before.
    Action(Option<&'a [u8]>),
    /// What came of each element of a request with list, encoded; or its end, when [`Reply::Block`] came before. To be read by
    /// `read_results` of [`get`](crate::apdu::get), [`set`](crate::apdu::set) or [`short_name`](crate::apdu::short_name), or by
    /// [`action::read_returns`](crate::apdu::action::read_returns).
    List(&'a [u8]),
    /// What came of an ACCESS request.
    Access(AccessResponse<'a>),
    /// The association is released.
    Released,
    /// Nothing that concerns the request under way: a late answer to an earlier one, or a
    /// notification. To be ignored; keep waiting.
    Stale,
}

/// A service whose values may be longer than one APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Get,
    GetList,
    Set,
    SetList,
    Action,
    ActionList,
    Access,
    Read,
    Write,
}

/// What the next answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaiting {
    Nothing,
    /// The answer to a whole request, or its first block.
    Answer(Service),
    /// The block behind the one with this number.
    Block(Service, u32),
    /// Nothing: it is up to the caller to ask for the block behind the one with this number.
    NextBlock(Service, u32),
    /// That the block sent last was taken; it was not the last one.
    Taken(Service),
    /// Nothing: it is up to the caller to send the next block.
    NextUpload(Service),
    /// That the last block, with this number, was taken, and what came of it.
    LastTaken(Service, u32),
    Release,
}

/// The request under way: what it is, and what its answer must be.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) awaiting: Awaiting,
    pub(super) invoke: InvokeId,
    /// Of the last ACCESS request, which counts on its own.
    pub(super) long_invoke: LongInvokeId,
    /// What is on its way to the meter in blocks.
    pub(super) upload: Option<Upload>,
}

impl Dialogue {
    pub(super) fn new() -> Self {
        Self {
            awaiting: Awaiting::Nothing,
            invoke: InvokeId::confirmed(15),
            long_invoke: LongInvokeId::confirmed(LongInvokeId::ID_MAX),
            upload: None,
        }
    }

    /// Whether the meter owes nothing: the next step is the caller's.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.awaiting, Awaiting::Nothing | Awaiting::NextBlock(..) | Awaiting::NextUpload(_))
    }

    /// Whether an answer with this invoke-id belongs to an earlier request.
    pub(super) fn is_stale(&self, invoke: InvokeId) -> bool {
        self.is_ours() || invoke.id() != self.invoke.id()
    }

    /// What was awaited; from now on nothing is.
    pub(super) fn take_awaiting(&mut self) -> Awaiting {
        std::mem::replace(&mut self.awaiting, Awaiting::Nothing)
    }

    /// Takes a block that is not the last. It may be empty; how many blocks make a value is for the caller to limit.
    pub(super) fn block<'a>(&mut self, service: Service, number: u32, octets: &'a [u8]) -> Reply<'a> {
        self.awaiting = Awaiting::NextBlock(service, number);
        Reply::Block(octets)
    }

    /// The meter says that it took block `number`, and it is not the last.
    pub(super) fn taken<'a>(&mut self, service: Service, number: u32) -> Result<Reply<'a>, Error> {
        same(self.upload.as_ref().map_or(0, Upload::number), number)?;
        self.awaiting = Awaiting::NextUpload(service);
        Ok(Reply::BlockTaken)
    }
}

/// Whether block `number` is the one that is due.
pub(super) fn in_turn(awaiting: Awaiting, number: u32) -> Result<(), Error> {
    let expected = match awaiting {
        Awaiting::Block(_, before) => before.wrapping_add(1),
        // The first block is 1 by the standard; some meters begin with 0.
        _ if number == 0 => 0,
        _ => 1,
    };
    same(expected, number)
}

pub(super) fn same(expected: u32, got: u32) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::BlockNumber { expected, got }) }
}
