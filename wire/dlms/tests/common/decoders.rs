//! Everything in the crate that takes octets from outside, by name.

use dlms::acse::{Aare, Aarq, Release, ReleaseKind};
use dlms::apdu::{
    self, AccessRequest, AccessResponse, ActionRequest, ActionResponse, DataNotification,
    DataNotificationConfirm, EventNotification, GeneralBlock, GetRequest, GetResponse, InformationReport,
    ReadRequest, ReadResponse, SetRequest, SetResponse, WriteRequest, WriteResponse,
};
use dlms::axdr::{Data, Reader, skip};
use dlms::cosem::association;
use dlms::decode::{Secrets, decode};
use dlms::gbt::{Limits, Transfer};
use dlms::initiate::{InitiateRequest, InitiateResponse};
use dlms::profile::{Column, NullRule, RowDecoder, Rows, decode_list};
use dlms::push::{self, Push};
use dlms::security::{
    Certificate, Cipher, Envelope, GeneralCiphering, GeneralSigning, Key, PrivateKey, SystemTitle,
};
use dlms::selection::Selection;
use dlms::{ExceptionResponse, ScalerUnit, gateway, hdlc, llc, mbus, wrapper};

/// Name of a decoder, and whether it takes octets for something that is whole.
pub(crate) type Decoder = (&'static str, fn(&[u8]) -> bool);

/// What builds a tree for people, which takes many times the room of the octets.
pub(crate) const TREE: Decoder = ("tree", |octets| decode(octets, &secrets()).stop.is_none());

/// Values, and the lists of them that have decoders of their own.
pub(crate) const VALUES: [Decoder; 9] = [
    ("value", |octets| Data::decode(octets).is_ok()),
    ("value that is passed over", |octets| {
        let mut reader = Reader::new(octets);
        skip(&mut reader).is_ok() && reader.finish().is_ok()
    }),
    ("rows", |octets| rows(octets, vec![Column::Value])),
    ("rows of all kinds", |octets| {
        rows(octets, vec![Column::Clock, Column::Status, Column::Value, Column::Ignored])
    }),
    ("selection of a profile", |octets| Selection::read(7, &mut Reader::new(octets)).is_ok()),
    ("selection of objects", |octets| Selection::read(15, &mut Reader::new(octets)).is_ok()),
    ("object list", |octets| association::decode_list(octets).is_ok()),
    ("capture objects", |octets| decode_list(octets).is_ok()),
    ("scaler and unit", |octets| ScalerUnit::decode(octets).is_ok()),
];

/// Plain APDUs.
pub(crate) const APDUS: [Decoder; 25] = [
    ("AARQ", |octets| Aarq::decode(octets).is_ok()),
    ("AARE", |octets| Aare::decode(octets).is_ok()),
    ("RLRQ", |octets| Release::decode(ReleaseKind::Request, octets).is_ok()),
    ("RLRE", |octets| Release::decode(ReleaseKind::Response, octets).is_ok()),
    ("initiate request", |octets| InitiateRequest::decode(octets).is_ok()),
    ("initiate response", |octets| InitiateResponse::decode(octets).is_ok()),
    ("GET request", |octets| GetRequest::decode(octets).is_ok()),
    ("GET response", |octets| GetResponse::decode(octets).is_ok()),
    ("SET request", |octets| SetRequest::decode(octets).is_ok()),
    ("SET response", |octets| SetResponse::decode(octets).is_ok()),
    ("ACTION request", |octets| ActionRequest::decode(octets).is_ok()),
    ("ACTION response", |octets| ActionResponse::decode(octets).is_ok()),
    ("ACCESS request", |octets| AccessRequest::decode(octets).is_ok()),
    ("ACCESS response", |octets| AccessResponse::decode(octets).is_ok()),
    ("read request", |octets| ReadRequest::decode(octets).is_ok()),
    ("read response", |octets| ReadResponse::decode(octets).is_ok()),
    ("write request", |octets| WriteRequest::decode(octets).is_ok()),
    ("write response", |octets| WriteResponse::decode(octets).is_ok()),
    ("exception", |octets| ExceptionResponse::decode(octets).is_ok()),
    ("data notification", |octets| DataNotification::decode(octets).is_ok()),
    ("its confirmation", |octets| DataNotificationConfirm::decode(octets).is_ok()),
    ("event notification", |octets| EventNotification::decode(octets).is_ok()),
    ("information report", |octets| InformationReport::decode(octets).is_ok()),
    ("push", |octets| Push::decode(octets).is_ok()),
    ("general block", |octets| GeneralBlock::decode(octets).is_ok()),
];

/// Lists behind the head of an APDU, which may come in blocks.
pub(crate) const LISTS: [Decoder; 6] = [
    ("values of a list", |octets| apdu::read_values(octets).is_ok()),
    ("results of GET", |octets| apdu::get::read_results(octets).is_ok()),
    ("results of SET", |octets| apdu::set::read_results(octets).is_ok()),
    ("results of ACTION", |octets| apdu::action::read_returns(octets).is_ok()),
    ("results of read", |octets| apdu::short_name::read_results(octets).is_ok()),
    ("results of write", |octets| apdu::short_name::write_results(octets).is_ok()),
];

/// What is around APDUs: protection and blocks.
pub(crate) const PROTECTED: [Decoder; 7] = [
    ("envelope", |octets| {
        let mut octets = octets.to_vec();
        let Ok((envelope, body)) = Envelope::read(&mut octets) else { return false };
        envelope.open(&cipher(), &TITLE, body).is_ok()
    }),
    ("general ciphering", |octets| {
        let mut octets = octets.to_vec();
        let Ok((envelope, content)) = GeneralCiphering::read(&mut octets) else { return false };
        envelope.open(&cipher(), &TITLE, content).is_ok()
    }),
    ("general signing", |octets| {
        let Ok(signed) = GeneralSigning::read(octets) else { return false };
        signed.verify(&private_key().public_key()).is_ok()
    }),
    ("ciphered push", |octets| {
        // Expanding the keys takes longer than all the rest.
        let is_ciphered = octets.first().is_some_and(|tag| push::is_ciphered(*tag));
        is_ciphered && push::open(&cipher(), &TITLE, &mut octets.to_vec()).is_ok()
    }),
    ("wrapped key", |octets| Key::new([7; 16]).unwrap(octets).is_ok()),
    ("certificate", |octets| Certificate::decode(octets).is_ok()),
    ("transfer in blocks", |octets| {
        let mut transfer = Transfer::answering(Limits { window: 63, pdu: 1024, received: 1 << 20 });
        transfer.handle(octets).is_ok()
    }),
];

/// What carries APDUs: links and their openings.
pub(crate) const LINKS: [Decoder; 10] = [
    ("wrapper", |octets| {
        let mut splitter = wrapper::Splitter::new(u16::MAX);
        splitter.push(octets);
        let mut frames = 0;
        while let Ok(Some(_)) = splitter.next_frame() {
            frames += 1;
        }
        frames > 0
    }),
    ("frames", |octets| {
        let mut splitter = hdlc::Splitter::new();
        splitter.push(octets);
        let mut frames = 0;
        while splitter.next_frame().is_some() {
            frames += 1;
        }
        frames > 0
    }),
    ("frame", |octets| hdlc::Frame::decode(octets).is_ok()),
    ("settings of a link", |octets| hdlc::Settings::decode(octets).is_ok()),
    ("client of a link", |octets| {
        let mut client = hdlc::Client::new(station(16), station(1), hdlc::Settings::default());
        let mut out = Vec::new();
        let _ = client.connect(&mut out);
        client.push(octets);
        while !matches!(client.poll(&mut out), Ok(hdlc::Event::Wait) | Err(_)) {}
        client.is_connected()
    }),
    ("station of a link", |octets| {
        let mut server = hdlc::Server::new(vec![station(1)], hdlc::Settings::default());
        server.push(octets);
        let (mut out, mut arrivals) = (Vec::new(), 0);
        while !matches!(server.poll(&mut out), Ok(hdlc::Arrival::Nothing) | Err(_)) {
            arrivals += 1;
        }
        arrivals > 0
    }),
    ("header of the power line", |octets| llc::PlcHeader::split(octets).is_ok()),
    ("gateway", |octets| gateway::Prefix::read(octets).is_ok()),
    ("segments", |octets| {
        let mut receiver = mbus::Receiver::new();
        receiver.push(octets);
        let mut apdus = 0;
        while receiver.next_apdu().is_some() {
            apdus += 1;
        }
        apdus > 0
    }),
    ("segment", |octets| mbus::Segment::decode(octets).is_ok()),
];

/// All of them but the tree.
pub(crate) fn all() -> impl Iterator<Item = Decoder> {
    VALUES.into_iter().chain(APDUS).chain(LISTS).chain(PROTECTED).chain(LINKS)
}

const TITLE: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");

fn cipher() -> Cipher {
    Cipher::new(&Key::new([0xE1; 16]), &Key::new([0xA1; 16]))
}

fn private_key() -> PrivateKey {
    PrivateKey::try_from(&[7; 32][..]).unwrap()
}

/// A station that is alone on its line.
fn station(number: u8) -> hdlc::Address {
    hdlc::Address::client(number).unwrap()
}

fn secrets() -> Secrets {
    Secrets {
        encryption_key: Some(Key::new([0xE1; 16])),
        authentication_key: Some(Key::new([0xA1; 16])),
        system_title: Some(TITLE),
        ..Secrets::default()
    }
}

fn rows(buffer: &[u8], columns: Vec<Column>) -> bool {
    let mut rows = Rows::default();
    let mut decoder = RowDecoder::new(columns, NullRule::Repeat);
    decoder.push(buffer, &mut rows).is_ok() && decoder.finish().is_ok()
}
