//! A reader for tests: the client of the protocol crate on a socket, with the wrapper written out by hand.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dlms::axdr::Data;
use dlms::client::{
    Association, Counters, GlobalKeys, Key, Opened, Opening, Parameters, Password, Reply, Security,
    SystemTitle,
};
use dlms::profile::{Column, NullRule, RowDecoder, Rows, decode_list};
use dlms::selection::Selection;
use dlms::{AttributeDescriptor, Conformance, Error, MethodDescriptor, Obis};
use jiff::tz::TimeZone;
use models::Model;
use simulator::{Clock, FleetConfig, Meter, SecurityLevel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What went wrong while reading.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The protocol: the meter refused or broke the rules.
    Protocol(Error),
    /// The meter closed the connection.
    Closed,
    /// No answer came in time.
    Silent,
}

/// A connection to a meter, with an association or about to have one.
pub(crate) struct Reader {
    stream: TcpStream,
    client_sap: u16,
    server_sap: u16,
    /// Octets in front of each request and of each answer, behind the wrapper.
    prefixes: (Vec<u8>, Vec<u8>),
    association: Option<Association>,
    pub(crate) exchanges: usize,
}

pub(crate) fn model(name: &str) -> Arc<Model> {
    Arc::clone(&models::builtin().unwrap()[name])
}

/// Three meters of a model with 30 days of history, at 2026-04-15T12:07 in Berlin.
pub(crate) fn config(name: &str) -> FleetConfig {
    FleetConfig {
        count: 3,
        seed: 7,
        clock: Clock::starting_at("2026-04-15T12:07:00Z".parse().unwrap()),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        ..FleetConfig::new(model(name))
    }
}

/// What a head-end would use for the meter, from its inventory.
pub(crate) fn security(meter: &Meter, first_counter: u32) -> (u16, Security) {
    let secrets = meter.secrets();
    match meter.security() {
        SecurityLevel::None => (16, Security::none()),
        SecurityLevel::Lls => (32, Security::lls(Password::new(secrets.password))),
        SecurityLevel::Secret(kind) => panic!("{kind:?} is read by a foreign client"),
        SecurityLevel::Gmac => {
            let keys = GlobalKeys::of_suite_0(
                Key::new(secrets.encryption_key),
                Key::new(secrets.authentication_key),
            );
            let counters = Counters::new(first_counter, first_counter + 10_000);
            let title = SystemTitle::new(*b"HEAD\0\0\0\x01");
            (1, Security::gmac(title, keys, *b"challenge of HES", counters))
        }
    }
}

impl Reader {
    /// Connects and opens the association of the inventory.
    pub(crate) async fn open(address: SocketAddr, meter: &Meter) -> Result<Self, Failure> {
        let (sap, security) = security(meter, 1);
        Self::open_as(address, sap, security).await
    }

    /// Connects and opens an association.
    pub(crate) async fn open_as(
        address: SocketAddr,
        client_sap: u16,
        security: Security,
    ) -> Result<Self, Failure> {
        Self::open_behind(address, (client_sap, 1), Default::default(), security).await
    }

    /// Connects and opens an association with a server port, and with octets in front of each request and of each answer.
    pub(crate) async fn open_behind(
        address: SocketAddr,
        (client_sap, server_sap): (u16, u16),
        prefixes: (Vec<u8>, Vec<u8>),
        security: Security,
    ) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut reader = Self { stream, client_sap, server_sap, prefixes, association: None, exchanges: 0 };
        let parameters = Parameters { security, conformance: Conformance::CLIENT, max_receive_pdu: 1024 };
        let mut request = Vec::new();
        let mut opening = Opening::start(parameters, &mut request).map_err(Failure::Protocol)?;
        loop {
            let mut answer = reader.exchange(&request).await?;
            request.clear();
            match opening.handle(&mut answer, &mut request).map_err(Failure::Protocol)? {
                Opened::Send(next) => opening = next,
                Opened::Established(association) => {
                    reader.association = Some(association);
                    return Ok(reader);
                }
            }
        }
    }

    /// One attribute, encoded.
    pub(crate) async fn get(
        &mut self,
        what: (u16, Obis, i8),
        selection: Option<&Selection>,
    ) -> Result<Vec<u8>, Failure> {
        let mut association = self.association.take().expect("an open association");
        let (class_id, instance, attribute) = what;
        let descriptor = AttributeDescriptor { class_id, instance, attribute };
        let mut request = Vec::new();
        association.get(&descriptor, selection, &mut request).map_err(Failure::Protocol)?;
        let mut value = Vec::new();
        loop {
            let mut answer = self.exchange(&request).await?;
            request.clear();
            match association.handle(&mut answer).map_err(Failure::Protocol)? {
                Reply::Block(piece) => value.extend_from_slice(piece),
                Reply::Data(piece) => {
                    value.extend_from_slice(piece);
                    self.association = Some(association);
                    return Ok(value);
                }
                other => panic!("{other:?} in answer to a GET"),
            }
            association.next_block(&mut request).map_err(Failure::Protocol)?;
        }
    }

    /// One attribute, decoded.
    pub(crate) async fn value(&mut self, class_id: u16, name: &str, attribute: i8) -> Result<Data, Failure> {
        let value = self.get((class_id, name.parse().unwrap(), attribute), None).await?;
        Ok(Data::decode(&value).unwrap())
    }

    /// The rows of a profile, decoded by the capture objects that the meter names.
    pub(crate) async fn profile(
        &mut self,
        obis: Obis,
        selection: Option<&Selection>,
    ) -> Result<Rows, Failure> {
        let columns = decode_list(&self.get((7, obis, 3), None).await?).unwrap();
        let buffer = self.get((7, obis, 2), selection).await?;
        let mut rows = Rows::default();
        let mut decoder = RowDecoder::new(columns.iter().map(Column::of).collect(), NullRule::Repeat);
        decoder.push(&buffer, &mut rows).unwrap();
        decoder.finish().unwrap();
        Ok(rows)
    }

    /// A method, with the parameter of those that need none: integer 0.
    pub(crate) async fn invoke(&mut self, class_id: u16, name: &str, method: i8) -> Result<(), Failure> {
        self.invoke_with(class_id, name, method, &Data::Integer(0)).await
    }

    /// A method with its parameter, in blocks when it is long.
    pub(crate) async fn invoke_with(
        &mut self,
        class_id: u16,
        name: &str,
        method: i8,
        parameter: &Data,
    ) -> Result<(), Failure> {
        let descriptor = MethodDescriptor { class_id, instance: name.parse().unwrap(), method };
        self.upload(|association, request| association.action(&descriptor, Some(parameter), request)).await
    }

    /// Sets an attribute, in blocks when the value is long.
    pub(crate) async fn set(
        &mut self,
        class_id: u16,
        name: &str,
        attribute: i8,
        value: &Data,
    ) -> Result<(), Failure> {
        let descriptor = AttributeDescriptor { class_id, instance: name.parse().unwrap(), attribute };
        self.upload(|association, request| association.set(&descriptor, value, request)).await
    }

    async fn upload(
        &mut self,
        start: impl FnOnce(&mut Association, &mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let mut association = self.association.take().expect("an open association");
        let mut request = Vec::new();
        start(&mut association, &mut request).map_err(Failure::Protocol)?;
        let done = loop {
            let mut answer = self.exchange(&request).await?;
            request.clear();
            match association.handle(&mut answer) {
                Ok(Reply::BlockTaken) => association.next_block(&mut request).map_err(Failure::Protocol)?,
                Ok(_) => break Ok(()),
                Err(refused) => break Err(Failure::Protocol(refused)),
            }
        };
        self.association = Some(association);
        done
    }

    async fn exchange(&mut self, apdu: &[u8]) -> Result<Vec<u8>, Failure> {
        self.exchanges += 1;
        let apdu = [&self.prefixes.0, apdu].concat();
        let header = [1, self.client_sap, self.server_sap, u16::try_from(apdu.len()).unwrap()];
        let mut frame: Vec<u8> = header.iter().flat_map(|field| field.to_be_bytes()).collect();
        frame.extend_from_slice(&apdu);
        self.stream.write_all(&frame).await.map_err(|_| Failure::Closed)?;
        timeout(Duration::from_secs(2), self.receive())
            .await
            .map_err(|_| Failure::Silent)?
            .map_err(|_| Failure::Closed)
    }

    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header).await?;
        let fields: Vec<_> = header.chunks(2).map(|field| u16::from_be_bytes([field[0], field[1]])).collect();
        assert_eq!(fields[..3], [1, self.server_sap, self.client_sap], "version, server and client");
        let mut apdu = vec![0; usize::from(fields[3])];
        self.stream.read_exact(&mut apdu).await?;
        Ok(apdu.strip_prefix(self.prefixes.1.as_slice()).expect("the prefix").to_vec())
    }
}
