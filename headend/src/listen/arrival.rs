//! A push as it arrived: where from, when, in which form.

use std::net::SocketAddr;
use std::sync::Arc;

use dlms::apdu::{DataNotificationConfirm, LongInvokeId};
use dlms::gateway::{Direction, Prefix};
use dlms::hdlc::{Address, Control, Frame, Function};
use dlms::llc;
use dlms::push::{self, TextPush};
use dlms::security::{GENERAL_SIGNING, SystemTitle};
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

/// Why a push with a signature is not believed.
const SIGNED: &str = "it is signed (general-signing), and the head-end knows no certificates of meters: let the meter cipher its pushes with its global keys";
/// Why a push without logical names is not understood.
const SHORT_NAMES: &str =
    "it names objects by short names (information-report): let the meter push data-notifications";
/// Tag of an information-report.
const INFORMATION_REPORT: u8 = 0x18;

impl Form {
    /// Looks at an APDU, behind the name of the device where it came through a gateway.
    pub(crate) fn of(apdu: &[u8]) -> Self {
        let apdu = Prefix::behind(apdu);
        match apdu.first() {
            Some(&GENERAL_SIGNING) => Self::Obscure(SIGNED.to_owned()),
            Some(&INFORMATION_REPORT) => Self::Obscure(SHORT_NAMES.to_owned()),
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
        // What is no push at all may begin with these octets, too.
        let prefix = self.prefix().filter(|_| matches!(self.form, Form::Plain(_) | Form::Ciphered { .. }));
        let device = prefix.map(|prefix| std::str::from_utf8(prefix.address).unwrap_or_default());
        Claim { title, names, device, line: self.line.as_deref(), host: &self.host }
    }

    /// What stands in front of it where it came through a gateway.
    pub(crate) fn prefix(&self) -> Option<Prefix<'_>> {
        Prefix::split(&self.octets).map(|(prefix, _)| prefix)
    }

    /// The APDU that says that it was taken, through the gateway where it came through one.
    pub(crate) fn confirmation(&self, invoke: LongInvokeId) -> Vec<u8> {
        let mut apdu = Vec::new();
        if let Some(prefix) = self.prefix() {
            // Its address was one of a prefix before.
            drop(Prefix { direction: Direction::ToDevice, ..prefix }.encode(&mut apdu));
        }
        DataNotificationConfirm { invoke, time: None }.encode(&mut apdu);
        apdu
    }

    /// Tells whoever waits. That nobody waits any more, or cannot be reached, changes nothing about the push.
    pub(crate) fn answer(self, answer: Answer) {
        match self.waiting {
            Waiting::Connection(connection) => drop(connection.send(answer)),
            Waiting::Datagram(socket, peer, Some(header)) => {
                if let Some(frame) = frame(&answer, Back::Wrapper(header)) {
                    drop(socket.try_send_to(&frame, peer));
                }
            }
            Waiting::Datagram(_, _, None) | Waiting::Nobody => {}
        }
    }
}

/// The frame of an answer on its way back, if anything is to be answered. A confirmation goes in the clear even when
/// the push was ciphered: it would use up an invocation counter below which the work of a collector is just going on.
pub(crate) fn frame(answer: &Answer, back: Back) -> Option<Vec<u8>> {
    let Answer::Confirm(apdu) = answer else { return None };
    back.frame(apdu)
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
    use proptest::prelude::*;

    use super::*;

    fn arrived(apdu: &[u8]) -> Arrival {
        Arrival {
            at: Timestamp::UNIX_EPOCH,
            peer: String::new(),
            host: "10.1.2.3".into(),
            line: None,
            octets: apdu.to_vec(),
            form: Form::of(apdu),
            waiting: Waiting::Nobody,
            _turn: None,
        }
    }

    #[test]
    fn a_device_behind_a_gateway_is_told_by_what_the_gateway_calls_it() {
        let push = [0x0F, 0, 0, 0, 7, 0, 9, 1, b'M'];
        let through = |prefix: &[u8]| arrived(&[prefix, &push[..]].concat());
        let behind = through(&[0xE7, 0, 6, b'1', b'2', b'3', b'4', b'5', b'6']);
        assert_eq!(behind.form, arrived(&push).form);
        assert_eq!((behind.claim().device, arrived(&push).claim().device), (Some("123456"), None));
        assert_eq!(
            through(&[0xE6, 0, 2, b'4', b'2']).claim().device,
            Some("42"),
            "some say so of themselves"
        );
        assert_eq!(through(&[0xE7, 0, 1, 0xFF]).claim().device, Some(""), "a name that no meter has");
        let mut signed = vec![0xE7, 0, 2, b'4', b'2'];
        signed.extend([0xDF, 0, 0, 0, 0, 0, 1, 0x0F, 0]);
        for (octets, word) in [
            (&signed[..], "general-signing"),
            (&signed[5..], "general-signing"),
            (&[0x18, 0, 0], "short names"),
        ] {
            let obscure = arrived(octets);
            assert!(matches!(&obscure.form, Form::Obscure(why) if why.contains(word)), "{:?}", obscure.form);
            assert_eq!(obscure.claim().device, None);
        }
    }

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
        let frame = |answer| frame(&answer, Back::Wrapper(header));
        let apdu = arrived(&[0x0F, 0x40, 0, 0, 7, 0, 0]).confirmation(LongInvokeId::new(0x4000_0007));
        let confirm = frame(Answer::Confirm(apdu)).unwrap();
        assert_eq!(confirm, [0, 1, 0, 32, 0, 1, 0, 6, 0x10, 0x40, 0, 0, 7, 0]);
        assert_eq!(frame(Answer::Silence), None);
        let behind = arrived(&[0xE7, 3, 2, b'4', b'2', 0x0F, 0x40, 0, 0, 7, 0, 0]);
        let expected = [0xE6, 3, 2, b'4', b'2', 0x10, 0x40, 0, 0, 7, 0];
        assert_eq!(behind.confirmation(LongInvokeId::new(0x4000_0007)), expected);
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
