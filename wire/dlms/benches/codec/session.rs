//! A whole session with a meter over TCP on the loopback interface.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use dlms::client::{Association, Opened, Opening, Reply};
use dlms::profile::Rows;
use dlms::server::Session;
use dlms::wrapper;

use crate::common::{self, Level, exchange, parameters, policy};
use crate::day;

/// Longest APDU: the day comes in blocks.
const PDU: u16 = 512;

/// A meter that answers on a port of its own until the program ends.
pub(crate) struct Meter {
    pub(crate) address: SocketAddr,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
        Self { address }
    }
}

/// Exchanges of a session: AARQ, proof, eight blocks, RLRQ.
const EXCHANGES: usize = 11;
/// Octets of a ciphered request for a block, with its wrapper.
const REQUEST: usize = 35;

/// A peer that answers every request with a block of octets that mean nothing.
pub(crate) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = [0; REQUEST];
            while stream.read_exact(&mut request).is_ok() {
                stream.write_all(&[0; PDU as usize]).unwrap();
            }
        }
    });
    address
}

/// As many exchanges as a session has, of the same length, from the connection to its end.
pub(crate) fn round_trips(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; PDU as usize];
    for _ in 0..EXCHANGES {
        stream.write_all(&[0; REQUEST]).unwrap();
        stream.read_exact(&mut answer).unwrap();
    }
}

fn serve(stream: TcpStream) {
    let mut line = Line::new(stream);
    let mut session = Session::new(policy(Level::Gmac, PDU, None));
    let mut meter = common::Meter::default();
    let profile = day::profile();
    meter.values.insert((profile.class_id, profile.instance, profile.attribute), day::buffer());
    while let Some(request) = line.receive().map(|request| request.to_vec()) {
        line.send(&exchange(&mut session, &mut meter, &request));
    }
}

/// Reads the day, from the connection to the release.
pub(crate) fn read(address: SocketAddr) -> Rows {
    let mut line = Line::new(TcpStream::connect(address).unwrap());
    let mut client = open(&mut line);
    let (mut request, mut value) = (Vec::new(), Vec::new());
    client.get(&day::profile(), None, &mut request).unwrap();
    loop {
        match client.handle(line.ask(&request)).unwrap() {
            Reply::Block(piece) => value.extend_from_slice(piece),
            Reply::Data(piece) => {
                value.extend_from_slice(piece);
                break;
            }
            other => panic!("{other:?}"),
        }
        request.clear();
        client.next_block(&mut request).unwrap();
    }
    let mut rows = Rows::default();
    day::decode(&value, &mut rows);
    request.clear();
    client.release(&mut request).unwrap();
    client.handle(line.ask(&request)).unwrap();
    rows
}

fn open(line: &mut Line) -> Association {
    let mut request = Vec::new();
    let mut opening = Opening::start(parameters(Level::Gmac, PDU), &mut request).unwrap();
    loop {
        let answer = line.ask(&std::mem::take(&mut request));
        match opening.handle(answer, &mut request).unwrap() {
            Opened::Send(next) => opening = next,
            Opened::Established(association) => return association,
        }
    }
}

/// One end of a connection.
struct Line {
    stream: TcpStream,
    splitter: wrapper::Splitter,
    out: Vec<u8>,
}

impl Line {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, splitter: wrapper::Splitter::new(u16::MAX), out: Vec::new() }
    }

    fn ask(&mut self, request: &[u8]) -> &mut [u8] {
        self.send(request);
        self.receive().unwrap()
    }

    fn send(&mut self, apdu: &[u8]) {
        self.out.clear();
        wrapper::frame(16, 1, apdu, &mut self.out).unwrap();
        self.stream.write_all(&self.out).unwrap();
    }

    /// The next APDU; `None` when the other end has gone.
    fn receive(&mut self) -> Option<&mut [u8]> {
        let mut octets = [0; 4096];
        while !self.is_whole() {
            match self.stream.read(&mut octets).unwrap() {
                0 => return None,
                read => self.splitter.push(&octets[..read]),
            }
        }
        self.splitter.next_frame().unwrap().map(|(_, apdu)| apdu)
    }

    fn is_whole(&self) -> bool {
        let rest = self.splitter.rest();
        let length = rest.first_chunk().map(|header| wrapper::Header::decode(header).unwrap().length);
        length.is_some_and(|length| rest.len() >= wrapper::HEADER_LENGTH + usize::from(length))
    }
}
