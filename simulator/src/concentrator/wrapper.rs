//! A connection with the wrapper: to the concentrator itself, and to its nodes by wrapper port or by the gateway protocol.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use dlms::Conformance;
use dlms::gateway::{Direction, Prefix};
use dlms::server::{Policy, Security, Session};
use dlms::wrapper::{self, Header, Splitter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::carrier::Said;
use super::device::{Device, OWN_SAP};
use super::site::{Node, Site};
use super::{Backend, Stream};
use crate::talk::{Answer, Talk};

/// A connection on which nothing comes for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(900);
/// Octets taken from the socket at once.
const READ_SIZE: usize = 2048;
/// Longest APDU that a client may send.
const REQUEST_LIMIT: u16 = 4096;
/// Longest APDU of a client that the concentrator itself accepts.
const MAX_PDU: u16 = 1024;

/// Serves one connection until the client closes it or breaks the rules of the wrapper.
pub(super) async fn serve(mut stream: impl Stream, site: &Site) -> io::Result<()> {
    let mut splitter = Splitter::new(REQUEST_LIMIT);
    let mut talks = Talks { own: BTreeMap::new(), nodes: BTreeMap::new() };
    let mut octets = [0; READ_SIZE];
    while let Ok(read) = timeout(IDLE_LIMIT, stream.read(&mut octets)).await {
        let count = read?;
        if count == 0 {
            break;
        }
        splitter.push(&octets[..count]);
        while let Some((header, apdu)) = splitter.next_frame().map_err(io::Error::other)? {
            let mut request = apdu.to_vec();
            for answer in talks.hear(site, header, &mut request).await {
                let mut out = Vec::new();
                wrapper::frame(header.destination, header.source, &answer, &mut out)
                    .map_err(io::Error::other)?;
                stream.write_all(&out).await?;
            }
        }
    }
    Ok(())
}

/// What is spoken on a connection.
struct Talks {
    /// With the concentrator itself, by client.
    own: BTreeMap<u16, Session>,
    nodes: BTreeMap<u32, Talk>,
}

impl Talks {
    /// The answers to a request, as they stand in their frames. What is addressed to nobody is not answered (IEC 62056-47).
    async fn hear(&mut self, site: &Site, header: Header, request: &mut [u8]) -> Vec<Vec<u8>> {
        let client = header.source;
        match site.backend {
            Backend::Gateway { network } if Prefix::is_in_front_of(request) => {
                let Ok(prefix) = Prefix::read(request) else { return Vec::new() };
                let ours = prefix.network == network && prefix.direction == Direction::ToDevice;
                let Some((number, node)) = site.node_named(prefix.address).filter(|_| ours) else {
                    return Vec::new();
                };
                let serial = node.meter.serial();
                let back = Prefix { direction: Direction::FromDevice, network, address: serial.as_bytes() };
                let length = prefix.length();
                let answers = self.node(site, (number, node), client, &mut request[length..]).await;
                answers.into_iter().filter_map(|answer| prefixed(back, &answer)).collect()
            }
            Backend::Wrapper { base } if header.destination >= base => {
                let number = u32::from(header.destination - base);
                let Some(node) = site.node(number) else { return Vec::new() };
                self.node(site, (number, node), client, request).await
            }
            _ if header.destination == OWN_SAP => vec![self.own(site, client, request)],
            _ => Vec::new(),
        }
    }

    fn own(&mut self, site: &Site, client: u16, request: &mut [u8]) -> Vec<u8> {
        let conformance = Conformance::CLIENT;
        let open = || Session::new(Policy { security: Security::none(), max_pdu: MAX_PDU, conformance });
        let mut answer = Vec::new();
        self.own.entry(client).or_insert_with(open).handle(request, &mut Device(site), &mut answer);
        answer
    }

    async fn node(
        &mut self,
        site: &Site,
        (number, node): (u32, &Node),
        client: u16,
        request: &mut [u8],
    ) -> Vec<Vec<u8>> {
        let talk = self.nodes.entry(number).or_insert_with(|| Talk::new(node.meter.clone()));
        site.transact(node, request.len(), || said(talk, client, request)).await
    }
}

/// What a node says to a request.
fn said(talk: &mut Talk, client: u16, request: &mut [u8]) -> Said {
    let mut answers = Vec::new();
    if !talk.faults.silent && talk.hear(client, request) == Answer::Send {
        answers.push(talk.apdu.clone());
        while talk.goes_on() {
            answers.push(talk.apdu.clone());
        }
    }
    Said { answers, thinks: talk.faults.delay }
}

fn prefixed(prefix: Prefix<'_>, apdu: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    prefix.encode(&mut out).ok()?;
    out.extend_from_slice(apdu);
    Some(out)
}
