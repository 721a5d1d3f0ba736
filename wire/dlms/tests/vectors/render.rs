//! Our types in the words of `dlms.json`.

use dlms::acse::{Aare, Aarq, ApplicationContext, Mechanism, Release};
use dlms::apdu::{
    AccessRequest, AccessResponse, AccessResult, AccessSpecification, ActionRequest, ActionResponse,
    ActionReturn, DataBlock, DataNotification, EventNotification, GeneralBlock, GetRequest, GetResponse,
    InvokeId, LongInvokeId, ReadResult, SetRequest, SetResponse, Variable,
};
use dlms::axdr::{Data, TypeDescription};
use dlms::initiate::{InitiateRequest, InitiateResponse};
use dlms::wrapper::Header;
use dlms::{
    AttributeDescriptor, Conformance, DataAccessResult, DateTime, Diagnostic, ExceptionResponse,
    MethodDescriptor,
};
use serde_json::{Map, Value, json};

use crate::apdu::Apdu;
use crate::store::hex;

/// A value under the name of its type.
pub(crate) fn data(value: &Data) -> Value {
    match value {
        Data::NullData => json!({ "null-data": null }),
        Data::Array(elements) => json!({ "array": elements.iter().map(data).collect::<Vec<_>>() }),
        Data::Structure(elements) => json!({ "structure": elements.iter().map(data).collect::<Vec<_>>() }),
        Data::Boolean(value) => json!({ "boolean": value }),
        Data::BitString(bits) => {
            json!({ "bit-string": bits.iter().map(|bit| if bit { '1' } else { '0' }).collect::<String>() })
        }
        Data::DoubleLong(value) => json!({ "double-long": value }),
        Data::DoubleLongUnsigned(value) => json!({ "double-long-unsigned": value }),
        Data::OctetString(octets) => json!({ "octet-string": hex(octets) }),
        Data::VisibleString(octets) => json!({ "visible-string": text(octets) }),
        Data::Utf8String(octets) => json!({ "utf8-string": text(octets) }),
        Data::Bcd(value) => json!({ "bcd": value }),
        Data::Integer(value) => json!({ "integer": value }),
        Data::Long(value) => json!({ "long": value }),
        Data::Unsigned(value) => json!({ "unsigned": value }),
        Data::LongUnsigned(value) => json!({ "long-unsigned": value }),
        Data::CompactArray(array) => {
            let items: Vec<Value> = array.items.iter().map(data).collect();
            json!({ "compact-array": { "type": item_type(&array.item), "items": items } })
        }
        Data::Long64(value) => json!({ "long64": value }),
        Data::Long64Unsigned(value) => json!({ "long64-unsigned": value }),
        Data::Enum(value) => json!({ "enum": value }),
        Data::Float32(octets) => json!({ "float32": f32::from_be_bytes(*octets) }),
        Data::Float64(octets) => json!({ "float64": f64::from_be_bytes(*octets) }),
        Data::DateTime(time) => json!({ "date-time": hex(&time.octets()), "decoded": date_time(*time) }),
        Data::Date(octets) => json!({ "date": hex(octets) }),
        Data::Time(octets) => json!({ "time": hex(octets) }),
        Data::DontCare => json!({ "dont-care": null }),
        delta => panic!("no vector has {delta:?}"),
    }
}

/// The parts of a date-time.
pub(crate) fn date_time(time: DateTime) -> Value {
    let parts = time.parts();
    json!({
        "year": parts.year, "month": parts.month, "day": parts.day, "dow": parts.day_of_week,
        "hour": parts.hour, "min": parts.minute, "sec": parts.second, "hundredths": parts.hundredths,
        "deviation": parts.deviation, "status": parts.status,
    })
}

/// The wrapper in front of an APDU; its version is 1 or it does not decode.
pub(crate) fn header(header: Header) -> Value {
    json!({
        "version": 1, "source-wport": header.source, "destination-wport": header.destination,
        "length": header.length,
    })
}

/// An APDU under its name. Everything in it that is still encoded is decoded, too.
pub(crate) fn apdu(apdu: &Apdu<'_>) -> Value {
    match apdu {
        Apdu::InitiateRequest(request) => initiate_request(request),
        Apdu::InitiateResponse(response) => initiate_response(response),
        Apdu::Aarq(aarq) => request_of_association(aarq),
        Apdu::Aare(aare) => response_of_association(aare),
        Apdu::Rlrq(release) => json!({ "rlrq": release_fields(release) }),
        Apdu::Rlre(release) => json!({ "rlre": release_fields(release) }),
        Apdu::GetRequest(request) => get_request(request),
        Apdu::GetResponse(response) => get_response(response),
        Apdu::SetRequest(request) => set_request(request),
        Apdu::SetResponse(response) => set_response(response),
        Apdu::ActionRequest(request) => action_request(request),
        Apdu::ActionResponse(response) => action_response(response),
        Apdu::Exception(response) => exception(response),
        Apdu::DataNotification(notification) => data_notification(notification),
        Apdu::EventNotification(notification) => event_notification(notification),
        Apdu::AccessRequest(request) => access_request(request),
        Apdu::AccessResponse(response) => access_response(response),
        Apdu::GeneralBlock(block) => json!({ "general-block-transfer": general_block(block) }),
        Apdu::ReadRequest(request) => {
            json!({ "read-request": request.variables.iter().map(variable).collect::<Vec<_>>() })
        }
        Apdu::ReadResponse(response) => {
            json!({ "read-response": response.results.iter().map(read_result).collect::<Vec<_>>() })
        }
        Apdu::WriteRequest(request) => {
            let variables: Vec<Value> = request.variables.iter().map(variable).collect();
            json!({ "write-request": { "variables": variables, "data": all_encoded(&request.data) } })
        }
        Apdu::WriteResponse(_) | Apdu::InformationReport(_) => panic!("no vector has {apdu:?}"),
    }
}

fn item_type(item: &TypeDescription) -> Value {
    match item {
        TypeDescription::Array(count, element) => {
            json!({ "array": { "count": count, "type": item_type(element) } })
        }
        TypeDescription::Structure(elements) => {
            json!({ "structure": elements.iter().map(item_type).collect::<Vec<_>>() })
        }
        TypeDescription::Simple(15) => json!("integer"),
        TypeDescription::Simple(6) => json!("double-long-unsigned"),
        TypeDescription::Simple(17) => json!("unsigned"),
        TypeDescription::Simple(18) => json!("long-unsigned"),
        TypeDescription::Simple(other) => panic!("no vector has items of type {other}"),
    }
}

fn initiate_request(request: &InitiateRequest) -> Value {
    let mut fields = json!({
        "response-allowed": request.response_allowed,
        "proposed-dlms-version": request.dlms_version,
        "proposed-conformance": hex(&request.conformance.octets()),
        "conformance-bits": names(request.conformance),
        "client-max-receive-pdu-size": request.max_receive_pdu,
    });
    insert(&mut fields, "dedicated-key", request.dedicated_key.as_ref().map(|key| hex(key)));
    insert(&mut fields, "proposed-qos", request.quality_of_service);
    json!({ "initiate-request": fields })
}

fn initiate_response(response: &InitiateResponse) -> Value {
    let mut fields = json!({
        "negotiated-dlms-version": response.dlms_version,
        "negotiated-conformance": hex(&response.conformance.octets()),
        "conformance-bits": names(response.conformance),
        "server-max-receive-pdu-size": response.max_receive_pdu,
        "vaa-name": hex(&response.vaa_name.to_be_bytes()),
    });
    insert(&mut fields, "negotiated-qos", response.quality_of_service);
    json!({ "initiate-response": fields })
}

fn request_of_association(aarq: &Aarq<'_>) -> Value {
    let mut fields = json!({ "application-context": context(aarq.context) });
    insert(&mut fields, "calling-ap-title", aarq.calling_title.map(hex));
    insert(&mut fields, "acse-requirements", aarq.requirements.then_some("0780"));
    insert(&mut fields, "mechanism", aarq.mechanism.map(mechanism));
    insert(&mut fields, "authentication-value", aarq.authentication.map(hex));
    insert(&mut fields, "authentication-value-choice", aarq.authentication.map(|_| "80"));
    user_information(&mut fields, Some(aarq.user_information));
    json!({ "aarq": fields })
}

fn response_of_association(aare: &Aare<'_>) -> Value {
    let (source, value) = match aare.diagnostic {
        Diagnostic::User(value) => ("acse-service-user", value),
        Diagnostic::Provider(value) => ("acse-service-provider", value),
    };
    let mut fields = json!({
        "application-context": context(aare.context),
        "result": aare.result.name(),
        "result-source-diagnostic": { "source": source, "value": value },
    });
    insert(&mut fields, "responding-ap-title", aare.responding_title.map(hex));
    insert(&mut fields, "acse-requirements", aare.requirements.then_some("0780"));
    insert(&mut fields, "mechanism", aare.mechanism.map(mechanism));
    insert(&mut fields, "authentication-value", aare.authentication.map(hex));
    user_information(&mut fields, aare.user_information);
    json!({ "aare": fields })
}

fn release_fields(release: &Release<'_>) -> Value {
    let mut fields = json!({});
    insert(&mut fields, "reason", release.reason);
    user_information(&mut fields, release.user_information);
    fields
}

fn user_information(fields: &mut Value, octets: Option<&[u8]>) {
    insert(fields, "user-information-hex", octets.map(hex));
    insert(fields, "user-information", octets.map(|octets| apdu(&Apdu::decode(octets).unwrap())));
}

fn get_request(request: &GetRequest<'_>) -> Value {
    match request {
        GetRequest::Normal { invoke: id, attribute, selection } => {
            named("get-request-normal", [invoke(*id), selected(attribute, *selection)])
        }
        GetRequest::Next { invoke: id, block } => {
            named("get-request-next", [invoke(*id), json!({ "block-number": block })])
        }
        GetRequest::WithList { invoke: id, attributes } => {
            named("get-request-with-list", [invoke(*id), json!({ "list": attribute_list(attributes) })])
        }
    }
}

fn get_response(response: &GetResponse<'_>) -> Value {
    match response {
        GetResponse::Normal { invoke: id, result } => {
            named("get-response-normal", [invoke(*id), outcome(result)])
        }
        GetResponse::Block { invoke: id, last, number, result } => {
            let result = match result {
                Ok(octets) => json!({ "raw-data": hex(octets) }),
                Err(result) => outcome(&Err(*result)),
            };
            let place = json!({ "last-block": last, "block-number": number });
            named("get-response-with-datablock", [invoke(*id), place, result])
        }
        GetResponse::WithList { invoke: id, results } => {
            let results: Vec<Value> = results.iter().map(outcome).collect();
            named("get-response-with-list", [invoke(*id), json!({ "results": results })])
        }
    }
}

fn set_request(request: &SetRequest<'_>) -> Value {
    match request {
        SetRequest::Normal { invoke: id, attribute, selection, value } => named(
            "set-request-normal",
            [invoke(*id), selected(attribute, *selection), json!({ "value": encoded(value) })],
        ),
        SetRequest::FirstBlock { invoke: id, attribute, selection, block } => named(
            "set-request-with-first-datablock",
            [invoke(*id), selected(attribute, *selection), json!({ "datablock": piece(block) })],
        ),
        SetRequest::Block { invoke: id, block } => {
            named("set-request-with-datablock", [invoke(*id), json!({ "datablock": piece(block) })])
        }
        SetRequest::WithList { invoke: id, attributes, values } => {
            let list = json!({ "list": attribute_list(attributes), "values": all_encoded(values) });
            named("set-request-with-list", [invoke(*id), list])
        }
        SetRequest::WithListFirstBlock { invoke: id, attributes, block } => {
            let list = json!({ "list": attribute_list(attributes), "datablock": piece(block) });
            named("set-request-with-list-and-first-datablock", [invoke(*id), list])
        }
    }
}

fn set_response(response: &SetResponse) -> Value {
    match response {
        SetResponse::Normal { invoke: id, result } => {
            named("set-response-normal", [invoke(*id), json!({ "result": result.name() })])
        }
        SetResponse::Block { invoke: id, number } => {
            named("set-response-datablock", [invoke(*id), json!({ "block-number": number })])
        }
        SetResponse::LastBlock { invoke: id, result, number } => named(
            "set-response-last-datablock",
            [invoke(*id), json!({ "result": result.name(), "block-number": number })],
        ),
        SetResponse::LastBlockWithList { .. } => panic!("no vector has {response:?}"),
        SetResponse::WithList { invoke: id, results } => {
            let results: Vec<&str> = results.iter().map(|result| result.name()).collect();
            named("set-response-with-list", [invoke(*id), json!({ "results": results })])
        }
    }
}

fn action_request(request: &ActionRequest<'_>) -> Value {
    match request {
        ActionRequest::Normal { invoke: id, method: invoked, parameters } => named(
            "action-request-normal",
            [invoke(*id), method(invoked), json!({ "parameters": parameters.map(encoded) })],
        ),
        ActionRequest::NextBlock { invoke: id, block } => {
            named("action-request-next-pblock", [invoke(*id), json!({ "block-number": block })])
        }
        ActionRequest::WithList { invoke: id, methods, parameters } => {
            let parameters: Vec<Value> = parameters.iter().map(|value| encoded(value)).collect();
            let list = json!({ "list": method_list(methods), "parameters": parameters });
            named("action-request-with-list", [invoke(*id), list])
        }
        ActionRequest::FirstBlock { invoke: id, method: invoked, block } => named(
            "action-request-with-first-pblock",
            [invoke(*id), method(invoked), json!({ "pblock": piece(block) })],
        ),
        ActionRequest::WithListFirstBlock { invoke: id, methods, block } => named(
            "action-request-with-list-and-first-pblock",
            [invoke(*id), json!({ "list": method_list(methods), "pblock": piece(block) })],
        ),
        ActionRequest::Block { invoke: id, block } => {
            named("action-request-with-pblock", [invoke(*id), json!({ "pblock": piece(block) })])
        }
    }
}

fn action_response(response: &ActionResponse<'_>) -> Value {
    match response {
        ActionResponse::Normal { invoke: id, returned: what } => {
            named("action-response-normal", [invoke(*id), returned(what)])
        }
        ActionResponse::Block { invoke: id, block } => {
            named("action-response-with-pblock", [invoke(*id), json!({ "pblock": piece(block) })])
        }
        ActionResponse::WithList { invoke: id, returned: all } => {
            let list: Vec<Value> = all.iter().map(returned).collect();
            named("action-response-with-list", [invoke(*id), json!({ "list": list })])
        }
        ActionResponse::NextBlock { invoke: id, block } => {
            named("action-response-next-pblock", [invoke(*id), json!({ "block-number": block })])
        }
    }
}

fn exception(response: &ExceptionResponse) -> Value {
    let mut fields =
        json!({ "state-error": response.state.name(), "service-error": response.service.name() });
    insert(&mut fields, "expected-invocation-counter", response.expected_counter);
    json!({ "exception-response": fields })
}

fn invoke(id: InvokeId) -> Value {
    json!({
        "invoke-id": id.id(),
        "service-class": if id.is_confirmed() { "confirmed" } else { "unconfirmed" },
        "priority": if id.is_high() { "high" } else { "normal" },
        "self-descriptive": id.octet() & 0x10 != 0,
        "raw": hex(&[id.octet()]),
    })
}

fn long_invoke(id: LongInvokeId) -> Value {
    json!({
        "long-invoke-id": id.id(),
        "self-descriptive": id.is_self_descriptive(),
        "processing-option": if id.breaks_on_error() { "break-on-error" } else { "continue-on-error" },
        "service-class": if id.is_confirmed() { "confirmed" } else { "unconfirmed" },
        "priority": if id.is_high() { "high" } else { "normal" },
        "raw": hex(&id.number().to_be_bytes()),
    })
}

fn data_notification(notification: &DataNotification<'_>) -> Value {
    let said = json!({ "date-time": notification.time.map(date_time), "body": encoded(notification.body) });
    named("data-notification", [long_invoke(notification.invoke), said])
}

fn access_request(request: &AccessRequest<'_>) -> Value {
    let specifications: Vec<Value> = request.specifications.iter().map(specification).collect();
    let asked = json!({
        "date-time": request.time.map(date_time), "specifications": specifications,
        "data": all_encoded(&request.data),
    });
    named("access-request", [long_invoke(request.invoke), asked])
}

fn access_response(response: &AccessResponse<'_>) -> Value {
    assert_eq!(response.specifications, None, "no vector repeats what was asked for");
    let results: Vec<Value> = response.results.iter().copied().map(access_result).collect();
    let said = json!({
        "date-time": response.time.map(date_time), "data": all_encoded(&response.data), "results": results,
    });
    named("access-response", [long_invoke(response.invoke), said])
}

fn specification(specification: &AccessSpecification<'_>) -> Value {
    let attribute_of = |attribute: &AttributeDescriptor| {
        json!({
            "class": attribute.class_id, "obis": attribute.instance.to_string(), "attribute": attribute.attribute,
        })
    };
    match specification {
        AccessSpecification::Get(attribute, None) => json!({ "get": attribute_of(attribute) }),
        AccessSpecification::Get(attribute, Some(octets)) => {
            let selection = json!({ "selector": octets[0], "parameters": encoded(&octets[1..]) });
            named("get-with-selection", [attribute_of(attribute), selection])
        }
        AccessSpecification::Set(attribute, None) => json!({ "set": attribute_of(attribute) }),
        AccessSpecification::Set(..) => panic!("no vector has {specification:?}"),
        AccessSpecification::Action(invoked) => json!({ "action": method(invoked) }),
    }
}

fn access_result(result: AccessResult) -> Value {
    match result {
        AccessResult::Get(result) => json!({ "get": result.name() }),
        AccessResult::Set(result) => json!({ "set": result.name() }),
        AccessResult::Action(result) => json!({ "action": result.name() }),
    }
}

/// The fields of a block of a general block transfer.
pub(crate) fn general_block(block: &GeneralBlock<'_>) -> Value {
    let mut fields = block_control(block);
    fields["block-data"] = json!(hex(block.octets));
    fields
}

/// The same without what it carries.
pub(crate) fn block_control(block: &GeneralBlock<'_>) -> Value {
    json!({
        "last-block": block.last, "streaming": block.streaming, "window": block.window,
        "block-number": block.number, "block-number-ack": block.acknowledged,
    })
}

fn variable(variable: &Variable<'_>) -> Value {
    let name_of = |name: &u16| hex(&name.to_be_bytes());
    match variable {
        Variable::Name(name) => json!({ "variable-name": name_of(name) }),
        Variable::Parameterised { name, selector, parameters } => json!({ "parameterized-access": {
            "variable-name": name_of(name), "selector": selector, "parameter": encoded(parameters),
        }}),
        other => panic!("no vector has {other:?}"),
    }
}

fn read_result(result: &ReadResult<'_>) -> Value {
    match result {
        ReadResult::Data(octets) => json!({ "data": encoded(octets) }),
        ReadResult::Block(block) => json!({ "data-block-result": {
            "last-block": block.last, "block-number": block.number, "raw-data": hex(block.octets),
        }}),
        other => panic!("no vector has {other:?}"),
    }
}

fn event_notification(notification: &EventNotification<'_>) -> Value {
    let EventNotification { time, attribute, value } = notification;
    let mut fields = json!({
        "class": attribute.class_id, "obis": attribute.instance.to_string(), "attribute": attribute.attribute,
        "value": encoded(value),
    });
    insert(&mut fields, "time", time.map(date_time));
    json!({ "event-notification-request": fields })
}

fn selected(attribute: &AttributeDescriptor, selection: Option<&[u8]>) -> Value {
    let selection =
        selection.map(|octets| json!({ "selector": octets[0], "parameters": encoded(&octets[1..]) }));
    json!({
        "class": attribute.class_id, "obis": attribute.instance.to_string(), "attribute": attribute.attribute,
        "access-selection": selection,
    })
}

fn attribute_list(attributes: &[(AttributeDescriptor, Option<&[u8]>)]) -> Vec<Value> {
    attributes.iter().map(|(attribute, selection)| selected(attribute, *selection)).collect()
}

fn method(method: &MethodDescriptor) -> Value {
    json!({ "class": method.class_id, "obis": method.instance.to_string(), "method": method.method })
}

fn method_list(methods: &[MethodDescriptor]) -> Vec<Value> {
    methods.iter().map(method).collect()
}

fn piece(block: &DataBlock<'_>) -> Value {
    json!({ "last-block": block.last, "block-number": block.number, "raw-data": hex(block.octets) })
}

fn returned(what: &ActionReturn<'_>) -> Value {
    json!({ "result": what.result.name(), "return-parameters": what.returned.as_ref().map(outcome) })
}

fn outcome(result: &Result<&[u8], DataAccessResult>) -> Value {
    match result {
        Ok(value) => json!({ "data": encoded(value) }),
        Err(result) => json!({ "data-access-result": result.name() }),
    }
}

fn all_encoded(values: &[&[u8]]) -> Vec<Value> {
    values.iter().map(|value| encoded(value)).collect()
}

fn encoded(octets: &[u8]) -> Value {
    data(&Data::decode(octets).unwrap())
}

fn context(context: ApplicationContext) -> &'static str {
    match context {
        ApplicationContext::LogicalNames => "LN no ciphering",
        other => panic!("no vector has {other:?}"),
    }
}

fn mechanism(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Lowest => "lowest",
        Mechanism::Manufacturer => "HLS-manufacturer(2)",
        Mechanism::Gmac => "HLS-GMAC(5)",
        other => panic!("no vector has {other:?}"),
    }
}

fn names(conformance: Conformance) -> Vec<&'static str> {
    conformance.names().collect()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// An object of one name whose fields are those of all `parts`.
fn named<const N: usize>(name: &str, parts: [Value; N]) -> Value {
    let fields: Map<String, Value> =
        parts.into_iter().flat_map(|part| part.as_object().cloned().unwrap()).collect();
    json!({ name: fields })
}

/// Fields that are absent in the octets are absent in the file, too.
fn insert(fields: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields[name] = value.into();
    }
}
