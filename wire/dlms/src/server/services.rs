//! Which service a request asks for, and GET (Green Book, 9.3.6).

use super::Objects;
use super::incoming::VALUE_MAX;
use super::opening::BLOCK_HEADER;
use super::session::{Agreed, MALFORMED, NOT_POSSIBLE, Session, Stage, UNKNOWN};
use super::transfer::{Sending, Transfer};
use crate::apdu::get::Selected;
use crate::apdu::{AccessRequest, ActionRequest, GetRequest, GetResponse, InvokeId, SetRequest, tag};
use crate::axdr::Reader;
use crate::security::Envelope;
use crate::selection::Selection;
use crate::{AttributeDescriptor, Conformance, DataAccessResult, Error, ExceptionResponse};

/// Octets of a GET or ACTION response in front of the value.
pub(super) const HEADER: usize = 6;
/// Octets of a response with list in front of the list.
pub(super) const LIST_HEADER: usize = 3;

impl Session {
    /// Appends the answer to a plain request to `out`.
    pub(super) fn serve(
        &mut self,
        request: &[u8],
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        let tag = *request.first().ok_or(NOT_POSSIBLE)?;
        if let Stage::Proving { .. } = self.stage {
            return self.prove(request, out);
        }
        let Agreed { conformance, .. } = self.agreed;
        match tag {
            tag::GET_REQUEST if conformance.contains(Conformance::GET) => {
                let request = GetRequest::decode(request).map_err(|_| MALFORMED)?;
                self.incoming = None;
                self.get(&request, objects, out)
            }
            tag::SET_REQUEST if conformance.contains(Conformance::SET) => {
                self.abort_transfer();
                self.set(&SetRequest::decode(request).map_err(|_| MALFORMED)?, objects, out)
            }
            tag::ACCESS_REQUEST if conformance.contains(Conformance::ACCESS) => {
                self.abort_transfer();
                self.incoming = None;
                self.access(&AccessRequest::decode(request).map_err(|_| MALFORMED)?, objects, out)
            }
            tag::ACTION_REQUEST if conformance.contains(Conformance::ACTION) => {
                self.action(&ActionRequest::decode(request).map_err(|_| MALFORMED)?, objects, out)
            }
            _ => Err(UNKNOWN),
        }
    }

    /// Longest APDU that the client accepts. The wrapper cannot carry a longer one either.
    pub(super) fn limit(&self) -> usize {
        usize::from(if self.agreed.max_pdu == 0 { u16::MAX } else { self.agreed.max_pdu })
    }

    /// Longest plain APDU that the client accepts.
    pub(super) fn room(&self) -> usize {
        if self.is_general {
            return VALUE_MAX;
        }
        let overhead = if self.is_ciphered() { Envelope::OVERHEAD } else { 0 };
        self.limit().saturating_sub(overhead)
    }

    fn get(
        &mut self,
        request: &GetRequest<'_>,
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        match *request {
            GetRequest::Normal { invoke, attribute, selection } => {
                self.abort_transfer();
                let mut value = std::mem::take(&mut self.value);
                value.clear();
                match self.read(&attribute, selection, objects, &mut value) {
                    Ok(()) if HEADER + value.len() > self.room() => {
                        self.send_in_blocks(value, invoke, out);
                        return Ok(());
                    }
                    Ok(()) => GetResponse::Normal { invoke, result: Ok(&value) }.encode(out),
                    Err(refusal) => GetResponse::Normal { invoke, result: Err(refusal) }.encode(out),
                }
                self.value = value;
                Ok(())
            }
            GetRequest::Next { invoke, block } => {
                let refusal = match self.continues(Sending::Value, invoke, block) {
                    None => DataAccessResult::NoLongGetInProgress,
                    Some(true) => {
                        self.send_block(invoke, out);
                        return Ok(());
                    }
                    Some(false) => DataAccessResult::DataBlockNumberInvalid,
                };
                self.abort_transfer();
                GetResponse::Block { invoke, last: true, number: block, result: Err(refusal) }.encode(out);
                Ok(())
            }
            GetRequest::WithList { invoke, ref attributes } => {
                self.abort_transfer();
                self.get_list(invoke, attributes, objects, out)
            }
        }
    }

    fn get_list(
        &mut self,
        invoke: InvokeId,
        attributes: &[Selected<'_>],
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        if !self.agreed.conformance.contains(Conformance::MULTIPLE_REFERENCES) {
            return Err(UNKNOWN);
        }
        let values: Vec<Result<Vec<u8>, DataAccessResult>> = attributes
            .iter()
            .map(|(attribute, selection)| {
                let mut value = Vec::new();
                self.read(attribute, *selection, objects, &mut value).map(|()| value)
            })
            .collect();
        let results = values.iter().map(|value| value.as_deref().map_err(|refusal| *refusal)).collect();
        let mut answer = Vec::new();
        GetResponse::WithList { invoke, results }.encode(&mut answer);
        if answer.len() <= self.room() {
            out.extend_from_slice(&answer);
        } else if self.agreed.conformance.contains(Conformance::BLOCK_GET) {
            self.send_in_blocks(answer.split_off(LIST_HEADER), invoke, out);
        } else {
            let refusal = DataAccessResult::OtherReason;
            GetResponse::Normal { invoke, result: Err(refusal) }.encode(out);
        }
        Ok(())
    }

    pub(super) fn read(
        &self,
        attribute: &AttributeDescriptor,
        selection: Option<&[u8]>,
        objects: &mut impl Objects,
        value: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        let conformance = self.agreed.conformance;
        if selection.is_some() && !conformance.contains(Conformance::SELECTIVE_ACCESS) {
            return Err(DataAccessResult::ScopeOfAccessViolated);
        }
        let selection = selection
            .map(|octets| parse(attribute.class_id, octets))
            .transpose()
            .map_err(|_| DataAccessResult::TypeUnmatched)?;
        objects.get(attribute, selection.as_ref(), value)?;
        if HEADER + value.len() > self.room() && !conformance.contains(Conformance::BLOCK_GET) {
            return Err(DataAccessResult::OtherReason);
        }
        Ok(())
    }

    /// Sends a value, or a list of results, in blocks.
    fn send_in_blocks(&mut self, value: Vec<u8>, invoke: InvokeId, out: &mut Vec<u8>) {
        self.transfer = Some(Transfer::new(Sending::Value, value, invoke.id()));
        self.send_block(invoke, out);
    }

    fn send_block(&mut self, invoke: InvokeId, out: &mut Vec<u8>) {
        let room = self.room().saturating_sub(BLOCK_HEADER);
        let Some(transfer) = &mut self.transfer else { return };
        let block = transfer.next(room);
        let last = block.last;
        GetResponse::Block { invoke, last, number: block.number, result: Ok(block.octets) }.encode(out);
        if last {
            self.abort_transfer();
        }
    }

    /// Whether a client that received block `number` of `what` under this invoke-id may have the next one; `None` when
    /// nothing of the kind is under way.
    pub(super) fn continues(&self, what: Sending, invoke: InvokeId, number: u32) -> Option<bool> {
        let transfer = self.transfer.as_ref().filter(|transfer| transfer.sending() == what)?;
        Some(transfer.continues(invoke.id(), number))
    }

    /// Ends a transfer and keeps its memory for the next value.
    pub(super) fn abort_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            self.value = transfer.into_buffer();
        }
    }
}

fn parse(class_id: u16, selection: &[u8]) -> Result<Selection, Error> {
    let mut reader = Reader::new(selection);
    let selection = Selection::read(class_id, &mut reader)?;
    reader.finish()?;
    Ok(selection)
}
