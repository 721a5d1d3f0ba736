use dlms::{AttributeDescriptor, Obis, axdr::Data};
use models::{NodeList, Reach};
use p2lpc::{MeterState, Request, Response};

use crate::{Event, Failure, Node, Reason, diagnosis::Setback, turn::Turn, value};

/// The SAP assignment (class 17) and the reporting systems of S-FSK (class 56); attribute 2 of both is the list.
const SAP_ASSIGNMENT: AttributeDescriptor =
    AttributeDescriptor { class_id: 17, instance: Obis::new([0, 0, 41, 0, 0, 255]), attribute: 2 };
const REPORTING_SYSTEMS: AttributeDescriptor =
    AttributeDescriptor { class_id: 56, instance: Obis::new([0, 0, 26, 6, 0, 255]), attribute: 2 };
/// Nodes of one concentrator at most, four times as many as the largest that is known has.
const NODES_MAX: usize = 4096;
/// Letters of a name at most.
const NAME_MAX: usize = 64;

/// Asks a concentrator for its nodes.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let concentrator = turn.station().model.concentrator.clone();
    let list = concentrator.as_ref().and_then(|concentrator| concentrator.node_list);
    let nodes = match (list, concentrator.map(|concentrator| concentrator.reach)) {
        (Some(NodeList::SapAssignment), Some(Reach::Wrapper { base })) => {
            assigned(&turn.read(&SAP_ASSIGNMENT).await?, base)?
        }
        (Some(NodeList::ReportingSystems), _) => reporting(&turn.read(&REPORTING_SYSTEMS).await?)?,
        (Some(NodeList::MetersList), Some(Reach::P2lpc {})) => known(turn).await?,
        _ => return Err(unnamed()),
    };
    report(turn, nodes).await
}

/// The concentrator has no list of nodes.
pub(crate) fn unnamed() -> Setback {
    let detail = "The concentrator names no nodes, by its model; the inventory says which there are.";
    Setback::Final(Failure::new(Reason::Unsupported, detail))
}

/// Reports the nodes that a concentrator named.
pub(crate) async fn report(turn: &Turn<'_>, nodes: Vec<Node>) -> Result<(), Setback> {
    if nodes.len() > NODES_MAX {
        let detail = format!("The concentrator names {} nodes, at most {NODES_MAX} are taken.", nodes.len());
        return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
    }
    turn.report(Event::Nodes(nodes)).await
}

/// The wrapper ports from `base` on; what lies below is the concentrator itself.
fn assigned(list: &Data, base: u16) -> Result<Vec<Node>, Setback> {
    let mut nodes = Vec::new();
    for entry in entries(list, &SAP_ASSIGNMENT)? {
        let (Data::Structure(fields), wrong) = (entry, "a port and a name") else {
            return Err(value::unexpected(&SAP_ASSIGNMENT, "a port and a name"));
        };
        let [Data::LongUnsigned(port), name] = fields.as_slice() else {
            return Err(value::unexpected(&SAP_ASSIGNMENT, wrong));
        };
        if let Some(number) = port.checked_sub(base) {
            let identity = value::text(name).filter(|name| is_name(name));
            nodes.push(Node { identity, ..Node::linked(number.to_string()) });
        }
    }
    Ok(nodes)
}

/// System titles, which are letters or not.
fn reporting(list: &Data) -> Result<Vec<Node>, Setback> {
    let title = |entry: &Data| {
        let Data::OctetString(octets) = entry else {
            return Err(value::unexpected(&REPORTING_SYSTEMS, "a system title"));
        };
        let text = str::from_utf8(octets).ok().filter(|text| is_name(text)).map(str::to_owned);
        let name = text.unwrap_or_else(|| octets.iter().map(|octet| format!("{octet:02X}")).collect());
        Ok(Node::linked(name))
    };
    let nodes: Result<Vec<Node>, Setback> = entries(list, &REPORTING_SYSTEMS)?.iter().map(title).collect();
    Ok(nodes?.into_iter().filter(|node| is_name(&node.name)).collect())
}

/// The meters that a P2LPC has heard of.
async fn known(turn: &mut Turn<'_>) -> Result<Vec<Node>, Setback> {
    loop {
        match turn.ask_concentrator(Request::MetersList).await {
            Ok(Response::Meters(meters)) => return Ok(meters.into_iter().filter_map(state).collect()),
            Ok(_) => return Err(Setback::Flooded),
            Err(setback) => turn.recover(setback).await?,
        }
    }
}

fn state(meter: MeterState) -> Option<Node> {
    let phase = Some(meter.phase).filter(|phase| (1..=3).contains(phase));
    let node = Node { is_linked: meter.linked, phase, level: Some(meter.level), ..Node::linked(meter.id) };
    is_name(&node.name).then_some(node)
}

fn entries<'a>(list: &'a Data, attribute: &AttributeDescriptor) -> Result<&'a [Data], Setback> {
    match list {
        Data::Array(entries) => Ok(entries),
        _ => Err(value::unexpected(attribute, "a list")),
    }
}

/// Whether a text can stand in an address.
fn is_name(text: &str) -> bool {
    let fits = (1..=NAME_MAX).contains(&text.len());
    fits && text.bytes().all(|octet| octet.is_ascii_graphic() && !b"/?,".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Data {
        Data::OctetString(text.as_bytes().to_vec())
    }

    #[test]
    fn ports_from_the_base_on_are_nodes() {
        let entry = |port, name: &str| Data::Structure(vec![Data::LongUnsigned(port), octets(name)]);
        let list = Data::Array(vec![entry(1, "MANAGEMENT"), entry(16, "ISK0001"), entry(19, "a b")]);
        let found = assigned(&list, 16).unwrap();
        let found: Vec<_> = found.iter().map(|node| (node.name.as_str(), node.identity.as_deref())).collect();
        assert_eq!(found, [("0", Some("ISK0001")), ("3", None)]);
        assert!(assigned(&Data::Array(vec![Data::LongUnsigned(1)]), 16).is_err());
        assert!(assigned(&Data::LongUnsigned(1), 16).is_err());
    }

    #[test]
    fn system_titles_are_names() {
        let list = Data::Array(vec![octets("70000001"), Data::OctetString(vec![0x01, 0xAB]), octets("")]);
        let names: Vec<_> = reporting(&list).unwrap().into_iter().map(|node| node.name).collect();
        assert_eq!(names, ["70000001", "01AB"]);
    }
}
