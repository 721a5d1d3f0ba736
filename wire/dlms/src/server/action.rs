//! ACTION, parameters and answer in one APDU or in blocks (Green Book, 9.3.8).

use super::Objects;
use super::incoming::{Incoming, Refusal, Target, values};
use super::opening::BLOCK_HEADER;
use super::services::{HEADER, LIST_HEADER};
use super::session::{Session, UNKNOWN};
use super::transfer::{Sending, Transfer};
use crate::apdu::{ActionRequest, ActionResponse, ActionReturn, DataBlock, InvokeId};
use crate::axdr::Data;
use crate::{ActionResult, Conformance, DataAccessResult, ExceptionResponse, MethodDescriptor};

impl Session {
    /// Answers an ACTION request. Every one but a further block ends the transfer that was under way.
    pub(super) fn action(
        &mut self,
        request: &ActionRequest<'_>,
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        let incoming = self.incoming.take();
        let blocks = self.agreed.conformance.contains(Conformance::BLOCK_ACTION);
        let lists = self.agreed.conformance.contains(Conformance::MULTIPLE_REFERENCES);
        match *request {
            ActionRequest::Normal { invoke, method, parameters } => {
                self.abort_transfer();
                self.invoke_method(invoke, &method, parameters, objects, out);
            }
            ActionRequest::FirstBlock { invoke, method, block } if blocks => {
                self.abort_transfer();
                let incoming = Incoming::new(Target::Method(method), invoke.id());
                self.take_parameters(Some(incoming), invoke, &block, objects, out);
            }
            ActionRequest::Block { invoke, block } if blocks => {
                self.abort_transfer();
                self.take_parameters(incoming, invoke, &block, objects, out);
            }
            ActionRequest::NextBlock { invoke, block } if blocks => {
                let refusal = match self.continues(Sending::Returned, invoke, block) {
                    None => ActionResult::NoLongActionInProgress,
                    Some(true) => {
                        self.send_returned(invoke, out);
                        return Ok(());
                    }
                    Some(false) => ActionResult::LongActionAborted,
                };
                self.abort_transfer();
                refuse(invoke, refusal, out);
            }
            ActionRequest::WithList { invoke, ref methods, ref parameters } if lists => {
                self.abort_transfer();
                self.invoke_list(invoke, methods, parameters, objects, out);
            }
            ActionRequest::WithListFirstBlock { invoke, ref methods, block } if lists && blocks => {
                self.abort_transfer();
                let incoming = Incoming::new(Target::Methods(methods.clone()), invoke.id());
                self.take_parameters(Some(incoming), invoke, &block, objects, out);
            }
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }

    /// Takes a block of a method's parameters and, with the last one, invokes the method.
    fn take_parameters(
        &mut self,
        incoming: Option<Incoming>,
        invoke: InvokeId,
        block: &DataBlock<'_>,
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) {
        let taken = match incoming {
            Some(mut incoming) if !incoming.is_for_attributes() => {
                incoming.take(invoke.id(), block).map(|()| incoming)
            }
            _ => Err(Refusal::NotInProgress),
        };
        match taken {
            Ok(incoming) if !block.last => {
                self.incoming = Some(incoming);
                ActionResponse::NextBlock { invoke, block: block.number }.encode(out);
            }
            Ok(incoming) => match incoming.into_parts() {
                (Target::Method(method), octets) => {
                    self.invoke_method(invoke, &method, Some(&octets), objects, out);
                }
                (Target::Methods(methods), octets) => match values(&octets, methods.len()) {
                    Some(parameters) => self.invoke_list(invoke, &methods, &parameters, objects, out),
                    None => refuse(invoke, ActionResult::TypeUnmatched, out),
                },
                _ => refuse(invoke, ActionResult::NoLongActionInProgress, out),
            },
            Err(Refusal::NotInProgress) => refuse(invoke, ActionResult::NoLongActionInProgress, out),
            Err(Refusal::OutOfTurn | Refusal::TooLong) => {
                refuse(invoke, ActionResult::LongActionAborted, out);
            }
        }
    }

    /// Invokes a method and answers with what it returned, or with its first block.
    fn invoke_method(
        &mut self,
        invoke: InvokeId,
        method: &MethodDescriptor,
        parameters: Option<&[u8]>,
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) {
        let result = ActionResult::Success;
        let data = match call(method, parameters, objects) {
            Ok(Some(data)) => data,
            Ok(None) => {
                let returned = ActionReturn { result, returned: None };
                return ActionResponse::Normal { invoke, returned }.encode(out);
            }
            Err(result) => return refuse(invoke, result, out),
        };
        let mut encoded = std::mem::take(&mut self.value);
        encoded.clear();
        data.encode(&mut encoded);
        if HEADER + encoded.len() <= self.room() {
            let returned = ActionReturn { result, returned: Some(Ok(&encoded)) };
            ActionResponse::Normal { invoke, returned }.encode(out);
            self.value = encoded;
        } else if self.agreed.conformance.contains(Conformance::BLOCK_ACTION) {
            self.transfer = Some(Transfer::new(Sending::Returned, encoded, invoke.id()));
            self.send_returned(invoke, out);
        } else {
            // The method has been invoked all the same.
            let returned = ActionReturn { result, returned: Some(Err(DataAccessResult::OtherReason)) };
            ActionResponse::Normal { invoke, returned }.encode(out);
            self.value = encoded;
        }
    }

    /// Invokes methods one after the other and answers with what they returned, or with its first block.
    fn invoke_list(
        &mut self,
        invoke: InvokeId,
        methods: &[MethodDescriptor],
        parameters: &[&[u8]],
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) {
        if parameters.len() != methods.len() {
            return refuse(invoke, ActionResult::TypeUnmatched, out);
        }
        let each = methods.iter().zip(parameters);
        let done: Vec<(ActionResult, Option<Vec<u8>>)> = each
            .map(|(method, parameters)| match call(method, Some(parameters), objects) {
                Ok(returned) => (ActionResult::Success, returned.map(|data| encoded(&data))),
                Err(refusal) => (refusal, None),
            })
            .collect();
        let returned = |with_values: bool| {
            let each = done.iter().map(|(result, value)| ActionReturn {
                result: *result,
                returned: value.as_deref().filter(|_| with_values).map(Ok),
            });
            each.collect()
        };
        let mut answer = Vec::new();
        ActionResponse::WithList { invoke, returned: returned(true) }.encode(&mut answer);
        if answer.len() <= self.room() {
            out.extend_from_slice(&answer);
        } else if !self.agreed.conformance.contains(Conformance::BLOCK_ACTION) {
            // The methods have been invoked all the same.
            ActionResponse::WithList { invoke, returned: returned(false) }.encode(out);
        } else {
            let list = answer.split_off(LIST_HEADER);
            self.transfer = Some(Transfer::new(Sending::Returned, list, invoke.id()));
            self.send_returned(invoke, out);
        }
    }

    fn send_returned(&mut self, invoke: InvokeId, out: &mut Vec<u8>) {
        let room = self.room().saturating_sub(BLOCK_HEADER);
        let Some(transfer) = &mut self.transfer else { return };
        let block = transfer.next(room);
        let last = block.last;
        ActionResponse::Block { invoke, block }.encode(out);
        if last {
            self.abort_transfer();
        }
    }
}

fn refuse(invoke: InvokeId, result: ActionResult, out: &mut Vec<u8>) {
    let returned = ActionReturn { result, returned: None };
    ActionResponse::Normal { invoke, returned }.encode(out);
}

pub(super) fn call(
    method: &MethodDescriptor,
    parameters: Option<&[u8]>,
    objects: &mut impl Objects,
) -> Result<Option<Data>, ActionResult> {
    let parameters = parameters.map(Data::decode).transpose().map_err(|_| ActionResult::TypeUnmatched)?;
    objects.action(method, parameters.as_ref())
}

pub(super) fn encoded(data: &Data) -> Vec<u8> {
    let mut encoded = Vec::new();
    data.encode(&mut encoded);
    encoded
}
