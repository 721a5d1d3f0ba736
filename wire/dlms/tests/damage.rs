//! Messages that are cut, and answers that are altered anywhere: what a client takes for whole is whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/apdu.rs"]
mod apdu;
mod common;
#[allow(dead_code, reason = "shared with tests/vectors.rs, which uses the rest")]
#[path = "vectors/store.rs"]
mod store;

use apdu::Apdu;
use common::{Level, Pair, attribute};
use dlms::axdr::{CompactArray, Data, TypeDescription};
use dlms::client::Reply;
use dlms::profile::{Column, NullRule, RowDecoder, Rows};
use dlms::{AttributeDescriptor, DateTime, Error};

const COLUMNS: [Column; 3] = [Column::Clock, Column::Value, Column::Value];
/// Octets of an APDU that holds the whole answer, and of one that holds a part of it.
const PDUS: [u16; 2] = [1024, 64];

/// C-08: whatever is cut is truncated, wherever it is cut.
#[test]
fn c_08_a_vector_cut_anywhere_is_truncated() {
    let mut cut = 0;
    for vector in store::all() {
        let whole = vector.octets.len();
        // Of a long one, a part of the places.
        let ends = || (0..whole).step_by(1 + whole / 500).chain(whole.checked_sub(1));
        if Apdu::decode(&vector.octets).is_ok() {
            for end in ends() {
                assert!(Apdu::is_cut(&vector.octets[..end]), "{} cut at {end}", vector.id);
            }
            cut += 1;
        }
        if Data::decode(&vector.octets).is_ok() {
            for end in ends() {
                let piece = Data::decode(&vector.octets[..end]);
                assert_eq!(piece, Err(Error::Truncated), "{} cut at {end}", vector.id);
            }
            cut += 1;
        }
    }
    assert!(cut > 100, "{cut} vectors");
}

/// C-08: of an answer in one piece and in blocks, with and without protection, nothing may be missing.
#[test]
fn c_08_a_profile_cut_anywhere_is_not_taken() {
    for level in [Level::None, Level::Gmac] {
        for buffer in [rows(), compact_rows()] {
            for pdu in PDUS {
                let answers = answers(level, pdu, &buffer);
                let whole = read(level, pdu, &answers).unwrap();
                assert_eq!(
                    (whole.value, whole.rows.len(), whole.answers),
                    (buffer.clone(), 2, answers.len())
                );
                for (number, answer) in answers.iter().enumerate() {
                    for end in 0..answer.len() {
                        let mut cut = answers[..number].to_vec();
                        cut.push(answer[..end].to_vec());
                        assert!(read(level, pdu, &cut).is_err(), "{number}, {end}: {answer:02X?}");
                    }
                    assert!(read(level, pdu, &answers[..number]).is_err(), "{number} of {}", answers.len());
                }
            }
        }
    }
}

/// C-07 and C-08: thousands of answers with a few octets altered. Without protection some of them are another answer, but none that is taken
/// can do without its last octet, or has another number of rows than it says.
#[test]
fn c_08_blind_mutations_of_a_profile_are_refused_or_whole() {
    let (mut taken, mut refused) = (0, 0);
    for buffer in [rows(), compact_rows()] {
        for pdu in PDUS {
            let answers = answers(Level::None, pdu, &buffer);
            for seed in 0..2_000 {
                let mut dice = Dice(seed);
                let mut altered = answers.clone();
                dice.alter(&mut altered);
                let Ok(whole) = read(Level::None, pdu, &altered) else {
                    refused += 1;
                    continue;
                };
                taken += 1;
                if let [1, announced, ..] = whole.value[..] {
                    assert_eq!(whole.rows.len(), usize::from(announced), "{altered:02X?}");
                }
                altered.truncate(whole.answers);
                altered[whole.answers - 1].pop();
                assert!(read(Level::None, pdu, &altered).is_err(), "{altered:02X?}");
            }
        }
    }
    println!("{taken} were taken, {refused} refused");
    // Both happen: digits may change where nothing protects them, and little else.
    assert!(taken > 500 && refused > 2_000, "{taken} were taken, {refused} refused");
}

/// C-13: under protection, whatever is altered is refused.
#[test]
fn c_13_blind_mutations_of_a_protected_profile_are_refused() {
    for pdu in PDUS {
        let answers = answers(Level::Gmac, pdu, &rows());
        for seed in 0..1_000 {
            let mut altered = answers.clone();
            Dice(seed).alter(&mut altered);
            if altered != answers {
                assert!(read(Level::Gmac, pdu, &altered).is_err(), "{altered:02X?}");
            }
        }
    }
}

fn buffer() -> AttributeDescriptor {
    attribute(7, "1.0.99.1.0.255", 2)
}

/// Two captures of energy and voltage.
fn captures() -> Vec<Vec<Data>> {
    let capture = |seconds, energy, voltage| {
        let time = DateTime::from_unix(seconds, Some(0), 0);
        vec![
            Data::OctetString(time.octets().to_vec()),
            Data::DoubleLongUnsigned(energy),
            Data::LongUnsigned(voltage),
        ]
    };
    vec![capture(1_780_000_200, 4711, 2301), capture(1_780_001_100, 4722, 2299)]
}

fn rows() -> Vec<u8> {
    encoded(&Data::Array(captures().into_iter().map(Data::Structure).collect()))
}

fn compact_rows() -> Vec<u8> {
    let item = TypeDescription::Structure([9, 6, 18].map(TypeDescription::Simple).to_vec());
    let items = captures().into_iter().map(Data::Structure).collect();
    encoded(&Data::CompactArray(CompactArray { item, items }))
}

fn encoded(data: &Data) -> Vec<u8> {
    let mut octets = Vec::new();
    data.encode(&mut octets);
    octets
}

/// What a meter answers, block by block, when the buffer is read.
fn answers(level: Level, pdu: u16, value: &[u8]) -> Vec<Vec<u8>> {
    let mut pair = Pair::new(level, pdu, 1024);
    pair.meter.values.insert((7, buffer().instance, 2), value.to_vec());
    let (mut request, mut answers) = (Vec::new(), Vec::new());
    pair.client.get(&buffer(), None, &mut request).unwrap();
    loop {
        let mut answer = pair.answer(&request);
        answers.push(answer.clone());
        match pair.client.handle(&mut answer).unwrap() {
            Reply::Block(_) => {}
            Reply::Data(_) => return answers,
            other => panic!("{other:?} in answer to a GET"),
        }
        request.clear();
        pair.client.next_block(&mut request).unwrap();
    }
}

/// What a client took for whole.
struct Whole {
    /// The octets of the value.
    value: Vec<u8>,
    rows: Rows,
    /// Answers that were needed.
    answers: usize,
}

/// What a client makes of these answers.
fn read(level: Level, pdu: u16, answers: &[Vec<u8>]) -> Result<Whole, Error> {
    let (mut client, mut request) = (Pair::new(level, pdu, 1024).client, Vec::new());
    client.get(&buffer(), None, &mut request)?;
    let mut decoder = RowDecoder::new(COLUMNS.to_vec(), NullRule::Absent);
    let (mut value, mut rows) = (Vec::new(), Rows::default());
    for (number, answer) in answers.iter().enumerate() {
        let mut answer = answer.clone();
        let (piece, is_last) = match client.handle(&mut answer)? {
            Reply::Block(piece) => (piece, false),
            Reply::Data(piece) => (piece, true),
            // It belongs to something else: the answer is still awaited, and does not come.
            _ => return Err(Error::Truncated),
        };
        value.extend_from_slice(piece);
        decoder.push(piece, &mut rows)?;
        if is_last {
            decoder.finish()?;
            return Ok(Whole { value, rows, answers: number + 1 });
        }
        client.next_block(&mut request)?;
    }
    Err(Error::Truncated)
}

/// Chances that are the same in every run.
struct Dice(u64);

impl Dice {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    /// Alters one to four places of one of the answers.
    fn alter(&mut self, answers: &mut [Vec<u8>]) {
        let number = self.below(answers.len());
        for _ in 0..=self.below(4) {
            self.alter_once(&mut answers[number]);
        }
    }

    fn alter_once(&mut self, octets: &mut Vec<u8>) {
        // Numbers at which lengths, types and signs turn into something else.
        const EDGES: [u8; 12] = [0, 1, 2, 9, 19, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xF9, 0xFF];
        if octets.is_empty() {
            return;
        }
        let at = self.below(octets.len());
        match self.below(8) {
            0 | 1 => octets[at] ^= 1 << self.below(8),
            2 | 3 => octets[at] = EDGES[self.below(EDGES.len())],
            4 => octets[at] = self.below(256) as u8,
            5 => drop(octets.remove(at)),
            6 => octets.insert(at, EDGES[self.below(EDGES.len())]),
            _ => octets.truncate(at),
        }
    }
}
