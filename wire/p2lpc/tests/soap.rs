//! Messages: each is read as it was written, whatever stands around it, and cut off anywhere it is none.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use p2lpc::{
    Cosem, Device, Document, Error, Event, Fault, FileEntry, MeterState, Object, Request, Response, Span,
    Status, Upgrade, UpgradeState, Upgraded,
};

const SPAN: Span = Span { from: 1_772_323_200, to: 1_772_409_600 };

fn requests() -> Vec<(Request, Response)> {
    let meter = || "3637<1001>".to_owned();
    let object = |class_id, member| Object { class_id, instance: "0.0.1.0.0.255".parse().unwrap(), member };
    let state = MeterState {
        id: meter(),
        linked: false,
        phase: 2,
        level: 7,
        first_seen: SPAN.from,
        last_seen: SPAN.to,
    };
    let event = Event { at: SPAN.from, status: 3, meter: Some(meter()) };
    let device =
        Device { id: meter(), concentrator: "C0000001".to_owned(), events: vec![event], ..Device::default() };
    let document = || Document { devices: vec![device.clone()], ..Document::default() };
    let file = FileEntry { name: "20260301T000000Z-000001-profiles.xml".to_owned(), size: 1 << 40 };
    let profile = "99.1.0".parse().unwrap();
    let register = Some("1.8.0".parse().unwrap());
    let cosem = |result, data: &[u8]| Response::Cosem(Cosem { result, data: data.to_vec() });
    let status =
        Status { serial: "C0000001".to_owned(), firmware: "2.10".to_owned(), meters: 1024, time: SPAN.to };
    let chunk = Response::Chunk { octets: vec![0, 0xFF, 0x7E], total: 3 };
    let states = [
        UpgradeState::Waiting,
        UpgradeState::Sending { percent: 34 },
        UpgradeState::Activated,
        UpgradeState::Failed,
    ];
    let devices = states.map(|state| Upgraded { device: meter(), state }).to_vec();
    let upgrade = Upgrade { held: 1 << 20, devices };
    vec![
        (
            Request::MetersList,
            Response::Meters(vec![state.clone(), MeterState { linked: true, ..state.clone() }]),
        ),
        (Request::MeterStatus { meter: meter() }, Response::Meters(vec![state])),
        (
            Request::MeterProfile { meter: meter(), profile, register, span: SPAN },
            Response::Document(document()),
        ),
        (
            Request::MeterProfile { meter: meter(), profile, register: None, span: SPAN },
            Response::Document(Document::default()),
        ),
        (Request::MeterEvents { meter: meter(), span: SPAN }, Response::Document(document())),
        (Request::MeterResults { marker: String::new(), limit: 50 }, Response::Files(vec![file.clone()])),
        (Request::FileChunk { name: file.name, offset: 1 << 33, length: 65_536 }, chunk),
        (Request::ConcentratorEvents(SPAN), Response::Document(document())),
        (Request::ConcentratorStatus, Response::Status(status)),
        (Request::ShownTime, Response::Time(SPAN.from)),
        (Request::TimeSync(SPAN.to), Response::Done),
        (Request::CosemGet { meter: meter(), object: object(8, 2), access: vec![] }, cosem(0, &[9, 0])),
        (Request::CosemSet { meter: meter(), object: object(8, -1), data: vec![15, 0] }, cosem(3, &[])),
        (Request::CosemAction { meter: meter(), object: object(70, 1), data: vec![15, 0] }, cosem(0, &[])),
        (Request::DisconnectControl { meter: meter(), connect: false }, Response::Done),
        (
            Request::UploadChunk { name: "fw".to_owned(), offset: 1 << 33, data: vec![0, 0xFF] },
            Response::Done,
        ),
        (Request::UpgradeMeters { file: "fw".to_owned(), meters: vec![meter(), meter()] }, Response::Done),
        (Request::UpgradeConcentrator { file: "fw".to_owned() }, Response::Done),
        (Request::UpgradeStatus { file: "fw".to_owned() }, Response::Upgrade(upgrade)),
    ]
}

#[test]
fn every_request_and_response_is_read_as_it_was_written() {
    for (request, response) in requests() {
        assert_eq!(Request::read(&request.encode()).as_ref(), Ok(&request));
        assert_eq!(Response::read(&request, &response.encode(&request)), Ok(Ok(response)));
        let fault = Fault { code: Fault::UNREACHABLE.to_owned(), text: "no <answer>".to_owned() };
        assert_eq!(Response::read(&request, &fault.encode()), Ok(Err(fault)));
    }
}

#[test]
fn mt_23_a_message_that_is_cut_off_is_none() {
    for (request, response) in requests() {
        let (question, answer) = (request.encode(), response.encode(&request));
        assert!((0..question.len()).all(|end| Request::read(&question[..end]).is_err()), "{request:?}");
        let cut = |end| Response::read(&request, &answer[..end]);
        assert!((0..answer.len()).all(|end| cut(end).is_err()), "{response:?}");
    }
}

#[test]
fn prefixes_and_blanks_do_not_matter() {
    let text = r#"<?xml version="1.0"?>
        <S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Header><x>1</x></S:Header>
        <S:Body><ns2:getMeterStatus xmlns:ns2="http://elsewhere"> <ns2:meterID> 36371001
        </ns2:meterID></ns2:getMeterStatus></S:Body></S:Envelope>"#;
    let expected = Request::MeterStatus { meter: "36371001".to_owned() };
    assert_eq!(Request::read(text.as_bytes()), Ok(expected));
}

#[test]
fn mt_23_what_is_no_message_is_named() {
    let ask = |text: &str| Request::read(text.as_bytes());
    assert_eq!(ask(""), Err(Error::Truncated { octets: 0 }));
    assert_eq!(ask("<html><body/></html>"), Err(Error::Missing { what: "Envelope" }));
    let other = "<Envelope><Body><getMoney/></Body></Envelope>";
    assert_eq!(ask(other), Err(Error::Unexpected { element: "getMoney".to_owned() }));
    let without = "<Envelope><Body><getMeterStatus/></Body></Envelope>";
    assert_eq!(ask(without), Err(Error::Missing { what: "meterID" }));
    let (list, time) = (Request::MetersList, Request::ShownTime);
    let swapped = Response::read(&list, &Response::Time(0).encode(&time));
    assert_eq!(swapped, Err(Error::Unexpected { element: "getConcentratorSystemTimeResponse".to_owned() }));
    let odd = "<Envelope><Body><cosemSetRequest><meterID>1</meterID><classId>8</classId><instanceId>0.0.1.0.0</instanceId>\
        <attributeId>2</attributeId><data>0F0</data></cosemSetRequest></Body></Envelope>";
    assert_eq!(ask(odd), Err(Error::Value { what: "data" }));
}

#[test]
fn the_action_names_the_operation() {
    assert_eq!(Request::MetersList.action(), "\"urn:P2LPC#getMetersList\"");
}
