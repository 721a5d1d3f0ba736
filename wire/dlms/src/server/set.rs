//! SET, in one APDU or in blocks (Green Book, 9.3.7).

use super::Objects;
use super::incoming::{Incoming, Refusal, Target, values};
use super::session::{Session, UNKNOWN};
use crate::apdu::get::Selected;
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
        let lists = self.agreed.conformance.contains(Conformance::MULTIPLE_REFERENCES);
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
            SetRequest::WithList { invoke, ref attributes, ref values } if lists => {
                let results = write_list(attributes, values, objects);
                SetResponse::WithList { invoke, results }.encode(out);
            }
            SetRequest::WithListFirstBlock { invoke, ref attributes, block } if lists && blocks => {
                let attributes = attributes.iter().map(|(attribute, _)| *attribute).collect();
                let incoming = Incoming::new(Target::Attributes(attributes), invoke.id());
                self.take_value(Some(incoming), invoke, &block, objects).encode(out);
            }
            _ => return Err(UNKNOWN),
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
        let taken = match incoming {
            Some(mut incoming) if incoming.is_for_attributes() => {
                incoming.take(invoke.id(), block).map(|()| incoming)
            }
            _ => Err(Refusal::NotInProgress),
        };
        let result = match taken {
            Ok(incoming) if !block.last => {
                self.incoming = Some(incoming);
                return SetResponse::Block { invoke, number };
            }
            Ok(incoming) => match incoming.into_parts() {
                (Target::Attributes(attributes), octets) => {
                    let attributes: Vec<Selected<'_>> =
                        attributes.into_iter().map(|name| (name, None)).collect();
                    let results = match values(&octets, attributes.len()) {
                        Some(values) => write_list(&attributes, &values, objects),
                        None => vec![DataAccessResult::TypeUnmatched; attributes.len()],
                    };
                    return SetResponse::LastBlockWithList { invoke, results, number };
                }
                (Target::Attribute(attribute), value) => write(&attribute, &value, objects),
                _ => DataAccessResult::NoLongSetInProgress,
            },
            Err(Refusal::NotInProgress) => DataAccessResult::NoLongSetInProgress,
            Err(Refusal::OutOfTurn) => DataAccessResult::DataBlockNumberInvalid,
            Err(Refusal::TooLong) => DataAccessResult::LongSetAborted,
        };
        SetResponse::LastBlock { invoke, result, number }
    }
}

/// Sets attributes one after the other; parts of attributes cannot be set.
fn write_list(
    attributes: &[Selected<'_>],
    values: &[&[u8]],
    objects: &mut impl Objects,
) -> Vec<DataAccessResult> {
    if values.len() != attributes.len() {
        return vec![DataAccessResult::TypeUnmatched; attributes.len()];
    }
    let each = attributes.iter().zip(values).map(|((attribute, selection), value)| match selection {
        Some(_) => DataAccessResult::ScopeOfAccessViolated,
        None => write(attribute, value, objects),
    });
    each.collect()
}

/// Sets an attribute to an encoded value.
pub(super) fn write(
    attribute: &AttributeDescriptor,
    value: &[u8],
    objects: &mut impl Objects,
) -> DataAccessResult {
    let Ok(value) = Data::decode(value) else { return DataAccessResult::TypeUnmatched };
    objects.set(attribute, &value).err().unwrap_or(DataAccessResult::Success)
}
