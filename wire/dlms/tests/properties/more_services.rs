//! The same for ACCESS, general block transfer and the services with short names.

use dlms::apdu::{
    AccessRequest, AccessResponse, AccessResult, AccessSpecification, GeneralBlock, InformationReport,
    LIST_MAX, LongInvokeId, ReadRequest, ReadResponse, ReadResult, ShortBlock, Variable, WriteRequest,
    WriteResponse, WriteResult,
};
use dlms::{DateTime, Error};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::apdu::Apdu;
use crate::services::{attribute, check, method, octets};
use crate::values::{encoded, encoded_selection};

/// What an ACCESS request asks for, with the value that goes with it; owned.
#[derive(Clone, Debug)]
struct Asked {
    kind: u8,
    attribute: dlms::AttributeDescriptor,
    method: dlms::MethodDescriptor,
    selection: Option<Vec<u8>>,
    value: Vec<u8>,
    code: u8,
}

fn asked() -> impl Strategy<Value = Asked> {
    (0_u8..3, attribute(), method(), option::of(encoded_selection()), encoded(), any::<u8>()).prop_map(
        |(kind, attribute, method, selection, value, code)| Asked {
            kind,
            attribute,
            method,
            selection,
            value,
            code,
        },
    )
}

impl Asked {
    fn specification(&self) -> AccessSpecification<'_> {
        match self.kind {
            0 => AccessSpecification::Get(self.attribute, self.selection.as_deref()),
            1 => AccessSpecification::Set(self.attribute, self.selection.as_deref()),
            _ => AccessSpecification::Action(self.method),
        }
    }

    fn result(&self) -> AccessResult {
        match self.kind {
            0 => AccessResult::Get(self.code.into()),
            1 => AccessResult::Set(self.code.into()),
            _ => AccessResult::Action(self.code.into()),
        }
    }

    /// As a variable with a short name.
    fn variable(&self) -> Variable<'_> {
        let (name, number) = (self.attribute.class_id, self.method.class_id);
        let last = self.selection.is_some();
        match self.code % 5 {
            0 => Variable::Name(name),
            1 => Variable::Parameterised { name, selector: self.kind, parameters: &self.value },
            2 => Variable::BlockNumber(name),
            3 => Variable::ReadBlock(ShortBlock { last, number, octets: &self.value }),
            _ => Variable::WriteBlock { last, number },
        }
    }

    fn read(&self) -> ReadResult<'_> {
        let number = self.method.class_id;
        match self.code % 4 {
            0 => ReadResult::Data(&self.value),
            1 => ReadResult::Error(self.kind.into()),
            2 => {
                ReadResult::Block(ShortBlock { last: self.selection.is_some(), number, octets: &self.value })
            }
            _ => ReadResult::Taken(number),
        }
    }

    fn written(&self) -> WriteResult {
        match self.kind {
            0 => WriteResult::Written,
            1 => WriteResult::Error(self.code.into()),
            _ => WriteResult::Taken(self.method.class_id),
        }
    }
}

proptest! {
    #[test]
    fn access(number in any::<u32>(), time in option::of(any::<[u8; 12]>()), all in vec(asked(), 0..4), repeats in any::<bool>()) {
        let (invoke, time) = (LongInvokeId::new(number), time.map(DateTime::new));
        let specifications: Vec<AccessSpecification<'_>> = all.iter().map(Asked::specification).collect();
        let data: Vec<&[u8]> = all.iter().map(|asked| asked.value.as_slice()).collect();
        check(&Apdu::AccessRequest(AccessRequest { invoke, time, specifications: specifications.clone(), data: data.clone() }))?;
        let results = all.iter().map(Asked::result).collect();
        check(&Apdu::AccessResponse(AccessResponse { invoke, time, specifications: repeats.then_some(specifications), data, results }))?;
    }

    #[test]
    fn general_blocks(last in any::<bool>(), streaming in any::<bool>(), window in 0_u8..64, number in any::<u16>(), acknowledged in any::<u16>(), piece in octets()) {
        check(&Apdu::GeneralBlock(GeneralBlock { last, streaming, window, number, acknowledged, octets: &piece }))?;
    }

    #[test]
    fn short_names(all in vec(asked(), 0..4), confirmed in any::<bool>(), time in option::of(octets())) {
        let variables: Vec<Variable<'_>> = all.iter().map(Asked::variable).collect();
        let data: Vec<&[u8]> = all.iter().map(|asked| asked.value.as_slice()).collect();
        check(&Apdu::ReadRequest(ReadRequest { variables: variables.clone() }))?;
        check(&Apdu::ReadResponse(ReadResponse { results: all.iter().map(Asked::read).collect() }))?;
        check(&Apdu::WriteRequest(WriteRequest { confirmed, variables: variables.clone(), data: data.clone() }))?;
        check(&Apdu::WriteResponse(WriteResponse { results: all.iter().map(Asked::written).collect() }))?;
        check(&Apdu::InformationReport(InformationReport { time: time.as_deref(), variables, data }))?;
    }
}

#[test]
fn as_many_data_belong_to_a_request_as_it_has_specifications() {
    let two_data = [0xD9, 0, 0, 0, 1, 0, 1, 3, 0, 8, 0, 0, 1, 0, 0, 255, 1, 2, 0, 0];
    let length = Error::Length { what: "data of an ACCESS request", expected: 1, got: 2 };
    assert_eq!(AccessRequest::decode(&two_data), Err(length));
    let no_data = [0xDA, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0];
    let length = Error::Length { what: "data of an ACCESS response", expected: 1, got: 0 };
    assert_eq!(AccessResponse::decode(&no_data), Err(length));
    let no_value = [6, 1, 2, 0xFA, 8, 0];
    let length = Error::Length { what: "data of a list of variables", expected: 1, got: 0 };
    assert_eq!(WriteRequest::decode(&no_value), Err(length));
}

#[test]
fn a_list_has_a_limit() {
    for (count, expected) in
        [(LIST_MAX, Ok(LIST_MAX)), (LIST_MAX + 1, Err(Error::TooLong { what: "list", limit: LIST_MAX }))]
    {
        let [high, low] = (count as u16).to_be_bytes();
        let mut response = vec![0x0D, 0x82, high, low];
        response.resize(4 + count, 0);
        assert_eq!(WriteResponse::decode(&response).map(|response| response.results.len()), expected);
    }
}
