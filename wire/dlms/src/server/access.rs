//! ACCESS (Green Book, 9.3.5): each thing that is asked for, in its order, whatever comes of those before it.

use super::Objects;
use super::action::{call, encoded};
use super::session::{Session, UNKNOWN};
use super::set::write;
use crate::apdu::{AccessRequest, AccessResponse, AccessResult, AccessSpecification};
use crate::axdr::Data;
use crate::{ActionResult, DataAccessResult, ExceptionResponse};

/// Null-data: there is no value.
const NOTHING: [u8; 1] = [0];

impl Session {
    pub(super) fn access(
        &mut self,
        request: &AccessRequest<'_>,
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        let asked = request.specifications.iter().zip(&request.data);
        let done: Vec<(Vec<u8>, AccessResult)> = asked
            .map(|(specification, data)| match specification {
                AccessSpecification::Get(attribute, selection) => {
                    let mut value = Vec::new();
                    match self.read(attribute, *selection, objects, &mut value) {
                        Ok(()) => (value, AccessResult::Get(DataAccessResult::Success)),
                        Err(refusal) => (NOTHING.to_vec(), AccessResult::Get(refusal)),
                    }
                }
                AccessSpecification::Set(_, Some(_)) => {
                    (NOTHING.to_vec(), AccessResult::Set(DataAccessResult::ScopeOfAccessViolated))
                }
                AccessSpecification::Set(attribute, None) => {
                    (NOTHING.to_vec(), AccessResult::Set(write(attribute, data, objects)))
                }
                AccessSpecification::Action(method) => match call(method, Some(data), objects) {
                    Ok(returned) => {
                        let value = encoded(&returned.unwrap_or(Data::NullData));
                        (value, AccessResult::Action(ActionResult::Success))
                    }
                    Err(refusal) => (NOTHING.to_vec(), AccessResult::Action(refusal)),
                },
            })
            .collect();
        let start = out.len();
        AccessResponse {
            invoke: request.invoke,
            time: None,
            specifications: None,
            data: done.iter().map(|(value, _)| value.as_slice()).collect(),
            results: done.iter().map(|(_, result)| *result).collect(),
        }
        .encode(out);
        // It has no blocks of its own.
        if out.len() - start > self.room() { Err(UNKNOWN) } else { Ok(()) }
    }
}
