//! What a meter sends unasked: a last gasp, or whatever else the tables of its model have a key for.
//!
//! The form follows from where the model has the key, as meters of several makers have it: an object is pushed itself, in an
//! event-notification; a bit or a code in a data-notification that names meter and object.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use dlms::apdu::{DataNotification, DataNotificationConfirm, EventNotification, LongInvokeId};
use dlms::push::Push;
use dlms::security::{Cipher, Envelope, Key, SecurityControl, SystemTitle, Wrapping};
use dlms::{AttributeDescriptor, Obis, wrapper};
use models::Source;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::config::SecurityLevel;
use crate::local::{Offsets, date_time};
use crate::{Error, Meter};

/// Wrapper port of whoever takes pushes in (IDIS package 2).
const PUSH_CLIENT: u16 = 103;
/// Interface class of data.
const DATA: u16 = 1;
/// How long a confirmation is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a push is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A connection of its own.
    Tcp,
    /// A datagram.
    Udp,
}

/// What is asked of a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// In the clear, though the meter could cipher it.
    pub plain: bool,
    /// Ask for a confirmation; only a data-notification can.
    pub confirmed: bool,
}

/// Makes the pushes of meters, and remembers the invocation counters that they have used. These begin at the clock, so that
/// another process goes on above them.
#[derive(Debug, Default)]
pub struct Pusher {
    counters: BTreeMap<u32, u32>,
    invoked: u32,
}

impl Pusher {
    /// One that remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frame with which a meter pushes the event of a canonical key, such as `power.last_gasp`.
    ///
    /// # Errors
    /// [`Error::NoEvent`] when the tables of the meter's model do not have the key.
    pub fn frame(&mut self, meter: &Meter, key: &str, options: PushOptions) -> Result<Vec<u8>, Error> {
        let model = &meter.fleet().config.model;
        let missing = || Error::NoEvent { model: model.name.clone(), key: key.to_owned() };
        let source = model.alarms.source(key).ok_or_else(missing)?;
        let plain = self.plain(meter, source, options.confirmed);
        let apdu = if options.plain || meter.security() != SecurityLevel::Gmac {
            plain
        } else {
            self.sealed(meter, &plain).ok_or_else(missing)?
        };
        let mut frame = Vec::new();
        // No push is longer than a frame can be.
        wrapper::frame(model.association.server_sap, PUSH_CLIENT, &apdu, &mut frame)
            .map_err(|_| missing())?;
        Ok(frame)
    }

    fn plain(&mut self, meter: &Meter, source: Source, confirmed: bool) -> Vec<u8> {
        let time = Some(date_time(&mut Offsets::new(meter.zone()), meter.now()));
        let serial = meter.serial();
        let mut apdu = Vec::new();
        let (object, value) = match source {
            Source::Object(instance) => {
                let attribute = AttributeDescriptor { class_id: DATA, instance, attribute: 2 };
                let value = string(serial.as_bytes());
                Push::Event(EventNotification { time, attribute, value: &value }).encode(&mut apdu);
                return apdu;
            }
            Source::Bit { register, bit } => (register, number(1_u32.checked_shl(bit.into()).unwrap_or(0))),
            Source::Event { log, code } => (event_code(log), number(code)),
        };
        // A structure of who, what and how much.
        let body = [&[2, 3][..], &string(serial.as_bytes()), &string(&object.octets()), &value].concat();
        self.invoked = self.invoked % 0x00FF_FFFF + 1;
        let invoke = LongInvokeId::new(self.invoked | if confirmed { 1 << 30 } else { 0 });
        Push::Data(DataNotification { invoke, time, body: &body }).encode(&mut apdu);
        apdu
    }

    /// With the keys of the meter, in general-glo-ciphering.
    fn sealed(&mut self, meter: &Meter, plain: &[u8]) -> Option<Vec<u8>> {
        let secrets = meter.secrets();
        let cipher = Cipher::new(&Key::new(secrets.encryption_key), &Key::new(secrets.authentication_key));
        let title = SystemTitle::new(meter.system_title());
        let clock = u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX);
        let last = self.counters.entry(meter.number()).or_default();
        *last = last.saturating_add(1).max(clock);
        let envelope = Envelope {
            wrapping: Wrapping::GeneralGlobal(Some(title)),
            control: SecurityControl::AUTHENTICATED_ENCRYPTED,
            counter: *last,
        };
        let mut sealed = Vec::new();
        envelope.seal(&cipher, &title, plain, &mut sealed).ok()?;
        Some(sealed)
    }
}

/// Sends a frame. Returns whether it was confirmed, if `confirmed` says that it asks for that and the transport is TCP.
///
/// # Errors
/// [`Error::Unheard`].
pub async fn send(
    frame: &[u8],
    to: SocketAddr,
    transport: Transport,
    confirmed: bool,
) -> Result<bool, Error> {
    let unheard = |error: std::io::Error| Error::Unheard { address: to, kind: error.kind() };
    match transport {
        Transport::Udp => {
            let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
            let socket = UdpSocket::bind(any).await.map_err(unheard)?;
            socket.send_to(frame, to).await.map_err(unheard)?;
            Ok(false)
        }
        Transport::Tcp => {
            let mut stream = TcpStream::connect(to).await.map_err(unheard)?;
            stream.write_all(frame).await.map_err(unheard)?;
            if confirmed {
                return Ok(timeout(PATIENCE, confirmation(&mut stream)).await.unwrap_or(false));
            }
            stream.shutdown().await.map_err(unheard)?;
            Ok(false)
        }
    }
}

/// Whether a confirmation comes.
async fn confirmation(stream: &mut TcpStream) -> bool {
    let mut header = [0; wrapper::HEADER_LENGTH];
    if stream.read_exact(&mut header).await.is_err() {
        return false;
    }
    let Ok(header) = wrapper::Header::decode(&header) else { return false };
    let mut apdu = vec![0; header.length.into()];
    stream.read_exact(&mut apdu).await.is_ok() && DataNotificationConfirm::decode(&apdu).is_ok()
}

/// The event-code object 0.b.96.11.e.255 of the log 0.b.99.98.e.255.
fn event_code(log: Obis) -> Obis {
    let [a, channel, _, _, number, last] = log.octets();
    Obis::new([a, channel, 96, 11, number, last])
}

/// An octet-string.
fn string(octets: &[u8]) -> Vec<u8> {
    let mut value = vec![9];
    dlms::axdr::write_octets(octets, &mut value);
    value
}

/// A double-long-unsigned.
fn number(number: u32) -> Vec<u8> {
    [&[6][..], &number.to_be_bytes()].concat()
}
