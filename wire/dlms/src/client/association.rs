use super::Counters;
use crate::acse::{Release, ReleaseKind};
use crate::apdu::{ActionRequest, GetRequest, InvokeId, SetRequest};
use crate::axdr::Data;
use crate::initiate::{Conformance, InitiateRequest};
use crate::security::{Envelope, SealAs, Shield, SystemTitle};
use crate::selection::Selection;
use crate::{AttributeDescriptor, Error, MethodDescriptor};

/// Room for the requests of a block transfer; longer ones grow it once.
const SCRATCH: usize = 128;

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
    /// The attribute is set.
    Set,
    /// The method was invoked; the encoded `Data` that it returned, if any.
    Action(Option<&'a [u8]>),
    /// The association is released.
    Released,
    /// Nothing that concerns the request under way: a late answer to an earlier one, or a
    /// notification. To be ignored; keep waiting.
    Stale,
}

/// What the next answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaiting {
    Nothing,
    /// A value or its first block.
    Value,
    /// The block behind the one with this number.
    Block(u32),
    /// Nothing: it is up to the caller to ask for the block behind the one with this number.
    NextBlock(u32),
    Set,
    Action,
    Release,
}

/// An open association. Every request appends one APDU to `out`, ciphered when the association is.
///
/// A request replaces the one before: an answer to that one is [`Reply::Stale`] from then on. When a
/// request fails, `out` is as it was before.
#[derive(Debug)]
pub struct Association {
    pub(super) protection: Option<Protection>,
    negotiated: Negotiated,
    initiate: InitiateRequest,
    pub(super) awaiting: Awaiting,
    pub(super) invoke: InvokeId,
    scratch: Vec<u8>,
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
        Self { protection, negotiated, initiate, awaiting: Awaiting::Nothing, invoke, scratch }
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
        self.request(Awaiting::Value, out, |invoke, plain| {
            GetRequest::Normal { invoke, attribute, selection }.encode(plain);
        })
    }

    /// Asks for the next block, after a [`Reply::Block`].
    ///
    /// # Errors
    /// [`Error::Misuse`] when no block came last; [`Error::CountersSpent`].
    pub fn next_block(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Awaiting::NextBlock(block) = self.awaiting else {
            return Err(Error::Misuse("no block has come that another one could follow"));
        };
        self.scratch.clear();
        GetRequest::Next { invoke: self.invoke, block }.encode(&mut self.scratch);
        self.send(out)?;
        self.awaiting = Awaiting::Block(block);
        Ok(())
    }

    /// Sets an attribute. The value must fit into one APDU.
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter would not accept the request.
    pub fn set(
        &mut self,
        attribute: &AttributeDescriptor,
        value: &Data,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (attribute, selection) = (*attribute, None);
        let mut encoded = Vec::new();
        value.encode(&mut encoded);
        self.request(Awaiting::Set, out, |invoke, plain| {
            SetRequest::Normal { invoke, attribute, selection, value: &encoded }.encode(plain);
        })
    }

    /// Invokes a method. The parameters must fit into one APDU.
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::TooLong`] when the meter would not accept the request.
    pub fn action(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let method = *method;
        let parameters = parameters.map(|parameters| {
            let mut encoded = Vec::new();
            parameters.encode(&mut encoded);
            encoded
        });
        let parameters = parameters.as_deref();
        self.request(Awaiting::Action, out, |invoke, plain| {
            ActionRequest::Normal { invoke, method, parameters }.encode(plain);
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
        (self.invoke, self.awaiting) = (invoke, awaiting);
        Ok(())
    }

    /// Protects the scratch when the association is ciphered and appends it to `out`.
    fn send(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let length = self.scratch.len();
        let length = if self.protection.is_some() { Envelope::sealed_length(length) } else { length };
        let limit = usize::from(self.negotiated.max_send_pdu);
        if limit != 0 && length > limit {
            return Err(Error::TooLong { what: "request", limit });
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
