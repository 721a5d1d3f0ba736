//! Pushes over UDP: one frame, or one text, in a datagram.

use std::sync::Arc;
use std::time::Duration;

use dlms::wrapper::{HEADER_LENGTH, Header};
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::arrival::Form;
use super::intake::Intake;

/// The largest datagram.
const DATAGRAM: usize = 1 << 16;
/// What the system is asked to hold for us while we are busy: some 30,000 pushes.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How long nothing is received after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Receives datagrams until `stop`.
pub(crate) async fn listen(socket: UdpSocket, intake: Arc<Intake>, stop: CancellationToken) {
    enlarge(&socket);
    let socket = Arc::new(socket);
    let mut datagram = vec![0; DATAGRAM];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut datagram) => received,
            () = stop.cancelled() => return,
        };
        let (octets, peer) = match received {
            Ok((length, peer)) => (&datagram[..length], peer),
            Err(error) => {
                warn!(%error, "a datagram could not be received");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (header, form, octets) = open(octets, intake.config.max_frame.into());
        if let Err(full) = intake.take_datagram(&socket, peer, header, form, octets.to_vec()) {
            debug!(%peer, %full, "a datagram was not taken");
        }
    }
}

/// Header, form and APDU of a datagram. What has no header may still be a text.
fn open(datagram: &[u8], limit: usize) -> (Option<Header>, Form, &[u8]) {
    let framed = datagram.split_first_chunk::<HEADER_LENGTH>();
    let framed = framed.and_then(|(header, apdu)| Some((Header::decode(header).ok()?, apdu)));
    let (header, apdu) = framed.map_or((None, datagram), |(header, apdu)| (Some(header), apdu));
    let form = match header {
        _ if apdu.len() > limit => Form::Obscure(format!("it has {} octets, {limit} are taken", apdu.len())),
        Some(header) if usize::from(header.length) != apdu.len() => {
            Form::Obscure(format!("its header says {} octets, {} follow", header.length, apdu.len()))
        }
        _ => Form::of(apdu),
    };
    (header, form, &apdu[..apdu.len().min(limit)])
}

/// Asks the system to hold more than usual; it may grant less.
fn enlarge(socket: &UdpSocket) {
    use rustix::net::sockopt;
    let forced = sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER);
    let granted = forced.or_else(|_| sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER));
    match granted.and_then(|()| sockopt::socket_recv_buffer_size(socket)) {
        Ok(octets) => info!(octets, "buffer for datagrams"),
        Err(error) => warn!(%error, "the buffer for datagrams stays as it is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_one_frame_or_one_text() {
        let push = [0x0F, 0, 0, 0, 1, 0, 0];
        let framed = [&[0, 1, 0, 1, 0, 103, 0, 7][..], &push].concat();
        let (header, form, apdu) = open(&framed, 64);
        assert_eq!(header.map(|header| (header.source, header.destination)), Some((1, 103)));
        assert!(matches!(form, Form::Plain(_)));
        assert_eq!(apdu, push);
        let text = b"E0026000123456789,\0\0\0\x01";
        let (header, form, apdu) = open(text, 64);
        assert!(header.is_none() && matches!(form, Form::Plain(_)));
        assert_eq!(apdu, text);
    }

    #[test]
    fn what_is_too_long_or_of_another_length_than_it_says_is_not_understood() {
        let why = |datagram: &[u8]| match open(datagram, 16) {
            (_, Form::Obscure(detail), octets) => (detail, octets.len()),
            other => panic!("{other:?}"),
        };
        assert_eq!(why(&[0; 17]), ("it has 17 octets, 16 are taken".into(), 16));
        let short = [0, 1, 0, 1, 0, 103, 0, 7, 0x0F];
        assert_eq!(why(&short), ("its header says 7 octets, 1 follow".into(), 1));
        assert!(matches!(open(&[], 16).1, Form::Obscure(_)));
    }
}
