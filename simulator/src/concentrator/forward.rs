//! A connection by Q/GDW 376.1: what a master station has forwarded goes out to the nodes, and what one of them says comes back.

use std::io;
use std::slice;
use std::time::Duration;

use gdw376::forward::{Forwarded, Order};
use gdw376::{Frame, Splitter, USER_DATA_MAX};
use models::Language;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Stream;
use super::carrier::Said;
use super::site::{Node, Site};
use super::terminal;
use crate::bus::{DlmsStation, Station};
use crate::config::FIRST_DEVICE;
use crate::{Meter, languages};

/// A connection on which nothing comes for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(900);
/// Octets taken from the socket at once.
const READ_SIZE: usize = 2048;

/// The HDLC device address of a node.
fn device(node: u32) -> Option<u16> {
    FIRST_DEVICE.checked_add(u16::try_from(node).ok()?)
}

/// The device address of a node, as its language has it.
pub(super) fn address(number: u32, meter: &Meter) -> Option<u64> {
    match meter.model().language {
        Language::Dlms => device(number).map(u64::from),
        _ => meter.line_address(),
    }
}

/// The meter of a node as a station on the power line.
fn station(number: u32, node: &Node) -> Option<Box<dyn Station>> {
    match node.meter.model().language {
        Language::Dlms => {
            DlmsStation::new(&node.meter, device(number), 0).map(|station| Box::new(station) as _)
        }
        _ => languages::stations(slice::from_ref(&node.meter), 0).pop(),
    }
}

/// Serves one connection until the client closes it.
pub(super) async fn serve(mut stream: impl Stream, site: &Site) -> io::Result<()> {
    let mut stations: Vec<_> = (0..).zip(&site.nodes).map(|(number, node)| station(number, node)).collect();
    let mut splitter = Splitter::new(USER_DATA_MAX);
    let mut octets = [0; READ_SIZE];
    while let Ok(read) = timeout(IDLE_LIMIT, stream.read(&mut octets)).await {
        let count = read?;
        if count == 0 {
            break;
        }
        splitter.push(&octets[..count]);
        while let Some(frame) = splitter.next_frame() {
            let mut out = Vec::new();
            answer(site, &mut stations, &frame, &mut out).await.map_err(io::Error::other)?;
            stream.write_all(&out).await?;
        }
    }
    Ok(())
}

/// Appends what the concentrator says to a frame, which is an order to forward or about itself.
async fn answer(
    site: &Site,
    stations: &mut [Option<Box<dyn Station>>],
    frame: &Frame<'_>,
    out: &mut Vec<u8>,
) -> Result<(), gdw376::Error> {
    let Ok(order) = Order::read(frame) else { return terminal::answer(site, frame, out) };
    let mut came = Vec::new();
    // Every node hears what is on the power line; only the one that is meant says something.
    for (node, station) in site.nodes.iter().zip(stations.iter_mut()) {
        let Some(station) = station else { continue };
        let mut said = Vec::new();
        let thinks = station.hear(order.frame, &mut said);
        if !said.is_empty() {
            let said = Said { answers: vec![said], thinks };
            let transaction = site.transact(node, order.frame.len(), || said);
            let answers = timeout(order.answer_within, transaction).await.unwrap_or_default();
            came.extend(answers.into_iter().flatten());
        }
    }
    Forwarded { port: order.port, frame: &came }.encode(frame.address, frame.sequence.number(), out)
}
