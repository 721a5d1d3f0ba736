//! A small meter behind the server, and a client that talks to it without a line in between.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

pub(crate) mod hls;

use std::collections::BTreeMap;

use dlms::axdr::Data;
use dlms::client::{
    Association, Counters, GlobalKeys, Key, Opened, Opening, Parameters, Password, Reply, Security,
    SystemTitle,
};
use dlms::selection::Selection;
use dlms::server::{self, Objects, Policy, Session};
use dlms::{ActionResult, AttributeDescriptor, Conformance, DataAccessResult, Error, MethodDescriptor, Obis};

pub(crate) const CLIENT: SystemTitle = SystemTitle::new(*b"HES\0\0\0\0\x01");
pub(crate) const METER: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");
pub(crate) const PASSWORD: &[u8] = b"12345678";
pub(crate) const CHALLENGE: [u8; 16] = *b"challenge of HES";
pub(crate) const METER_CHALLENGE: [u8; 16] = *b"meter challenge!";

/// The three securities of these tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Level {
    None,
    Lls,
    Gmac,
}

pub(crate) const LEVELS: [Level; 3] = [Level::None, Level::Lls, Level::Gmac];

/// Objects that hold encoded values; the method 9/…/1 answers with its parameter.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) values: BTreeMap<(u16, Obis, i8), Vec<u8>>,
    pub(crate) selections: Vec<Selection>,
    pub(crate) gets: usize,
}

impl Objects for Meter {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        self.gets += 1;
        self.selections.extend(selection.cloned());
        let key = (attribute.class_id, attribute.instance, attribute.attribute);
        out.extend_from_slice(self.values.get(&key).ok_or(DataAccessResult::ObjectUndefined)?);
        Ok(())
    }

    fn set(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult> {
        let key = (attribute.class_id, attribute.instance, attribute.attribute);
        let stored = self.values.get_mut(&key).ok_or(DataAccessResult::ReadWriteDenied)?;
        stored.clear();
        value.encode(stored);
        Ok(())
    }

    fn action(
        &mut self,
        method: &MethodDescriptor,
        value: Option<&Data>,
    ) -> Result<Option<Data>, ActionResult> {
        match (method.class_id, method.method) {
            (9, 1) => Ok(value.cloned()),
            (70, 1) => Ok(None),
            _ => Err(ActionResult::ObjectUndefined),
        }
    }
}

pub(crate) fn key(octet: u8) -> Key {
    Key::new([octet; 16])
}

pub(crate) fn client_security(level: Level, counters: Counters) -> Security {
    match level {
        Level::None => Security::none(),
        Level::Lls => Security::lls(Password::new(PASSWORD)),
        Level::Gmac => Security::gmac(CLIENT, keys(), CHALLENGE, counters),
    }
}

pub(crate) fn keys() -> GlobalKeys {
    GlobalKeys::of_suite_0(key(0xE1), key(0xA1))
}

/// HLS with GMAC on the side of the meter.
pub(crate) fn gmac_meter(
    title: SystemTitle,
    keys: GlobalKeys,
    challenge: [u8; 16],
    last_client_counter: Option<u32>,
) -> server::Security {
    server::Security::gmac(title, keys, challenge, Counters::new(1, 100_000), last_client_counter)
}

pub(crate) fn parameters(level: Level, max_receive_pdu: u16) -> Parameters {
    let security = client_security(level, Counters::new(100, 100_000));
    Parameters { security, conformance: Conformance::CLIENT, max_receive_pdu }
}

pub(crate) fn policy(level: Level, max_pdu: u16, last_client_counter: Option<u32>) -> Policy {
    let security = match level {
        Level::None => server::Security::none(),
        Level::Lls => server::Security::lls(Password::new(PASSWORD)),
        Level::Gmac => gmac_meter(METER, keys(), METER_CHALLENGE, last_client_counter),
    };
    Policy { security, max_pdu, conformance: Conformance::CLIENT }
}

/// Hands `request` to the meter and returns its answer.
pub(crate) fn exchange(session: &mut Session, meter: &mut Meter, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    session.handle(&mut request.to_vec(), meter, &mut answer);
    answer
}

/// Opens an association.
pub(crate) fn open(
    session: &mut Session,
    meter: &mut Meter,
    parameters: Parameters,
) -> Result<Association, Error> {
    let mut request = Vec::new();
    let mut opening = Opening::start(parameters, &mut request)?;
    for _ in 0..12 {
        let mut answer = exchange(session, meter, &request);
        request.clear();
        match opening.handle(&mut answer, &mut request)? {
            Opened::Send(next) => opening = next,
            Opened::Established(association) => return Ok(association),
        }
    }
    panic!("opening takes more than twelve exchanges");
}

/// Client and meter with an association between them.
pub(crate) struct Pair {
    pub(crate) session: Session,
    pub(crate) meter: Meter,
    pub(crate) client: Association,
}

impl Pair {
    pub(crate) fn new(level: Level, client_pdu: u16, meter_pdu: u16) -> Self {
        let mut session = Session::new(policy(level, meter_pdu, None));
        let mut meter = Meter::default();
        let client = open(&mut session, &mut meter, parameters(level, client_pdu)).unwrap();
        Self { session, meter, client }
    }

    pub(crate) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        exchange(&mut self.session, &mut self.meter, request)
    }

    /// Reads a value, block by block; also says how many exchanges it took and the longest answer.
    pub(crate) fn read(&mut self, attribute: &AttributeDescriptor) -> Result<(Vec<u8>, usize, usize), Error> {
        let (mut request, mut value) = (Vec::new(), Vec::new());
        self.client.get(attribute, None, &mut request)?;
        let mut longest = 0;
        for exchanges in 1..100_000 {
            let mut answer = self.answer(&request);
            longest = longest.max(answer.len());
            request.clear();
            match self.client.handle(&mut answer)? {
                Reply::Block(piece) => value.extend_from_slice(piece),
                Reply::Data(piece) => {
                    value.extend_from_slice(piece);
                    return Ok((value, exchanges, longest));
                }
                other => panic!("{other:?} in answer to a GET"),
            }
            self.client.next_block(&mut request)?;
        }
        panic!("the value does not end");
    }

    /// Sets a value, block by block; also says how many exchanges it took and the longest request.
    pub(crate) fn write(
        &mut self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(usize, usize), Error> {
        let mut request = Vec::new();
        self.client.set(attribute, value, &mut request)?;
        let mut longest = 0;
        for exchanges in 1..100_000 {
            longest = longest.max(request.len());
            let mut answer = self.answer(&request);
            request.clear();
            match self.client.handle(&mut answer)? {
                Reply::BlockTaken => self.client.next_block(&mut request)?,
                Reply::Set => return Ok((exchanges, longest)),
                other => panic!("{other:?} in answer to a SET"),
            }
        }
        panic!("the value does not end");
    }

    /// Invokes a method, both ways block by block; also says the longest APDU of either side.
    pub(crate) fn invoke(
        &mut self,
        method: &MethodDescriptor,
        parameters: Option<&Data>,
    ) -> Result<(Option<Vec<u8>>, usize, usize), Error> {
        let (mut request, mut value) = (Vec::new(), Vec::new());
        self.client.action(method, parameters, &mut request)?;
        let (mut asked, mut answered) = (0, 0);
        for _ in 1..100_000 {
            asked = asked.max(request.len());
            let mut answer = self.answer(&request);
            answered = answered.max(answer.len());
            request.clear();
            match self.client.handle(&mut answer)? {
                Reply::BlockTaken => {}
                Reply::Block(piece) => value.extend_from_slice(piece),
                Reply::Action(None) => return Ok((None, asked, answered)),
                Reply::Action(Some(piece)) => {
                    value.extend_from_slice(piece);
                    return Ok((Some(value), asked, answered));
                }
                other => panic!("{other:?} in answer to an ACTION"),
            }
            self.client.next_block(&mut request)?;
        }
        panic!("the value does not end");
    }
}

pub(crate) fn attribute(class_id: u16, name: &str, attribute: i8) -> AttributeDescriptor {
    AttributeDescriptor { class_id, instance: name.parse().unwrap(), attribute }
}

pub(crate) fn method(class_id: u16, name: &str, method: i8) -> MethodDescriptor {
    MethodDescriptor { class_id, instance: name.parse().unwrap(), method }
}
