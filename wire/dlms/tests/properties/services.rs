//! Every APDU comes back as it was sent, and none does with its end missing.

use dlms::acse::{Aare, Aarq, ApplicationContext, Mechanism, Release, ReleaseKind};
use dlms::apdu::{
    ActionRequest, ActionResponse, ActionReturn, DataBlock, DataNotification, EventNotification, GetRequest,
    GetResponse, InvokeId, LongInvokeId, SetRequest, SetResponse,
};
use dlms::initiate::{Conformance, InitiateRequest, InitiateResponse};
use dlms::{
    AttributeDescriptor, ConfirmedServiceError, DataAccessResult, DateTime, Diagnostic, Error,
    ExceptionResponse, MethodDescriptor, ServiceError,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::apdu::Apdu;
use crate::values::{encoded, encoded_selection, obis};

type Outcome = Result<Vec<u8>, DataAccessResult>;

/// Decoding what `apdu` encodes gives `apdu`; one octet more or any octets less give an error.
pub(crate) fn check(apdu: &Apdu<'_>) -> Result<(), TestCaseError> {
    let octets = apdu.encode();
    let decoded = Apdu::decode(&octets);
    prop_assert_eq!(decoded.as_ref(), Ok(apdu));
    for end in 0..octets.len() {
        prop_assert!(Apdu::is_cut(&octets[..end]), "cut at {}: {:?}", end, Apdu::decode(&octets[..end]));
    }
    let longer = [octets.as_slice(), &[0]].concat();
    prop_assert_eq!(Apdu::decode(&longer), Err(Error::Trailing { left: 1 }));
    Ok(())
}

fn invoke() -> impl Strategy<Value = InvokeId> {
    any::<u8>().prop_map(InvokeId::new)
}

pub(crate) fn attribute() -> impl Strategy<Value = AttributeDescriptor> {
    (any::<u16>(), obis(), any::<i8>()).prop_map(|(class_id, instance, attribute)| AttributeDescriptor {
        class_id,
        instance,
        attribute,
    })
}

pub(crate) fn method() -> impl Strategy<Value = MethodDescriptor> {
    (any::<u16>(), obis(), any::<i8>()).prop_map(|(class_id, instance, method)| MethodDescriptor {
        class_id,
        instance,
        method,
    })
}

fn attributes() -> impl Strategy<Value = Vec<(AttributeDescriptor, Option<Vec<u8>>)>> {
    vec((attribute(), option::of(encoded_selection())), 0..4)
}

fn borrowed(all: &[(AttributeDescriptor, Option<Vec<u8>>)]) -> Vec<(AttributeDescriptor, Option<&[u8]>)> {
    all.iter().map(|(attribute, selection)| (*attribute, selection.as_deref())).collect()
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![encoded().prop_map(Ok), any::<u8>().prop_map(|code| Err(code.into()))]
}

fn borrow(outcome: &Outcome) -> Result<&[u8], DataAccessResult> {
    outcome.as_deref().map_err(|result| *result)
}

pub(crate) fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn context() -> impl Strategy<Value = ApplicationContext> {
    prop_oneof![
        Just(ApplicationContext::LogicalNames),
        Just(ApplicationContext::ShortNames),
        Just(ApplicationContext::LogicalNamesCiphered),
        Just(ApplicationContext::ShortNamesCiphered),
        (5_u8..).prop_map(ApplicationContext::Other),
    ]
}

fn mechanism() -> impl Strategy<Value = Mechanism> {
    prop_oneof![
        Just(Mechanism::Lowest),
        Just(Mechanism::Low),
        Just(Mechanism::Manufacturer),
        Just(Mechanism::Md5),
        Just(Mechanism::Sha1),
        Just(Mechanism::Gmac),
        Just(Mechanism::Sha256),
        Just(Mechanism::Ecdsa),
        (8_u8..).prop_map(Mechanism::Other),
    ]
}

fn conformance() -> impl Strategy<Value = Conformance> {
    any::<[u8; 3]>().prop_map(Conformance::new)
}

proptest! {
    #[test]
    fn get_requests(id in invoke(), attribute in attribute(), selection in option::of(encoded_selection()), block in any::<u32>(), all in attributes()) {
        check(&Apdu::GetRequest(GetRequest::Normal { invoke: id, attribute, selection: selection.as_deref() }))?;
        check(&Apdu::GetRequest(GetRequest::Next { invoke: id, block }))?;
        check(&Apdu::GetRequest(GetRequest::WithList { invoke: id, attributes: borrowed(&all) }))?;
    }

    #[test]
    fn get_responses(id in invoke(), one in outcome(), piece in octets(), last in any::<bool>(), number in any::<u32>(), code in any::<u8>(), all in vec(outcome(), 0..4)) {
        check(&Apdu::GetResponse(GetResponse::Normal { invoke: id, result: borrow(&one) }))?;
        for result in [Ok(piece.as_slice()), Err(code.into())] {
            check(&Apdu::GetResponse(GetResponse::Block { invoke: id, last, number, result }))?;
        }
        check(&Apdu::GetResponse(GetResponse::WithList { invoke: id, results: all.iter().map(borrow).collect() }))?;
    }

    #[test]
    fn set_requests(
        id in invoke(), attribute in attribute(), selection in option::of(encoded_selection()), value in encoded(),
        last in any::<bool>(), number in any::<u32>(), piece in octets(), all in attributes(), values in vec(encoded(), 0..4),
    ) {
        let selection = selection.as_deref();
        let block = DataBlock { last, number, octets: &piece };
        check(&Apdu::SetRequest(SetRequest::Normal { invoke: id, attribute, selection, value: &value }))?;
        check(&Apdu::SetRequest(SetRequest::FirstBlock { invoke: id, attribute, selection, block }))?;
        check(&Apdu::SetRequest(SetRequest::Block { invoke: id, block }))?;
        let values = values.iter().map(Vec::as_slice).collect();
        check(&Apdu::SetRequest(SetRequest::WithList { invoke: id, attributes: borrowed(&all), values }))?;
        check(&Apdu::SetRequest(SetRequest::WithListFirstBlock { invoke: id, attributes: borrowed(&all), block }))?;
    }

    #[test]
    fn set_responses(id in invoke(), code in any::<u8>(), number in any::<u32>(), codes in octets()) {
        check(&Apdu::SetResponse(SetResponse::Normal { invoke: id, result: code.into() }))?;
        check(&Apdu::SetResponse(SetResponse::Block { invoke: id, number }))?;
        check(&Apdu::SetResponse(SetResponse::LastBlock { invoke: id, result: code.into(), number }))?;
        let results: Vec<DataAccessResult> = codes.into_iter().map(Into::into).collect();
        check(&Apdu::SetResponse(SetResponse::LastBlockWithList { invoke: id, results: results.clone(), number }))?;
        check(&Apdu::SetResponse(SetResponse::WithList { invoke: id, results }))?;
    }

    #[test]
    fn action_requests(
        id in invoke(), method in method(), parameters in option::of(encoded()), last in any::<bool>(), number in any::<u32>(),
        piece in octets(), methods in vec(method(), 0..4), values in vec(encoded(), 0..4),
    ) {
        let block = DataBlock { last, number, octets: &piece };
        check(&Apdu::ActionRequest(ActionRequest::Normal { invoke: id, method, parameters: parameters.as_deref() }))?;
        check(&Apdu::ActionRequest(ActionRequest::NextBlock { invoke: id, block: number }))?;
        let parameters = values.iter().map(Vec::as_slice).collect();
        check(&Apdu::ActionRequest(ActionRequest::WithList { invoke: id, methods: methods.clone(), parameters }))?;
        check(&Apdu::ActionRequest(ActionRequest::FirstBlock { invoke: id, method, block }))?;
        check(&Apdu::ActionRequest(ActionRequest::WithListFirstBlock { invoke: id, methods, block }))?;
        check(&Apdu::ActionRequest(ActionRequest::Block { invoke: id, block }))?;
    }

    #[test]
    fn action_responses(
        id in invoke(), all in vec((any::<u8>(), option::of(outcome())), 1..4), last in any::<bool>(), number in any::<u32>(),
        piece in octets(),
    ) {
        let all: Vec<ActionReturn<'_>> = all
            .iter()
            .map(|(code, returned)| ActionReturn { result: (*code).into(), returned: returned.as_ref().map(borrow) })
            .collect();
        check(&Apdu::ActionResponse(ActionResponse::Normal { invoke: id, returned: all[0] }))?;
        check(&Apdu::ActionResponse(ActionResponse::Block { invoke: id, block: DataBlock { last, number, octets: &piece } }))?;
        check(&Apdu::ActionResponse(ActionResponse::WithList { invoke: id, returned: all }))?;
        check(&Apdu::ActionResponse(ActionResponse::NextBlock { invoke: id, block: number }))?;
    }

    #[test]
    fn notifications(number in any::<u32>(), time in option::of(any::<[u8; 12]>()), attribute in attribute(), value in encoded()) {
        let time = time.map(DateTime::new);
        let invoke = LongInvokeId::new(number);
        check(&Apdu::DataNotification(DataNotification { invoke, time, body: &value }))?;
        check(&Apdu::EventNotification(EventNotification { time, attribute, value: &value }))?;
    }

    #[test]
    fn exceptions(state in any::<u8>(), service in any::<u8>(), counter in any::<u32>()) {
        for service in [service.into(), ServiceError::InvocationCounterError] {
            let expected_counter = (service == ServiceError::InvocationCounterError).then_some(counter);
            check(&Apdu::Exception(ExceptionResponse { state: state.into(), service, expected_counter }))?;
        }
    }

    #[test]
    fn association_requests(
        context in context(), title in option::of(octets()), requirements in any::<bool>(), mechanism in option::of(mechanism()),
        authentication in option::of(octets()), user_information in octets(), versions in option::of(octets()),
        qualifier in option::of(octets()), calling_user in option::of(any::<u8>()),
    ) {
        check(&Apdu::Aarq(Aarq {
            protocol_version: versions.as_deref(), calling_title: title.as_deref(), calling_qualifier: qualifier.as_deref(),
            calling_user, requirements, mechanism, authentication: authentication.as_deref(),
            ..Aarq::new(context, &user_information)
        }))?;
    }

    #[test]
    fn association_responses(
        context in context(), result in any::<u8>(), provider in any::<bool>(), code in any::<u8>(), title in option::of(octets()),
        requirements in any::<bool>(), mechanism in option::of(mechanism()), authentication in option::of(octets()),
        user_information in option::of(octets()), qualifier in option::of(octets()),
    ) {
        check(&Apdu::Aare(Aare {
            context, result: result.into(),
            diagnostic: if provider { Diagnostic::Provider(code) } else { Diagnostic::User(code) },
            responding_title: title.as_deref(), responding_qualifier: qualifier.as_deref(), requirements, mechanism,
            authentication: authentication.as_deref(), user_information: user_information.as_deref(),
        }))?;
    }

    #[test]
    fn releases(reason in option::of(any::<u8>()), user_information in option::of(octets())) {
        let release = Release { reason, user_information: user_information.as_deref() };
        check(&Apdu::Rlrq(release.clone()))?;
        check(&Apdu::Rlre(release.clone()))?;
        let mut request = Vec::new();
        release.encode(ReleaseKind::Request, &mut request);
        prop_assert!(Release::decode(ReleaseKind::Response, &request).is_err());
    }

    #[test]
    fn initiations(
        dedicated_key in option::of(octets()), response_allowed in any::<bool>(), quality_of_service in option::of(any::<u8>()),
        dlms_version in any::<u8>(), conformance in conformance(), max_receive_pdu in any::<u16>(), vaa_name in any::<u16>(),
    ) {
        check(&Apdu::InitiateRequest(InitiateRequest {
            dedicated_key: dedicated_key.map(Into::into), response_allowed, quality_of_service, dlms_version, conformance, max_receive_pdu,
        }))?;
        check(&Apdu::InitiateResponse(InitiateResponse {
            quality_of_service, dlms_version, conformance, max_receive_pdu, vaa_name,
        }))?;
    }

    #[test]
    fn refusals_of_the_initiation(service in any::<u8>(), class in any::<u8>(), error in any::<u8>()) {
        let refusal = ConfirmedServiceError { service, class, error };
        let mut octets = Vec::new();
        refusal.encode(&mut octets);
        prop_assert_eq!(InitiateResponse::decode(&octets), Err(Error::Confirmed(refusal)));
        for end in 0..octets.len() {
            prop_assert_eq!(InitiateResponse::decode(&octets[..end]), Err(Error::Truncated));
        }
    }

    #[test]
    fn services_offered(one in conformance(), other in conformance()) {
        prop_assert_eq!(one.names().count() as u32, one.octets().iter().map(|octet| octet.count_ones()).sum::<u32>());
        let both = one.intersection(other);
        prop_assert!(one.contains(both) && other.contains(both));
        for name in Conformance::NAMES {
            let offered = |conformance: Conformance| conformance.names().any(|offered| offered == name);
            prop_assert_eq!(offered(both), offered(one) && offered(other));
        }
    }
}
