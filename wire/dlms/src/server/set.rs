//! SET, in one APDU or in blocks (Green Book, 9.3.7).

use super::Objects;
use super::incoming::{Incoming, Refusal, Target};
use super::session::{Session, UNKNOWN};
use crate::apdu::{DataBlock, InvokeId, SetRequest, SetResponse};
use crate::axdr::Data;
use crate::{AttributeDescriptor, Conformance, DataAccessResult, ExceptionResponse};

impl Session {
    /// Answers a SET request. Every one but a further block ends the transfer that was under way.
    pub(super) fn set(
        &mut self,
        request: &SetRequest<'_>,
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        let incoming = self.incoming.take();
        let blocks = self.agreed.conformance.contains(Conformance::BLOCK_SET);
        match *request {
            SetRequest::Normal { invoke, attribute, selection, value } => {
                let result = match selection {
                    Some(_) => DataAccessResult::ScopeOfAccessViolated,
                    None => write(&attribute, value, objects),
                };
                SetResponse::Normal { invoke, result }.encode(out);
            }
            SetRequest::FirstBlock { invoke, selection: Some(_), block, .. } if blocks => {
                let (result, number) = (DataAccessResult::ScopeOfAccessViolated, block.number);
                SetResponse::LastBlock { invoke, result, number }.encode(out);
            }
            SetRequest::FirstBlock { invoke, attribute, selection: None, block } if blocks => {
                let incoming = Incoming::new(Target::Attribute(attribute), invoke.id());
                self.take_value(Some(incoming), invoke, &block, objects).encode(out);
            }
            SetRequest::Block { invoke, block } if blocks => {
                self.take_value(incoming, invoke, &block, objects).encode(out);
            }
            SetRequest::FirstBlock { .. }
            | SetRequest::Block { .. }
            | SetRequest::WithList { .. }
            | SetRequest::WithListFirstBlock { .. } => {
                return Err(UNKNOWN);
            }
        }
        Ok(())
    }

    /// Takes a block of an attribute's value and, with the last one, sets the attribute.
    fn take_value(
        &mut self,
        incoming: Option<Incoming>,
        invoke: InvokeId,
        block: &DataBlock<'_>,
        objects: &mut impl Objects,
    ) -> SetResponse {
        let number = block.number;
        let taken = match incoming.map(|incoming| (incoming.target(), incoming)) {
            Some((Target::Attribute(attribute), mut incoming)) => {
                incoming.take(invoke.id(), block).map(|()| (attribute, incoming))
            }
            _ => Err(Refusal::NotInProgress),
        };
        let result = match taken {
            Ok((_, incoming)) if !block.last => {
                self.incoming = Some(incoming);
                return SetResponse::Block { invoke, number };
            }
            Ok((attribute, incoming)) => write(&attribute, &incoming.into_value(), objects),
            Err(Refusal::NotInProgress) => DataAccessResult::NoLongSetInProgress,
            Err(Refusal::OutOfTurn) => DataAccessResult::DataBlockNumberInvalid,
            Err(Refusal::TooLong) => DataAccessResult::LongSetAborted,
        };
        SetResponse::LastBlock { invoke, result, number }
    }
}

/// Sets an attribute to an encoded value.
fn write(attribute: &AttributeDescriptor, value: &[u8], objects: &mut impl Objects) -> DataAccessResult {
    let Ok(value) = Data::decode(value) else { return DataAccessResult::TypeUnmatched };
    objects.set(attribute, &value).err().unwrap_or(DataAccessResult::Success)
}
