//! A client at work with a server that misbehaves: some of its answers are lost, cut, altered, repeated, or something else altogether.

#[path = "../../wire/dlms/tests/common/mod.rs"]
mod common;

use common::{LEVELS, Meter, attribute, exchange, method, open, parameters, policy};
use dlms::axdr::Data;
use dlms::client::{Association, Reply};
use dlms::server::Session;

/// Exchanges that one input may take: no answer makes a client ask for ever.
const EXCHANGES_MAX: usize = 200;
/// Octets that a client may keep of all answers to one request.
const KEPT_MAX: usize = 1 << 20;

/// A client comes to an end with anything, by a value or by an error, and never by a panic.
pub fn run(octets: &[u8]) {
    let Some((first, script)) = octets.split_first() else { return };
    let level = LEVELS[usize::from(first & 3) % LEVELS.len()];
    let sizes = [(64, 64), (1024, 128), (0, 65_535), (200, 1024)];
    let (client_pdu, meter_pdu) = sizes[usize::from(first >> 2) % sizes.len()];
    let mut session = Session::new(policy(level, meter_pdu, None));
    let mut meter = Meter::default();
    let clock = attribute(8, "0.0.1.0.0.255", 2);
    let list = Data::Array((0..80).map(Data::LongUnsigned).collect());
    let mut encoded = Vec::new();
    list.encode(&mut encoded);
    meter.values.insert((clock.class_id, clock.instance, clock.attribute), encoded);
    let Ok(client) = open(&mut session, &mut meter, parameters(level, client_pdu)) else { return };
    let mut line = Line { session, meter, script, last: Vec::new(), exchanges: 0 };
    line.work(client, &clock, &list);
}

/// A server, and what the script makes of its answers.
struct Line<'a> {
    session: Session,
    meter: Meter,
    script: &'a [u8],
    last: Vec<u8>,
    exchanges: usize,
}

impl Line<'_> {
    /// One request after the other, as the script says, until it ends or the association does.
    fn work(&mut self, mut client: Association, clock: &dlms::AttributeDescriptor, list: &Data) {
        while let Some(step) = self.byte() {
            let mut request = Vec::new();
            let asked = match step % 4 {
                0 => client.get(clock, None, &mut request),
                1 => client.set(clock, list, &mut request),
                2 => client.action(&method(9, "0.0.10.0.0.255", 1), Some(list), &mut request),
                _ => client.release(&mut request),
            };
            if asked.is_err() || self.follow(&mut client, request).is_none() {
                return;
            }
        }
    }

    /// Goes through with one request, however many blocks it takes. `None` when the association is of no use any more.
    fn follow(&mut self, client: &mut Association, mut request: Vec<u8>) -> Option<()> {
        let mut kept = 0;
        loop {
            let mut answer = self.answer(&request)?;
            request.clear();
            match client.handle(&mut answer) {
                Ok(Reply::Block(piece)) => kept += piece.len(),
                Ok(Reply::BlockTaken) => {}
                Ok(_) => return Some(()),
                Err(_) => return None,
            }
            assert!(kept <= KEPT_MAX);
            client.next_block(&mut request).ok()?;
        }
    }

    /// What comes back for a request; `None` when the script or the patience is over.
    fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        self.exchanges += 1;
        if self.exchanges > EXCHANGES_MAX {
            return None;
        }
        let mut answer = exchange(&mut self.session, &mut self.meter, request);
        let before = std::mem::replace(&mut self.last, answer.clone());
        match self.byte().unwrap_or(0) {
            0..128 => {}
            128..160 => {
                let (at, octet) = (usize::from(self.byte()?), self.byte()?);
                let at = at % answer.len().max(1);
                *answer.get_mut(at)? ^= octet;
            }
            160..192 => answer.truncate(usize::from(self.byte()?)),
            192..208 => answer = before,
            208..224 => answer.extend(std::iter::repeat_n(0, usize::from(self.byte()?))),
            _ => {
                let length = usize::from(self.byte()?).min(self.script.len());
                let (other, rest) = self.script.split_at(length);
                self.script = rest;
                answer = other.to_vec();
            }
        }
        Some(answer)
    }

    /// The next octet of the script.
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.script.split_first()?;
        self.script = rest;
        Some(*first)
    }
}
