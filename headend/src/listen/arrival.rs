//! A push as it arrived: where from, when, in which form.

use std::net::SocketAddr;
use std::sync::Arc;

use dlms::hdlc::{Address, Control, Frame, Function};
use dlms::llc;
use dlms::push::{self, TextPush};
use dlms::security::SystemTitle;
use dlms::wrapper::{self, Header};
use jiff::Timestamp;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::judge::Answer;
use super::message::Message;
use crate::store::pushes::Claim;

/// A push on its way to the store.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// When it arrived.
    pub(crate) at: Timestamp,
    /// Transport, address and port of the sender.
    pub(crate) peer: String,
    /// Host of the sender, as it stands in the address of a meter.
    pub(crate) host: String,
    /// The line, when the sender said before who it is.
    pub(crate) line: Option<String>,
    /// What arrived, without the header where one was understood.
    pub(crate) octets: Vec<u8>,
    /// How far it is understood.
    pub(crate) form: Form,
    /// Who waits for what becomes of it.
    pub(crate) waiting: Waiting,
    /// Its share of what one address may have on the way.
    pub(crate) _turn: Option<OwnedSemaphorePermit>,
}

/// How far a push is understood before its sender is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// In the clear.
    Plain(Message),
    /// Ciphered; with the title of the sender, when it bears one.
    Ciphered {
        /// System title.
        title: Option<SystemTitle>,
    },
    /// Not understood, and why.
    Obscure(String),
    /// A login of somebody who is no meter's, told to a person.
    Stranger(String),
    /// A heartbeat of one of two who say to be the same, told to a person.
    Contested(String),
}

/// Who waits for what becomes of a push.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Nobody.
    Nobody,
    /// A connection.
    Connection(oneshot::Sender<Answer>),
    /// Whoever sent a datagram with this header, if it had one.
    Datagram(Arc<UdpSocket>, SocketAddr, Option<Header>),
}

/// The way back to whoever sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    /// To a frame with this header.
    Wrapper(Header),
    /// To a UI frame of HDLC, which was sent so.
    Hdlc {
        /// To whom.
        destination: Address,
        /// By whom.
        source: Address,
    },
}

impl Back {
    /// The frame with an APDU; `None` where it is too long for one.
    pub(crate) fn frame(self, apdu: &[u8]) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        match self {
            Self::Wrapper(header) => {
                wrapper::frame(header.destination, header.source, apdu, &mut frame).ok()?;
            }
            Self::Hdlc { destination, source } => {
                let information = [&llc::COMMAND, apdu].concat();
                let (destination, source, control) =
                    (source, destination, Control::last(Function::UnnumberedInformation));
                let answer =
                    Frame { destination, source, control, segmented: false, information: &information };
                answer.encode(&mut frame).ok()?;
            }
        }
        Some(frame)
    }
}

impl Form {
    /// Looks at an APDU.
    pub(crate) fn of(apdu: &[u8]) -> Self {
        match apdu.first() {
            Some(&tag) if push::is_ciphered(tag) && TextPush::decode(apdu).is_none() => {
                // Taking it apart changes nothing, but wants to be able to.
                match push::title(&mut apdu.to_vec()) {
                    Ok(title) => Self::Ciphered { title },
                    Err(error) => Self::Obscure(error.to_string()),
                }
            }
            _ => match Message::read(apdu) {
                Ok(message) => Self::Plain(message),
                Err(error) => Self::Obscure(error.to_string()),
            },
        }
    }
}

impl Arrival {
    /// What it says of its sender.
    pub(crate) fn claim(&self) -> Claim<'_> {
        let (title, names) = match &self.form {
            Form::Plain(message) => (None, message.names.as_slice()),
            Form::Ciphered { title } => (*title, &[][..]),
            Form::Obscure(_) | Form::Stranger(_) | Form::Contested(_) => (None, &[][..]),
        };
        Claim { title, names, line: self.line.as_deref(), host: &self.host }
    }

    /// Tells whoever waits. That nobody waits any more, or cannot be reached, changes nothing about the push.
    pub(crate) fn answer(self, answer: Answer) {
        match self.waiting {
            Waiting::Connection(connection) => drop(connection.send(answer)),
            Waiting::Datagram(socket, peer, Some(header)) => {
                if let Some(frame) = frame(answer, Back::Wrapper(header)) {
                    drop(socket.try_send_to(&frame, peer));
                }
            }
            Waiting::Datagram(_, _, None) | Waiting::Nobody => {}
        }
    }
}

/// The frame of an answer on its way back, if anything is to be answered. A confirmation goes in the clear even when
/// the push was ciphered: it would use up an invocation counter below which the work of a collector is just going on.
pub(crate) fn frame(answer: Answer, back: Back) -> Option<Vec<u8>> {
    let Answer::Confirm(invoke) = answer else { return None };
    let mut apdu = Vec::new();
    dlms::apdu::DataNotificationConfirm { invoke, time: None }.encode(&mut apdu);
    back.frame(&apdu)
}

/// The host of an address, as it stands in the address of a meter: an IPv6 address in brackets, and an IPv4 address as such.
pub(crate) fn host(peer: SocketAddr) -> String {
    match peer.ip().to_canonical() {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use dlms::apdu::LongInvokeId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_is_told_by_the_first_octets() {
        let title = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");
        let ciphered = [&[0xDB, 8][..], title.octets(), &[6, 0x30, 0, 0, 0, 1, 0xAA]].concat();
        assert_eq!(Form::of(&ciphered), Form::Ciphered { title: Some(title) });
        let by_anybody =
            [&[0xDD, 0, 8][..], title.octets(), &[0, 0, 0, 0, 6, 0x30, 0, 0, 0, 1, 0xAA]].concat();
        assert_eq!(Form::of(&by_anybody), Form::Ciphered { title: Some(title) });
        assert_eq!(Form::of(&[0xCA, 6, 0x30, 0, 0, 0, 1, 0xAA]), Form::Ciphered { title: None });
        assert!(matches!(Form::of(&ciphered[..9]), Form::Obscure(_)));
        assert!(matches!(Form::of(&[]), Form::Obscure(_)));
        // Its first octet is also the tag of a ciphered APDU.
        assert!(matches!(Form::of(b"E0026000123456789,\0\0\0\x01"), Form::Plain(_)));
    }

    #[test]
    fn a_confirmation_goes_back_the_way_the_push_came() {
        let header = Header { source: 1, destination: 32, length: 9 };
        let frame = |answer| frame(answer, Back::Wrapper(header));
        let confirm = frame(Answer::Confirm(LongInvokeId::new(0x4000_0007))).unwrap();
        assert_eq!(confirm, [0, 1, 0, 32, 0, 1, 0, 6, 0x10, 0x40, 0, 0, 7, 0]);
        assert_eq!(frame(Answer::Silence), None);
        let (destination, source) = (Address::client(0x66).unwrap(), Address::server(1, None).unwrap());
        let answer = Back::Hdlc { destination, source }.frame(&[0x10, 0x40, 0, 0, 7, 0]).unwrap();
        let answer = Frame::decode(&answer[1..answer.len() - 1]).unwrap();
        assert_eq!((answer.destination, answer.source), (source, destination));
        assert_eq!(answer.information, [0xE6, 0xE6, 0, 0x10, 0x40, 0, 0, 7, 0]);
    }

    #[test]
    fn hosts_are_written_as_in_the_inventory() {
        for (peer, expected) in [
            ("10.1.2.3:4059", "10.1.2.3"),
            ("[::ffff:10.1.2.3]:4059", "10.1.2.3"),
            ("[2001:db8::1]:4059", "[2001:db8::1]"),
        ] {
            assert_eq!(host(peer.parse().unwrap()), expected);
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Form::of(&octets);
        }
    }
}
