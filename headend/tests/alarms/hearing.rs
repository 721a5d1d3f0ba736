//! A listener over a served interface, what meters send to it, and who subscribes.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use ami_proto::v1::alarms_service_client::AlarmsServiceClient;
use ami_proto::v1::{Alarm, SubscribeAlarmsRequest, SubscribeAlarmsResponse};
use dlms::apdu::{DataNotification, EventNotification, LongInvokeId};
use dlms::push::Push;
use dlms::security::{
    Cipher, Envelope, GeneralCiphering, GeneralHeader, Key, KeyInfo, SecurityControl, SystemTitle, Wrapping,
};
use dlms::{AttributeDescriptor, DateTime, wrapper};
use headend::config;
use headend::listen::{Error, Listener};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::served::{Served, soon};

/// Title of the meter that `Database::gmac_meter` does not give one.
pub(crate) const TITLE: SystemTitle = SystemTitle::new(*b"SEN\0\0\x01\xC9\xC3");

/// A listener and an interface over one database.
pub(crate) struct Hearing {
    pub(crate) served: Served,
    pub(crate) tcp: SocketAddr,
    pub(crate) udp: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

/// The usual limits on free ports.
pub(crate) fn config() -> config::Listener {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    config::Listener { tcp: any, udp: any, ..config::Listener::default() }
}

impl Hearing {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: config::Listener) -> Self {
        Self::over(Served::new().await, config).await
    }

    pub(crate) async fn over(served: Served, config: config::Listener) -> Self {
        let listener = Listener::open(config).await.unwrap();
        let (tcp, udp) = listener.addresses().unwrap();
        let stop = CancellationToken::new();
        let models = Arc::new(models::builtin().unwrap());
        let here = (uuid::Uuid::new_v4(), collectors::Lobby::default());
        let task = tokio::spawn(listener.run(served.database.store.clone(), models, here, stop.clone()));
        Self { served, tcp, udp, stop, task }
    }

    /// Stops the listener; what it took is stored then.
    pub(crate) async fn stop(self) -> Served {
        self.stop.cancel();
        soon(self.task).await.unwrap().unwrap();
        self.served
    }

    pub(crate) fn sql(&self, text: &str) -> String {
        self.served.database.sql(text)
    }

    pub(crate) fn client(&self) -> AlarmsServiceClient<Channel> {
        AlarmsServiceClient::new(self.served.channel.clone())
    }

    /// A subscription that has begun.
    pub(crate) async fn subscribe(&self, request: SubscribeAlarmsRequest) -> Subscriber {
        let stream = self.client().subscribe_alarms(request).await.unwrap().into_inner();
        let mut subscriber = Subscriber { stream, token: String::new(), alarms: Vec::new() };
        assert!(subscriber.message().await.alarms.is_empty(), "the first message only has a token");
        subscriber
    }

    /// Sends a datagram.
    pub(crate) fn send(&self, datagram: &[u8]) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(socket.send_to(datagram, self.udp).unwrap(), datagram.len());
    }

    /// Opens a connection and sends octets, in pieces of this size.
    pub(crate) async fn connect(&self, octets: &[u8], piece: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.tcp).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in octets.chunks(piece) {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream
    }

    /// Waits until a question about the database has this answer.
    pub(crate) async fn until(&self, question: &str, answer: &str) {
        let asked = async {
            while self.sql(question) != answer {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(std::time::Duration::from_secs(20), asked).await.is_err() {
            panic!("{question}: {} instead of {answer}", self.sql(question));
        }
    }
}

/// Somebody who follows alarms.
pub(crate) struct Subscriber {
    stream: Streaming<SubscribeAlarmsResponse>,
    /// Of the latest message.
    pub(crate) token: String,
    alarms: Vec<Alarm>,
}

impl Subscriber {
    pub(crate) async fn message(&mut self) -> SubscribeAlarmsResponse {
        let message = soon(self.stream.message()).await.unwrap().expect("the stream goes on");
        self.token.clone_from(&message.resume_token);
        message
    }

    /// The next alarms, so many.
    pub(crate) async fn next(&mut self, count: usize) -> Vec<Alarm> {
        while self.alarms.len() < count {
            let message = self.message().await;
            self.alarms.extend(message.alarms);
        }
        self.alarms.drain(..count).collect()
    }
}

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// With the wrapper header of a meter that pushes.
pub(crate) fn framed(apdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    wrapper::frame(1, 103, apdu, &mut frame).unwrap();
    frame
}

/// What a gateway puts in front of what comes from a device that it calls so.
pub(crate) fn through(gateway: u8, device: &str, apdu: &[u8]) -> Vec<u8> {
    let mut octets = vec![gateway, 0, u8::try_from(device.len()).unwrap()];
    octets.extend_from_slice(device.as_bytes());
    octets.extend_from_slice(apdu);
    octets
}

/// A plain push of a log entry of the meter with this name; `second` tells entries apart.
pub(crate) fn entry(name: &str, code: u8, second: i64, confirmed: bool) -> Vec<u8> {
    let time = DateTime::from_unix(1_774_872_000 + second, Some(0), 0);
    let mut body = vec![2, 4, 9, u8::try_from(name.len()).unwrap()];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[9, 6, 0, 0, 96, 11, 0, 255, 17, code, 0]);
    let invoke = LongInvokeId::new(if confirmed { 0x4000_0001 } else { 1 });
    let mut apdu = Vec::new();
    DataNotification { invoke, time: Some(time), body: &body }.encode(&mut apdu);
    apdu
}

/// The keys that `Database::gmac_meter` gives.
pub(crate) fn cipher() -> Cipher {
    Cipher::new(&Key::new([0x0A; 16]), &Key::new([0x0B; 16]))
}

/// A ciphered push of bit 0 of alarm register 3, a last gasp.
pub(crate) fn sealed(wrapping: Wrapping, cipher: &Cipher, counter: u32) -> Vec<u8> {
    sealed_as(wrapping, SecurityControl::AUTHENTICATED_ENCRYPTED, cipher, counter)
}

/// The same, protected as `control` says.
pub(crate) fn sealed_as(
    wrapping: Wrapping,
    control: SecurityControl,
    cipher: &Cipher,
    counter: u32,
) -> Vec<u8> {
    let (plain, mut out) = (gasp(counter), Vec::new());
    Envelope { wrapping, control, counter }.seal(cipher, &TITLE, &plain, &mut out).unwrap();
    out
}

/// The same, in general-ciphering under the global key.
pub(crate) fn sealed_for_anybody(counter: u32) -> Vec<u8> {
    sealed_under(KeyInfo::Identified(0), counter)
}

/// The same, saying that it is under this key.
pub(crate) fn sealed_under(key: KeyInfo<'_>, counter: u32) -> Vec<u8> {
    let header = GeneralHeader { originator: TITLE.octets(), ..GeneralHeader::default() };
    let (key, control) = (Some(key), SecurityControl::AUTHENTICATED_ENCRYPTED);
    let mut out = Vec::new();
    let envelope = GeneralCiphering { header, key, control, counter };
    envelope.seal(&cipher(), &TITLE, &gasp(counter), &mut out).unwrap();
    out
}

/// The plain push inside.
fn gasp(second: u32) -> Vec<u8> {
    let attribute =
        AttributeDescriptor { class_id: 1, instance: "0.0.97.98.2.255".parse().unwrap(), attribute: 2 };
    let time = Some(DateTime::from_unix(1_774_872_000 + i64::from(second), Some(-60), 0));
    let mut plain = Vec::new();
    Push::Event(EventNotification { time, attribute, value: &[6, 0, 0, 0, 1] }).encode(&mut plain);
    plain
}

/// A ciphered meter whose system title is known.
pub(crate) fn gmac_meter(hearing: &Hearing, serial: &str) -> i32 {
    let meter = hearing.served.database.gmac_meter(serial, 1);
    let title: String = TITLE.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    hearing.sql(&format!("UPDATE meter SET system_title = '\\x{title}' WHERE id = {meter}"));
    meter
}
