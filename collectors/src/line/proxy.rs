//! The web service of a concentrator in the place of a node (P2LPC): on this side the APDUs of an association, on the other side its messages.
//!
//! The concentrator has the association with the node; what is asked for here is answered here, by the server of the protocol crate. An APDU is looked at twice: first
//! for what it asks of the node, which the concentrator is asked for, and then, with that at hand, for its answer.

use std::collections::VecDeque;

use dlms::{
    ActionResult, AttributeDescriptor, Conformance, DataAccessResult, DateTime, MethodDescriptor, Obis,
    axdr::Data,
    selection::Selection,
    server::{Objects, Policy, Security, Session},
};
use p2lpc::{
    Cosem, Error, Fault, Ident, Object, Request, Response,
    http::{self, Answers},
};

use super::{
    LineError,
    framing::{Arrival, Origin, Step},
};
use crate::Station;

/// Longest APDU of ours that is answered here.
const MAX_PDU: u16 = 4096;
/// HTTP: the answer is one, or a fault.
const OK: u16 = 200;
const FAULT: u16 = 500;

/// What is spoken with one node by way of its concentrator, or with the concentrator itself.
pub(super) struct Proxy {
    host: String,
    /// Name of the node; `None` for the concentrator itself.
    node: Option<String>,
    names: Names,
    ports: (u16, u16),
    session: Session,
    answers: Answers,
    /// The APDU that is being answered.
    apdu: Vec<u8>,
    /// What has to be asked for it, the first of which is under way, and what came of what was.
    wanted: VecDeque<Request>,
    known: Vec<(Request, Response)>,
    /// The answer to an APDU that needed nothing else.
    ready: Option<Vec<u8>>,
    /// Something was asked for by itself.
    is_alone: bool,
    /// The other side closes the connection behind what it said last.
    is_over: bool,
}

/// Names of the objects that the concentrator has itself.
#[derive(Debug, Clone, Copy)]
struct Names {
    serial: Obis,
    firmware: Obis,
    clock: Obis,
}

impl Proxy {
    /// The way to a station whose terminus is a web service at `host`.
    pub(super) fn new(station: &Station, host: String) -> Self {
        let services = [
            Conformance::GET,
            Conformance::SET,
            Conformance::ACTION,
            Conformance::SELECTIVE_ACCESS,
            Conformance::BLOCK_GET,
            Conformance::MULTIPLE_REFERENCES,
        ];
        let none = Conformance::new([0; 3]);
        let conformance = services.into_iter().fold(none, Conformance::union);
        Self {
            host,
            node: station.address.node().map(|(_, node)| node.to_owned()),
            names: Names {
                serial: station.model.identity.serial,
                firmware: station.model.identity.firmware,
                clock: station.model.clock,
            },
            ports: (station.client_sap, station.server_sap),
            session: Session::new(Policy { security: Security::none(), max_pdu: MAX_PDU, conformance }),
            answers: Answers::default(),
            apdu: Vec::new(),
            wanted: VecDeque::new(),
            known: Vec::new(),
            ready: None,
            is_alone: false,
            is_over: false,
        }
    }

    /// Whether the connection carries no further request.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) const fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// Begins to answer an APDU.
    pub(super) fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) {
        self.apdu = apdu.to_vec();
        self.known.clear();
        let (answer, wanted) = self.look();
        self.wanted = wanted;
        self.is_alone = false;
        self.ready = self.wanted.is_empty().then_some(answer);
        self.post(out);
    }

    /// Asks the concentrator for something of its own.
    pub(super) fn ask(&mut self, request: Request, out: &mut Vec<u8>) {
        self.known.clear();
        self.wanted = VecDeque::from([request]);
        self.is_alone = true;
        self.post(out);
    }

    /// What came of the request that was asked for by itself.
    pub(super) fn take(&mut self) -> Option<Response> {
        self.known.pop().map(|(_, response)| response)
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.answers.push(octets);
    }

    pub(super) fn step(&mut self, apdu: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, LineError> {
        let (ours, theirs) = self.ports;
        let arrival = Arrival { source: theirs, destination: ours, origin: Origin::Station };
        if let Some(answer) = self.ready.take() {
            *apdu = answer;
            return Ok(Step::Apdu(arrival));
        }
        let Some(answer) = self.answers.next_answer().map_err(LineError::Message)? else {
            return Ok(Step::Wait);
        };
        self.is_over = !answer.stays_open;
        let Some(request) = self.wanted.pop_front() else { return Ok(Step::Wait) };
        if !matches!(answer.status, OK | FAULT) {
            let what = format!("the web service answers with status {}", answer.status);
            return Err(LineError::NoRoute(what));
        }
        match Response::read(&request, &answer.body).map_err(LineError::Message)? {
            Ok(response) => self.known.push((request, response)),
            Err(fault) if self.is_alone && fault.code == Fault::BAD_REQUEST => {
                return Err(LineError::Declined(fault.text));
            }
            Err(fault) => return Err(refusal(&fault)),
        }
        if !self.wanted.is_empty() {
            self.post(out);
            return Ok(Step::Reply);
        }
        if self.is_alone {
            return Ok(Step::Answered);
        }
        let (answer, wanted) = self.look();
        if !wanted.is_empty() {
            return Err(LineError::Message(Error::Missing { what: "value" }));
        }
        *apdu = answer;
        Ok(Step::Apdu(arrival))
    }

    /// The answer to the APDU with what is known, and what is not known of it.
    fn look(&mut self) -> (Vec<u8>, VecDeque<Request>) {
        let mut objects = Asked {
            node: self.node.as_deref(),
            names: self.names,
            known: &self.known,
            wanted: VecDeque::new(),
        };
        let (mut apdu, mut answer) = (self.apdu.clone(), Vec::new());
        self.session.handle(&mut apdu, &mut objects, &mut answer);
        (answer, objects.wanted)
    }

    fn post(&self, out: &mut Vec<u8>) {
        if let Some(request) = self.wanted.front() {
            http::post(&self.host, request, out);
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("node", &self.node).finish_non_exhaustive()
    }
}

/// What a refusal of the concentrator comes to.
fn refusal(fault: &Fault) -> LineError {
    match fault.code.as_str() {
        Fault::UNREACHABLE | Fault::BUSY => LineError::Silent,
        _ => LineError::NoRoute(format!("the concentrator says: {}", fault.text)),
    }
}

/// The objects of a node, as far as the concentrator was asked for them.
struct Asked<'a> {
    node: Option<&'a str>,
    names: Names,
    known: &'a [(Request, Response)],
    wanted: VecDeque<Request>,
}

impl Asked<'_> {
    /// What came of a request; nothing, when it has to be asked for first.
    fn response(&mut self, request: Request) -> Option<&Response> {
        let known = self.known.iter().find(|(known, _)| *known == request);
        match known {
            Some((_, response)) => Some(response),
            None => {
                self.wanted.push_back(request);
                None
            }
        }
    }

    /// Sets the clock of the concentrator, which has nothing else that can be set; its nodes take their time from it.
    fn set_own(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult> {
        if (attribute.class_id, attribute.instance, attribute.attribute) != (8, self.names.clock, 2) {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        let time = DateTime::of(value, "clock").map_err(|_| DataAccessResult::TypeUnmatched)?;
        let at = time.unix_seconds().ok_or(DataAccessResult::TypeUnmatched)?;
        match self.response(Request::TimeSync(at)) {
            Some(Response::Done) => Ok(()),
            _ => Err(DataAccessResult::TemporaryFailure),
        }
    }

    fn cosem(&mut self, request: Request) -> Option<&Cosem> {
        match self.response(request)? {
            Response::Cosem(cosem) => Some(cosem),
            _ => None,
        }
    }

    /// What the concentrator has itself: the name of the node, by which it is addressed, or its own name and clock.
    fn own(&mut self, attribute: &AttributeDescriptor) -> Option<Result<Data, DataAccessResult>> {
        let AttributeDescriptor { class_id, instance, attribute } = *attribute;
        let is_serial = (class_id, instance, attribute) == (1, self.names.serial, 2);
        let is_firmware = (class_id, instance, attribute) == (1, self.names.firmware, 2);
        let is_clock = (class_id, instance, attribute) == (8, self.names.clock, 2);
        let unknown = Err(DataAccessResult::TemporaryFailure);
        let text = |text: &str| Ok(Data::OctetString(text.as_bytes().to_vec()));
        Some(match self.node.map(str::to_owned) {
            Some(meter) if is_serial => match self.response(Request::MeterStatus { meter }) {
                Some(Response::Meters(meters)) => {
                    meters.first().map_or(Err(DataAccessResult::ObjectUndefined), |meter| text(&meter.id))
                }
                _ => unknown,
            },
            Some(_) => return None,
            None if is_serial || is_firmware => match self.response(Request::ConcentratorStatus) {
                Some(Response::Status(status)) if is_serial => text(&status.serial),
                Some(Response::Status(status)) => text(&status.firmware),
                _ => unknown,
            },
            None if is_clock => match self.response(Request::ShownTime) {
                Some(Response::Time(at)) => {
                    Ok(Data::OctetString(DateTime::from_unix(*at, Some(0), 0).octets().to_vec()))
                }
                _ => unknown,
            },
            None => Err(DataAccessResult::ObjectUndefined),
        })
    }
}

impl Objects for Asked<'_> {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        if let Some(own) = self.own(attribute) {
            own?.encode(out);
            return Ok(());
        }
        let mut access = Vec::new();
        selection.iter().for_each(|selection| selection.encode(&mut access));
        let (meter, object) = (self.node.unwrap_or_default().to_owned(), object(attribute));
        let cosem = self.cosem(Request::CosemGet { meter, object, access });
        let cosem = cosem.ok_or(DataAccessResult::TemporaryFailure)?;
        if cosem.result != 0 {
            return Err(DataAccessResult::from(cosem.result));
        }
        out.extend_from_slice(&cosem.data);
        Ok(())
    }

    fn set(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult> {
        let Some(node) = self.node else { return self.set_own(attribute, value) };
        let mut data = Vec::new();
        value.encode(&mut data);
        let request = Request::CosemSet { meter: node.to_owned(), object: object(attribute), data };
        let cosem = self.cosem(request).ok_or(DataAccessResult::TemporaryFailure)?;
        if cosem.result == 0 { Ok(()) } else { Err(DataAccessResult::from(cosem.result)) }
    }

    fn action(
        &mut self,
        method: &MethodDescriptor,
        parameter: Option<&Data>,
    ) -> Result<Option<Data>, ActionResult> {
        let Some(node) = self.node else { return Err(ActionResult::ReadWriteDenied) };
        let mut data = Vec::new();
        parameter.iter().for_each(|parameter| parameter.encode(&mut data));
        let MethodDescriptor { class_id, instance, method: member } = *method;
        let object = Object { class_id, instance: Ident(instance.octets()), member };
        let request = Request::CosemAction { meter: node.to_owned(), object, data };
        let cosem = self.cosem(request).ok_or(ActionResult::TemporaryFailure)?;
        match (cosem.result, cosem.data.as_slice()) {
            (0, []) => Ok(None),
            (0, data) => Data::decode(data).map(Some).map_err(|_| ActionResult::OtherReason),
            (result, _) => Err(ActionResult::from(result)),
        }
    }
}

fn object(attribute: &AttributeDescriptor) -> Object {
    let AttributeDescriptor { class_id, instance, attribute: member } = *attribute;
    Object { class_id, instance: Ident(instance.octets()), member }
}
