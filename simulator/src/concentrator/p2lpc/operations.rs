//! What a concentrator does on request.

use std::time::Duration;

use dlms::axdr::{Data, Reader};
use dlms::selection::Selection;
use dlms::server::Objects as _;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis};
use jiff::Timestamp;
use p2lpc::{Cosem, Document, Event, Fault, MeterState, Object, Request, Response, Span, Status};

use crate::concentrator::NodeState;
use crate::concentrator::carrier::Said;
use crate::concentrator::site::{Node, Site};
use crate::local::timestamp;
use crate::objects::{Access, ClientView};

/// Octets of a request to a meter beside its data: APDU and what is around it on the power line.
const REQUEST_OCTETS: usize = 16;
/// The same of an answer.
const ANSWER_OCTETS: usize = 6;
/// Octets of a file that are given at once at most.
const CHUNK_LIMIT: usize = 256 * 1024;

/// Does what is asked.
pub(super) async fn perform(site: &Site, request: &Request) -> Result<Response, Fault> {
    Ok(match request {
        Request::MetersList => {
            let states = site.nodes.iter().filter_map(|node| site.state(node));
            Response::Meters(states.map(meter_state).collect())
        }
        Request::MeterStatus { meter } => {
            let state = site.state(node(site, meter)?).ok_or_else(|| unknown(meter))?;
            Response::Meters(vec![meter_state(state)])
        }
        Request::MeterProfile { meter, profile, register, span } => {
            let node = node(site, meter)?;
            let missing = || bad(format!("there is no profile {profile}"));
            let profile = site.stored(node, *profile, *register, limits(*span)).ok_or_else(missing)?;
            let device = site.device(node, vec![profile], Vec::new());
            Response::Document(Document { devices: vec![device], ..Document::default() })
        }
        Request::MeterEvents { meter, span } => {
            let node = node(site, meter)?;
            let device = site.device(node, Vec::new(), site.node_events(node, limits(*span)));
            Response::Document(Document { devices: vec![device], ..Document::default() })
        }
        Request::MeterResults { marker, limit } => Response::Files(site.files(marker, *limit)),
        Request::FileChunk { name, offset, length } => chunk(site, name, *offset, *length)?,
        Request::UploadChunk { .. }
        | Request::UpgradeMeters { .. }
        | Request::UpgradeConcentrator { .. }
        | Request::UpgradeStatus { .. } => upgrade(site, request)?,
        Request::ConcentratorEvents(span) => Response::Document(own_events(site, *span)),
        Request::ConcentratorStatus => Response::Status(Status {
            serial: site.serial.clone(),
            firmware: String::from_utf8_lossy(&site.firmware()).into_owned(),
            meters: u32::try_from(site.known().count()).unwrap_or(u32::MAX),
            time: site.shown(),
        }),
        Request::ShownTime => Response::Time(site.shown()),
        Request::TimeSync(at) => {
            site.set_clock(*at);
            Response::Done
        }
        Request::CosemGet { meter, object, access } => {
            let node = node(site, meter)?;
            pass(site, node, access.len(), || get(node, object, access)).await?
        }
        Request::CosemSet { meter, object, data } => {
            let node = node(site, meter)?;
            pass(site, node, data.len(), || (set(node, object, data), Vec::new())).await?
        }
        Request::CosemAction { meter, object, data } => {
            let node = node(site, meter)?;
            pass(site, node, data.len(), || action(node, object, data)).await?
        }
        Request::DisconnectControl { meter, connect } => {
            let node = node(site, meter)?;
            let switch = node.meter.fleet().plan.model.switch.as_ref();
            let switch = switch.ok_or_else(|| bad(format!("{meter} has no switch")))?;
            let instance = p2lpc::Ident(switch.obis.octets());
            let object = Object { class_id: 70, instance, member: 1 + i8::from(*connect) };
            let order = || action(node, &object, &[15, 0]);
            match pass(site, node, 2, order).await? {
                Response::Cosem(Cosem { result: 0, .. }) => Response::Done,
                _ => return Err(bad(format!("{meter} does not switch"))),
            }
        }
    })
}

/// What has to do with new firmware.
fn upgrade(site: &Site, request: &Request) -> Result<Response, Fault> {
    match request {
        Request::UploadChunk { name, offset, data } => site.take_file(name, *offset, data).map_err(bad)?,
        Request::UpgradeMeters { file, meters } => {
            let nodes: Result<Vec<u32>, Fault> = meters.iter().map(|meter| numbered(site, meter)).collect();
            nodes?.into_iter().try_for_each(|node| site.upgrade(file, Some(node))).map_err(bad)?;
        }
        Request::UpgradeConcentrator { file } => site.upgrade(file, None).map_err(bad)?,
        Request::UpgradeStatus { file } => return Ok(Response::Upgrade(site.upgrade_of(file))),
        _ => return Err(bad(format!("{} is no upgrade", request.operation()))),
    }
    Ok(Response::Done)
}

fn chunk(site: &Site, name: &str, offset: u64, length: u32) -> Result<Response, Fault> {
    let file = site.file(name).ok_or_else(|| bad(format!("there is no file {name}")))?;
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(CHUNK_LIMIT);
    let to = from.saturating_add(length).min(file.len());
    Ok(Response::Chunk {
        octets: file[from..to].to_vec(),
        total: u64::try_from(file.len()).unwrap_or(u64::MAX),
    })
}

fn own_events(site: &Site, span: Span) -> Document {
    let (from, to) = limits(span);
    let event = |(at, code, node): (Timestamp, u8, Option<u32>)| Event {
        at: at.as_second(),
        status: code.into(),
        meter: node.and_then(|node| site.node(node)).map(|node| node.meter.serial()),
    };
    let events = site.entries(from, to).into_iter().map(event).collect();
    let device = p2lpc::Device {
        id: site.serial.clone(),
        concentrator: site.serial.clone(),
        events,
        profiles: Vec::new(),
    };
    Document { devices: vec![device], ..Document::default() }
}

/// Passes a request of so many octets of data through to a node, and what it says back.
async fn pass(
    site: &Site,
    node: &Node,
    octets: usize,
    answer: impl FnOnce() -> (u8, Vec<u8>),
) -> Result<Response, Fault> {
    let faults = node.meter.faults();
    let said = || {
        if faults.silent {
            return Said::default();
        }
        let (result, data) = answer();
        let answer = [&[result], data.as_slice(), &[0; ANSWER_OCTETS]].concat();
        Said { answers: vec![answer], thinks: Duration::max(faults.delay, Duration::ZERO) }
    };
    let answers = site.transact(node, REQUEST_OCTETS + octets, said).await;
    let Some([result, rest @ ..]) = answers.first().map(Vec::as_slice) else {
        let text = format!("{} does not answer", node.meter.serial());
        return Err(Fault { code: Fault::UNREACHABLE.to_owned(), text });
    };
    let data = rest[..rest.len().saturating_sub(ANSWER_OCTETS)].to_vec();
    Ok(Response::Cosem(Cosem { result: *result, data }))
}

fn get(node: &Node, object: &Object, access: &[u8]) -> (u8, Vec<u8>) {
    let mut data = Vec::new();
    let selected = match access {
        [] => Ok(None),
        access => Selection::read(object.class_id, &mut Reader::new(access)).map(Some),
    };
    let read = selected
        .map_err(|_| DataAccessResult::TypeUnmatched)
        .and_then(|selection| view(node).get(&attribute(object), selection.as_ref(), &mut data));
    match read {
        Ok(()) => (0, data),
        Err(result) => (result.code(), Vec::new()),
    }
}

fn set(node: &Node, object: &Object, data: &[u8]) -> u8 {
    let Ok(value) = Data::decode(data) else { return DataAccessResult::TypeUnmatched.code() };
    view(node).set(&attribute(object), &value).err().unwrap_or(DataAccessResult::Success).code()
}

fn action(node: &Node, object: &Object, data: &[u8]) -> (u8, Vec<u8>) {
    let parameter = match data {
        [] => None,
        data => match Data::decode(data) {
            Ok(parameter) => Some(parameter),
            Err(_) => return (ActionResult::TypeUnmatched.code(), Vec::new()),
        },
    };
    let Object { class_id, instance, member: method } = *object;
    let method = MethodDescriptor { class_id, instance: Obis::new(instance.0), method };
    match view(node).action(&method, parameter.as_ref()) {
        Ok(returned) => {
            let mut data = Vec::new();
            returned.iter().for_each(|value| value.encode(&mut data));
            (0, data)
        }
        Err(result) => (result.code(), Vec::new()),
    }
}

fn view(node: &Node) -> ClientView<'_> {
    ClientView { meter: &node.meter, access: Access::Full, cut: false }
}

fn attribute(object: &Object) -> AttributeDescriptor {
    let Object { class_id, instance, member: attribute } = *object;
    AttributeDescriptor { class_id, instance: Obis::new(instance.0), attribute }
}

/// The number of the node of that name.
fn numbered(site: &Site, meter: &str) -> Result<u32, Fault> {
    let named = site.node_named(meter.as_bytes()).map(|(number, _)| number);
    named.ok_or_else(|| unknown(meter))
}

/// The node of that name, when the concentrator has heard of it.
fn node<'a>(site: &'a Site, meter: &str) -> Result<&'a Node, Fault> {
    let node = site.node_named(meter.as_bytes()).map(|(_, node)| node);
    node.filter(|node| site.state(node).is_some()).ok_or_else(|| unknown(meter))
}

fn unknown(meter: &str) -> Fault {
    Fault { code: Fault::UNKNOWN_METER.to_owned(), text: format!("there is no meter {meter}") }
}

fn bad(text: String) -> Fault {
    Fault { code: Fault::BAD_REQUEST.to_owned(), text }
}

fn limits(span: Span) -> (Timestamp, Timestamp) {
    (timestamp(span.from), timestamp(span.to))
}

fn meter_state(state: NodeState) -> MeterState {
    let NodeState { serial: id, linked, phase, level, first_seen, last_seen } = state;
    let (first_seen, last_seen) = (first_seen.as_second(), last_seen.as_second());
    MeterState { id, linked, phase, level, first_seen, last_seen }
}
