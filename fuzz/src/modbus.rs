//! Modbus RTU: answers among noise, requests that a server hears, and numbers.

use modbus::{Answer, Answers, Format, Kind, Order, Request, Requests, Table};

/// What is found in a stream was sent in it, and a number that was read is written as it was.
pub fn run(octets: &[u8]) {
    let [piece, server, count, stream @ ..] = octets else { return };
    let piece = usize::from(*piece).max(1);
    let count = u16::from(*count).clamp(1, 125);
    let mut requests = Requests::of(*server);
    for piece in stream.chunks(piece) {
        requests.push(piece);
        while let Some(request) = requests.next_request() {
            let mut again = Vec::new();
            request.encode(*server, &mut again).expect("what was heard can be sent");
            assert!(stream.windows(again.len()).any(|window| window == again), "nobody sent this request");
        }
    }
    for request in [
        Request::Read { table: Table::InputRegisters, first: 0, count },
        Request::Read { table: Table::Coils, first: 0, count },
        Request::WriteRegister { register: 5, value: 1 },
        Request::WriteRegisters { first: 1, octets: &[0, 1] },
    ] {
        answers(stream, piece, *server, &request);
    }
    for registers in [1, 2, 4] {
        for kind in [Kind::Unsigned, Kind::Signed, Kind::Bcd] {
            number(Format { registers, kind, order: Order::Badc }, stream);
        }
    }
    number(Format { registers: 2, kind: Kind::Float, order: Order::Badc }, stream);
}

/// What was read for a request stands in the stream as it is.
fn answers(stream: &[u8], piece: usize, server: u8, request: &Request<'_>) {
    let mut answers = Answers::new();
    for piece in stream.chunks(piece) {
        answers.push(piece);
        if let Ok(Some(Answer::Read(read))) = answers.answer(server, request) {
            assert!(stream.windows(read.len()).any(|window| window == read), "nobody sent this answer");
        }
    }
    assert!(answers.noise() <= stream.len() as u64);
}

/// A number that was read is written as it was.
fn number(format: Format, stream: &[u8]) {
    let Some(octets) = stream.get(..format.octets()) else { return };
    if let Ok(number) = format.read(octets) {
        let mut again = Vec::new();
        format.write(number, &mut again).expect("what was read can be written");
        // Zero has two signs and one meaning.
        assert!(again == octets || number.mantissa == 0, "{number:?}");
    }
}
