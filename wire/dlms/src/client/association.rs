use std::fmt;

use super::Counters;
use super::upload::Upload;
use crate::acse::{Release, ReleaseKind};
use crate::apdu::{ActionRequest, DataBlock, GetRequest, InvokeId, SetRequest};
use crate::axdr::Data;
use crate::initiate::{Conformance, InitiateRequest};
use crate::security::{Envelope, SealAs, Shield, SystemTitle};
use crate::selection::Selection;
use crate::{AttributeDescriptor, Error, MethodDescriptor};

/// Room for the requests of a block transfer; longer ones grow it once.
const SCRATCH: usize = 128;
/// Octets of a SET or ACTION request in front of the value, or of its first block: tag, choice,
/// invoke-id, descriptor, and the flag of the access selection or of the parameters. The first block of an ACTION has
/// no such flag; its octet stays free.
const HEADER: usize = 3 + 9 + 1;
/// Octets in front of a further block: tag, choice, invoke-id.
const BLOCK_HEADER: usize = 3;

/// What client and meter agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Longest APDU that the meter accepts, in octets; 0 when it names no limit.
    pub max_send_pdu: u16,
    /// Services that the meter granted.
    pub conformance: Conformance,
    /// The meter's system title, when it told it.
    pub server_title: Option<SystemTitle>,
}

/// An answer of the meter, as far as it concerns the request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The value asked for, one encoded `Data`; or its end, when [`Reply::Block`] came before.
    Data(&'a [u8]),
    /// A piece of the value asked for, cut anywhere; [`Association::next_block`] asks for the next.
    Block(&'a [u8]),
    /// The meter took a block of what is sent to it; [`Association::next_block`] sends the next.
    BlockTaken,
    /// The attribute is set.
    Set,
    /// The method was invoked; the encoded `Data` that it returned, if any, or its end, when
    /// [`Reply::Block`] came before.
    Action(Option<&'a [u8]>),
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
    Set,
    Action,
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
    /// That the last block, with this number, was taken, and what came of the attribute.
    LastTaken(u32),
    Release,
}

/// An open association. Every request appends one APDU to `out`, ciphered when the association is.
///
/// A request replaces the one before: an answer to that one is [`Reply::Stale`] from then on. When a
/// request fails, `out` is as it was before.
pub struct Association {
    pub(super) protection: Option<Protection>,
    negotiated: Negotiated,
    initiate: InitiateRequest,
    pub(super) awaiting: Awaiting,
    pub(super) invoke: InvokeId,
    /// What is on its way to the meter in blocks.
    pub(super) upload: Option<Upload>,
    scratch: Vec<u8>,
}

/// The request written last may hold a secret, for example a new password, and is not shown.
impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("protection", &self.protection)
            .field("negotiated", &self.negotiated)
            .field("awaiting", &self.awaiting)
            .field("invoke", &self.invoke)
            .field("upload", &self.upload)
            .finish_non_exhaustive()
    }
}

/// What a ciphered association needs: keys and counters.
#[derive(Debug)]
pub(super) struct Protection {
    pub(super) shield: Shield,
    pub(super) counters: Counters,
}

impl Association {
    pub(super) fn new(
        protection: Option<Protection>,
        negotiated: Negotiated,
        initiate: InitiateRequest,
    ) -> Self {
        let (scratch, invoke) = (Vec::with_capacity(SCRATCH), InvokeId::confirmed(15));
        let awaiting = Awaiting::Nothing;
        Self { protection, negotiated, initiate, awaiting, invoke, upload: None, scratch }
    }

    /// What client and meter agreed on.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// The invocation counters that are left, when the association is ciphered.
    pub fn counters(&self) -> Option<&Counters> {
        self.protection.as_ref().map(|protection| &protection.counters)
    }

    /// Asks for an attribute, or for the part of it that `selection` names.
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter would not accept the request.
    pub fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let selection = selection.map(|selection| {
            let mut encoded = Vec::new();
            selection.encode(&mut encoded);
            encoded
        });
        let (attribute, selection) = (*attribute, selection.as_deref());
        self.request(Awaiting::Answer(Service::Get), out, |invoke, plain| {
            GetRequest::Normal { invoke, attribute, selection }.encode(plain);
        })
    }

    /// Asks for the next block, after a [`Reply::Block`]; sends the next one, after a [`Reply::BlockTaken`].
    ///
    /// # Errors
    /// [`Error::Misuse`] when no block came last and none was taken; [`Error::CountersSpent`].
    pub fn next_block(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let invoke = self.invoke;
        self.scratch.clear();
        let next = match self.awaiting {
            Awaiting::NextBlock(Service::Action, block) => {
                ActionRequest::NextBlock { invoke, block }.encode(&mut self.scratch);
                Awaiting::Block(Service::Action, block)
            }
            Awaiting::NextBlock(service, block) => {
                GetRequest::Next { invoke, block }.encode(&mut self.scratch);
                Awaiting::Block(service, block)
            }
            Awaiting::NextUpload(service) => return self.send_block(service, out),
            _ => return Err(Error::Misuse("no block has come or been taken that another one could follow")),
        };
        self.send(out)?;
        self.awaiting = next;
        Ok(())
    }

    /// Sets an attribute. A value that does not fit into one APDU goes in blocks when the meter
    /// takes them: until it is sent, answers are [`Reply::BlockTaken`].
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter accepts neither the whole request nor blocks.
    pub fn set(
        &mut self,
        attribute: &AttributeDescriptor,
        value: &Data,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (attribute, selection) = (*attribute, None);
        let mut encoded = Vec::new();
        value.encode(&mut encoded);
        if self.fits(HEADER + encoded.len()) || !self.offers(Conformance::BLOCK_SET) {
            return self.request(Awaiting::Answer(Service::Set), out, |invoke, plain| {
                SetRequest::Normal { invoke, attribute, selection, value: &encoded }.encode(plain);
            });
        }
        self.upload(Service::Set, encoded, out, |invoke, block, plain| {
            SetRequest::FirstBlock { invoke, attribute, selection, block }.encode(plain);
        })
    }

    /// Invokes a method. Parameters that do not fit into one APDU go in blocks when the meter takes
    /// them: until they are sent, answers are [`Reply::BlockTaken`].
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter accepts neither the whole request nor blocks.
    pub fn action(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let method = *method;
        let mut encoded = Vec::new();
        if let Some(parameters) = parameters {
            parameters.encode(&mut encoded);
        }
        if self.fits(HEADER + encoded.len()) || !self.offers(Conformance::BLOCK_ACTION) {
            return self.request(Awaiting::Answer(Service::Action), out, |invoke, plain| {
                let parameters = parameters.map(|_| &encoded[..]);
                ActionRequest::Normal { invoke, method, parameters }.encode(plain);
            });
        }
        self.upload(Service::Action, encoded, out, |invoke, block, plain| {
            ActionRequest::FirstBlock { invoke, method, block }.encode(plain);
        })
    }

    /// Asks the meter to release the association; without an answer, closing the line does it, too.
    ///
    /// # Errors
    /// [`Error::CountersSpent`].
    pub fn release(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut information = Vec::new();
        if let Some(Protection { shield, counters }) = &mut self.protection {
            self.scratch.clear();
            self.initiate.encode(&mut self.scratch);
            shield.seal(SealAs::Service, counters.take()?, &self.scratch, &mut information)?;
        }
        let user_information = self.protection.is_some().then_some(&information[..]);
        Release { reason: Some(0), user_information }.encode(ReleaseKind::Request, out);
        self.awaiting = Awaiting::Release;
        Ok(())
    }

    /// Writes a request under the next invoke-id and, once it is on its way, awaits its answer.
    fn request(
        &mut self,
        awaiting: Awaiting,
        out: &mut Vec<u8>,
        encode: impl FnOnce(InvokeId, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let invoke = InvokeId::confirmed(self.invoke.id() + 1);
        self.scratch.clear();
        encode(invoke, &mut self.scratch);
        self.send(out)?;
        (self.invoke, self.awaiting, self.upload) = (invoke, awaiting, None);
        Ok(())
    }

    /// Begins to send a value in blocks.
    fn upload(
        &mut self,
        service: Service,
        value: Vec<u8>,
        out: &mut Vec<u8>,
        encode: impl FnOnce(InvokeId, DataBlock<'_>, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let mut upload = Upload::new(value);
        let block = upload.due(self.room().saturating_sub(HEADER));
        let length = block.octets.len();
        if length == 0 {
            return Err(Error::TooLong { what: "request", limit: self.limit() });
        }
        self.request(Awaiting::Taken(service), out, |invoke, plain| encode(invoke, block, plain))?;
        upload.advance(length);
        self.upload = Some(upload);
        Ok(())
    }

    /// Sends the block that is due.
    fn send_block(&mut self, service: Service, out: &mut Vec<u8>) -> Result<(), Error> {
        let (invoke, room) = (self.invoke, self.room().saturating_sub(BLOCK_HEADER));
        let Some(upload) = &self.upload else { return Err(Error::Misuse("nothing is being sent")) };
        let block = upload.due(room);
        let (length, last, number) = (block.octets.len(), block.last, block.number);
        match service {
            Service::Action => ActionRequest::Block { invoke, block }.encode(&mut self.scratch),
            Service::Set | Service::Get => SetRequest::Block { invoke, block }.encode(&mut self.scratch),
        }
        self.send(out)?;
        self.awaiting = match (last, service) {
            (false, _) => Awaiting::Taken(service),
            (true, Service::Action) => Awaiting::Answer(service),
            (true, _) => Awaiting::LastTaken(number),
        };
        match &mut self.upload {
            Some(upload) if !last => upload.advance(length),
            _ => self.upload = None,
        }
        Ok(())
    }

    fn offers(&self, service: Conformance) -> bool {
        self.negotiated.conformance.contains(service)
    }

    /// Longest APDU that may be sent. The wrapper carries no more than the highest limit either.
    fn limit(&self) -> usize {
        usize::from(match self.negotiated.max_send_pdu {
            0 => u16::MAX,
            limit => limit,
        })
    }

    /// Longest plain APDU that may be sent.
    fn room(&self) -> usize {
        match self.protection {
            Some(_) => Envelope::room(self.limit()),
            None => self.limit(),
        }
    }

    fn fits(&self, plain: usize) -> bool {
        plain <= self.room()
    }

    /// Protects the scratch when the association is ciphered and appends it to `out`.
    fn send(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if !self.fits(self.scratch.len()) {
            return Err(Error::TooLong { what: "request", limit: self.limit() });
        }
        match &mut self.protection {
            None => out.extend_from_slice(&self.scratch),
            Some(Protection { shield, counters }) => {
                shield.seal(SealAs::Service, counters.take()?, &self.scratch, out)?;
            }
        }
        Ok(())
    }
}
