//! Requests with logical names.

use super::association::Association;
use super::dialogue::{Awaiting, Service};
use crate::apdu::{
    AccessRequest, AccessSpecification, ActionRequest, GetRequest, LongInvokeId, ReadRequest, SetRequest,
    Variable,
};
use crate::axdr::{Data, write_length};
use crate::initiate::Conformance;
use crate::selection::Selection;
use crate::{AttributeDescriptor, Error, MethodDescriptor};

/// Octets of a SET or ACTION request in front of the value, or of its first block: tag, choice,
/// invoke-id, descriptor, and the flag of the access selection or of the parameters. The first block of an ACTION has
/// no such flag; its octet stays free.
const HEADER: usize = 3 + 9 + 1;
/// Octets that the count of a list has at most.
const COUNT: usize = 3;
/// Octets of a request with list in front of the descriptors.
const LIST_HEADER: usize = 3 + COUNT;
/// Octets of an attribute in a request with list, and the flag of its access selection.
const LISTED: usize = 9 + 1;

impl Association {
    /// Asks for an attribute, or for the part of it that `selection` names.
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter would not accept the request.
    pub fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let selection = selection.map(encoded);
        let (attribute, selection) = (*attribute, selection.as_deref());
        self.request(Awaiting::Answer(Service::Get), out, |invoke, plain| {
            GetRequest::Normal { invoke, attribute, selection }.encode(plain);
        })
    }

    /// How many whole attributes fit into one request with list.
    pub fn attributes_at_once(&self) -> usize {
        match self.window {
            Some(_) => usize::MAX,
            None => self.room().saturating_sub(LIST_HEADER) / LISTED,
        }
    }

    /// Asks for several attributes, or parts of them. The answer is a [`Reply::List`](super::Reply::List).
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter would not accept the request.
    pub fn get_list(
        &mut self,
        attributes: &[(AttributeDescriptor, Option<&Selection>)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let selections: Vec<Option<Vec<u8>>> = attributes.iter().map(|(_, part)| part.map(encoded)).collect();
        let names = attributes.iter().map(|(attribute, _)| *attribute);
        let attributes = names.zip(selections.iter().map(Option::as_deref)).collect();
        self.request(Awaiting::Answer(Service::GetList), out, |invoke, plain| {
            GetRequest::WithList { invoke, attributes }.encode(plain);
        })
    }

    /// Asks for the next block, after a [`Reply::Block`](super::Reply::Block); sends the next one, after a
    /// [`Reply::BlockTaken`](super::Reply::BlockTaken) or a [`Reply::Turn`](super::Reply::Turn).
    ///
    /// # Errors
    /// [`Error::Misuse`] when no block came last and none was taken; [`Error::CountersSpent`].
    pub fn next_block(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.next_general(out) {
            return Ok(());
        }
        let invoke = self.dialogue.invoke;
        self.scratch.clear();
        let (service, block) = match self.dialogue.awaiting {
            Awaiting::NextBlock(service, block) => (service, block),
            Awaiting::NextUpload(service) => return self.send_block(service, out),
            _ => return Err(Error::Misuse("no block has come or been taken that another one could follow")),
        };
        match service {
            Service::Action | Service::ActionList => {
                ActionRequest::NextBlock { invoke, block }.encode(&mut self.scratch);
            }
            Service::Read => {
                // It came as a number of 16 bits.
                let variables = vec![Variable::BlockNumber(block as u16)];
                ReadRequest { variables }.encode(&mut self.scratch);
            }
            _ => GetRequest::Next { invoke, block }.encode(&mut self.scratch),
        }
        self.send(out)?;
        self.dialogue.awaiting = Awaiting::Block(service, block);
        Ok(())
    }

    /// Sets an attribute. A value that does not fit into one APDU goes in blocks when the meter
    /// takes them: until it is sent, answers are [`Reply::BlockTaken`](super::Reply::BlockTaken).
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter accepts neither the whole request nor blocks.
    pub fn set(
        &mut self,
        attribute: &AttributeDescriptor,
        value: &Data,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (attribute, selection) = (*attribute, None);
        let encoded = encoded_value(Some(value));
        if self.fits(HEADER + encoded.len()) || !self.offers(Conformance::BLOCK_SET) {
            return self.request(Awaiting::Answer(Service::Set), out, |invoke, plain| {
                SetRequest::Normal { invoke, attribute, selection, value: &encoded }.encode(plain);
            });
        }
        self.upload((Service::Set, encoded), HEADER, out, |invoke, block, plain| {
            SetRequest::FirstBlock { invoke, attribute, selection, block }.encode(plain);
        })
    }

    /// Sets several attributes, in blocks like [`set`](Self::set). The answer is a [`Reply::List`](super::Reply::List).
    ///
    /// # Errors
    /// Those of [`set`](Self::set).
    pub fn set_list(
        &mut self,
        values: &[(AttributeDescriptor, &Data)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let attributes: Vec<_> = values.iter().map(|(attribute, _)| (*attribute, None)).collect();
        let encoded: Vec<Vec<u8>> = values.iter().map(|(_, value)| encoded_value(Some(value))).collect();
        let header = LIST_HEADER + attributes.len() * LISTED;
        if self.fits(header + list_length(&encoded)) || !self.offers(Conformance::BLOCK_SET) {
            let values = encoded.iter().map(Vec::as_slice).collect();
            return self.request(Awaiting::Answer(Service::SetList), out, |invoke, plain| {
                SetRequest::WithList { invoke, attributes, values }.encode(plain);
            });
        }
        self.upload((Service::SetList, list(&encoded)), header, out, |invoke, block, plain| {
            SetRequest::WithListFirstBlock { invoke, attributes, block }.encode(plain);
        })
    }

    /// Invokes a method. Parameters that do not fit into one APDU go in blocks when the meter takes
    /// them: until they are sent, answers are [`Reply::BlockTaken`](super::Reply::BlockTaken).
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter accepts neither the whole request nor blocks.
    pub fn action(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (method, has_parameters) = (*method, parameters.is_some());
        let encoded = encoded_value(parameters);
        if self.fits(HEADER + encoded.len()) || !self.offers(Conformance::BLOCK_ACTION) {
            return self.request(Awaiting::Answer(Service::Action), out, |invoke, plain| {
                let parameters = has_parameters.then_some(&encoded[..]);
                ActionRequest::Normal { invoke, method, parameters }.encode(plain);
            });
        }
        self.upload((Service::Action, encoded), HEADER, out, |invoke, block, plain| {
            ActionRequest::FirstBlock { invoke, method, block }.encode(plain);
        })
    }

    /// Invokes several methods, in blocks like [`action`](Self::action); null-data are the parameters of those without. The answer
    /// is a [`Reply::List`](super::Reply::List).
    ///
    /// # Errors
    /// Those of [`action`](Self::action).
    pub fn action_list(
        &mut self,
        calls: &[(MethodDescriptor, &Data)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let methods: Vec<_> = calls.iter().map(|(method, _)| *method).collect();
        let encoded: Vec<Vec<u8>> = calls.iter().map(|(_, value)| encoded_value(Some(value))).collect();
        let header = LIST_HEADER + methods.len() * 9;
        if self.fits(header + list_length(&encoded)) || !self.offers(Conformance::BLOCK_ACTION) {
            let parameters = encoded.iter().map(Vec::as_slice).collect();
            return self.request(Awaiting::Answer(Service::ActionList), out, |invoke, plain| {
                ActionRequest::WithList { invoke, methods, parameters }.encode(plain);
            });
        }
        self.upload((Service::ActionList, list(&encoded)), header, out, |invoke, block, plain| {
            ActionRequest::WithListFirstBlock { invoke, methods, block }.encode(plain);
        })
    }

    /// Reads, writes and invokes in one request, in this order; the data are the values to write and the parameters, null-data
    /// where there are none. The meter goes on behind what fails. The answer is a [`Reply::Access`](super::Reply::Access).
    ///
    /// # Errors
    /// [`Error::CountersSpent`]; [`Error::RequestTooLong`] when the meter would not accept the request.
    pub fn access(
        &mut self,
        specifications: &[(AccessSpecification<'_>, &Data)],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let invoke = LongInvokeId::confirmed(self.dialogue.long_invoke.id() + 1);
        let encoded: Vec<Vec<u8>> =
            specifications.iter().map(|(_, data)| encoded_value(Some(data))).collect();
        let data = encoded.iter().map(Vec::as_slice).collect();
        let specifications = specifications.iter().map(|(specification, _)| *specification).collect();
        self.request(Awaiting::Answer(Service::Access), out, |_, plain| {
            AccessRequest { invoke, time: None, specifications, data }.encode(plain);
        })?;
        self.dialogue.long_invoke = invoke;
        Ok(())
    }
}

fn encoded(selection: &Selection) -> Vec<u8> {
    let mut encoded = Vec::new();
    selection.encode(&mut encoded);
    encoded
}

fn encoded_value(value: Option<&Data>) -> Vec<u8> {
    let mut encoded = Vec::new();
    if let Some(value) = value {
        value.encode(&mut encoded);
    }
    encoded
}

/// Octets of encoded values behind their count.
fn list_length(values: &[Vec<u8>]) -> usize {
    COUNT + values.iter().map(Vec::len).sum::<usize>()
}

/// Encoded values behind their count.
fn list(values: &[Vec<u8>]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(list_length(values));
    write_length(values.len(), &mut encoded);
    values.iter().for_each(|value| encoded.extend_from_slice(value));
    encoded
}
