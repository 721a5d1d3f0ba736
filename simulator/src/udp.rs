//! A meter on UDP: one APDU in each datagram, and an association for each client that speaks from an address of its own.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use dlms::wrapper::{self, HEADER_LENGTH, Header};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use crate::Meter;
use crate::config::CONNECTIONS_PER_METER;
use crate::talk::{Answer, Talk};

/// Octets of the longest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// Answers what comes to a socket. Beyond [`CONNECTIONS_PER_METER`] clients the one that began first is forgotten.
pub(crate) async fn serve(socket: UdpSocket, meter: Arc<Meter>) -> io::Result<()> {
    let server_sap = meter.fleet().plan.model.association.server_sap;
    let mut talks: VecDeque<(SocketAddr, Talk)> = VecDeque::new();
    let (mut datagram, mut frame) = (vec![0; DATAGRAM_MAX], Vec::new());
    loop {
        let (got, peer) = match socket.recv_from(&mut datagram).await {
            Ok(came) => came,
            // That nobody takes an answer any more says nothing about the others.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        let Some((header, request)) = whole(&mut datagram[..got]) else { continue };
        if header.destination != server_sap || meter.faults().silent {
            continue;
        }
        let place = talks.iter().position(|(known, _)| *known == peer);
        let place = place.unwrap_or_else(|| {
            talks.truncate(CONNECTIONS_PER_METER - 1);
            talks.push_front((peer, Talk::new(Arc::clone(&meter))));
            0
        });
        let talk = &mut talks[place].1;
        let answer = talk.hear(header.source, request);
        match answer {
            Answer::Send => {}
            Answer::None | Answer::Drop => continue,
            Answer::Cut => {
                drop(talks.remove(place));
                continue;
            }
        }
        sleep(meter.faults().delay).await;
        frame.clear();
        wrapper::frame(server_sap, header.source, &talk.apdu, &mut frame).map_err(io::Error::other)?;
        socket.send_to(&frame, peer).await?;
    }
}

/// The header and the APDU of a datagram that is one whole frame.
fn whole(datagram: &mut [u8]) -> Option<(Header, &mut [u8])> {
    let (header, apdu) = datagram.split_first_chunk_mut::<HEADER_LENGTH>()?;
    let header = Header::decode(header).ok()?;
    (usize::from(header.length) == apdu.len()).then_some((header, apdu))
}
